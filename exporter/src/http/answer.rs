//! What an HTTP status means for a push. Pure.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::sink::Refusal;

/// Why an answer takes nothing; none of a success. `seconds` is the time since 1970.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, seconds: u64) -> Option<Refusal> {
    let why = format!("HTTP status {status}");
    let after = retry_after(headers, seconds);
    Some(match (status.as_u16(), after) {
        (200..=299, _) => return None,
        (401 | 403 | 407, _) => Refusal::Unauthorized { why },
        (413, _) => Refusal::TooLarge,
        (429, _) | (503, Some(_)) => Refusal::Throttled { after, why },
        (408 | 425 | 500..=599, _) => Refusal::Transient { why },
        // What says nothing about the records: where they went, and in which form.
        (300..=399 | 404 | 405 | 406 | 410 | 415, _) => {
            let status = Some(status.as_u16());
            Refusal::Misplaced { status, why }
        }
        _ => Refusal::Permanent { why },
    })
}

/// `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, seconds: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(wait) => wait,
        Err(_) => runtime::clock::http_date(text)?.saturating_sub(seconds),
    };
    Some(Duration::from_secs(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, after: Option<&'static str>) -> Option<Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(RETRY_AFTER, after.parse().unwrap());
        }
        refusal(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            1_700_000_000,
        )
    }

    #[test]
    fn statuses_have_their_classes() {
        assert!(told(200, None).is_none() && told(202, None).is_none());
        for (status, class) in [
            (301, "at this address"),
            (400, "refuses the push"),
            (401, "credentials"),
            (403, "credentials"),
            (404, "at this address"),
            (408, "does not answer"),
            (409, "refuses the push"),
            (410, "at this address"),
            (413, "too large"),
            (422, "refuses the push"),
            (429, "asks to wait"),
            (500, "does not answer"),
            (503, "does not answer"),
        ] {
            let told = told(status, None).unwrap().to_string();
            assert!(told.contains(class), "{status}: {told}");
        }
    }

    #[test]
    fn a_pause_is_told_in_either_form() {
        let after = |told| match told {
            Some(Refusal::Throttled { after, .. }) => after,
            other => panic!("{other:?}"),
        };
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(after(told(429, None)), None);
        assert_eq!(after(told(429, Some("soon"))), None);
        assert_eq!(after(told(503, Some(" 7 "))), seconds(7));
        let date = "Tue, 14 Nov 2023 22:13:50 GMT";
        assert_eq!(after(told(429, Some(date))), seconds(30));
        let past = "Tue, 14 Nov 2023 22:00:00 GMT";
        assert_eq!(after(told(429, Some(past))), seconds(0));
    }
}
