//! A bucket of moto, on a line where everything can go wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use exporter::SinkConfig;
use serde_json::{Value, json};
use servers::{Moto, Python};
use sink_sim::{Clock, Reply, Request, Rule, Sim, Vendor};

use super::files;
use super::subject::{Subject, Trouble, asked};
use super::support::{Rig, receiver};

const PREFIX: &str = "/inventory/m365";
const MANIFEST: &str = "manifest.json";
/// Moto wants to know whose key it is, and leaves it at that.
const SIGNED: &str = "authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=0\r\n";

/// Asks moto what the exporter asks.
struct Line {
    /// Host and port.
    moto: String,
}

impl Line {
    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.moto).unwrap();
        let (host, length) = (&self.moto, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let (first, lines) = head.split_once("\r\n").unwrap();
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines.lines().filter_map(|line| line.split_once(": "));
        let ours = |name: &str| ["connection", "content-length"].contains(&&*name.to_lowercase());
        let reply = fields
            .filter(|(name, _)| !ours(name))
            .fold(Reply::empty(status), |reply, (name, value)| {
                reply.header(name, value)
            });
        Reply {
            body: answer.split_off(end + 4).into(),
            ..reply
        }
    }

    fn get(&self, name: &str) -> Vec<u8> {
        let path = format!("{PREFIX}/{name}");
        let reply = self.ask("GET", &path, SIGNED, b"");
        assert_eq!(reply.status, 200, "{path}");
        reply.body.to_vec()
    }

    /// The objects that hold users.
    fn parts(&self) -> Vec<String> {
        let manifest: Value = serde_json::from_slice(&self.get(MANIFEST)).unwrap();
        let parts = manifest["parts"].as_array().unwrap().iter();
        let parts = parts.filter(|part| part["kind"] == "user");
        parts
            .map(|part| part["path"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Vendor for Line {
    fn answer(&mut self, request: &Request, _: &Clock) -> Reply {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(&request.query).finish();
        let path = format!("{}?{query}", request.path);
        let headers = request.headers.iter().filter_map(|(name, value)| {
            let others = !["host", "connection", "content-length"].contains(&name.as_str());
            others.then(|| format!("{name}: {}\r\n", value.to_str().unwrap()))
        });
        let headers: String = headers.collect();
        self.ask(request.method.as_str(), &path, &headers, &request.body)
    }

    fn refusal(&self, status: u16) -> Reply {
        let mut reply = Reply::empty(status).header("content-type", "application/xml");
        reply.body = "<Error><Code>Refused</Code><Message>Refused.</Message></Error>".into();
        reply
    }
}

/// Started when it is first used.
struct Store {
    moto: Moto,
    sim: Sim<Line>,
}

pub struct Bucket {
    python: Python,
    dir: PathBuf,
    store: OnceLock<Store>,
}

impl Bucket {
    /// None where moto could not be installed, which has been said.
    pub fn new(dir: &Path) -> Option<Self> {
        Some(Bucket {
            python: Python::installed().unwrap()?,
            dir: dir.to_owned(),
            store: OnceLock::new(),
        })
    }

    fn store(&self) -> &Store {
        self.store.get_or_init(|| {
            let moto = Moto::start(&self.python).unwrap();
            moto.bucket("inventory").unwrap();
            let endpoint = moto.endpoint();
            let line = Line {
                moto: endpoint.trim_start_matches("http://").to_owned(),
            };
            let sim = receiver(line);
            Store { moto, sim }
        })
    }
}

#[async_trait(?Send)]
impl Subject for Bucket {
    fn name(&self) -> &'static str {
        "bucket"
    }

    fn config(&self) -> SinkConfig {
        let secret = self.dir.join("key");
        std::fs::write(&secret, "test").unwrap();
        let settings = json!({
            "kind": "bucket", "url": "s3://inventory/m365", "endpoint": self.store().sim.url(), "format": "ndjson",
            "access_key_id": "test", "secret_access_key_file": secret, "spool": self.dir.join("spool"),
            "silence_seconds": 1,
        });
        serde_json::from_value(settings).unwrap()
    }

    async fn users(&self, _: &Rig) -> Vec<String> {
        self.store().sim.read(|line| {
            let parts = line.parts();
            let lines: String = parts
                .iter()
                .map(|part| String::from_utf8(line.get(part)).unwrap())
                .collect();
            files::users(&lines)
        })
    }

    fn strike(&self, trouble: Trouble) -> bool {
        let sim = &self.store().sim;
        sim.forget_received();
        let Some(fault) = trouble.fault(Duration::from_millis(50)) else {
            return false;
        };
        let rule = Rule::always(fault);
        sim.inject(match trouble {
            // By which what was brought counts.
            Trouble::HangsBefore | Trouble::HangsAfter => rule.method("PUT").path(MANIFEST),
            _ => rule,
        });
        true
    }

    async fn struck(&self) {
        asked(&self.store().sim, |r| {
            r.request.method == http::Method::PUT && r.request.path.ends_with(MANIFEST)
        })
        .await;
    }

    fn heal(&self) {
        self.store().sim.heal();
    }

    async fn alter(&self, _: &Rig) -> bool {
        self.store().sim.read(|line| {
            for part in line.parts() {
                line.ask("PUT", &format!("{PREFIX}/{part}"), SIGNED, b"");
            }
        });
        true
    }

    async fn restore(&self, _: &Rig) -> bool {
        let moto = &self.store().moto;
        moto.reset().unwrap();
        moto.bucket("inventory").unwrap();
        true
    }
}
