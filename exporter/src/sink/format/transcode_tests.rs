//! What comes without reading is what comes of reading.
#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use proptest::strategy::Union;
use proto::body::Body;
use proto::kind::RecordKind;

use super::*;
use crate::wire::put;

/// Texts of people, with what JSON escapes.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,9}",
        "[\"\\\\\u{0}-\u{1f}\u{7f}\u{2028}é😀]{0,5}"
    ]
}

/// The fields of a message, each there or not, as our ledger would encode them.
fn message(columns: &'static [Column]) -> BoxedStrategy<Vec<u8>> {
    let fields: Vec<_> = columns.iter().map(field).collect();
    fields.prop_map(|fields| fields.concat()).boxed()
}

fn field(column: &'static Column) -> BoxedStrategy<Vec<u8>> {
    let number = column.number;
    let put = move |value: Value<'_>| {
        let mut out = Vec::new();
        put(number, value, &mut out);
        out
    };
    let bytes = move |value: &[u8]| put(Value::Bytes(value));
    let varint = move |value: u64| put(Value::Number(value));
    let there = match column.kind {
        ColumnKind::Text | ColumnKind::Moment | ColumnKind::Day => hostile()
            .prop_map(move |text| bytes(text.as_bytes()))
            .boxed(),
        ColumnKind::Boolean => (0_u64..3).prop_map(varint).boxed(),
        ColumnKind::Integer => any::<i32>()
            .prop_map(move |n| varint(i64::from(n) as u64))
            .boxed(),
        ColumnKind::Texts => prop::collection::vec(hostile(), 0..4)
            .prop_map(move |texts| texts.iter().flat_map(|t| bytes(t.as_bytes())).collect())
            .boxed(),
        ColumnKind::Objects => prop::collection::vec(message(columns(column.of)), 0..4)
            .prop_map(move |all| all.iter().flat_map(|m| bytes(m)).collect())
            .boxed(),
    };
    prop_oneof![Just(Vec::new()), there].boxed()
}

fn of_any_kind() -> impl Strategy<Value = (RecordKind, Vec<u8>)> {
    let kinds = RecordKind::ALL.into_iter();
    Union::new(kinds.map(|kind| message(kind.columns()).prop_map(move |bytes| (kind, bytes))))
}

/// As it is read and then written.
fn read(kind: RecordKind, bytes: &[u8]) -> Option<String> {
    let body = Body::decode(kind, bytes).ok()??;
    Some(serde_json::to_string(&body).unwrap())
}

fn transcoded(kind: RecordKind, bytes: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    let written = Fields::new(bytes)
        .all()
        .and_then(|f| Plan::new(kind.columns()).write(&f, &mut out));
    written.ok().map(|()| String::from_utf8(out).unwrap())
}

proptest! {
    #[test]
    fn what_our_ledger_encodes_needs_no_reading((kind, bytes) in of_any_kind()) {
        let read = read(kind, &bytes);
        prop_assert!(read.is_some());
        prop_assert_eq!(transcoded(kind, &bytes), read);
    }

    #[test]
    fn damaged_messages_are_what_reading_says(
        (kind, mut bytes) in of_any_kind(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Some(text) = transcoded(kind, &bytes) {
            prop_assert_eq!(Some(text), read(kind, &bytes));
        }
    }
}

#[test]
fn fields_of_a_newer_release_are_left_out_and_another_order_is_left_to_reading() {
    let (mut newer, mut turned, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    put(1, Value::Bytes(b"t"), &mut newer);
    put(900, Value::Bytes(b"new"), &mut newer);
    assert_eq!(
        transcoded(RecordKind::Domain, &newer),
        read(RecordKind::Domain, &newer)
    );
    put(2, Value::Bytes(b"d"), &mut turned);
    put(1, Value::Bytes(b"t"), &mut turned);
    put(1, Value::Bytes(b"t"), &mut twice);
    put(1, Value::Bytes(b"u"), &mut twice);
    for bytes in [turned, twice] {
        assert!(read(RecordKind::Domain, &bytes).is_some());
        assert_eq!(transcoded(RecordKind::Domain, &bytes), None);
    }
}
