//! An S3 of others' making: moto's server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{Process, Python, ports};

/// A running server that keeps objects in memory. It takes any access key. It ends when this value is dropped.
pub struct Moto {
    process: Process,
    port: u16,
}

impl Moto {
    /// Starts one without a bucket.
    pub fn start(python: &Python) -> Result<Self> {
        let port = ports::free()?;
        let mut command = Command::new(python.home.join("bin/python"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p"]);
        command.arg(port.to_string());
        // It wants to look up a metadata service otherwise.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        let process = Process::temporary("moto", &command)?;
        process.until_it_listens(port)?;
        Ok(Self { process, port })
    }

    /// Its URL, as S3 clients want it for an endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    pub fn bucket(&self, name: &str) -> Result<()> {
        let answer = self.ask("PUT", &format!("/{name}"))?;
        if !answer.starts_with("HTTP/1.1 200 ") {
            bail!("moto makes no bucket {name}: {answer}");
        }
        Ok(())
    }

    /// Forgets all buckets.
    pub fn reset(&self) -> Result<()> {
        self.ask("POST", "/moto-api/reset").map(drop)
    }

    fn ask(&self, method: &str, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let port = self.port;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .with_context(|| self.process.last_words())?;
        Ok(answer)
    }
}
