//! Sinks' credentials that end: told before.

use std::time::Duration;

use chrono::NaiveDate;
use runtime::error::Problem;
use runtime::metrics::sinks as metrics;
use runtime::{CancellationToken, Clock};

use crate::config::SinkConfig;

/// Days left from which on it is told; negative: it is over.
const THRESHOLDS: [i64; 5] = [-1, 1, 7, 14, 30];

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(3_600);

/// Days until the end of the last day; negative when it is over.
pub(crate) fn days_left(last: NaiveDate, now: u64) -> i64 {
    let seconds = i64::try_from(now / 1_000_000).unwrap_or(i64::MAX);
    let today = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    last.signed_duration_since(today.date_naive()).num_days()
}

/// The threshold that was passed.
fn threshold(left: i64) -> Option<i64> {
    THRESHOLDS.into_iter().find(|days| left <= *days)
}

/// Tells of every credential that ends, at each threshold once, until `stop`.
pub(crate) async fn watch(
    sinks: Vec<SinkConfig>,
    clock: Clock,
    stop: CancellationToken,
) -> Result<(), Problem> {
    let mut told = vec![None; sinks.len()];
    loop {
        let now = clock.micros();
        for (sink, told) in sinks.iter().zip(&mut told) {
            let Some(last) = sink.expires else { continue };
            let left = days_left(last, now);
            metrics::credential(sink.name(), left);
            let passed = threshold(left);
            if passed.is_some() && passed != *told {
                tell(sink.name(), last, left);
            }
            *told = passed;
        }
        let next = now / 1_000_000 / EVERY.as_secs() + 1;
        let next = next * EVERY.as_secs() * 1_000_000;
        if stop
            .run_until_cancelled(clock.sleep_until(next))
            .await
            .is_none()
        {
            return Ok(());
        }
    }
}

fn tell(sink: &str, last: NaiveDate, left: i64) {
    let what = match left {
        ..0 => format!("ended with {last}"),
        0 => format!("end today, {last}"),
        _ => format!("end in {left} days, with {last}"),
    };
    tracing::warn!(
        code = "LW-6047",
        sink,
        days = left,
        "the sink's credentials {what}: put the next ones into its files and the new day into `expires`"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_counted_to_the_last_one_that_is_good() {
        // 2027-01-15T08:00:00Z
        let now = 1_800_000_000_000_000;
        let left = |last| days_left(day(last), now);
        assert_eq!(
            (left("2027-01-15"), left("2027-01-14"), left("2027-02-14")),
            (0, -1, 30)
        );
        assert_eq!(days_left(day("2027-01-15"), now + 16 * 3_600_000_000), -1);
    }

    #[test]
    fn each_threshold_is_another() {
        let at = [31, 30, 15, 14, 8, 7, 2, 1, 0, -1, -100].map(threshold);
        let told = [
            None,
            Some(30),
            Some(30),
            Some(14),
            Some(14),
            Some(7),
            Some(7),
            Some(1),
            Some(1),
            Some(-1),
            Some(-1),
        ];
        assert_eq!(at, told);
    }
}
