//! The cells of usage reports, as CSV and as JSON, with names concealed or not.

use serde_json::{Value, json};

use crate::calendar;
use crate::rng::mix;
use crate::sealed::digest;
use crate::shape::Object;

/// A value of a report.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Cell {
    Text(String),
    /// Who it is; concealed as 32 hexadecimal digits.
    Name(String),
    /// An id; concealed as zeros.
    Id(String),
    /// An address; concealed as nothing.
    Url(String),
    Date(Option<i32>),
    /// `True` or `False`
    Flag(bool),
    /// `Yes` or `No`
    Yes(bool),
    Number(u64),
    /// Names joined by `+`
    Products(Vec<&'static str>),
    /// Seconds, as ISO 8601 writes a duration.
    Duration(u64),
    /// Days
    Period(i32),
}

/// How names are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Names {
    Shown,
    /// Concealed with a key, so that a name looks the same in all reports of a tenant.
    Concealed(u64),
}

const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

impl Cell {
    fn text(&self, names: Names) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Name(name) => match names {
                Names::Concealed(key) if !name.is_empty() => concealed(key, name),
                _ => name.clone(),
            },
            Self::Id(id) => match names {
                Names::Concealed(_) => NOBODY.to_owned(),
                Names::Shown => id.clone(),
            },
            Self::Url(url) => match names {
                Names::Concealed(_) => String::new(),
                Names::Shown => url.clone(),
            },
            Self::Date(day) => day.map(date).unwrap_or_default(),
            Self::Flag(is) => (if *is { "True" } else { "False" }).to_owned(),
            Self::Yes(is) => (if *is { "Yes" } else { "No" }).to_owned(),
            Self::Number(n) => n.to_string(),
            Self::Products(names) => names.join("+"),
            Self::Duration(seconds) => duration(*seconds),
            Self::Period(days) => days.to_string(),
        }
    }

    /// The cell as a value of JSON.
    pub(crate) fn value(&self, names: Names) -> Value {
        match self {
            Self::Date(None) => Value::Null,
            Self::Flag(is) | Self::Yes(is) => json!(is),
            Self::Number(n) => json!(n),
            Self::Products(names) => json!(names),
            _ => self.text(names).into(),
        }
    }
}

/// Appends a row as CSV (RFC 4180).
pub(crate) fn csv(out: &mut Vec<u8>, row: &[Cell], names: Names) {
    for (n, cell) in row.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let text = cell.text(names);
        if text.contains([',', '"', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// A row as an object whose names are made of the header.
pub(crate) fn flat(header: &str, row: &[Cell], names: Names) -> Object {
    let names_of = header.split(',').map(camel);
    names_of
        .zip(row)
        .map(|(name, cell)| (name, cell.value(names)))
        .collect()
}

/// `Is Deleted` as `isDeleted`.
pub(crate) fn camel(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let mut name = String::with_capacity(title.len());
    for word in words.filter(|w| !w.is_empty()) {
        let (head, tail) = word.split_at(1);
        let head = if name.is_empty() {
            head.to_ascii_lowercase()
        } else {
            head.to_ascii_uppercase()
        };
        name.push_str(&head);
        name.push_str(tail);
    }
    name
}

fn concealed(key: u64, name: &str) -> String {
    let text = digest(&name.to_lowercase());
    format!("{:016X}{:016X}", mix(key, text), mix(key ^ 1, text))
}

/// `YYYY-MM-DD`
pub(crate) fn date(day: i32) -> String {
    let mut out = Vec::with_capacity(20);
    calendar::write(&mut out, day, 0);
    out.truncate(10);
    String::from_utf8(out).unwrap_or_default()
}

fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = "PT".to_owned();
    for (n, unit) in [(hours, 'H'), (minutes, 'M'), (rest, 'S')] {
        if n > 0 || (unit == 'S' && seconds == 0) {
            text.push_str(&format!("{n}{unit}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_as_graph_writes_them() {
        let row = [
            Cell::Name("anna@contoso.com".to_owned()),
            Cell::Name("Anna \"A\" Böhm, Dr.".to_owned()),
            Cell::Date(Some(0)),
            Cell::Date(None),
            Cell::Flag(true),
            Cell::Yes(false),
            Cell::Products(vec!["A + B E5", "C"]),
            Cell::Duration(3_661),
            Cell::Duration(0),
            Cell::Period(7),
        ];
        let mut out = Vec::new();
        csv(&mut out, &row, Names::Shown);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "anna@contoso.com,\"Anna \"\"A\"\" Böhm, Dr.\",2026-11-01,,True,No,A + B E5+C,PT1H1M1S,PT0S,7\r\n"
        );
        let hidden = row[0].text(Names::Concealed(3));
        assert!(
            hidden.len() == 32
                && hidden
                    .chars()
                    .all(|c| c.is_ascii_hexdigit() && !c.is_lowercase())
        );
        assert_ne!(hidden, row[0].text(Names::Concealed(4)));
        assert_eq!(
            camel("Scheduled One-time Meetings Organized Count"),
            "scheduledOneTimeMeetingsOrganizedCount"
        );
        assert_eq!(camel("Storage Used (Byte)"), "storageUsedByte");
    }
}
