//! A process that outlives this one by as long as it takes to stop a server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

use crate::home::Home;

/// Starts and stops the server that the script `run` in its directory starts.
pub struct Guard {
    log: PathBuf,
    shell: Mutex<Shell>,
}

struct Shell {
    child: Child,
    /// `None` once it is told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// The process that leads the server's session.
    server: Option<u32>,
}

impl Guard {
    /// From here on the directory goes with this value, unless it stays. `signal` stops the server as a crash would.
    pub fn new(home: &Home, signal: &str) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", include_str!("guard.sh"), "guard"])
            .arg(&home.path)
            .args([if home.stays { "stays" } else { "goes" }, signal])
            .current_dir(&home.path)
            // What ends a test by a signal to its process group must not end the guard.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start a shell")?;
        let commands = child.stdin.take();
        let answers = child.stdout.take().context("no standard output")?;
        Ok(Self {
            log: home.path.join("server.log"),
            shell: Mutex::new(Shell {
                child,
                commands,
                answers: BufReader::new(answers),
                server: None,
            }),
        })
    }

    /// Starts the server, and returns before it is ready.
    pub fn start(&self) -> Result<()> {
        let mut shell = self.shell();
        let answer = shell.ask("start")?;
        shell.server = Some(answer.parse().context("the guard names no process")?);
        Ok(())
    }

    /// Stops the server at once and returns when none of its processes is left.
    pub fn stop(&self) -> Result<()> {
        let mut shell = self.shell();
        shell.ask("stop")?;
        shell.server = None;
        Ok(())
    }

    /// The process that leads the server, if it has not ended.
    pub fn server(&self) -> Option<u32> {
        let server = self.shell().server?;
        let stat = fs::read_to_string(format!("/proc/{server}/stat")).ok()?;
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        (!matches!(state, 'Z' | 'X')).then_some(server)
    }

    /// The file that has what the server prints.
    pub fn log(&self) -> &PathBuf {
        &self.log
    }

    fn shell(&self) -> MutexGuard<'_, Shell> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shell {
    fn ask(&mut self, word: &str) -> Result<String> {
        let commands = self.commands.as_mut().context("the guard has ended")?;
        writeln!(commands, "{word}").context("the guard has ended")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.commands = None;
        // Nothing can be done if this fails, and the guard does its part all the same.
        self.child.wait().ok();
    }
}
