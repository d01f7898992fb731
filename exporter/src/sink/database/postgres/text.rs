//! Cells in the text format of `COPY`. Pure.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, NaiveDate};
use proto::shape::{Column, ColumnKind};

use crate::cells::Cell;

/// Between cells.
pub(super) const NEXT: u8 = b'\t';
/// After a row.
pub(super) const END: u8 = b'\n';

/// Appends a cell. False when it is a moment or a day that PostgreSQL can't hold: then it is written as absent.
pub(super) fn cell(column: &Column, cell: &Cell<'_>, out: &mut Vec<u8>) -> bool {
    match cell {
        Cell::Null => absent(out),
        Cell::Boolean(yes) => out.push(if *yes { b't' } else { b'f' }),
        Cell::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Cell::Text(value) => return text_of(column.kind, value, out),
        Cell::Texts(list) => text(&array(list), out),
        Cell::Json(json) => text(&readable(json), out),
    }
    true
}

fn absent(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\N");
}

fn text_of(kind: ColumnKind, value: &str, out: &mut Vec<u8>) -> bool {
    let time = match kind {
        // How the contract spells an absent one that isn't optional.
        ColumnKind::Moment | ColumnKind::Day if value.is_empty() => {
            absent(out);
            return true;
        }
        ColumnKind::Moment => moment(value),
        ColumnKind::Day => day(value),
        _ => {
            text(value, out);
            return true;
        }
    };
    match &time {
        Some(time) => out.extend_from_slice(time.as_bytes()),
        None => absent(out),
    }
    time.is_some()
}

/// Appends a text, whatever is in it. PostgreSQL's texts can't hold U+0000.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    let bytes = value.as_bytes();
    let mut plain = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let written: &[u8] = match byte {
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0 => "\u{fffd}".as_bytes(),
            _ => continue,
        };
        out.extend_from_slice(&bytes[plain..at]);
        out.extend_from_slice(written);
        plain = at + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// A list as PostgreSQL spells it.
fn array(list: &[String]) -> String {
    let mut out = String::from("{");
    for (n, value) in list.iter().enumerate() {
        out += if n == 0 { "\"" } else { ",\"" };
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    }
    out.push('}');
    out
}

/// A moment that PostgreSQL takes and means the same by; `None` of what is none, or of a year that it doesn't have.
/// What PostgreSQL takes besides (`now`, `infinity`) is no moment.
fn moment(value: &str) -> Option<Cow<'_, str>> {
    let time = DateTime::parse_from_rfc3339(value).ok()?.naive_utc();
    if time.year() < 1 || time.year() > 9999 {
        return None;
    }
    let as_it_is =
        value.is_ascii() && value.ends_with('Z') && value.as_bytes().get(10) == Some(&b'T');
    Some(match as_it_is {
        true => Cow::Borrowed(value),
        false => Cow::Owned(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
    })
}

/// As [`moment`], of a day.
fn day(value: &str) -> Option<Cow<'_, str>> {
    let day = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?;
    let fits = (1..=9999).contains(&day.year());
    fits.then(|| Cow::Owned(day.format("%Y-%m-%d").to_string()))
}

/// `jsonb` refuses U+0000: it is replaced, as in plain texts.
fn readable(json: &str) -> Cow<'_, str> {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return Cow::Borrowed(json);
    }
    let mut parts = json.split(NUL);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // After an odd number of backslashes the next one is only a character.
        let before = out.len() - out.trim_end_matches('\\').len();
        out += if before.is_multiple_of(2) {
            "\\ufffd"
        } else {
            NUL
        };
        out += part;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_character_is_replaced_and_only_where_it_must() {
        for text in [
            "a\0b",
            "\0",
            "\0\0",
            "\\u0000",
            "\\\0",
            "\\\\u0000",
            "\\\\\0\\u0000",
            "plain",
        ] {
            let json = serde_json::to_string(text).unwrap();
            let read: String = serde_json::from_str(&readable(&json)).unwrap();
            assert_eq!(read, text.replace('\0', "\u{fffd}"), "{json}");
        }
    }

    #[test]
    fn what_would_end_a_cell_or_a_row_is_escaped() {
        let mut out = Vec::new();
        text("a\tb\nc\\N\r\\.\0", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a\\tb\\nc\\\\N\\r\\\\.\u{fffd}"
        );
        assert_eq!(
            array(&[r#"a"b\,"#.into(), String::new()]),
            r#"{"a\"b\\,",""}"#
        );
    }

    #[test]
    fn times_that_postgres_does_not_have_are_none() {
        for kept in [
            "2021-03-04T05:06:07Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999Z",
        ] {
            assert_eq!(moment(kept).as_deref(), Some(kept));
        }
        let east = moment("2021-03-04t05:06:07.5+23:00");
        assert_eq!(east.as_deref(), Some("2021-03-03T06:06:07.500000Z"));
        for none in [
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "2021-02-30T00:00:00Z",
            "now",
            "infinity",
            "2021-03-04",
        ] {
            assert_eq!(moment(none), None, "{none}");
        }
        assert_eq!(day("2024-02-29").as_deref(), Some("2024-02-29"));
        for none in ["2023-02-29", "0000-01-01", "today", "2024-02-29T00:00:00Z"] {
            assert_eq!(day(none), None, "{none}");
        }
    }
}
