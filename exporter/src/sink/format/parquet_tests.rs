//! Files of columns, read back.
#![allow(clippy::unwrap_used, reason = "tests")]

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proto::body::Body;
use proto::inventory::v1::{Finding, User};

use super::*;
use crate::sink::format::Format;

fn encoding() -> Encoding {
    Encoding {
        format: Format::Parquet,
        ..Encoding::default()
    }
}

fn write(path: &Path, kind: &str, bodies: &[Body]) {
    let mut rows = encoding().begin(kind, path).unwrap();
    for body in bodies {
        rows.row(&Row::Record(body)).unwrap();
    }
    rows.finish().unwrap();
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn users(ids: std::ops::Range<usize>) -> Vec<Body> {
    let user = |n: usize| User {
        tenant_id: "t".into(),
        user_id: format!("u{n:06}"),
        account_enabled: Some(n.is_multiple_of(2)),
        created_date_time: Some("2024-02-29T12:00:00Z".into()),
        ..User::default()
    };
    ids.map(|n| Body::User(Box::new(user(n)))).collect()
}

#[test]
fn values_have_their_types() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    write(&path, "user", &users(0..2));
    let batch = &read(&path)[0];
    let of = |name| batch.column_by_name(name).unwrap();
    assert_eq!(of("user_id").as_string::<i32>().value(1), "u000001");
    assert!(!of("account_enabled").as_boolean().value(1));
    assert!(of("mail").is_null(0));
    assert_eq!(
        of("created_date_time")
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        1_709_208_000_000_000
    );
    assert_eq!(of("assigned_licenses").as_string::<i32>().value(0), "[]");
    let finding = Finding {
        units: 3,
        reasons: vec!["a".into(), "b".into()],
        ..Finding::default()
    };
    write(&path, "finding", &[Body::Finding(Box::new(finding))]);
    let batch = &read(&path)[0];
    let of = |name| batch.column_by_name(name).unwrap();
    assert_eq!(of("units").as_primitive::<Int32Type>().value(0), 3);
    assert_eq!(
        of("reasons")
            .as_list::<i32>()
            .value(0)
            .as_string::<i32>()
            .value(1),
        "b"
    );
    assert_eq!((moment("soon"), day("soon")), (None, None));
    assert_eq!(day("1970-01-02"), Some(1));
}

#[test]
fn parts_become_one_file_and_nothing_becomes_one_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b, whole] = ["a", "b", "whole"].map(|n| dir.path().join(n));
    write(&a, "user", &users(0..10_000));
    write(&b, "user", &users(10_000..10_001));
    join(&encoding(), "user", &[("user", a), ("user", b)], &whole).unwrap();
    let batches = read(&whole);
    let ids: Vec<_> = batches
        .iter()
        .flat_map(|batch| {
            let ids = batch.column_by_name("user_id").unwrap().as_string::<i32>();
            ids.iter()
                .map(|id| id.unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(ids.len(), 10_001);
    assert!(ids.is_sorted());
    join(&encoding(), "user", &[], &whole).unwrap();
    assert!(read(&whole).is_empty());
    let schema = ParquetRecordBatchReaderBuilder::try_new(File::open(&whole).unwrap()).unwrap();
    assert_eq!(schema.schema().field(1).name(), "user_id");
}
