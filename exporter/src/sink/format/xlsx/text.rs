//! Texts and moments in a workbook.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Most UTF-16 units in a cell.
const MOST_UNITS: usize = 32_767;

/// What stands where a text was cut.
const CUT: &str = "\u{2026}";

/// Appends a text as XML. Excel reads `_xHHHH_` as a character, so where people wrote that, its first `_` is written
/// so. Lines break as Excel's do, by a line feed. Characters that neither has are replaced.
pub(super) fn escape(text: &str, out: &mut String) {
    let (text, cut) = fit(text);
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' if text[at..].starts_with("\r\n") => {}
            '\r' => out.push('\n'),
            '_' if is_escape(&text[at..]) => out.push_str("_x005F_"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    if cut {
        out.push_str(CUT);
    }
}

/// As much of a text as fits into a cell, and whether it was cut.
fn fit(text: &str) -> (&str, bool) {
    if text.len() <= MOST_UNITS {
        return (text, false);
    }
    let (mut units, mut fits) = (0, 0);
    for (at, c) in text.char_indices() {
        // One unit is left for the mark.
        if units < MOST_UNITS {
            fits = at;
        }
        units += c.len_utf16();
        if units > MOST_UNITS {
            return (&text[..fits], true);
        }
    }
    (text, false)
}

/// Whether a text begins like `_x0041_`.
fn is_escape(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes.next() == Some(b'_') && bytes.next() == Some(b'x');
    let digits = bytes.by_ref().take(4).filter(u8::is_ascii_hexdigit).count() == 4;
    begins && digits && bytes.next() == Some(b'_')
}

/// A moment (RFC 3339) as Excel counts it; `None` of one that it can't: it begins with 1900, and for most of that year
/// it is a day off.
pub(super) fn moment(text: &str) -> Option<f64> {
    serial(DateTime::parse_from_rfc3339(text).ok()?.naive_utc())
}

/// A day (YYYY-MM-DD), as [`moment`].
pub(super) fn day(text: &str) -> Option<f64> {
    serial(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.into())
}

fn serial(moment: NaiveDateTime) -> Option<f64> {
    let zero = NaiveDate::from_ymd_opt(1899, 12, 30)?;
    let (first, last) = (61, 2_958_466);
    let days = moment.date().signed_duration_since(zero).num_days();
    let seconds = moment
        .signed_duration_since(moment.date().into())
        .num_seconds();
    let days = i32::try_from(days)
        .ok()
        .filter(|d| (first..last).contains(d))?;
    Some(f64::from(days) + f64::from(i32::try_from(seconds).ok()?) / 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape(text, &mut out);
        out
    }

    #[test]
    fn texts_stay_what_they_are() {
        assert_eq!(escaped("a & <b>"), "a &amp; &lt;b&gt;");
        assert_eq!(escaped("_x0041_ _x00_"), "_x005F_x0041_ _x00_");
        assert_eq!(
            escaped("a\0\u{1b}\r\n\r\u{ffff}"),
            "a\u{fffd}\u{fffd}\n\n\u{fffd}"
        );
        assert_eq!(escaped("=1+1"), "=1+1", "a text cell is no formula");
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let whole = "x".repeat(MOST_UNITS);
        assert_eq!(escaped(&whole), whole);
        assert_eq!(escaped(&(whole.clone() + "y")), whole[1..].to_owned() + CUT);
        let faces = escaped(&"\u{1f600}".repeat(20_000));
        assert_eq!(faces.encode_utf16().count(), MOST_UNITS);
        assert!(faces.ends_with(CUT));
        let umlauts = "ü".repeat(20_000);
        assert_eq!(escaped(&umlauts), umlauts, "bytes are no units");
    }

    #[test]
    fn moments_are_those_of_excel() {
        assert_eq!(day("1900-03-01"), Some(61.0));
        assert_eq!(day("2026-11-29"), Some(46_355.0));
        assert_eq!(moment("2026-11-29T12:00:00Z"), Some(46_355.5));
        assert_eq!(moment("2026-11-29T13:00:00+01:00"), Some(46_355.5));
        assert_eq!(day("9999-12-31"), Some(2_958_465.0));
        for none in ["1900-02-28", "0001-01-01", "soon", ""] {
            assert_eq!(day(none), None, "{none}");
        }
    }
}
