//! The outcome of every file stands in `expected.json`; `LEASTWISE_WRITE_SAMPLES=1` writes it anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use normalizer::map::{self, Objects};
use proto::kind::RecordKind;
use serde_json::{Value, json};

use super::place::{self, Place};
use super::record;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const WRITE: &str = "LEASTWISE_WRITE_SAMPLES";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn samples() -> PathBuf {
    tests().join("../../shared/samples/graph")
}

/// The objects of an answer, as the collector publishes them.
fn objects(place: &Place, text: &str) -> Value {
    let whole: Value = serde_json::from_str(text).unwrap();
    let value = match whole.get("value") {
        // One object that is no collection is published as it is.
        _ if place.kind() == Some(RecordKind::ReportSettings) => json!([whole]),
        None => json!([whole]),
        Some(Value::Array(list)) => json!(list),
        Some(object) => json!([object]),
    };
    let Place::Members = place else {
        return value;
    };
    let group = "02bd9fd6-8f93-4758-87c3-1fb73740a315";
    let members = value.as_array().unwrap().iter();
    members
        .map(|m| json!({ "groupId": group, "value": m }))
        .collect()
}

/// The rows of a report, as the collector publishes them, with the columns.
fn rows(text: &str) -> (Value, Vec<String>) {
    let mut rows = collector::Rows::default();
    rows.feed(text.as_bytes());
    rows.feed(b"");
    let mut all = Vec::new();
    while let Some(row) = rows.next_row().unwrap() {
        all.push(serde_json::from_str::<Value>(row.get()).unwrap());
    }
    (json!(all), rows.columns().unwrap().to_vec())
}

fn outcome(file: &str, text: &str) -> Value {
    let place = place::of(file);
    let Some(kind) = place.kind() else {
        return json!({ "none": place.reason() });
    };
    let (objects, columns) = match file.ends_with(".csv") {
        true => rows(text),
        false => (objects(&place, text), Vec::new()),
    };
    let page = json!({ "value": objects }).to_string();
    let mapped = map::page(kind, TENANT, &page).unwrap();
    assert_eq!(mapped, map::page(kind, TENANT, &page).unwrap(), "{file}");
    told(kind, mapped, map::columns(kind, &columns))
}

fn told(kind: RecordKind, mapped: Objects, columns: Vec<proto::pages::v1::Unfamiliar>) -> Value {
    let records = mapped.records.iter();
    let records: Vec<Value> = records
        .map(|r| record::json(kind, &r.key, &r.body))
        .collect();
    let aside = mapped.set_aside.iter();
    let aside: Vec<Value> = aside
        .map(|s| json!({ "key": s.key, "reason": s.reason }))
        .collect();
    let unfamiliar = mapped.unfamiliar.into_iter().chain(columns);
    let unfamiliar: Vec<String> = unfamiliar
        .map(|u| format!("{} {}", u.what, u.name))
        .collect();
    json!({ "kind": kind.name(), "records": records, "setAside": aside, "unfamiliar": unfamiliar })
}

#[test]
fn microsofts_answers_become_what_is_expected_of_each() {
    let manifest = fs::read_to_string(samples().join("MANIFEST.tsv")).unwrap();
    let files = manifest
        .lines()
        .skip(1)
        .filter_map(|l| l.split('\t').next());
    let outcomes: BTreeMap<&str, Value> = files
        .map(|file| {
            let text = fs::read_to_string(samples().join(file)).unwrap();
            (file, outcome(file, &text))
        })
        .collect();
    assert!(outcomes.len() > 100, "{} samples", outcomes.len());
    let path = tests().join("tests/samples/expected.json");
    if std::env::var_os(WRITE).is_some() {
        let text = serde_json::to_string_pretty(&outcomes).unwrap() + "\n";
        fs::write(&path, text).unwrap();
    }
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for (file, outcome) in &outcomes {
        let expected = expected
            .get(*file)
            .unwrap_or_else(|| panic!("{file} is new"));
        assert_eq!(outcome, expected, "{file}");
    }
    assert_eq!(outcomes.len(), expected.len(), "a sample went");
}
