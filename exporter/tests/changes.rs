//! The feed of changes: nothing missing, in order, and told apart where a state begins anew.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exporter::SinkConfig;
use serde_json::Value;
use support::{A, B, Rig};

async fn rig() -> Rig {
    rig_of(r#"{"kind":"changes","path":"out"}"#).await
}

async fn rig_of(json: &str) -> Rig {
    Rig::new(|dir| {
        let mut sink: SinkConfig = serde_json::from_str(json).unwrap();
        sink.resolve(dir);
        vec![sink]
    })
    .await
}

pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut all: Vec<_> = entries
        .filter(|p| {
            p.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("changes-")
        })
        .collect();
    all.sort();
    all
}

fn lines(rig: &Rig) -> Vec<Value> {
    lines_in(&rig.out())
}

fn lines_in(dir: &Path) -> Vec<Value> {
    let texts = segments(dir)
        .into_iter()
        .map(|p| std::fs::read_to_string(p).unwrap());
    texts
        .flat_map(|t| {
            t.lines()
                .map(|l| serde_json::from_str(l).unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Closing and name by tenant and key.
type State = BTreeMap<(String, String), (u64, String)>;

/// What a reader that does what the documentation says knows in the end: key and display name of users.
fn state(lines: &[Value]) -> BTreeMap<String, String> {
    let mut state = State::new();
    let mut begun: BTreeMap<String, State> = BTreeMap::new();
    for line in lines {
        let tenant = line["tenantId"].as_str().unwrap().to_owned();
        let key = || (tenant.clone(), line["key"].as_str().unwrap().to_owned());
        match line["op"].as_str().unwrap() {
            "snapshot_begin" => {
                begun.insert(tenant, BTreeMap::new());
            }
            "snapshot_end" => {
                let new = begun.remove(&tenant).unwrap();
                assert_eq!(line["records"], new.len());
                state.retain(|(t, _), _| *t != tenant);
                state.extend(new);
            }
            op => {
                let known = begun.get_mut(&tenant).unwrap_or(&mut state);
                let closing = line["closing"].as_u64().unwrap();
                if known
                    .get(&key())
                    .is_some_and(|(newest, _)| *newest > closing)
                {
                    continue;
                }
                let name = line["record"]["displayName"].as_str().unwrap_or_default();
                match op {
                    "upsert" => _ = known.insert(key(), (closing, name.to_owned())),
                    "remove" => _ = known.remove(&key()),
                    other => panic!("{other}"),
                }
            }
        }
    }
    assert!(begun.is_empty());
    let names = state.into_iter();
    names
        .map(|((t, k), (_, name))| (format!("{}/{k}", &t[..1]), name))
        .collect()
}

fn names(rig: &Rig) -> Vec<String> {
    names_in(&rig.out())
}

/// What such a reader knows in the end of a feed.
pub fn names_in(dir: &Path) -> Vec<String> {
    let state = state(&lines_in(dir)).into_iter();
    state.map(|(key, name)| format!("{key}={name}")).collect()
}

#[tokio::test]
async fn changes_and_removals_come_in_order() {
    let mut rig = rig().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    assert_eq!(names(&rig), ["a/u1=Ann", "a/u2=Bob", "b/u1=Bea"]);
    let before = lines(&rig).len();
    rig.restart().await;
    let changed = rig.ledger.user(A, "u1", "Anna", &[]);
    let removed = rig.ledger.remove(A, "user", "u2");
    rig.sync().await;
    let after = lines(&rig);
    assert_eq!(after.len(), before + 2);
    let [upsert, remove] = &after[before..] else {
        panic!("{after:?}");
    };
    assert_eq!(
        (&upsert["op"], &upsert["closing"]),
        (&"upsert".into(), &changed.into())
    );
    assert_eq!(upsert["record"]["tenantId"], A);
    assert_eq!(
        (&remove["op"], &remove["closing"]),
        (&"remove".into(), &removed.into())
    );
    assert_eq!(remove["kind"], "user");
    assert!(remove.get("record").is_none());
    assert_eq!(names(&rig), ["a/u1=Anna", "b/u1=Bea"]);
}

#[tokio::test]
async fn a_restored_ledger_is_a_snapshot_of_its_own() {
    let rig = rig().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.ledger.restore(backup);
    rig.sync().await;
    assert_eq!(names(&rig), ["a/u1=Ann", "b/u1=Bea"]);
    let newest = std::fs::read_to_string(segments(&rig.out()).last().unwrap()).unwrap();
    let ops: Vec<Value> = newest
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["op"].clone())
        .collect();
    assert_eq!(ops, ["snapshot_begin", "upsert", "snapshot_end"]);
}

#[tokio::test]
async fn lines_are_repeated_rather_than_lost() {
    let mut rig = rig().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let cursors = rig.out().join(".cursors.json");
    let old = std::fs::read(&cursors).unwrap();
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.stop().await;
    // A process that ended between the lines and the cursor, and in the middle of a line.
    std::fs::write(&cursors, old).unwrap();
    let newest = segments(&rig.out()).pop().unwrap();
    let text = std::fs::read_to_string(&newest).unwrap();
    std::fs::write(&newest, format!("{text}{{\"tenantId\":\"aaa")).unwrap();
    rig.start().await;
    rig.ledger.user(A, "u3", "Cid", &[]);
    rig.sync().await;
    assert_eq!(names(&rig), ["a/u1=Ann", "a/u2=Bob", "a/u3=Cid"]);
    let bobs = lines(&rig).iter().filter(|l| l["key"] == "u2").count();
    assert_eq!(bobs, 2);
    // Without cursors, everything comes again.
    rig.stop().await;
    std::fs::write(&cursors, "{").unwrap();
    rig.start().await;
    rig.sync().await;
    assert_eq!(names(&rig), ["a/u1=Ann", "a/u2=Bob", "a/u3=Cid"]);
}

#[tokio::test]
async fn only_what_is_shown_is_told() {
    let rig = rig_of(
        r#"{"kind":"changes","path":"out","shows":{"kinds":["user"],"fields":{"user":["userId"]},"names":{"user":{"userId":"id"}}}}"#,
    )
    .await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.position(A, "e5", 1);
    rig.sync().await;
    let told = lines(&rig);
    let told: Vec<_> = told.iter().filter(|l| l["op"] == "upsert").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0]["record"],
        serde_json::json!({"tenantId": A, "id": "u1"})
    );
}

#[tokio::test]
async fn a_torn_snapshot_leaves_no_trace() {
    let rig = rig().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    let before = lines(&rig);
    rig.ledger.restore(backup);
    rig.ledger.with(|l| l.torn = true);
    let sinks = rig.wait().await;
    assert!(sinks[0].problem.starts_with("LW-6002"), "{sinks:?}");
    assert_eq!(lines(&rig), before);
    assert!(!std::fs::read_dir(rig.out()).unwrap().any(|e| {
        let name = e.unwrap().file_name();
        name.to_str().unwrap().starts_with(".snapshot")
    }));
}
