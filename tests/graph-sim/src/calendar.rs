//! Dates: day 0 of every simulation is the same day, so that equal seeds give equal data.

/// 2026-11-01 as days since 1970-01-01.
pub(crate) const DAY_ZERO: i64 = 20_758;

/// Appends `YYYY-MM-DDThh:mm:ssZ` for a day relative to day 0 and a second of that day.
pub(crate) fn write(out: &mut Vec<u8>, day: i32, second: u32) {
    let (year, month, date) = civil(DAY_ZERO + i64::from(day));
    let mut text = *b"0000-00-00T00:00:00Z";
    two(&mut text, 0, (year / 100) as u32);
    two(&mut text, 2, (year % 100) as u32);
    two(&mut text, 5, month);
    two(&mut text, 8, date);
    two(&mut text, 11, second / 3600 % 24);
    two(&mut text, 14, second / 60 % 60);
    two(&mut text, 17, second % 60);
    out.extend_from_slice(&text);
}

/// The same for seconds since 1970.
pub(crate) fn text(unix: u64) -> String {
    let mut out = Vec::with_capacity(20);
    let day = i64::try_from(unix / 86_400).unwrap_or(DAY_ZERO) - DAY_ZERO;
    write(
        &mut out,
        i32::try_from(day).unwrap_or(0),
        (unix % 86_400) as u32,
    );
    String::from_utf8(out).unwrap_or_default()
}

/// The same as HTTP writes it (RFC 9110): `Sun, 01 Nov 2026 00:00:00 GMT`.
pub(crate) fn http(unix: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (days, second) = (unix / 86_400, unix % 86_400);
    let (year, month, date) = civil(days as i64);
    let weekday = DAYS[(days % 7) as usize];
    let month = MONTHS.get(month as usize - 1).unwrap_or(&"Jan");
    format!(
        "{weekday}, {date:02} {month} {year} {:02}:{:02}:{:02} GMT",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn two(text: &mut [u8; 20], at: usize, value: u32) {
    text[at] = b'0' + (value / 10 % 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// Days since 1970 to the civil calendar (Hinnant's algorithm).
fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let date = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    #[test]
    fn day_zero_is_the_first_of_november() {
        let mut out = Vec::new();
        super::write(&mut out, 0, 3_661);
        assert_eq!(out, b"2026-11-01T01:01:01Z");
        assert_eq!(super::text(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(super::http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
