//! The time by which a vendor throttles, and by which tokens end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// The machine's clock, and how much a test has put it forward. Clones are the same clock.
#[derive(Clone, Default)]
pub struct Clock {
    /// Milliseconds.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// Puts it forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead.fetch_add(by, Ordering::Relaxed);
    }

    /// Milliseconds since 1970.
    pub fn millis(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_millis() as i64);
        now + self.ahead.load(Ordering::Relaxed)
    }

    /// As text, in UTC: `2026-01-02T03:04:05Z`.
    pub fn text(&self) -> String {
        self.at().format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// As a date and time.
    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.millis()).unwrap_or_default()
    }
}
