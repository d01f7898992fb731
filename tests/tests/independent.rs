//! Another program, in another language, counts the same.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use tests::process::{Installation, Simulator};

#[test]
fn a_reader_that_shares_no_code_counts_what_the_position_shows() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("NOT RUN: there is no python3");
        return;
    }
    let sim = Simulator::start(1_300, 21);
    let home = Installation::of(&sim);
    sim.control("POST", "advance?days=3", "");
    home.works(["sync"]);
    sim.control("POST", "advance?days=2", "");
    home.works(["sync"]);
    let positions: Value =
        serde_json::from_str(&home.works(["position", "--output", "json"])).unwrap();
    let of = |property: &str| -> BTreeMap<String, i64> {
        let positions = positions.as_array().unwrap().iter();
        let counts = positions.map(|p| {
            (
                p["skuId"].as_str().unwrap().to_owned(),
                p[property].as_i64().unwrap(),
            )
        });
        counts.filter(|(_, n)| *n > 0).collect()
    };

    let read = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader.py"))
        .env("AUTHORITY", sim.text("authority"))
        .env("GRAPH", sim.text("graph"))
        .env("TENANT", sim.text("id"))
        .env("CLIENT", sim.text("clientId"))
        .env("SECRET", sim.text("clientSecret"))
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    let counts = |name: &str| -> BTreeMap<String, i64> {
        let counts = read[name].as_object().unwrap().iter();
        let counts = counts.map(|(sku, n)| (sku.clone(), n.as_i64().unwrap()));
        counts.filter(|(_, n)| *n > 0).collect()
    };
    assert!(counts("counted").len() > 3);
    assert_eq!(of("assigned"), counts("counted"));
    assert_eq!(of("consumedUnits"), counts("consumedUnits"));
    assert_eq!(counts("counted"), counts("consumedUnits"));
}
