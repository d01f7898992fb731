//! The real programs, as a person uses them.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{BufRead as _, BufReader};

use serde_json::Value;
use tests::process::{Installation, Running, Simulator, inventory, program};

#[test]
fn a_tenant_of_ones_own_is_read_and_shows_what_the_demo_shows() {
    let sim = Simulator::start(400, 7);
    let home = Installation::of(&sim);
    let out = home.works(["sync"]);
    assert!(out.contains("users: 400 objects"), "{out}");
    let positions: Value =
        serde_json::from_str(&home.works(["position", "--output", "json"])).unwrap();
    assert!(
        positions
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["assigned"].as_i64() > Some(0))
    );

    let found = |args: &[&str]| -> Vec<Value> {
        let args = ["findings", "--output", "json"].iter().chain(args);
        serde_json::from_str(&home.works(args.copied())).unwrap()
    };
    let (all, blocked) = (found(&[]), found(&["--rule", "disabled_account"]));
    assert!(!blocked.is_empty() && blocked.len() < all.len());
    assert!(blocked.iter().all(|f| f["rule"] == "disabled_account"));
    let e3 = found(&["--rule", "unassigned", "--sku", "spe_e3"]);
    assert_eq!(e3.len(), 1, "{e3:?}");
    assert_eq!(e3[0]["skuPartNumber"], "SPE_E3");
    assert!(found(&["--tenant", "nobody"]).is_empty());
    let table = home.works(["findings"]);
    assert!(
        table.contains(&format!("{} findings", all.len())),
        "{table}"
    );
    assert!(
        table.contains("disabled_account") && !table.contains("FLOW"),
        "{table}"
    );

    let demo = tempfile::tempdir().unwrap();
    let mut command = program("leastwise");
    command
        .args([
            "demo", "--users", "400", "--seed", "7", "--steps", "0", "--out",
        ])
        .arg(demo.path());
    let shown = command.output().unwrap();
    assert!(
        shown.status.success(),
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(
        text.contains(&format!("{} findings: ", all.len())),
        "{text}"
    );
    let (mine, demos) = (
        inventory(&home.path("inventory")),
        inventory(&demo.path().join("inventory")),
    );
    // Those of the ledger, and the projection of users.
    assert_eq!(mine.len(), proto::kind::RecordKind::ALL.len() + 1);
    for (mine, demos) in mine.iter().zip(&demos) {
        assert_eq!(mine.0, demos.0);
        assert!(mine.1 == demos.1, "{} differs from the demo's", mine.0);
    }
}

#[test]
fn commands_reach_a_running_process_by_its_socket_and_it_stops_on_a_signal() {
    let sim = Simulator::start(300, 8);
    let home = Installation::of(&sim);
    let running = Running::start(&mut home.command(["run"]));
    // It serves operators as soon as it works.
    while !home.path("leastwise-data/admin.sock").exists() {
        std::thread::yield_now();
    }
    let before = inventory_after_sync(&home);
    let status: Value = serde_json::from_str(&home.works(["status", "--output", "json"])).unwrap();
    assert_eq!(status["running"], true);
    assert_eq!(status["collector"]["datasets"].as_array().unwrap().len(), 4);
    sim.control("POST", "advance?days=1", "");
    assert_ne!(inventory_after_sync(&home), before, "a day of changes");
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    assert!(!home.path("leastwise-data/admin.sock").exists());
    let status: Value = serde_json::from_str(&home.works(["status", "--output", "json"])).unwrap();
    assert_eq!(status["running"], false);
}

fn inventory_after_sync(home: &Installation) -> Vec<(String, Vec<u8>)> {
    home.works(["sync"]);
    inventory(&home.path("inventory"))
}

#[test]
fn a_sync_that_was_killed_goes_on_and_reads_no_confirmed_page_again() {
    let sim = Simulator::start(9_000, 9);
    let home = Installation::of(&sim);
    sim.control("POST", "faults", r#"{"delayMs":150,"path":"/users"}"#);
    let running = Running::start(&mut home.command(["sync"]));
    while sim.pages().len() < 4 {
        std::thread::yield_now();
    }
    running.signal("KILL");
    assert_eq!(running.end().code, None);
    let before = sim.pages();
    sim.control("DELETE", "faults", "");
    let status: Value = serde_json::from_str(&home.works(["status", "--output", "json"])).unwrap();
    let users = status["collector"]["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["dataset"] == "users");
    let confirmed = users.unwrap()["pages"].as_u64().unwrap();
    assert!(
        confirmed > 0 && confirmed <= before.len() as u64,
        "{confirmed} of {before:?}"
    );
    home.works(["sync"]);
    let after = sim.pages().split_off(before.len());
    assert_eq!(
        after[0],
        confirmed * 999,
        "{confirmed} pages were confirmed before the end"
    );
    let expected: Vec<u64> = (confirmed..10).map(|n| n * 999).take(after.len()).collect();
    assert_eq!(after, expected);
    // As if nothing had happened.
    let whole = Installation::of(&sim);
    whole.works(["sync"]);
    assert!(inventory(&home.path("inventory")) == inventory(&whole.path("inventory")));
}

#[test]
fn a_demo_that_was_killed_goes_on_in_its_directory() {
    let out = tempfile::tempdir().unwrap();
    let demo = || {
        let mut command = program("leastwise");
        command
            .args(["demo", "--users", "3000", "--seed", "4", "--out"])
            .arg(out.path());
        command
    };
    let mut running = Running::start(&mut demo());
    // The first line on standard error says that something is being read.
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    running.signal("KILL");
    running.end();
    let ended = demo().output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(text.contains("Licence position"), "{text}");
    let fresh = tempfile::tempdir().unwrap();
    let mut command = program("leastwise");
    command
        .args(["demo", "--users", "3000", "--seed", "4", "--out"])
        .arg(fresh.path());
    assert!(command.output().unwrap().status.success());
    let sorted = |dir: &std::path::Path| inventory(&dir.join("inventory"));
    assert!(
        sorted(out.path()) == sorted(fresh.path()),
        "the same company in the end"
    );
}
