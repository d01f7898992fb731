//! Differences between Microsoft's count and ours, planted in a tenant: the printed explanation and what is left are the
//! plant. With the real programs.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;

use serde_json::Value;
use tests::process::{Installation, Simulator};

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

fn installed(sim: &Simulator) -> Installation {
    let home = Installation::of(sim);
    let text = std::fs::read_to_string(home.path("leastwise.toml")).unwrap();
    let text = text.replace("# lateness_seconds = 600", "lateness_seconds = 0");
    home.write("leastwise.toml", &text);
    home.works(["sync"]);
    home
}

/// Ids of the users that really hold the product.
fn holders(sim: &Simulator) -> BTreeSet<String> {
    let users = sim.control("GET", "truth/0/users", "");
    let users = users.lines().map(|l| serde_json::from_str(l).unwrap());
    let holds = |user: &Value| {
        let held = user["assignedLicenses"].as_array().unwrap();
        held.iter().any(|l| l["skuId"] == E3)
    };
    users
        .filter(holds)
        .map(|user| user["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The position of the product, and what explains its residual.
fn position(home: &Installation) -> (Value, Value) {
    let positions = home.json(["position"]);
    let mut all = positions.as_array().unwrap().iter();
    let position = all.find(|p| p["skuId"] == E3).unwrap().clone();
    let why = home.json(["why", "position", "spe_e3", "--most-objects", "999"]);
    (position, why[0]["reconciliation"].clone())
}

fn reasons(why: &Value) -> Vec<(&str, i64)> {
    let reasons = why["reasons"].as_array().unwrap().iter();
    let reason = reasons.map(|r| (r["reason"].as_str().unwrap(), r["units"].as_i64().unwrap()));
    reason.filter(|(_, units)| *units != 0).collect()
}

#[test]
fn what_is_planted_is_what_is_printed() {
    let sim = Simulator::start(300, 21);
    let home = installed(&sim);
    let positions = home.json(["position"]);
    for position in positions.as_array().unwrap() {
        assert_eq!(position["unexplained"], 0, "{position}");
        assert_eq!(position["reconciled"], true, "{position}");
    }
    let table = home.works(["position"]);
    let (paid, apart) = table
        .split_once("Free, trial, or for the whole company")
        .unwrap();
    assert!(
        paid.contains("SPE_E3") && !apart.contains("SPE_E3"),
        "{table}"
    );
    assert!(
        apart.contains("FLOW_FREE") && apart.contains("company wide"),
        "{table}"
    );

    // Units of users to whom it could not be assigned, and nine that nobody holds. Until users are read after the count was,
    // its change explains them.
    let failed = position(&home).0["inError"].as_i64().unwrap();
    assert!(failed > 0);
    let by = failed + 9;
    let miscount = format!(r#"{{"sku":"SPE_E3","by":{by}}}"#);
    sim.control("POST", "miscount", &miscount);
    home.works(["sync"]);
    home.works(["sync"]);
    let (found, why) = position(&home);
    assert_eq!(
        (&found["residual"], &found["unexplained"]),
        (&by.into(), &9.into())
    );
    assert_eq!(found["reconciled"], false);
    assert_eq!(reasons(&why), [("in_error", failed)]);
    let text = home.works(["why", "position", "spe_e3"]);
    for line in [
        "9 unexplained, more than the limit: the two countings don't agree",
        "Why Microsoft counts otherwise",
        &format!("Unexplained 9 = {by} residual - {failed} in_error, more than 5 may be"),
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    let told = home.run(["sync"]);
    assert_eq!(
        told.code,
        Some(0),
        "what doesn't reconcile is complete all the same"
    );
    assert!(home.works(["position"]).contains("9 unexplained"));

    // Half of the people are deleted by mistake: counted here until somebody decides.
    let before = holders(&sim);
    sim.control("POST", "miscount", r#"{"sku":"SPE_E3","by":-8}"#);
    sim.control("POST", "storm", r#"{"kind":"deletion","users":150}"#);
    assert_eq!(home.run(["sync"]).code, Some(3));
    // What is held stays so, and users are read after the count was.
    home.run(["sync"]);
    let deleted: BTreeSet<String> = before.difference(&holders(&sim)).cloned().collect();
    let held = i64::try_from(deleted.len()).unwrap();
    assert!(held > 8, "{held}");
    let (found, why) = position(&home);
    assert_eq!(found["residual"], -8 - held);
    assert_eq!(found["unexplained"], -8);
    assert_eq!(found["reconciled"], false);
    assert_eq!(reasons(&why), [("suspected", -held)]);
    let listed = why["reasons"][0]["listed"].as_array().unwrap().iter();
    let listed: BTreeSet<String> = listed
        .map(|o| o["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed, deleted);

    // Once that is undone and Microsoft counts as we do, everything agrees.
    sim.control("POST", "miscount", r#"{"sku":"SPE_E3","by":0}"#);
    sim.control("POST", "storm", r#"{"kind":"restoration","users":150}"#);
    home.works(["sync"]);
    let (found, why) = position(&home);
    assert_eq!(
        (&found["residual"], &found["reconciled"]),
        (&0.into(), &true.into())
    );
    assert_eq!(why, Value::Null);
    let text = home.works(["why", "position", "spe_e3"]);
    assert!(!text.contains("counts otherwise"), "{text}");
}
