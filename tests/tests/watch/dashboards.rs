//! Dashboards hold nothing that Grafana doesn't know.

use std::fs;

use serde_json::{Value, json};
use servers::Grafana;
use tests::watch::workspace;

#[test]
fn grafana_knows_everything_in_them() {
    let Some(grafana) = Grafana::installed().unwrap() else {
        return;
    };
    let there = workspace("deploy/grafana");
    let told = grafana.judge(&there).unwrap();
    assert!(told.starts_with("8 dashboards, "), "{told}");

    // What is misspelt is found.
    let spoilt = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(there.join("leastwise-overview.json")).unwrap();
    let mut board: Value = serde_json::from_str(&text).unwrap();
    board["refrsh"] = json!("1m");
    board["panels"][1]["options"]["colorMode"] = json!("values");
    board["panels"][2]["targets"][0]["exprs"] = json!("up");
    fs::write(spoilt.path().join("spoilt.json"), board.to_string()).unwrap();
    let told = grafana.judge(spoilt.path()).unwrap_err().to_string();
    for part in ["refrsh", "values", "exprs", "3 wrong"] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
}
