//! Containers: images that are built from a directory, and pods that run them in a network of their own.
//!
//! Everything lies below one directory and is gone with it: podman's usual store is not touched.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::others::not_run;
use crate::ports;
use crate::run::{quoted, text};

/// Debian's packages that bring what is needed.
pub const PACKAGES: [&str; 8] = [
    "podman",
    "buildah",
    "runc",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "conmon",
    "iptables",
];

/// What is left of one of these directories once nobody uses it.
const PREFIX: &str = "leastwise-podman-";

/// A store of images and containers.
pub struct Podman {
    home: PathBuf,
    /// It is the caller's and stays, with its images.
    stays: bool,
}

/// A network whose pods reach each other and this machine, by the address of its gateway, and nobody else.
pub struct Network<'a> {
    podman: &'a Podman,
    name: String,
    /// Three numbers, of which it has all addresses.
    prefix: [u8; 3],
}

impl Podman {
    /// With a store that goes when this value is dropped. `None`, and that is said loudly, where this machine runs no
    /// containers.
    pub fn start() -> Result<Option<Self>> {
        if let Some(why) = Self::missing() {
            not_run("podman", &why);
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix(PREFIX).tempdir()?.keep();
        let podman = Self { home, stays: false };
        podman.settings()?;
        // An empty network tells whether namespaces and the firewall can be had.
        let tried = podman.network().map(drop);
        if let Err(why) = tried {
            not_run("podman", &format!("it can't make a network here: {why:#}"));
            return Ok(None);
        }
        Ok(Some(podman))
    }

    /// With a store in a directory that stays: to build images only.
    pub fn at(home: &Path) -> Result<Self> {
        fs::create_dir_all(home).with_context(|| format!("make {}", home.display()))?;
        let podman = Self {
            home: home.canonicalize()?,
            stays: true,
        };
        podman.settings()?;
        Ok(podman)
    }

    /// Why there are no containers.
    fn missing() -> Option<String> {
        let there = |name: &str| {
            ["/usr/bin", "/usr/sbin", "/usr/lib/podman"]
                .iter()
                .any(|place| Path::new(place).join(name).exists())
        };
        let needed = [
            "podman",
            "buildah",
            "runc",
            "netavark",
            "aardvark-dns",
            "conmon",
            "iptables",
        ];
        let absent: Vec<_> = needed.into_iter().filter(|name| !there(name)).collect();
        if !absent.is_empty() {
            return Some(format!("{} is not installed", absent.join(", ")));
        }
        let root = text(Command::new("id").arg("-u"), "").is_ok_and(|id| id.trim() == "0");
        (!root).then(|| "networks of containers need root".to_owned())
    }

    /// One store, no service of the machine's: neither systemd nor a registry.
    fn settings(&self) -> Result<()> {
        let at = |name: &str| self.home.join(name).display().to_string();
        let containers = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\nlog_driver = \"k8s-file\"\n\
             [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
             tmp_dir = \"{}\"\nlock_type = \"file\"\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"{}\"\n",
            at("tmp"),
            at("networks")
        );
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            at("store"),
            at("run")
        );
        fs::create_dir_all(self.home.join("networks"))?;
        fs::write(self.home.join("containers.conf"), containers)?;
        fs::write(self.home.join("storage.conf"), storage)?;
        // Nothing is pulled: all images are made here.
        fs::write(
            self.home.join("registries.conf"),
            "unqualified-search-registries = []\n",
        )?;
        Ok(())
    }

    /// `podman` or `buildah` on this store.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("CONTAINERS_CONF", self.home.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.home.join("storage.conf"))
            .env(
                "CONTAINERS_REGISTRIES_CONF",
                self.home.join("registries.conf"),
            )
            .current_dir(&self.home);
        command
    }

    /// What `podman` prints.
    pub fn podman<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Result<String> {
        text(self.command("podman").args(arguments), "")
    }

    /// What `podman … --format json` prints.
    pub fn json<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Result<Value> {
        serde_json::from_str(&self.podman(arguments)?).context("podman did not print JSON")
    }

    /// Builds an image from a Containerfile and a directory, with every time in it `epoch`, so that the same files are the
    /// same image.
    pub fn build(
        &self,
        containerfile: &Path,
        context: &Path,
        tag: &str,
        epoch: u64,
        arguments: &[(&str, &str)],
    ) -> Result<()> {
        let mut build = self.command("buildah");
        build.args(["bud", "--quiet", "--isolation", "chroot", "--timestamp"]);
        build.arg(epoch.to_string());
        for (name, value) in arguments {
            build.arg("--build-arg").arg(format!("{name}={value}"));
        }
        build
            .args(["--tag", tag, "--file"])
            .arg(containerfile)
            .arg(context);
        text(&mut build, "").map(drop)
    }

    /// Writes an image to a file, and returns its digest.
    pub fn save(&self, image: &str, archive: &Path) -> Result<String> {
        fs::remove_file(archive).ok();
        let digest = archive.with_extension("digest");
        let mut push = self.command("buildah");
        push.args(["push", "--quiet", "--digestfile"])
            .arg(&digest)
            .arg(image);
        push.arg(format!("oci-archive:{}", archive.display()));
        text(&mut push, "")?;
        let read = fs::read_to_string(&digest)?;
        fs::remove_file(digest)?;
        Ok(read.trim().to_owned())
    }

    /// Makes a network, with a pod in it that does nothing: without one its gateway would not be there.
    pub fn network(&self) -> Result<Network<'_>> {
        let mut tries = 5;
        loop {
            // One of 10.90.0.0/16 that nobody else has.
            let third = (ports::random() % 256) as u8;
            let network = Network {
                podman: self,
                name: format!("leastwise-{:08x}", ports::random() & 0xffff_ffff),
                prefix: [10, 90, third],
            };
            let made = network.make();
            tries -= 1;
            match made {
                Ok(()) => return Ok(network),
                Err(error) if tries == 0 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Ends every pod, for whoever wants to end one before the store.
    pub fn remove_pods(&self) -> Result<()> {
        self.podman(&["pod", "rm", "--all", "--force", "--time", "1"])
            .map(drop)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // Nothing can be done if this fails: what is left is in the machine's temporary directory.
        self.remove_pods().ok();
        self.podman(&["network", "prune", "--force"]).ok();
        self.podman(&["system", "reset", "--force"]).ok();
        fs::remove_dir_all(&self.home).ok();
    }
}

impl Network<'_> {
    /// What pods know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This machine, as its pods see it.
    pub fn gateway(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// One of its addresses.
    pub fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, last)
    }

    fn make(&self) -> Result<()> {
        let (subnet, gateway) = (
            format!("{}/24", self.address(0)),
            self.gateway().to_string(),
        );
        let holder = format!("{}-holder", self.name);
        let name = &*self.name;
        for step in [
            vec![
                "network",
                "create",
                "--internal",
                "--subnet",
                &subnet,
                "--gateway",
                &gateway,
                name,
            ],
            vec!["pod", "create", "--network", name, "--name", &holder],
            vec!["pod", "start", &holder],
        ] {
            self.podman.podman(&step)?;
        }
        Ok(())
    }

    /// Runs the objects of a file, pods among them, in this network; the pods have the address if one is given.
    pub fn play(&self, file: &Path, address: Option<Ipv4Addr>) -> Result<()> {
        let mut play = self.podman.command("podman");
        play.args(["play", "kube", "--network", &self.name]);
        if let Some(address) = address {
            play.args(["--ip", &address.to_string()]);
        }
        let played = text(play.arg(file), "");
        played
            .with_context(|| format!("play {}", quoted(file)))
            .map(drop)
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        // With the pods in it.
        let removal = ["network", "rm", "--force", "--time", "1", &self.name];
        self.podman.podman(&removal).ok();
    }
}
