//! What other people's programs read in our files.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use exporter::SinkConfig;
use serde_json::{Value, json};
use servers::Python;
use support::{A, B, Rig};

async fn rig(keys: &str) -> Rig {
    let rig = Rig::new(|dir| {
        let json = format!(r#"{{"kind":"files","path":"out",{keys}}}"#);
        let mut sink: SinkConfig = serde_json::from_str(&json).unwrap();
        sink.resolve(dir);
        vec![sink]
    })
    .await;
    rig.ledger.user(A, "u1", "=1+1", &["e5", "e3"]);
    rig.ledger.user(A, "u2", "Zoë \"Z\",\r\n\t\u{1f600}", &[]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.ledger.position(A, "e5", 7);
    rig.sync().await;
    rig
}

fn run(python: &Python, script: &str, path: &std::path::Path) -> Value {
    let told = python.run(script, &[path.to_str().unwrap()]).unwrap();
    serde_json::from_str(&told).unwrap()
}

/// The display names that a reader found in files of users.
fn names(read: &Value, reader: &str, column: &str) -> Vec<String> {
    let files = read["files"].as_object().unwrap();
    let mut all = Vec::new();
    for (name, by) in files {
        if name.starts_with("user.") || name.contains("kind=user/") {
            let rows = by[reader]["data"].as_array().unwrap();
            all.extend(
                rows.iter()
                    .map(|row| row[column].as_str().unwrap().to_owned()),
            );
        }
    }
    all
}

#[tokio::test]
async fn two_readers_find_the_same_in_files_of_every_format_and_layout() {
    let Some(python) = Python::installed().unwrap() else {
        return;
    };
    let shows = r#""shows":{"kinds":["user","license_position"]}"#;
    let plain = ["=1+1", "Zoë \"Z\",\r\n\t\u{1f600}", "Bea"];
    let inert = ["'=1+1", "Zoë \"Z\",\r\n\t\u{1f600}", "Bea"];
    let mut ways = vec![
        (r#""format":"ndjson""#, "displayName", plain),
        (
            r#""format":"ndjson","compression":"gzip","layout":"partitioned""#,
            "displayName",
            plain,
        ),
        (r#""format":"csv""#, "display_name", inert),
        (
            r#""format":"csv","compression":"zstd""#,
            "display_name",
            inert,
        ),
        (
            r#""format":"csv","layout":"partitioned","csv":{"inert":false}"#,
            "display_name",
            plain,
        ),
    ];
    if cfg!(feature = "parquet") {
        ways.push((r#""format":"parquet""#, "display_name", plain));
        ways.push((
            r#""format":"parquet","layout":"partitioned""#,
            "display_name",
            plain,
        ));
    }
    for (way, column, expected) in ways {
        let rig = rig(&format!("{way},{shows}")).await;
        // What readers are not told of.
        std::fs::remove_dir_all(rig.out().join(".spool")).unwrap();
        let read = run(&python, "files_read.py", &rig.out());
        for reader in ["pyarrow", "duckdb"] {
            assert_eq!(names(&read, reader, column), expected, "{way} {reader}");
        }
        if way.contains("parquet") {
            let files = read["files"].as_object().unwrap();
            let users = files
                .iter()
                .find(|(name, _)| name.contains("user"))
                .unwrap()
                .1;
            let schema = &users["pyarrow"]["schema"];
            assert_eq!(schema["created_date_time"], "timestamp[us, tz=UTC]");
            assert_eq!(schema["account_enabled"], "bool");
        }
    }
}

#[tokio::test]
async fn openpyxl_finds_texts_numbers_and_no_formula() {
    let Some(python) = Python::installed().unwrap() else {
        return;
    };
    let rig = rig(r#""format":"xlsx""#).await;
    let read = run(&python, "xlsx_read.py", &rig.out().join("inventory.xlsx"));
    let sheets = read["sheets"].as_array().unwrap();
    let named: Vec<_> = sheets.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["Position", "Findings", "Users", "Reconciliation"]);
    assert!(sheets.iter().all(|s| s["frozen"] == "A2"));
    let cells = |sheet: usize, name: &str| -> Vec<Value> {
        let rows = sheets[sheet]["rows"].as_array().unwrap();
        let names = rows[0].as_array().unwrap().iter();
        let place = names.into_iter().position(|c| c["value"] == name).unwrap();
        rows[1..].iter().map(|row| row[place].clone()).collect()
    };
    let text = |value: &str| json!({ "value": value, "type": "text", "formula": false });
    assert_eq!(
        cells(2, "display_name"),
        [text("=1+1"), text("Zoë \"Z\",\n\t\u{1f600}"), text("Bea")]
    );
    let seven = json!({ "value": 7, "type": "number", "formula": false });
    assert_eq!(cells(0, "assigned"), [seven]);
    assert!(
        read.to_string()
            .matches("\"formula\":true")
            .next()
            .is_none()
    );
}
