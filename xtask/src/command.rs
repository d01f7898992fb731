//! Child processes.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::workspace;

/// A command that runs in the root of the workspace.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    command
}

/// The cargo that runs this task, so that the toolchain is the same.
pub fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Whether the command can be started and succeeds; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Runs the command with its output going where ours goes; says whether it succeeded.
pub fn passes(command: &mut Command) -> Result<bool> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    Ok(status.success())
}

/// As [`passes`], and returns what the command printed on both streams as well.
pub fn passes_with_output(command: &mut Command) -> Result<(bool, String)> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let out = child
        .stdout
        .take()
        .map(|stream| thread::spawn(|| tee(stream, std::io::stdout())));
    let err = child
        .stderr
        .take()
        .map(|stream| thread::spawn(|| tee(stream, std::io::stderr())));
    let mut printed = String::new();
    for stream in [out, err].into_iter().flatten() {
        printed += &stream
            .join()
            .map_err(|_| anyhow!("copying the output of {command:?} panicked"))??;
    }
    Ok((child.wait()?.success(), printed))
}

/// Copies line by line while the child runs, so that a person sees progress.
fn tee(from: impl Read, mut to: impl Write) -> std::io::Result<String> {
    let mut from = BufReader::new(from);
    let (mut all, mut line) = (Vec::new(), Vec::new());
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        all.append(&mut line);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}
