//! Whatever is interrupted, taken away or full: the next pass makes it whole, and what stands there stays whole.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use support::{A, B, Rig};

#[tokio::test]
async fn a_crash_between_mark_and_cursor_is_healed() {
    let mut rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    rig.stop().await;
    // As if the next snapshot had been marked, and perhaps shown, when the power failed.
    rig.sql("exporter.db", "UPDATE snapshot_cursor SET mark = mark + 1")
        .await;
    rig.start().await;
    rig.sync().await;
    assert_eq!(
        rig.ledger.calls().snapshot,
        2,
        "head and cursor agree, and yet it is fetched again"
    );
    rig.restart().await;
    rig.sync().await;
    assert_eq!(rig.ledger.calls().snapshot, 2);
}

#[tokio::test]
async fn files_that_could_not_be_put_in_place_are_finished_later() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let backup = rig.ledger.backup();
    rig.ledger.user(A, "u2", "Bob", &[]);
    // The last step fails: the files are new, the manifest isn't, the cursor neither.
    let manifest = rig.out().join("manifest.json");
    std::fs::remove_file(&manifest).unwrap();
    std::fs::create_dir_all(manifest.join("in-the-way")).unwrap();
    let sinks = rig.wait().await;
    assert!(
        !sinks[0].delivered && sinks[0].problem.starts_with("LW-6011"),
        "{sinks:?}"
    );
    assert_eq!(rig.users(), ["a/u1=Ann", "a/u2=Bob"]);
    // And the ledger loses what they show.
    rig.ledger.restore(backup);
    std::fs::remove_dir_all(&manifest).unwrap();
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann"]);
    assert!(manifest.is_file());
}

#[tokio::test]
async fn what_somebody_took_away_comes_back() {
    let mut rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    std::fs::remove_file(rig.out().join("user.ndjson")).unwrap();
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann", "b/u1=Bea"]);
    assert_eq!(rig.ledger.calls().snapshot, 2, "the spool has it");
    std::fs::remove_dir_all(rig.out().join(".spool").join(A)).unwrap();
    rig.ledger.user(B, "u2", "Ben", &[]);
    assert!(!rig.wait().await.iter().all(|s| s.delivered));
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann", "b/u1=Bea", "b/u2=Ben"]);
    rig.stop().await;
    std::fs::remove_dir_all(rig.out()).unwrap();
    rig.start().await;
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann", "b/u1=Bea", "b/u2=Ben"]);
}

#[tokio::test]
async fn a_sink_that_fails_blocks_no_other() {
    let rig = Rig::new(|dir| {
        std::fs::write(dir.join("file"), "in the way").unwrap();
        vec![
            support::directory(dir.join("file/out")).named("bad"),
            support::directory(dir.join("out")),
        ]
    })
    .await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    let sinks = rig.wait().await;
    let bad = sinks.iter().find(|s| s.sink == "bad").unwrap();
    assert!(
        !bad.delivered && bad.problem.starts_with("LW-6011"),
        "{bad:?}"
    );
    let good = sinks.iter().find(|s| s.sink == "files").unwrap();
    assert!(good.delivered && good.problem.is_empty());
    assert_eq!(rig.users(), ["a/u1=Ann"]);
    std::fs::remove_file(rig.dir.path().join("file")).unwrap();
    rig.sync().await;
}

#[tokio::test]
async fn a_tenant_that_fails_blocks_no_other() {
    let rig = Rig::files().await;
    rig.ledger
        .close(A, vec![("user", "u1".into(), Some(vec![0xff]))]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    let sinks = rig.wait().await;
    assert!(
        sinks[0].problem.starts_with("LW-6003") && !sinks[0].delivered,
        "{sinks:?}"
    );
    assert!(sinks[1].delivered);
    assert_eq!(rig.users(), ["b/u1=Bea"]);
}

/// The child of this test has a limit on the size of its files, so that writing really fails in the middle.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_leaves_the_old_files_and_says_so() {
    const CHILD: &str = "LEASTWISE_TEST_SMALL_FILES";
    if std::env::var_os(CHILD).is_some() {
        return on_a_full_disk().await;
    }
    let me = std::env::current_exe().unwrap();
    // A limit of 1 MiB, and an error instead of a signal.
    let out = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --exact healing::a_full_disk_leaves_the_old_files_and_says_so --nocapture"])
        .arg(me)
        .env(CHILD, "1")
        .output()
        .unwrap();
    let (said, wrong) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert!(
        out.status.success() && said.contains("1 passed"),
        "{said}{wrong}"
    );
}

#[cfg(unix)]
async fn on_a_full_disk() {
    let rig = Rig::files().await;
    rig.ledger.user(A, "u1", "Ann", &[]);
    rig.sync().await;
    let before = std::fs::read(rig.out().join("user.ndjson")).unwrap();
    let long = "n".repeat(1_000);
    for n in 0..3_000 {
        rig.ledger.user(A, &format!("v{n:04}"), &long, &[]);
    }
    let sinks = rig.wait().await;
    assert!(
        sinks[0].problem.starts_with("LW-6010") && sinks[0].problem.contains("free space"),
        "{:?}",
        sinks[0].problem
    );
    assert!(!sinks[0].problem.contains("nnn"), "no content in problems");
    assert_eq!(
        std::fs::read(rig.out().join("user.ndjson")).unwrap(),
        before
    );
    for n in 0..3_000 {
        rig.ledger.remove(A, "user", &format!("v{n:04}"));
    }
    rig.sync().await;
    assert_eq!(rig.users(), ["a/u1=Ann"]);
}
