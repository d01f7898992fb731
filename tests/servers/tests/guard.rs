//! Nothing is left of a server whose process is killed.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use servers::{Postgres, RabbitMq, postgres, rabbitmq, wait_until};

/// Tells this test's second process, which starts a server and is killed, where to write the server's directory.
const TELL: &str = "SERVERS_TEST_TELL";

#[test]
fn nothing_is_left_of_postgres() {
    nothing_is_left("nothing_is_left_of_postgres", || {
        let server = Postgres::start(&postgres::Options::default()).unwrap();
        let directory = server.directory().to_owned();
        (Box::new(server), directory)
    });
}

#[test]
fn nothing_is_left_of_rabbitmq() {
    nothing_is_left("nothing_is_left_of_rabbitmq", || {
        let server = RabbitMq::start(&rabbitmq::Options::default()).unwrap();
        let directory = server.directory().to_owned();
        (Box::new(server), directory)
    });
}

fn nothing_is_left(test: &str, start: fn() -> (Box<dyn std::any::Any>, PathBuf)) {
    if let Some(tell) = std::env::var_os(TELL) {
        let (_server, directory) = start();
        let part = Path::new(&tell).with_extension("part");
        fs::write(&part, directory.to_str().unwrap()).unwrap();
        fs::rename(part, tell).unwrap();
        loop {
            std::thread::park();
        }
    }
    let temporary = tempfile::tempdir().unwrap();
    let tell = temporary.path().join("directory");
    let mut process = Killed(
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(TELL, &tell)
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let minutes = Duration::from_secs(150);
    wait_until("the server runs", minutes, || {
        assert!(process.0.try_wait()?.is_none(), "it did not start");
        Ok(tell.exists())
    })
    .unwrap();
    let directory = PathBuf::from(fs::read_to_string(tell).unwrap());
    assert!(directory.exists() && !processes(&directory).is_empty());
    process.0.kill().unwrap();
    wait_until("nothing is left", minutes, || {
        Ok(!directory.exists() && processes(&directory).is_empty())
    })
    .unwrap();
}

/// The command lines of all processes that have to do with a directory.
fn processes(directory: &Path) -> Vec<String> {
    let directory = directory.to_str().unwrap();
    let knows = |process: &Path| {
        let names = |file| {
            let content = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&content).contains(directory)
        };
        names("cmdline")
            || names("environ")
            || fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|process| process.join("cmdline").exists() && knows(process))
        .map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default())
        .collect()
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
