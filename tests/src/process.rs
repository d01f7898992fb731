//! The real programs: built if they are missing, run as processes of their own.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The programs of the services.
pub const SERVICES: [&str; 4] = ["token-broker", "collector", "normalizer", "exporter"];

/// Builds the programs of this workspace as Cargo builds them in the profile of this test. Returns where they are.
pub fn built() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let here = me.parent().unwrap();
    // Tests are one directory below programs.
    let profile = match here.ends_with("deps") {
        true => here.parent().unwrap(),
        false => here,
    };
    let mut build = Command::new(env!("CARGO"));
    // Together with this package, so that what both use is built once, with the same features.
    build
        .args([
            "build",
            "--quiet",
            "-p",
            "tests",
            "-p",
            "graph-sim",
            "-p",
            "leastwise",
        ])
        .args(SERVICES.iter().flat_map(|s| ["-p", *s]))
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    // Nothing to do for Cargo when it is built already.
    assert!(
        build.status().unwrap().success(),
        "the programs can't be built"
    );
    profile.to_owned()
}

/// A program of this workspace.
pub fn program(name: &str) -> Command {
    plain(built().join(name))
}

/// A command that finds nothing of ours in its environment.
pub fn plain(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_remove("LEASTWISE_CONFIG")
        .env_remove("LEASTWISE_LOG");
    command
}

/// A process that is killed when the test ends.
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Running {
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running(piped.spawn().unwrap())
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: exit code (none after a signal), and everything it wrote.
    pub fn end(mut self) -> Ended {
        let (mut out, mut err) = (String::new(), String::new());
        let stdout = self.0.stdout.take();
        let errors = self.0.stderr.take();
        let reader = std::thread::spawn(move || {
            errors.map(|mut e| e.read_to_string(&mut err).unwrap());
            err
        });
        stdout.map(|mut o| o.read_to_string(&mut out).unwrap());
        let code = self.0.wait().unwrap().code();
        Ended {
            code,
            out,
            err: reader.join().unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process left.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Ended {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The simulator as a process, on a port of its own.
pub struct Simulator {
    /// What it says of its first tenant.
    pub tenant: Value,
    address: String,
    _process: Running,
}

impl Simulator {
    /// Starts it and waits until it says where it is.
    pub fn start(users: u32, seed: u64) -> Simulator {
        Self::in_scenario(users, seed, "")
    }

    /// The same with a scenario, as TOML.
    pub fn in_scenario(users: u32, seed: u64, scenario: &str) -> Simulator {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), scenario).unwrap();
        let mut command = program("graph-sim");
        command.args(["--users", &users.to_string(), "--seed", &seed.to_string()]);
        // It is read before the simulator says where it is.
        Self::of(command.arg("--scenario").arg(file.path()))
    }

    /// As [`start`](Self::start), by a command of one's own.
    pub fn of(command: &mut Command) -> Simulator {
        let mut process = Running::start(command);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let control = ready["control"].as_str().unwrap();
        let address = control
            .trim_start_matches("http://")
            .trim_start_matches("https://")
            .split('/')
            .next()
            .unwrap();
        Simulator {
            tenant: ready["tenants"][0].clone(),
            address: address.to_owned(),
            _process: process,
        }
    }

    /// A property of its first tenant.
    pub fn text(&self, name: &str) -> &str {
        self.tenant[name].as_str().unwrap()
    }

    /// Asks a control endpoint; the answer's body.
    pub fn control(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} /_control/{path} HTTP/1.0\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.0 2") || head.starts_with("HTTP/1.1 2"),
            "{head}"
        );
        body.to_owned()
    }

    /// The log: pages of users that were read, by the index of their first user.
    pub fn pages(&self) -> Vec<u64> {
        let log: Value = serde_json::from_str(&self.control("GET", "log", "")).unwrap();
        let pages = log.as_array().unwrap().iter();
        pages
            .filter(|e| e["path"] == "/users" && e["batched"] == false && e["status"] == 200)
            // Names, beside what Graph counts.
            .filter(|e| !e["query"].as_str().unwrap().contains("$count"))
            .filter_map(|e| e["first"].as_u64())
            .collect()
    }
}

/// A configured installation in a temporary directory.
pub struct Installation {
    home: tempfile::TempDir,
}

impl Installation {
    /// What a person types for a new tenant.
    pub fn of(sim: &Simulator) -> Installation {
        let home = tempfile::tempdir().unwrap();
        let installation = Installation { home };
        let init = installation.run([
            "init",
            "--tenant-id",
            sim.text("id"),
            "--client-id",
            sim.text("clientId"),
            "--authority",
            sim.text("authority"),
            "--graph",
            sim.text("graph"),
        ]);
        assert_eq!(init.code, Some(0), "{init:?}");
        installation.write("client-secret", sim.text("clientSecret"));
        installation
    }

    /// A file or directory in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The command, to be started in it.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = program("leastwise");
        command.args(arguments).current_dir(self.home.path());
        command
    }

    /// Runs the command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs the command, which must succeed.
    #[track_caller]
    pub fn works<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }

    /// What a command, which must succeed, prints as JSON.
    #[track_caller]
    pub fn json<const N: usize>(&self, arguments: [&str; N]) -> Value {
        let arguments = arguments.into_iter().chain(["--output", "json"]);
        serde_json::from_str(&self.works(arguments)).unwrap()
    }
}

/// The files of an inventory, without the manifest, which tells times.
pub fn inventory(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|f| f.extension().is_some_and(|e| e == "ndjson"))
        .map(|f| {
            (
                f.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(&f).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
