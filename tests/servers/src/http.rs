//! Asking a page of loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Result;

/// What a port of loopback answers to GET of a path: with its status line.
///
/// # Errors
/// When nobody answers.
pub fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
