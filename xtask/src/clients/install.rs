//! Installs other people's programs from PyPI and npm into the target directory, once for each set of pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::copy;
use crate::command::{command, passes_with_output};
use crate::{needs, workspace};

/// Programs of one language.
pub struct Clients {
    /// For people.
    pub name: &'static str,
    /// Where its pins and scripts are, from the root of the workspace.
    from: &'static str,
    /// Its directory in `target/clients`.
    folder: &'static str,
    /// What is run, in this order.
    pub scripts: &'static [&'static str],
    /// What starts an OpenID provider in this language.
    pub provider: Option<&'static str>,
    /// What calls the token-broker by a client made of its contract.
    pub contract: Option<&'static str>,
    /// What pins them: a change of it installs anew.
    pins: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Python,
    Node,
}

/// Whether clients are there.
pub enum Installed {
    /// They are, in this directory.
    At(PathBuf),
    /// They can't be had here, for this reason.
    Not(String),
}

/// A language is an entry here.
pub const ALL: [Clients; 2] = [
    Clients {
        name: "Graph clients in Python",
        from: "tests/graph-sim/clients/python",
        folder: "python",
        scripts: &["tokens.py", "read.py"],
        provider: None,
        contract: Some("contract.py"),
        pins: "requirements.txt",
        kind: Kind::Python,
    },
    Clients {
        name: "Graph clients in Node",
        from: "tests/graph-sim/clients/node",
        folder: "node",
        scripts: &["tokens.mjs", "read.mjs"],
        provider: Some("provider.mjs"),
        contract: None,
        pins: "package-lock.json",
        kind: Kind::Node,
    },
];

/// Readers beside which Leastwise is measured.
pub const PEERS: Clients = Clients {
    name: "readers of Microsoft 365 in Python",
    from: "tests/graph-sim/clients/peers",
    folder: "peers",
    scripts: &[],
    provider: None,
    contract: None,
    pins: "requirements.txt",
    kind: Kind::Python,
};

/// What reads what sinks have written, and what plays the systems that they write to. Tests run them through
/// `servers::Python` and `servers::Prism`, which look for them by these folders.
pub const SINKS: [Clients; 2] = [
    Clients {
        name: "readers of sinks in Python",
        from: "tests/sinks/python",
        folder: "sinks-python",
        scripts: &[],
        provider: None,
        contract: None,
        pins: "requirements.txt",
        kind: Kind::Python,
    },
    Clients {
        name: "players of vendors in Node",
        from: "tests/sinks/node",
        folder: "sinks-node",
        scripts: &[],
        provider: None,
        contract: None,
        pins: "package-lock.json",
        kind: Kind::Node,
    },
];

/// What renders manifests and judges them, by `servers::Python` and `servers::Node`.
pub const DEPLOY: [Clients; 2] = [
    Clients {
        name: "judges of manifests in Python",
        from: "tests/deploy/python",
        folder: "deploy-python",
        scripts: &[],
        provider: None,
        contract: None,
        pins: "requirements.txt",
        kind: Kind::Python,
    },
    Clients {
        name: "schemas of manifests in Node",
        from: "tests/deploy/node",
        folder: "deploy-node",
        scripts: &[],
        provider: None,
        contract: None,
        pins: "package-lock.json",
        kind: Kind::Node,
    },
];

/// What judges dashboards. A test runs it through `servers::Grafana`, which looks for it by this folder.
pub const DASHBOARDS: Clients = Clients {
    name: "types of Grafana's",
    from: "tests/dashboards",
    folder: "dashboards",
    scripts: &[],
    provider: None,
    contract: None,
    pins: "package-lock.json",
    kind: Kind::Node,
};

/// How pip and npm tell that they reached nobody, or nobody who answers.
const UNREACHABLE: [&str; 9] = [
    "Retrying (Retry(",
    "HTTP error 5",
    "npm error network",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "npm error code E5",
];

/// How they tell that somebody answered, with something else than what is pinned.
const NOT_AS_PINNED: [&str; 2] = ["DO NOT MATCH THE HASHES", "EINTEGRITY"];

impl Clients {
    /// Installs them where that is needed, with what the machine lacks for it.
    pub fn installed(&self) -> Result<Installed> {
        let missing = match self.kind {
            Kind::Python => needs::python(),
            Kind::Node => needs::npm(),
        };
        if let Err(why) = missing {
            return Ok(Installed::Not(format!("{why:#}")));
        }
        let home = self.home();
        // The last file to be written: without it nothing is known about the directory.
        let stamp = home.join("installed");
        let wanted = self.wanted()?;
        if fs::read_to_string(&stamp).is_ok_and(|is| is == wanted) {
            return Ok(Installed::At(home));
        }
        if home.exists() {
            fs::remove_dir_all(&home).with_context(|| format!("remove {}", home.display()))?;
        }
        fs::create_dir_all(&home).with_context(|| format!("make {}", home.display()))?;
        eprintln!("installing the {} into {}", self.name, home.display());
        let (ok, printed) = self.install(&home)?;
        if ok {
            fs::write(stamp, wanted)?;
            return Ok(Installed::At(home));
        }
        let says = |signs: &[&str]| signs.iter().any(|sign| printed.contains(sign));
        if says(&UNREACHABLE) && !says(&NOT_AS_PINNED) {
            return Ok(Installed::Not("the registry can't be reached".to_owned()));
        }
        bail!("installing the {} failed", self.name)
    }

    /// Where they are, or will be.
    pub fn home(&self) -> PathBuf {
        workspace::target().join("clients").join(self.folder)
    }

    /// What must be there: the pins, and for Python, of which one is in the directory, which it is.
    fn wanted(&self) -> Result<String> {
        let pins = self.scripts().join(self.pins);
        let mut wanted =
            fs::read_to_string(&pins).with_context(|| format!("read {}", pins.display()))?;
        if let Kind::Python = self.kind {
            let mut python = command("python3");
            let version = python.arg("--version").stdin(Stdio::null()).output()?;
            wanted.push_str(&String::from_utf8_lossy(&version.stdout));
        }
        Ok(wanted)
    }

    fn install(&self, home: &Path) -> Result<(bool, String)> {
        let from = self.scripts();
        match self.kind {
            Kind::Python => {
                let venv = passes_with_output(command("python3").args(["-m", "venv"]).arg(home))?;
                if !venv.0 {
                    return Ok(venv);
                }
                let mut pip = command(home.join("bin/python"));
                pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
                    .args(["--disable-pip-version-check", "--only-binary", ":all:"])
                    .args(["--require-hashes", "--requirement"])
                    .arg(from.join(self.pins));
                passes_with_output(&mut pip)
            }
            Kind::Node => {
                copy(&from, home)?;
                let mut npm = Command::new("npm");
                npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .args(["--loglevel", "error"])
                    .current_dir(home);
                passes_with_output(&mut npm)
            }
        }
    }

    /// What runs a script.
    pub fn interpreter(&self, home: &Path) -> PathBuf {
        home.join(match self.kind {
            Kind::Python => "bin/python",
            Kind::Node => "node_modules/.bin/node",
        })
    }

    /// Where the script is, up to date.
    pub fn script(&self, home: &Path, name: &str) -> Result<PathBuf> {
        let from = self.scripts();
        Ok(match self.kind {
            Kind::Python => from.join(name),
            // Node looks for modules beside the script only.
            Kind::Node => {
                copy(&from, home)?;
                home.join(name)
            }
        })
    }

    /// Where its scripts are.
    pub fn scripts(&self) -> PathBuf {
        workspace::root().join(self.from)
    }
}
