//! Moments as people name them. Pure.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, TimeDelta, Utc, Weekday};
use runtime::Problem;
use runtime::error::Exit;

/// The moment that a text names, in microseconds since 1970 UTC: a weekday (the last one, today included), a day, a
/// time in RFC 3339, or so many days or hours ago. Days begin at 00:00 UTC.
///
/// # Errors
/// `LW-5053` where it names none.
pub fn moment(text: &str, now: u64) -> Result<u64, Problem> {
    let now = i64::try_from(now)
        .ok()
        .and_then(DateTime::from_timestamp_micros);
    let found = now.and_then(|now| named(text.trim(), now));
    let micros = found.and_then(|at| u64::try_from(at.timestamp_micros()).ok());
    micros.ok_or_else(|| {
        Problem::new(
            "LW-5053",
            format!("{text:?} is no moment."),
            "write a weekday (Monday), a day (2026-11-23), a time (2026-11-23T08:00:00Z), or how long ago (7d, 12h)",
        )
        .exit(Exit::Usage)
    })
}

fn named(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = now.date_naive();
    let begin = |day: NaiveDate| day.and_time(chrono::NaiveTime::MIN).and_utc();
    if let Ok(weekday) = text.parse::<Weekday>() {
        let ago = u64::from(today.weekday().days_since(weekday));
        return today.checked_sub_days(Days::new(ago)).map(begin);
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(begin(day));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = i64::from(number.parse::<u32>().ok()?);
    let ago = match unit {
        "d" => TimeDelta::try_days(number)?,
        "h" => TimeDelta::try_hours(number)?,
        _ => return None,
    };
    now.checked_sub_signed(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_moments_in_several_ways() {
        // A Wednesday.
        let now = DateTime::parse_from_rfc3339("2026-11-25T10:30:00Z").unwrap();
        let now = u64::try_from(now.timestamp_micros()).unwrap();
        let at = |text: &str| moment(text, now).map(runtime::clock::rfc3339);
        for (text, expected) in [
            ("Monday", "2026-11-23T00:00:00Z"),
            ("wed", "2026-11-25T00:00:00Z"),
            ("thursday", "2026-11-19T00:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-23T09:00:00+01:00", "2026-11-23T08:00:00Z"),
            ("7d", "2026-11-18T10:30:00Z"),
            ("12h", "2026-11-24T22:30:00Z"),
        ] {
            assert_eq!(at(text).unwrap(), expected, "{text}");
        }
        for text in ["", "d", "-1d", "Mo", "2026-13-01", "4294967295d", "7é", "é"] {
            let refused = at(text).unwrap_err().to_string();
            assert!(refused.starts_with("LW-5053"), "{text}: {refused}");
        }
    }
}
