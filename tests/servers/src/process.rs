//! A program of the workspace that ends with the process that started it.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::guard::Guard;
use crate::home::{Home, last_words};
use crate::run::quoted;
use crate::wait_until;

/// Far more than a program of somebody else's takes to load on a busy machine.
const STARTS: Duration = Duration::from_secs(180);

/// A running program. It is asked to end (SIGTERM) when this value is dropped or when the process that started it
/// dies, and ended ten seconds later.
pub struct Process {
    name: String,
    guard: Guard,
}

impl Process {
    /// Starts it. `directory` gets what it prints, in `server.log`, and stays.
    pub fn start(directory: &Path, command: &Command) -> Result<Self> {
        Self::in_home(Home::new("process", Some(directory))?, command)
    }

    /// Starts it with a directory that goes when it ends.
    pub(crate) fn temporary(name: &str, command: &Command) -> Result<Self> {
        Self::in_home(Home::new(name, None)?, command)
    }

    pub(crate) fn in_home(home: Home, command: &Command) -> Result<Self> {
        let program = Path::new(command.get_program());
        let mut script = String::new();
        for (name, value) in command.get_envs() {
            let name = name.to_string_lossy();
            script += &match value {
                Some(value) => format!("export {name}={}\n", quoted(Path::new(value))),
                None => format!("unset {name}\n"),
            };
        }
        script += &format!("exec {}", quoted(program));
        for argument in command.get_args() {
            script += &format!(" {}", quoted(Path::new(argument)));
        }
        home.write("run", script + "\n")?;
        let process = Self {
            name: program
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            guard: Guard::new(&home, "TERM")?,
        };
        process
            .guard
            .start()
            .with_context(|| format!("start {}", process.name))?;
        Ok(process)
    }

    /// Waits until it takes connections; fails if it ends before.
    pub(crate) fn until_it_listens(&self, port: u16) -> Result<()> {
        wait_until(&format!("{} listens", self.name), STARTS, || {
            if self.id().is_none() {
                bail!("it ended: {}", self.last_words());
            }
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
        })
        .with_context(|| self.last_words())
    }

    /// Its process id, if it has not ended.
    pub fn id(&self) -> Option<u32> {
        self.guard.server()
    }

    /// The file that has what it prints.
    pub fn log(&self) -> &Path {
        self.guard.log()
    }

    /// Its name and the end of what it has printed.
    pub fn last_words(&self) -> String {
        format!("{}:\n{}", self.name, last_words(&self.guard))
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&self) -> Result<()> {
        self.guard.stop()
    }
}
