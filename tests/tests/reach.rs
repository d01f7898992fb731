//! `token-broker reach` on Microsoft's catalogue, and that docs/security.md says the same.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::process::{Ended, program};

fn facts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/facts/graph-operations.csv")
}

fn reach(catalogue: &Path, output: &str) -> Ended {
    let mut command = program("token-broker");
    command.args(["reach", "--output", output, "--catalogue"]);
    command.arg(catalogue).output().unwrap().into()
}

#[test]
fn ours_is_the_least_and_the_page_says_how_much_it_is() {
    let ended = reach(&facts(), "json");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let all: Vec<Value> = serde_json::from_str(&ended.out).unwrap();
    let of = |name: &str| {
        let found = all
            .iter()
            .find(|r| r["name"].as_str().unwrap().contains(name));
        found.unwrap_or_else(|| panic!("{name}: {}", ended.out))
    };
    let count = |reach: &Value, what: &str| reach[what].as_u64().unwrap();

    let ours = &all[0];
    assert_eq!(ours["name"], "Leastwise");
    // A part of what these unlock, and not all of it.
    for name in ["and usage reports", "SAP LeanIX"] {
        assert_eq!(count(of(name), "lacksOfOurs"), 0, "{name}");
        assert!(count(of(name), "operations") > count(ours, "operations"));
    }
    // Fewer than each product's, though not a part of every one's: Directory.Read.All reads no profiles.
    for product in &all[3..] {
        for what in ["operations", "get"] {
            assert!(count(product, what) > count(ours, what), "{product}");
        }
    }
    assert!(count(of("Flexera"), "lacksOfOurs") > 0);
    for reach in &all {
        assert_eq!(reach["unknown"], Value::Array(vec![]), "{reach}");
    }

    // The page prints the same numbers, and names each kind of call that is not GET.
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md"))
            .unwrap();
    let table = reach_table(&page);
    let printed: Vec<Vec<String>> = all
        .iter()
        .map(|r| {
            let other = r["notGet"].as_array().unwrap().len();
            let numbers = [
                count(r, "operations"),
                count(r, "get"),
                other as u64,
                count(r, "lacksOfOurs"),
            ];
            let name = r["name"].as_str().unwrap().to_owned();
            std::iter::once(name)
                .chain(numbers.map(|n| n.to_string()))
                .collect()
        })
        .collect();
    assert_eq!(table, printed);
    for call in ours["notGet"].as_array().unwrap() {
        let call = call.as_str().unwrap().to_ascii_lowercase();
        let named = page.to_ascii_lowercase();
        let last = call.rsplit('/').find(|part| *part != "{id}").unwrap();
        assert!(named.contains(last), "{call} is not in docs/security.md");
    }
}

/// The rows of the table below the heading "Reach", without what it looks like.
fn reach_table(page: &str) -> Vec<Vec<String>> {
    let section = page.split("\n## Reach\n").nth(1).unwrap();
    let rows = section
        .lines()
        .skip_while(|l| !l.starts_with("|---"))
        .skip(1);
    rows.take_while(|l| l.starts_with('|'))
        .map(|row| {
            let cells = row.trim_matches('|').split('|');
            let mut cells: Vec<_> = cells.map(|c| c.trim().to_owned()).collect();
            // The permissions stand in the table, for people.
            cells.remove(1);
            cells
        })
        .collect()
}

#[test]
fn the_table_is_for_people_and_a_mistake_is_explained() {
    let ended = reach(&facts(), "table");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("Who asks "), "{}", ended.out);
    assert_eq!(ended.err, "");

    let home = tempfile::tempdir().unwrap();
    let ended = reach(&home.path().join("none.csv"), "table");
    assert_eq!((ended.code, ended.out.as_str()), (Some(74), ""));
    assert!(ended.err.starts_with("LW-1050: "), "{}", ended.err);
    assert!(ended.err.contains("none.csv"), "{}", ended.err);

    let file = home.path().join("permissions.csv");
    std::fs::write(&file, "permission,id\nUser.Read.All,1\n").unwrap();
    let ended = reach(&file, "json");
    assert_eq!((ended.code, ended.out.as_str()), (Some(64), ""));
    assert!(ended.err.starts_with("LW-1051: "), "{}", ended.err);
}
