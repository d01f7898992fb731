use std::fmt::Write as _;

use super::super::Names;
use super::*;

const HEADER: &str = "Product_Display_Name,String_Id,GUID,Service_Plan_Name,Service_Plan_Id,Service_Plans_Included_Friendly_Names";
const E5: &str = "06ebc4ee-1bb5-47dd-8120-11324bc54e06";
const TEAMS: &str = "57ff2da0-773e-42df-b2af-ffb7a2317929";

/// Microsoft's table as far as it is known, with other names where `rename` says so.
fn table(keep: usize, rename: impl Fn(usize, &str) -> String) -> String {
    let known = Names::built_in();
    let (mut products, mut plans): (Vec<_>, Vec<_>) = (
        known.0.products.iter().collect(),
        known.0.plans.iter().collect(),
    );
    products.sort();
    plans.sort();
    let mut out = HEADER.to_owned();
    for (n, (plan, plan_name)) in plans.iter().enumerate() {
        let (product, name) = products[n % products.len().min(keep.max(1))];
        if n % products.len() < keep {
            let name = rename(n, name);
            write!(out, "\r\n\"{name}\",X,{product},Y,{plan},\"{plan_name}\"").unwrap();
        }
    }
    out
}

fn written(text: &str) -> (tempfile::TempDir, NamesFile) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("names.csv");
    std::fs::write(&file, text).unwrap();
    let hash = Sha256::digest(text.as_bytes());
    let sha256 = hash.iter().map(|b| format!("{b:02X}")).collect();
    (dir, NamesFile { file, sha256 })
}

fn refused(file: &NamesFile) -> String {
    match Names::load(Some(file)) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => format!("{} {}", e.code, e.what),
    }
}

fn same(_: usize, name: &str) -> String {
    name.to_owned()
}

#[test]
fn cleans_what_microsoft_publishes() {
    let whole = table(usize::MAX, same);
    let text = format!(
        "\u{feff}{whole}\r\nOld name,SPE_E5,{E5},TEAMS1,{TEAMS},Old\r\n\" Microsoft\u{a0}365  E5 (new) \",SPE_E5,{},TEAMS1,{TEAMS},Teams (new)\r\nNo GUID,Z,none,,,\r\n",
        E5.to_uppercase()
    );
    let (_dir, file) = written(&text);
    let names = Names::load(Some(&file)).unwrap();
    assert_eq!(
        names.product(E5),
        Some("Microsoft 365 E5 (new)"),
        "the last name"
    );
    assert_eq!(names.plan(TEAMS), Some("Teams (new)"));
    assert_eq!(names.product("none"), None);
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let (_dir, mut file) = written(&table(usize::MAX, same));
    file.sha256 = "00".repeat(32);
    assert!(refused(&file).starts_with("LW-5031"), "{}", refused(&file));
    file.file.push("nothing");
    assert!(refused(&file).starts_with("LW-5030"));
}

#[test]
fn what_is_no_such_table_is_refused() {
    for text in ["", "a,b\r\n1,2\r\n", "GUID,Product_Display_Name\r\n"] {
        let (_dir, file) = written(text);
        assert!(
            refused(&file).starts_with("LW-5032"),
            "{text}: {}",
            refused(&file)
        );
    }
}

#[test]
fn a_table_that_lost_most_rows_or_renames_most_is_refused() {
    let (_dir, file) = written(&table(40, same));
    assert!(
        refused(&file).contains("known products"),
        "{}",
        refused(&file)
    );
    let other = |n: usize, name: &str| match n.is_multiple_of(2) {
        true => format!("{name} of another world"),
        false => name.to_owned(),
    };
    let (_dir, file) = written(&table(usize::MAX, other));
    assert!(refused(&file).contains("other names"), "{}", refused(&file));
    let few = |n: usize, name: &str| match n.is_multiple_of(10) {
        true => format!("{name} (renamed)"),
        false => name.to_owned(),
    };
    let (_dir, file) = written(&table(usize::MAX, few));
    assert_eq!(refused(&file), "accepted");
}
