//! Running the servers' own command-line programs.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

/// Runs `command` with `input` as its standard input and returns its standard output; fails with its standard error.
pub fn output(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let output = thread::scope(|scope| {
        // A program that ends before it has read everything says why by its own error.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output()
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [&output.stderr[..], &output.stdout[..]].concat();
    bail!(
        "{program} failed, {}: {}",
        output.status,
        String::from_utf8_lossy(&said).trim()
    );
}

/// As [`output`], as text.
pub fn text(command: &mut Command, input: &str) -> Result<String> {
    String::from_utf8(output(command, input.as_bytes())?).map_err(|_| {
        anyhow!(
            "{:?} printed something else than text",
            command.get_program()
        )
    })
}

/// A word of a shell's command line that means `word` literally.
pub fn quoted(word: impl AsRef<std::path::Path>) -> String {
    let word = word.as_ref().to_string_lossy();
    format!("'{}'", word.replace('\'', r"'\''"))
}
