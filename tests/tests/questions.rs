//! docs/questions.md: each command there prints what the page shows.
//!
//! `LEASTWISE_WRITE_QUESTIONS=1 cargo test -p tests questions::` writes the page anew.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use runtime::db::{Db, Durability, Options, query};
use serde_json::Value;
use tests::process::{Installation, Simulator, program};

const WRITE: &str = "LEASTWISE_WRITE_QUESTIONS";
/// What times, numbers of runs and hashes are called on the page: each as long as the real one, so that columns stay.
const TIME: &str = "2026-11-24T08:00:00Z";
const RUN: &str = "1795507200000000";
const REQUEST: &str = "3f2b8c1e-0a4d-4f6b-9c7e-5d1a2b3c4d5e";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/questions.md")
}

/// The tenant of the page: what it was on Monday, and a day later.
fn tenant() -> (Simulator, Installation, String) {
    let mut command = program("graph-sim");
    let roles = "User.Read.All,Organization.Read.All,GroupMember.Read.All";
    command.args(["--users", "2000", "--seed", "1", "--roles", roles]);
    let sim = Simulator::of(&mut command);
    let home = Installation::of(&sim);
    let text = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    let text = text
        .replace("# lateness_seconds = 600", "lateness_seconds = 0")
        // One dataset after the other, so that positions come about in the same steps each time.
        .replace("[collector]\n", "[collector]\nconcurrent_datasets = 1\n")
        .replace("# datasets = [", "datasets = [\"groups\", ");
    home.write("leastwise.toml", &text);
    home.works(["sync"]);
    let monday = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    sim.control("POST", "advance?days=1", "");
    home.works(["sync"]);
    (sim, home, monday)
}

/// The words of a command line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in line.trim().chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Ids of requests that the ledger names: which request comes first differs from run to run.
async fn requests(home: &Installation) -> HashSet<String> {
    let options = Options {
        path: home.path("leastwise-data/normalizer.db"),
        durability: Durability::Normal,
        brake: false,
    };
    let db = Db::open(&options, &normalizer::MIGRATIONS).await.unwrap();
    let mut read = db.read().await.unwrap();
    let q = query("SELECT request_id FROM page_source");
    let ids: Vec<String> = q.fetch_all(&mut read).await.unwrap();
    drop(read);
    db.close().await;
    ids.into_iter().collect()
}

/// What differs from run to run, made equal: times, numbers of runs, hashes, and ids of requests.
fn normal(text: &str, requests: &HashSet<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let token: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-:.".contains(*c))
            .collect();
        let digits = token.bytes().all(|b| b.is_ascii_digit());
        let hex = token.bytes().all(|b| b.is_ascii_hexdigit());
        let known = match token.len() {
            20 if token.ends_with('Z') && token.as_bytes()[10] == b'T' => Some(TIME.to_owned()),
            16 if digits => Some(RUN.to_owned()),
            64 if hex => Some("0".repeat(64)),
            36 if requests.contains(&token) => Some(REQUEST.to_owned()),
            _ => None,
        };
        out.push_str(known.as_deref().unwrap_or(&token));
        rest = &rest[token.len()..];
        if token.is_empty() {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[tokio::test]
async fn each_question_is_answered_by_its_command_as_the_page_shows() {
    let (_sim, home, monday) = tenant();
    let requests = requests(&home).await;
    let page = page();
    let text = std::fs::read_to_string(&page).unwrap();
    let (mut fresh, mut answered) = (String::new(), 0);
    let mut rest = text.as_str();
    // Each command stands in a block of its own, what it prints in the next one.
    while let Some((before, after)) = rest.split_once("```sh\nleastwise ") {
        let (command, after) = after.split_once("\n```\n").unwrap();
        let (between, after) = after.split_once("```text\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        let mut arguments = words(command);
        // Monday is when the tenant was first read: now it is, whatever the day.
        for argument in &mut arguments {
            if argument == "Monday" {
                argument.clone_from(&monday);
            }
        }
        let printed = normal(&home.works(&arguments), &requests);
        fresh +=
            &format!("{before}```sh\nleastwise {command}\n```\n{between}```text\n{printed}```\n");
        answered += 1;
        rest = after;
    }
    fresh += rest;
    assert!(answered >= 7, "{answered} commands");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&page, fresh).unwrap();
        return;
    }
    let differing = fresh.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(
        fresh == text,
        "docs/questions.md is not what the commands print; {WRITE}=1 writes it anew. First difference (printed, page): {differing:?}"
    );
}

#[test]
fn programs_get_everything_and_what_is_wrong_is_said() {
    let sim = Simulator::start(300, 5);
    let home = Installation::of(&sim);
    let empty = home.works(["position", "--by", "department"]);
    assert!(empty.contains("no position yet"), "{empty}");
    home.works(["sync"]);
    let json = |arguments: &[&str]| -> Value {
        let arguments = arguments.iter().chain(&["--output", "json"]);
        serde_json::from_str(&home.works(arguments.copied())).unwrap()
    };
    let lines = |arguments: &[&str]| {
        let arguments = arguments.iter().chain(&["--output", "csv"]);
        home.works(arguments.copied()).lines().count()
    };
    let all = json(&["position"]);
    let position = &all[0];
    let sku = position["skuPartNumber"].as_str().unwrap();
    let one = json(&["position", &sku.to_lowercase()]);
    assert_eq!((one.as_array().unwrap().len(), &one[0]), (1, position));

    let holders = json(&["holders", sku, "--limit", "1"]);
    let holders = holders.as_array().unwrap();
    let users: HashSet<&str> = holders
        .iter()
        .map(|h| h["userId"].as_str().unwrap())
        .collect();
    assert_eq!(users.len() as u64, position["assigned"].as_u64().unwrap());
    assert_eq!(lines(&["holders", sku]), holders.len() + 1);
    let nobody = json(&["holders", sku, "--group", "nobody's"]);
    assert_eq!(nobody, Value::Array(Vec::new()));

    let by = json(&["position", sku, "--by", "Department"]);
    let of_each = by
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["assigned"].as_u64().unwrap());
    assert_eq!(of_each.sum::<u64>(), position["assigned"].as_u64().unwrap());
    assert_eq!(
        (by[0]["property"].as_str(), by[0]["skuPartNumber"].as_str()),
        (Some("department"), Some(sku))
    );
    assert_eq!(
        lines(&["position", sku, "--by", "department"]),
        by.as_array().unwrap().len() + 1
    );
    let trend = json(&["position", sku, "--trend"]);
    let newest = trend.as_array().unwrap().last().unwrap();
    assert_eq!(newest["assigned"], position["assigned"]);
    assert_eq!(newest["day"].as_str().unwrap().len(), 10);

    let changes = json(&["changes", "--since", "1d", "--kind", "user"]);
    assert_eq!(changes[0]["kinds"][0]["added"], 300);
    assert_eq!(
        (
            changes[0]["records"].as_array().unwrap().len(),
            &changes[0]["more"]
        ),
        (100, &Value::Bool(true))
    );
    assert_eq!(
        lines(&["changes", "--since", "1d", "--kind", "user", "--limit", "7"]),
        8
    );
    let history = json(&["history", "position", sku]);
    assert_eq!(
        history[0]["changes"].as_array().unwrap().last().unwrap()["what"],
        "added"
    );
    let user = holders[0]["userId"].as_str().unwrap();
    assert_eq!(lines(&["history", "user", user, "--since", "1d"]), 2);

    for (arguments, exit, code) in [
        (&["holders", "SPE_E7"][..], 64, "LW-5052"),
        (&["changes", "--since", "yore"], 64, "LW-5053"),
        (&["position", "--by", "shoeSize"], 1, "LW-5050"),
        (
            &["changes", "--since", "1d", "--kind", "people"],
            1,
            "there is no kind",
        ),
        (&["history", "user", "nobody"], 1, "has no user"),
    ] {
        let ended = home.run(arguments);
        assert_eq!(ended.code, Some(exit), "{ended:?}");
        assert!(ended.err.contains(code), "{ended:?}");
    }
}
