//! A private Prometheus, which scrapes what it is told and answers queries.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::home::Home;
use crate::{Process, ports, programs, run};

/// What is scraped, how often, and by which rules it is judged.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Seconds between two scrapes, and between two evaluations.
    pub interval_seconds: u64,
    /// Ports on loopback with the labels that their series get.
    pub targets: Vec<(u16, Vec<(&'static str, String)>)>,
    /// Files of rules.
    pub rules: Vec<PathBuf>,
}

/// A running Prometheus. It ends, and what it has stored goes, when this value is dropped.
pub struct Prometheus {
    process: Process,
    port: u16,
}

impl Prometheus {
    /// Starts one.
    pub fn start(options: &Options) -> Result<Self> {
        let home = Home::new("prometheus", None)?;
        let config = home.write("prometheus.yml", configuration(options))?;
        let port = ports::free()?;
        let mut command = Command::new(programs::prometheus()?);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                home.path.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=warn");
        let process = Process::in_home(home, &command)?;
        process.until_it_listens(port)?;
        Ok(Self { process, port })
    }

    /// The series that an expression has now.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let mut answer = self.ask("query", &[("query", expression)])?;
        match answer["result"].take() {
            // A number without labels.
            Value::Array(pair) if answer["resultType"] == "scalar" => Ok(vec![Value::Array(pair)]),
            Value::Array(series) => Ok(series),
            other => bail!("Prometheus answers {expression} with {other}"),
        }
    }

    /// The alerts that fire or are about to.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        list(self.ask("alerts", &[])?["alerts"].take())
    }

    /// All rules: `name`, `query`, and of an alert `labels` and `annotations`.
    pub fn rules(&self) -> Result<Vec<Value>> {
        let groups = list(self.ask("rules", &[])?["groups"].take())?;
        let rules = groups
            .into_iter()
            .map(|mut group| list(group["rules"].take()));
        Ok(rules.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The values of a label: of `__name__`, the names of all series.
    pub fn values(&self, label: &str) -> Result<Vec<String>> {
        let values = list(self.ask(&format!("label/{label}/values"), &[])?)?;
        Ok(values
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect())
    }

    /// The port on which it answers.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn ask(&self, what: &str, form: &[(&str, &str)]) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let form: Vec<_> = form
            .iter()
            .map(|(k, v)| format!("{k}={}", encoded(v)))
            .collect();
        let (method, body) = if form.is_empty() {
            ("GET", String::new())
        } else {
            ("POST", form.join("&"))
        };
        write!(
            stream,
            "{method} /api/v1/{what} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .with_context(|| self.process.last_words())?;
        let (_, json) = answer.split_once("\r\n\r\n").context("no answer")?;
        let mut json: Value = serde_json::from_str(json).with_context(|| answer.clone())?;
        if json["status"] != "success" {
            bail!("Prometheus refuses {what} {body}: {}", json["error"]);
        }
        Ok(json["data"].take())
    }
}

/// What promtool prints; fails with what it said instead.
pub fn promtool<A: AsRef<std::ffi::OsStr>>(directory: &Path, arguments: &[A]) -> Result<String> {
    let mut command = Command::new(programs::promtool()?);
    run::text(command.current_dir(directory).args(arguments), "")
}

fn configuration(options: &Options) -> String {
    let every = options.interval_seconds.max(1);
    let mut text = format!(
        "global:\n  scrape_interval: {every}s\n  scrape_timeout: {every}s\n  evaluation_interval: {every}s\nrule_files:\n"
    );
    for file in &options.rules {
        _ = writeln!(text, "  - '{}'", file.display());
    }
    text += "scrape_configs:\n  - job_name: leastwise\n    static_configs:\n";
    for (port, labels) in &options.targets {
        _ = writeln!(
            text,
            "      - targets: ['127.0.0.1:{port}']\n        labels:"
        );
        for (name, value) in labels {
            _ = writeln!(text, "          {name}: '{value}'");
        }
    }
    text
}

fn list(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(all) => Ok(all),
        Value::Null => Ok(Vec::new()),
        other => bail!("Prometheus answers with {other} where a list belongs"),
    }
}

/// As forms have it.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() {
            true => encoded.push(char::from(byte)),
            false => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}
