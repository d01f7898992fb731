//! The real programs, as a person uses them.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::io::{BufRead as _, BufReader};

use runtime::db::{Db, Durability, Options, query};
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

    let why = home.works(["why", "position", "spe_e3"]);
    for part in [
        "Assigned ",
        "It follows from",
        "subscribed_sku",
        "Users hold it by",
    ] {
        assert!(why.contains(part), "{why}");
    }
    let user = blocked[0]["userId"].as_str().unwrap();
    let why: Value =
        serde_json::from_str(&home.works(["why", "user", user, "--output", "json"])).unwrap();
    let page = &why[0]["record"]["page"];
    assert_eq!(page["sha256"].as_str().unwrap().len(), 64, "{why}");
    assert!(!page["requestId"].as_str().unwrap().is_empty(), "{why}");
    let nobody = home.run(["why", "user", "nobody"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("has no user"), "{nobody:?}");

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

/// An installation that asks again at once, with everything read.
fn impatient(sim: &Simulator) -> Installation {
    let home = Installation::of(sim);
    let text = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    let text = text.replace("# lateness_seconds = 600", "lateness_seconds = 0");
    home.write("leastwise.toml", &text);
    home.works(["sync"]);
    home
}

fn users(home: &Installation) -> usize {
    let file = home.path("inventory/user.ndjson");
    std::fs::read_to_string(file).unwrap().lines().count()
}

/// Half of the users are deleted by mistake: the run that holds that.
fn mass_deletion(sim: &Simulator, home: &Installation) -> String {
    sim.control("POST", "storm", r#"{"kind":"deletion","users":150}"#);
    let ended = home.run(["sync"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let runs = home.json(["runs", "list"]);
    let run = runs.as_array().unwrap().iter().find(|r| r["held"] == 150);
    let run = run.unwrap()["run"].to_string();
    assert_eq!(users(home), 300);
    run
}

#[test]
fn a_mass_deletion_is_held_shown_and_released() {
    let sim = Simulator::start(300, 11);
    let home = impatient(&sim);
    let run = mass_deletion(&sim, &home);
    let text = home.works(["runs", "show", &run, "--most-held", "20"]);
    for part in [
        "150 removals are held",
        "and 130 more",
        "Suspected since",
        &format!("leastwise runs approve {run}"),
        "complete",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    let shown = home.json(["runs", "show", &run, "--most-held", "1000"]);
    let held = shown[0]["held"].as_array().unwrap();
    assert_eq!(held.len(), 150);
    let told = |h: &Value| {
        let text = |name: &str| h[name].as_str().unwrap().len();
        text("key") == 36 && text("name") > 0 && text("why") > 0 && h["since"].as_u64() > Some(0)
    };
    assert!(held.iter().all(told), "{:?}", held[0]);
    let said = home.works(["runs", "approve", &run, "--reason", "the site was closed"]);
    assert!(said.starts_with("150 removals are approved"), "{said}");
    home.works(["sync"]);
    assert_eq!(users(&home), 150);
    assert_eq!(home.run(["runs", "show", "7"]).code, Some(1));
}

#[test]
fn a_mass_deletion_by_mistake_is_rejected_and_taken_back() {
    let sim = Simulator::start(300, 12);
    let home = impatient(&sim);
    let before = inventory(&home.path("inventory"));
    let run = mass_deletion(&sim, &home);
    let said = home.works(["runs", "reject", &run, "--reason", "a mistake"]);
    assert!(said.starts_with("150 held removals are dropped"), "{said}");
    assert!(home.json(["runs", "show", &run])[0]["held"] == Value::Array(Vec::new()));
    sim.control("POST", "storm", r#"{"kind":"restoration","users":150}"#);
    home.works(["sync"]);
    let now = inventory(&home.path("inventory"));
    let of = |all: &[(String, Vec<u8>)]| all.iter().find(|f| f.0 == "user.ndjson").cloned();
    assert!(of(&before) == of(&now), "as if nothing had happened");
}

#[test]
fn a_licence_that_flips_for_a_group_is_not_held() {
    let sim = Simulator::start(1_000, 13);
    let home = impatient(&sim);
    let answer: Value =
        serde_json::from_str(&sim.control("POST", "storm", r#"{"kind":"flip"}"#)).unwrap();
    let flipped = answer["users"].as_u64().unwrap();
    assert!(flipped > 200, "more than a fifth of all: {flipped}");
    home.works(["sync"]);
    let runs = home.json(["runs", "list"]);
    let of_users = runs.as_array().unwrap().iter();
    let changed = of_users
        .filter(|r| r["dataset"] == "users")
        .map(|r| r["changed"].as_u64().unwrap());
    assert!(
        changed.clone().any(|n| n * 10 >= flipped * 9 && n < 1_000),
        "{:?}",
        changed.collect::<Vec<_>>()
    );
    assert!(runs.as_array().unwrap().iter().all(|r| r["held"] == 0));
}

/// A user whom an earlier release could not read: sealed as the normalizer seals, under the key beside its database.
async fn set_aside(home: &Installation, source: &str) {
    let data = home.path("leastwise-data");
    let options = Options {
        path: data.join("normalizer.db"),
        durability: Durability::Normal,
        brake: false,
    };
    let db = Db::open(&options, &normalizer::MIGRATIONS).await.unwrap();
    let mut w = db.write().await.unwrap();
    let sql = "SELECT t.id, t.tenant, c.run FROM closing c JOIN tenant t ON t.id = c.tenant WHERE c.dataset = 'users'
        ORDER BY c.id DESC LIMIT 1";
    let (tenant, id, run): (i64, String, i64) = query(sql).fetch_one(&mut w).await.unwrap();
    let at_rest = normalizer::AtRest::embedded(data.join("normalizer.key")).unwrap();
    let key = at_rest.open().unwrap().current();
    let place = format!("leastwise set aside 1\0{id}\0users\0{run}\01\00\0u1");
    let sql = "INSERT INTO set_aside
        (tenant, dataset, run, attempt, sequence, key, reason, at, sealed_under, source)
        VALUES (?, 'users', ?, 1, 0, 'u1', 'not as documented (line 1, column 9)', ?, ?, ?)";
    query(sql)
        .bind(tenant)
        .bind(run)
        .bind(run)
        .bind(&key.id)
        .bind(key.seal(place.as_bytes(), source.as_bytes()))
        .execute(&mut w)
        .await
        .unwrap();
    w.commit().await.unwrap();
    db.close().await;
}

#[tokio::test]
async fn what_was_set_aside_is_listed_shown_and_read_again() {
    let sim = Simulator::start(50, 14);
    let home = impatient(&sim);
    assert_eq!(home.json(["setaside", "list"]), Value::Array(Vec::new()));
    set_aside(&home, r#"{"id":"U1","displayName":"Ann\u001b[2J"}"#).await;
    let listed = home.json(["setaside", "list", "--dataset", "users", "--key", "U1"]);
    assert_eq!(listed[0]["reason"], "not as documented (line 1, column 9)");
    assert_eq!(
        home.json(["setaside", "list", "--dataset", "groups"]),
        Value::Array(Vec::new())
    );
    let number = listed[0]["id"].to_string();
    let shown = home.works(["setaside", "show", &number, "--reason", "the supplier asks"]);
    assert!(
        shown.contains("displayName") && shown.contains("This release can read it"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'));

    let runs = |home: &Installation| {
        let runs = home.json(["runs", "list"]);
        let all = runs.as_array().unwrap().clone();
        all.into_iter()
            .filter(|r| r["dataset"] == "users" && r["mode"] == "full")
            .count()
    };
    let before = runs(&home);
    let said = home.works(["setaside", "replay", "--dry-run"]);
    assert!(
        said.contains("readable") && !said.contains("read again"),
        "{said}"
    );
    home.works(["sync"]);
    assert_eq!(runs(&home), before, "nothing was asked for");
    let said = home.works(["setaside", "replay"]);
    assert!(
        said.contains("users of") && said.contains("is read again in full"),
        "{said}"
    );
    home.works(["sync"]);
    assert_eq!(runs(&home), before + 1);
    // The full reading takes the place of what was set aside before.
    assert_eq!(home.json(["setaside", "list"]), Value::Array(Vec::new()));
    let missing = home.run(["setaside", "show", &number]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.contains("no set-aside object"), "{missing:?}");
}
