//! Text of a JSON document, borrowed where it has no escapes.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Utc};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A JSON string. (serde borrows a plain `Cow`, but copies one within an `Option` or a list.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, s: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(s))
    }

    fn visit_str<E: Error>(self, s: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(s.to_owned()))
    }
}

/// Text that may be absent, null or empty, which all mean the same.
pub type Maybe<'a> = Option<Text<'a>>;

/// What Intune and the usage reports write where there is no object.
pub const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// The text, unless it is empty.
pub fn text(t: Maybe<'_>) -> Option<String> {
    t.filter(|t| !t.0.is_empty()).map(|t| t.0.into_owned())
}

/// An id or GUID in lower case, unless it is empty.
pub fn id(t: Maybe<'_>) -> Option<String> {
    text(t).map(lower)
}

/// A number of things; absent is none.
pub fn count(n: Option<i32>) -> Result<i32, &'static str> {
    match n.unwrap_or(0) {
        n if n < 0 => Err("a negative number of things"),
        n => Ok(n),
    }
}

/// A moment as RFC 3339 in UTC. The year 1 is what Intune and the sign-in log write where none is set.
pub fn moment(t: Maybe<'_>) -> Result<Option<String>, NotADate> {
    let Some(written) = text(t) else {
        return Ok(None);
    };
    let read = DateTime::parse_from_rfc3339(&written).map_err(|_| NotADate)?;
    let utc = read.with_timezone(&Utc);
    Ok(match written.ends_with('Z') {
        _ if utc.year() <= 1 => None,
        true => Some(written),
        false => Some(utc.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
    })
}

/// A day, YYYY-MM-DD; what a report writes behind it is cut off.
pub fn day(written: Option<String>) -> Result<Option<String>, NotADate> {
    let Some(mut day) = written else {
        return Ok(None);
    };
    if day.get(10..).is_some_and(|rest| rest.starts_with('T')) {
        day.truncate(10);
    }
    match day.len() == 10 && day.parse::<NaiveDate>().is_ok() {
        true => Ok(Some(day)),
        false => Err(NotADate),
    }
}

/// A text that should be a date.
#[derive(Debug, PartialEq, Eq)]
pub struct NotADate;

impl From<NotADate> for &'static str {
    fn from(_: NotADate) -> &'static str {
        "a date that is none"
    }
}

/// Ids in lower case, sorted, each once.
pub fn ids(list: Option<Vec<Maybe<'_>>>) -> Vec<String> {
    let mut ids: Vec<String> = list.into_iter().flatten().filter_map(id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Texts as they are, sorted, each once.
pub fn sorted(list: Option<Vec<Maybe<'_>>>) -> Vec<String> {
    let mut all: Vec<String> = list.into_iter().flatten().filter_map(text).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The text in lower case. Ids are ASCII; nothing else is touched.
pub fn lower(mut s: String) -> String {
    s.make_ascii_lowercase();
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_utc() {
        let read = |s: &'static str| moment(Some(Text(Cow::Borrowed(s))));
        let same = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1234567Z"];
        for moment in same {
            assert_eq!(read(moment), Ok(Some(moment.to_owned())));
        }
        for (written, utc) in [
            (
                "2016-12-31T23:59:43.797191-08:00",
                "2017-01-01T07:59:43.797191Z",
            ),
            ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"),
        ] {
            assert_eq!(read(written), Ok(Some(utc.to_owned())));
        }
        for none in [
            "",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00.0000000+00:00",
            "0001-01-01T00:00:00+08:00",
        ] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
        for wrong in [
            "never",
            "2026-13-01T00:00:00Z",
            "2026-01-02",
            "1767323045",
            "2026-01-02T03:04:05",
        ] {
            assert_eq!(read(wrong), Err(NotADate), "{wrong}");
        }
    }

    #[test]
    fn days_are_days() {
        let read = |s: &str| day(Some(s.to_owned()));
        assert_eq!(read("2026-07-26"), Ok(Some("2026-07-26".to_owned())));
        assert_eq!(
            read("2026-07-26T00:00:00"),
            Ok(Some("2026-07-26".to_owned()))
        );
        assert_eq!(day(None), Ok(None));
        for wrong in [
            "26.07.2026",
            "2026-02-30",
            "7/26/2026",
            "2026-7-26",
            "üüüüüü",
        ] {
            assert_eq!(read(wrong), Err(NotADate), "{wrong}");
        }
    }
}
