//! What an answer of Graph tells about a budget. Sources: Graph, "Microsoft Graph throttling guidance" and "Microsoft Graph
//! service-specific throttling limits" (`x-ms-resource-unit`, `x-ms-throttle-limit-percentage`);
//! RFC 9110, 10.2.3 (`Retry-After`).

use std::time::Duration;

use runtime::clock::http_date;

/// Longer than this nobody is told to wait; a date that is further off is a clock that is wrong.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// How long to wait, on any answer.
    pub wait: Option<Duration>,
    /// The used share of the budget that is nearest to its end, told above 0.8 only.
    pub share: Option<f64>,
    /// What the request has cost in resource units.
    pub units: Option<f64>,
}

impl Told {
    /// Reads headers. Whatever can't be read counts as not told.
    pub fn of<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let number = |name| {
            let value = header(name)?.trim().parse::<f64>().ok();
            value.filter(|n| n.is_finite() && *n >= 0.0)
        };
        Told {
            wait: header("retry-after").and_then(|value| wait(value, header("date"))),
            share: number("x-ms-throttle-limit-percentage").filter(|s| *s > 0.0),
            units: number("x-ms-resource-unit"),
        }
    }

    /// What several answers tell together: parts of a batch.
    pub fn and(self, other: Told) -> Told {
        let sum = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
        Told {
            wait: self.wait.max(other.wait),
            share: match (self.share, other.share) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            },
            units: sum(self.units, other.units),
        }
    }
}

/// Seconds, also with a fraction as an older page of Graph's shows, or a date. A date is taken from the answer's own, so that
/// no clock of ours is compared with one of Graph's.
fn wait(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    let seconds = value.parse::<f64>().ok().filter(|s| *s >= 0.0);
    let wait = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        None => {
            let (until, now) = (http_date(value)?, http_date(date?)?);
            Duration::from_secs(until.saturating_sub(now))
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&str, &'static str)]) -> Told {
        Told::of(|name| headers.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
    }

    #[test]
    fn every_form_of_waiting_is_read() {
        let waits = |value| told(&[("retry-after", value)]).wait;
        assert_eq!(waits("10"), Some(Duration::from_secs(10)));
        assert_eq!(waits(" 2.128 "), Some(Duration::from_millis(2_128)));
        assert_eq!(waits("999999999"), Some(LONGEST));
        for nothing in [
            "",
            "soon",
            "-3",
            "NaN",
            "inf",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(waits(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_answers_own() {
        let with = |until, now| told(&[("retry-after", until), ("date", now)]).wait;
        let now = "Wed, 21 Oct 2026 07:28:00 GMT";
        assert_eq!(
            with("Wed, 21 Oct 2026 07:29:30 GMT", now),
            Some(Duration::from_secs(90))
        );
        assert_eq!(
            with("Wed, 21 Oct 2026 07:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(with("Wed, 21 Oct 2099 07:00:00 GMT", now), Some(LONGEST));
        assert_eq!(with("Wed, 21 Oct 2026 07:29:30 GMT", "now"), None);
    }

    #[test]
    fn what_is_told_of_a_budget_is_read() {
        let all = told(&[
            ("x-ms-throttle-limit-percentage", "0.93"),
            ("x-ms-resource-unit", "3"),
        ]);
        let expected = Told {
            wait: None,
            share: Some(0.93),
            units: Some(3.0),
        };
        assert_eq!(all, expected);
        let own = told(&[("x-ms-throttle-limit-percentage", "much")]);
        assert_eq!(own, Told::default());
        assert_eq!(all.and(all).units, Some(6.0));
        assert_eq!(own.and(all), Told { units: None, ..all });
    }
}
