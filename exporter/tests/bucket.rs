//! A bucket of an object store that others wrote.
#![cfg(feature = "object-store")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;

use exporter::SinkConfig;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde_json::Value;
use servers::{Moto, Python};
use support::{A, B, Rig};

struct Store {
    moto: Moto,
    objects: Arc<dyn ObjectStore>,
}

impl Store {
    /// None where it could not be installed, which has been said.
    fn start() -> Option<Store> {
        let moto = Moto::start(&Python::installed().unwrap()?).unwrap();
        moto.bucket("inventory").unwrap();
        let objects = AmazonS3Builder::new()
            .with_bucket_name("inventory")
            .with_region("us-east-1")
            .with_endpoint(moto.endpoint())
            .with_allow_http(true)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .build();
        Some(Store {
            objects: Arc::new(objects.unwrap()),
            moto,
        })
    }

    async fn rig(&self, keys: &str) -> Rig {
        let endpoint = self.moto.endpoint();
        Rig::new(|dir| vec![sink(dir, &endpoint, keys)]).await
    }

    async fn text(&self, name: &str) -> String {
        let got = self.objects.get(&Key::from(name)).await.unwrap();
        String::from_utf8(got.bytes().await.unwrap().to_vec()).unwrap()
    }

    async fn manifest(&self) -> Value {
        serde_json::from_str(&self.text("m365/manifest.json").await).unwrap()
    }

    async fn names(&self) -> Vec<String> {
        use futures::TryStreamExt as _;
        let all: Vec<_> = self.objects.list(None).try_collect().await.unwrap();
        let mut names: Vec<_> = all.iter().map(|o| o.location.to_string()).collect();
        names.sort();
        names
    }

    /// The rows of users in the parts that the manifest names.
    async fn users(&self) -> String {
        let manifest = self.manifest().await;
        let mut all = String::new();
        for part in manifest["parts"].as_array().unwrap() {
            if part["kind"] == "user" {
                all += &self
                    .text(&format!("m365/{}", part["path"].as_str().unwrap()))
                    .await;
            }
        }
        all
    }
}

fn sink(dir: &Path, endpoint: &str, keys: &str) -> SinkConfig {
    std::fs::write(dir.join("secret"), "test\n").unwrap();
    let json = format!(
        r#"{{"kind":"bucket","url":"s3://inventory/m365","endpoint":"{endpoint}","access_key_id":"test","secret_access_key_file":"secret","spool":"spool",{keys}}}"#
    );
    let mut sink: SinkConfig = serde_json::from_str(&json).unwrap();
    sink.resolve(dir);
    sink.target.check("bucket").unwrap();
    sink
}

#[tokio::test]
async fn a_bucket_shows_one_whole_state() {
    let Some(store) = Store::start() else { return };
    let mut rig = store.rig(r#""format":"ndjson""#).await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    let users = store.users().await;
    assert!(users.contains("Ann") && users.contains("Bea"));
    let before = store.names().await;
    assert_eq!(before.len(), 4, "{before:?}");
    // Another process goes on from the manifest.
    rig.restart().await;
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    rig.sync().await;
    let users = store.users().await;
    assert!(users.contains("Anna") && users.contains("Bea"));
    let after = store.names().await;
    assert_eq!(after.len(), 4, "the old part is gone: {after:?}");
    assert_eq!(
        after.iter().filter(|name| !before.contains(name)).count(),
        1
    );
    let spool: Vec<_> = std::fs::read_dir(rig.dir.path().join("spool"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(spool, [".lock"], "nothing stays in the spool");
}

#[tokio::test]
async fn large_files_go_in_pieces() {
    let Some(store) = Store::start() else { return };
    let rig = store.rig(r#""format":"ndjson""#).await;
    let name = "n".repeat(9_000);
    for n in 0..2_000 {
        rig.ledger.user(A, &format!("u{n:04}"), &name, &[]);
    }
    rig.sync().await;
    let users = store.users().await;
    assert!(users.len() > 16 << 20, "{}", users.len());
    assert_eq!(users.lines().count(), 2_000);
    assert!(
        users
            .lines()
            .all(|l| serde_json::from_str::<Value>(l).is_ok())
    );
}

#[tokio::test]
async fn whoever_was_overtaken_does_not_write_over_it() {
    let Some(store) = Store::start() else { return };
    let one = store.rig(r#""format":"csv""#).await;
    one.ledger.user(A, "u1", "Ann", &[]);
    one.sync().await;
    let old = store.text("m365/manifest.json").await;
    // Somebody else writes a manifest after this one read it: made up by a second installation.
    let two = store.rig(r#""format":"csv""#).await;
    two.ledger.user(B, "u1", "Bea", &[]);
    two.sync().await;
    assert_ne!(store.text("m365/manifest.json").await, old);
    assert!(store.users().await.contains("Bea"));
    assert!(
        store.users().await.contains("Ann"),
        "the other's tenant stays"
    );
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_and_then_filled() {
    let Some(store) = Store::start() else { return };
    store.moto.reset().unwrap();
    let rig = store.rig(r#""format":"csv""#).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let problem = rig.wait().await.remove(0).problem;
    assert!(
        problem.starts_with("LW-6033") && problem.contains("NoSuchBucket"),
        "{problem}"
    );
    store.moto.bucket("inventory").unwrap();
    rig.sync().await;
    assert!(store.users().await.contains("Ann"));
}

#[tokio::test]
async fn keys_that_are_not_there_or_refused_are_told_and_never_shown() {
    let Some(store) = Store::start() else { return };
    let rig = store.rig(r#""format":"csv""#).await;
    let secret = rig.dir.path().join("secret");
    std::fs::remove_file(&secret).unwrap();
    rig.ledger.user(A, "u1", "Ann", &[]);
    let problem = rig.wait().await.remove(0).problem;
    assert!(
        problem.starts_with("LW-6032") && problem.contains("secret"),
        "{problem}"
    );
    std::fs::write(&secret, "s3cr3t-but-fine").unwrap();
    rig.sync().await;
    assert!(store.users().await.contains("Ann"));
}

/// Answers every request with this, or not at all.
async fn answering(answer: Option<String>) -> (String, tokio::task::JoinSet<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            match &answer {
                None => silent.push(stream),
                Some(answer) => {
                    let _ = stream.read(&mut [0; 65_536]).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        }
    });
    (endpoint, tasks)
}

async fn problem(endpoint: &str) -> String {
    let keys = r#""format":"csv","silence_seconds":1"#;
    let rig = Rig::new(|dir| vec![sink(dir, endpoint, keys)]).await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.wait().await.remove(0).problem
}

#[tokio::test]
async fn a_store_that_refuses_redirects_is_away_or_says_nothing_is_told() {
    let http = |status: &str, headers: &str, body: &str| {
        let length = body.len();
        Some(format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    let denied = "<Error><Code>InvalidAccessKeyId</Code><Message>The key does not exist.</Message><Id>s3cret</Id></Error>";
    let expired = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>";
    for (answer, code, says) in [
        (
            http("403 Forbidden", "", denied),
            "LW-6032",
            "InvalidAccessKeyId: The key does not exist",
        ),
        (
            http("400 Bad Request", "", expired),
            "LW-6032",
            "ExpiredToken",
        ),
        (
            http(
                "307 Temporary Redirect",
                "Location: http://127.0.0.1:9/\r\n",
                "",
            ),
            "LW-6031",
            "",
        ),
        (None, "LW-6031", ""),
    ] {
        let (endpoint, _serving) = answering(answer).await;
        let problem = problem(&endpoint).await;
        assert!(
            problem.starts_with(code) && problem.contains(says),
            "{code} {problem}"
        );
        assert!(!problem.contains("s3cret"), "{problem}");
    }
    let (endpoint, serving) = answering(None).await;
    drop(serving);
    let problem = problem(&endpoint).await;
    assert!(problem.starts_with("LW-6031"), "{problem}");
}
