//! The directory of files: always whole, always what the ledger holds, and untouched where nothing changed.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use support::{A, B, Rig};
use tokio::time::Instant;

/// Everything visible in a directory: content and moment of the last write.
fn visible(dir: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let entries = std::fs::read_dir(dir)
        .unwrap()
        .map(Result::unwrap)
        .filter(|e| e.path().is_file());
    entries
        .map(|e| {
            let modified = e.metadata().unwrap().modified().unwrap();
            (
                e.file_name().to_string_lossy().into_owned(),
                (std::fs::read(e.path()).unwrap(), modified),
            )
        })
        .collect()
}

/// Kinds of record in the ledger.
const ALL: usize = proto::kind::RecordKind::ALL.len();

#[tokio::test]
async fn first_fill_change_and_removal_reach_the_files() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(A, "u2", "Bob", &["e3", "e5"]);
    let closing = rig.ledger.position(A, "e5", 2);
    let sinks = rig.sync().await;
    assert_eq!(
        (sinks[0].as_of, sinks[0].head, sinks[0].written),
        (closing, closing, 2 + 3 + 1)
    );
    assert_eq!(sinks[0].location, rig.out().display().to_string());
    assert_eq!(rig.users(), ["a/u1=Ann", "a/u2=Bob"]);
    assert_eq!(rig.lines("license_assignment").len(), 3);
    let position = &rig.lines("license_position")[0];
    assert_eq!(
        (
            &position["assigned"],
            &position["lockedOut"],
            &position["appliesTo"]
        ),
        (&2.into(), &0.into(), &serde_json::Value::Null)
    );
    rig.ledger.user(A, "u1", "Anna", &["e5"]);
    rig.ledger.remove(A, "user", "u2");
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Anna"]);
    assert_eq!(rig.lines("license_assignment").len(), 1);
}

#[tokio::test]
async fn the_manifest_says_what_the_files_hold() {
    let rig = Rig::files().await;
    let closing = rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.sync().await;
    let manifest = rig.manifest();
    assert_eq!(manifest["format"], 1);
    // Those of the ledger, and the projection of users.
    assert_eq!(manifest["kinds"].as_object().unwrap().len(), ALL + 1);
    for (kind, said) in manifest["kinds"].as_object().unwrap() {
        let bytes = std::fs::read(rig.out().join(format!("{kind}.ndjson"))).unwrap();
        let sha: String = Sha256::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(
            (&said["sha256"], said["count"].as_u64()),
            (
                &sha.into(),
                Some(bytes.iter().filter(|b| **b == b'\n').count() as u64)
            )
        );
    }
    let tenant = &manifest["tenants"][A];
    assert_eq!(tenant["asOf"], closing);
    assert_eq!(tenant["runs"][0]["dataset"], "users");
    assert_eq!(tenant["runs"][0]["pages"], 3);
}

#[tokio::test]
async fn where_nothing_changed_nothing_is_written() {
    let mut rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.position(A, "e5", 1);
    let written = rig.sync().await[0].written;
    let before = visible(&rig.out());
    rig.ledger.close(A, vec![]);
    assert_eq!(rig.sync().await[0].written, written);
    assert_eq!(
        rig.ledger.calls().snapshot,
        1,
        "a closing without changes costs one question"
    );
    rig.restart().await;
    rig.sync().await;
    assert_eq!(rig.ledger.calls().snapshot, 1);
    assert_eq!(visible(&rig.out()), before);
}

#[tokio::test]
async fn a_kind_that_did_not_change_keeps_its_file() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.position(A, "e5", 1);
    rig.sync().await;
    let before = visible(&rig.out());
    rig.ledger.position(A, "e5", 2);
    let sinks = rig.sync().await;
    assert_eq!(sinks[0].written, 3 + 1);
    let after = visible(&rig.out());
    let changed: Vec<_> = after.keys().filter(|k| after[*k] != before[*k]).collect();
    assert_eq!(changed, ["license_position.ndjson", "manifest.json"]);
}

#[tokio::test]
async fn two_tenants_stand_in_the_same_files_in_order() {
    let rig = Rig::files().await;
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.ledger.user(A, "u2", "Ann", &[]);
    rig.ledger.user(A, "u1", "Abe", &[]);
    assert_eq!(rig.sync().await.len(), 2);
    assert_eq!(rig.users(), ["a/u1=Abe", "a/u2=Ann", "b/u1=Bea"]);
    let text = std::fs::read(rig.out().join("user.ndjson")).unwrap();
    rig.ledger.user(B, "u1", "Bee", &[]);
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Abe", "a/u2=Ann", "b/u1=Bee"]);
    assert_eq!(
        rig.ledger.calls().snapshot,
        3,
        "the other tenant isn't fetched again"
    );
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    assert_eq!(
        std::fs::read(rig.out().join("user.ndjson")).unwrap(),
        text,
        "the same content, the same bytes"
    );
}

#[tokio::test]
async fn an_incomplete_ledger_is_waited_for() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger
        .with(|l| l.tenants.get_mut(A).unwrap().complete = false);
    let sinks = rig.wait().await;
    assert!(!sinks[0].delivered && sinks[0].problem.is_empty());
    assert!(!rig.out().join("manifest.json").exists());
    rig.ledger
        .with(|l| l.tenants.get_mut(A).unwrap().complete = true);
    rig.sync().await;
    let before = visible(&rig.out());
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.ledger
        .with(|l| l.tenants.get_mut(A).unwrap().complete = false);
    assert!(!rig.wait().await[0].delivered);
    assert_eq!(visible(&rig.out()), before);
}

#[tokio::test]
async fn a_torn_snapshot_changes_nothing() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let before = visible(&rig.out());
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.ledger.with(|l| l.torn = true);
    let sinks = rig.wait().await;
    assert!(
        !sinks[0].delivered && sinks[0].problem.starts_with("LW-6002"),
        "{sinks:?}"
    );
    assert_eq!(visible(&rig.out()), before);
    rig.ledger.with(|l| l.torn = false);
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann", "a/u2=Bob"]);
}

#[tokio::test]
async fn a_restored_ledger_is_shown_as_it_is() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.ledger.restore(backup.clone());
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann"]);
    // Restored and gone on without a change: only asking shows that it is another ledger.
    rig.ledger.user(A, "u2", "Bob", &[]);
    rig.sync().await;
    rig.ledger.restore(backup);
    rig.ledger.close(A, vec![]);
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann"]);
}

#[tokio::test]
async fn the_order_of_the_ledger_does_not_matter() {
    let rig = Rig::files().await;
    for (id, name) in [("u1", "Ann"), ("u2", "Bob"), ("u3", "Cid")] {
        rig.ledger.user(A, id, name, &["e3", "e5"]);
    }
    rig.sync().await;
    let before = visible(&rig.out());
    rig.ledger.with(|l| l.reversed = true);
    rig.ledger.position(A, "e5", 3);
    rig.sync().await;
    let after = visible(&rig.out());
    for kind in ["user.ndjson", "license_assignment.ndjson"] {
        assert_eq!(after[kind], before[kind], "{kind}");
    }
}

async fn snapshots(rig: &Rig, n: u32) {
    let mut calls = rig.ledger.1.subscribe();
    calls.wait_for(|c| c.snapshot == n).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_announcement_is_enough_and_several_are_one() {
    let rig = Rig::paused().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let start = Instant::now();
    rig.announce(rig.ledger.position(A, "e5", 1)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.announce(rig.ledger.user(A, "u2", "Bob", &[])).await;
    snapshots(&rig, 2).await;
    assert_eq!(start.elapsed().as_secs(), 3, "a second, and two of silence");
    rig.sync().await;
    assert_eq!(rig.ledger.calls().snapshot, 2);
    assert_eq!(rig.users(), ["a/u1=Ann", "a/u2=Bob"]);
}

#[tokio::test(start_paused = true)]
async fn closings_that_never_end_are_not_waited_for() {
    let rig = Rig::paused().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let start = Instant::now();
    while rig.ledger.calls().snapshot < 2 {
        let name = start.elapsed().as_secs().to_string();
        rig.announce(rig.ledger.user(A, "u2", &name, &[])).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!((30..33).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_delivery_does_not_wait_for_silence() {
    let rig = Rig::paused().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let start = Instant::now();
    rig.announce(rig.ledger.user(A, "u2", "Bob", &[])).await;
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann", "a/u2=Bob"]);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn only_the_kinds_that_changed_are_fetched() {
    let mut rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.position(A, "e5", 1);
    rig.sync().await;
    let before = visible(&rig.out());
    let closing = rig.ledger.position(A, "e5", 2);
    rig.sync().await;
    let after = visible(&rig.out());
    assert_eq!(after["user.ndjson"], before["user.ndjson"]);
    assert_eq!(rig.lines("license_position")[0]["assigned"], 2);
    assert_eq!(rig.manifest()["tenants"][A]["asOf"], closing);
    rig.restart().await;
    rig.ledger.user(A, "u1", "Anna", &["e3", "e5"]);
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Anna"]);
    assert_eq!(rig.lines("license_assignment").len(), 2);
    assert_eq!(rig.lines("license_position")[0]["assigned"], 2);
    let asked = rig.ledger.with(|l| l.asked.clone());
    assert_eq!(asked[0].len(), ALL);
    assert_eq!(asked[1..], [["license_position"], ["user"]]);
}

#[tokio::test]
async fn what_changes_meanwhile_is_not_missed() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u9", "Ann", &[]);
    rig.ledger.position(A, "e5", 1);
    rig.sync().await;
    rig.ledger.position(A, "e5", 2);
    rig.ledger.with(|l| l.before_snapshot = Some("Anna"));
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u9=Anna"]);
    rig.ledger.position(A, "e5", 3);
    rig.ledger.with(|l| l.after_snapshot = Some("Anne"));
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u9=Anne"]);
    let asked: Vec<usize> = rig.ledger.with(|l| l.asked.iter().map(Vec::len).collect());
    assert_eq!(asked, [ALL, 1, ALL, 1, ALL], "one kind, then everything");
}

#[tokio::test]
async fn a_ledger_that_is_restored_meanwhile_is_shown_as_it_is() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u9", "Ann", &[]);
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u9", "Anna", &[]);
    rig.sync().await;
    rig.ledger.restore(backup);
    rig.ledger.position(A, "e5", 3);
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u9=Ann"]);
}

#[tokio::test]
async fn too_many_changes_are_not_looked_through() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let body = rig.ledger.backup()[A].rows[&("user".into(), "u1".into())]
        .1
        .clone();
    let many = (0..10_001).map(|n| ("user", format!("v{n:05}"), body.clone()));
    rig.ledger.close(A, many.collect());
    rig.sync().await;
    assert_eq!(rig.lines("user").len(), 10_002);
    assert_eq!(rig.ledger.with(|l| l.asked[1].len()), ALL);
}

#[tokio::test]
async fn a_part_that_somebody_took_away_is_fetched_again() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.position(A, "e5", 1);
    rig.sync().await;
    for dir in ["a", "b"] {
        let part = rig
            .out()
            .join(".spool")
            .join(A)
            .join(dir)
            .join("user.ndjson");
        if part.exists() {
            std::fs::remove_file(part).unwrap();
        }
    }
    rig.ledger.position(A, "e5", 2);
    assert!(!rig.wait().await[0].delivered);
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann"]);
    assert_eq!(rig.lines("license_position")[0]["assigned"], 2);
}

#[tokio::test]
async fn a_ledger_that_is_down_is_a_problem_and_then_none() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    rig.ledger.with(|l| l.down = true);
    let sinks = rig.wait().await;
    assert!(
        !sinks[0].delivered && sinks[0].problem.starts_with("LW-6002"),
        "{sinks:?}"
    );
    rig.ledger.with(|l| l.down = false);
    rig.sync().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    let mut todo = vec![rig.out()];
    while let Some(path) = todo.pop() {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            todo.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
}
