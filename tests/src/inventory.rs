//! The inventory as it stands in files, and how it is compared: record by record.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

/// The records of a kind by their key.
pub type Records = BTreeMap<String, Value>;

/// Every kind that the files sink writes.
pub const KINDS: [&str; 7] = [
    "organization",
    "subscribed_sku",
    "subscription",
    "user",
    "license_assignment",
    "license_position",
    "finding",
];

/// The properties that make a record's key.
fn key_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "organization" => &["tenantId"],
        "subscribed_sku" | "license_position" => &["tenantId", "skuId"],
        "subscription" => &["tenantId", "id"],
        "finding" => &["tenantId", "rule", "skuId", "userId"],
        "user" => &["tenantId", "userId"],
        "license_assignment" => &[
            "tenantId",
            "userId",
            "skuId",
            "path",
            "assignedByGroup",
            "state",
            "error",
            "lastUpdatedDateTime",
        ],
        other => panic!("no kind {other}"),
    }
}

/// Records by key; two with one key are an error of whoever wrote them.
pub fn by_key(kind: &str, records: impl IntoIterator<Item = Value>) -> Records {
    let mut out = Records::new();
    for record in records {
        let key: Vec<String> = key_of(kind)
            .iter()
            .map(|p| match &record[p] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect();
        let twice = out.insert(key.join(" "), canonical(record));
        assert!(twice.is_none(), "{kind} {key:?} is there twice");
    }
    out
}

/// The records of a kind in a directory of the files sink; none when there is no file.
pub fn read(dir: &Path, kind: &str) -> Records {
    let path = dir.join(format!("{kind}.ndjson"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => panic!("{}: {e}", path.display()),
    };
    by_key(kind, text.lines().map(|l| serde_json::from_str(l).unwrap()))
}

/// The records that one text of JSON each shows.
pub fn read_texts<'t>(kind: &str, texts: impl IntoIterator<Item = &'t str>) -> Records {
    by_key(
        kind,
        texts.into_iter().map(|t| serde_json::from_str(t).unwrap()),
    )
}

/// The records that a view of the SQLite sink shows.
pub fn read_view(file: &Path, kind: &str) -> Records {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let rows = runtime
        .enable_all()
        .build()
        .unwrap()
        .block_on(rows(file, kind))
        .unwrap();
    by_key(
        kind,
        rows.iter()
            .map(|row| typed(serde_json::from_str(row).unwrap())),
    )
}

async fn rows(file: &Path, kind: &str) -> sqlx::Result<Vec<String>> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut db = SqliteConnection::connect_with(&options).await?;
    let columns = format!("SELECT name FROM pragma_table_info('{kind}')");
    let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(columns))
        .fetch_all(&mut db)
        .await?;
    let properties: Vec<String> = columns
        .iter()
        .map(|name| format!("'{}', \"{name}\"", camel(name)))
        .collect();
    let sql = format!("SELECT json_object({}) FROM {kind}", properties.join(", "));
    let rows = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(&mut db)
        .await?;
    db.close().await?;
    Ok(rows)
}

/// SQL has neither lists nor true and false: they are texts and numbers there.
fn typed(mut row: Value) -> Value {
    const FLAGS: [&str; 5] = [
        "accountEnabled",
        "onPremisesSyncEnabled",
        "isTrial",
        "consumes",
        "reconciled",
    ];
    for (name, value) in row.as_object_mut().unwrap() {
        match value {
            Value::String(text) if text.starts_with('[') => {
                *value = serde_json::from_str(text).unwrap()
            }
            Value::Number(n) if FLAGS.contains(&name.as_str()) => {
                *value = (n.as_i64() == Some(1)).into()
            }
            _ => {}
        }
    }
    row
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |out, word| {
        let (head, tail) = word.split_at(1);
        out + &head.to_ascii_uppercase() + tail
    })
}

/// A record whose lists are in one order: theirs means nothing.
pub fn canonical(mut record: Value) -> Value {
    for list in record.as_object_mut().unwrap().values_mut() {
        if let Value::Array(list) = list {
            for item in list.iter_mut() {
                *item = sorted(std::mem::take(item));
            }
            list.sort_by_cached_key(ToString::to_string);
        }
    }
    record
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(sorted).collect();
            list.sort_by_cached_key(ToString::to_string);
            Value::Array(list)
        }
        Value::Object(map) => {
            let map: BTreeMap<String, Value> =
                map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            Value::Object(map.into_iter().collect())
        }
        other => other,
    }
}

/// Fails with what is missing, what is too much and what differs.
#[track_caller]
pub fn same(what: &str, expected: &Records, actual: &Records) {
    if let Some(difference) = difference(what, expected, actual) {
        panic!("{difference}");
    }
}

/// What is missing, what is too much and what differs; none where there is no difference.
pub fn difference(what: &str, expected: &Records, actual: &Records) -> Option<String> {
    let missing: Vec<_> = expected
        .keys()
        .filter(|k| !actual.contains_key(*k))
        .collect();
    let extra: Vec<_> = actual
        .keys()
        .filter(|k| !expected.contains_key(*k))
        .collect();
    let differ: Vec<_> = expected
        .iter()
        .filter_map(|(k, e)| actual.get(k).filter(|a| *a != e).map(|a| (k, e, a)))
        .collect();
    if missing.is_empty() && extra.is_empty() && differ.is_empty() {
        return None;
    }
    let first = differ
        .first()
        .map(|(k, e, a)| format!("\n  {k}\n  expected {e}\n  is       {a}"));
    Some(format!(
        "{what}: {} expected, {} there; missing {} {:?}; too much {} {:?}; different {}{}",
        expected.len(),
        actual.len(),
        missing.len(),
        missing.iter().take(3).collect::<Vec<_>>(),
        extra.len(),
        extra.iter().take(3).collect::<Vec<_>>(),
        differ.len(),
        first.unwrap_or_default(),
    ))
}

/// For each product the position's number is that of distinct users with a consuming row, and Microsoft's.
#[track_caller]
pub fn countings_agree(dir: &Path) {
    let mut users: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let text = |v: &Value, p: &str| v[p].as_str().unwrap().to_owned();
    for row in read(dir, "license_assignment").values() {
        if row["consumes"] == true {
            let sku = (text(row, "tenantId"), text(row, "skuId"));
            users.entry(sku).or_default().insert(text(row, "userId"));
        }
    }
    for position in read(dir, "license_position").values() {
        let sku = (text(position, "tenantId"), text(position, "skuId"));
        let counted = users.remove(&sku).map_or(0, |u| u.len() as i64);
        assert_eq!(position["assigned"], counted, "rows of {sku:?}");
        assert_eq!(
            position["consumedUnits"], counted,
            "Microsoft's count of {sku:?}"
        );
    }
    assert!(
        users.is_empty(),
        "consumed without a position: {:?}",
        users.keys()
    );
}
