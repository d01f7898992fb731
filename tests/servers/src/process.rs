//! A program of the workspace that ends with the process that started it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guard::Guard;
use crate::home::{Home, last_words};
use crate::run::quoted;

/// A running program. It is asked to end (SIGTERM) when this value is dropped or when the process that started it
/// dies, and ended ten seconds later.
pub struct Process {
    name: String,
    guard: Guard,
}

impl Process {
    /// Starts it. `directory` gets what it prints, in `server.log`, and stays.
    pub fn start(directory: &Path, command: &Command) -> Result<Self> {
        let home = Home::new("process", Some(directory))?;
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
