//! Wall-clock time as an input, so that tests decide what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Keeps tokio's paused clock from advancing by itself, which it does while it thinks that nothing happens: it can't see
/// what other threads do, but it waits while a blocking task runs. For tests that have such a clock.
pub struct Brake(
    #[expect(dead_code, reason = "released by being dropped")] std::sync::mpsc::Sender<()>,
);

impl Brake {
    /// Holds it until this is dropped.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv().is_err());
        Brake(sender)
    }
}

/// Tells the time in microseconds since 1970-01-01 UTC, and waits for a moment.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    source: Source,
    /// Microseconds added by [`Clock::advance`].
    offset: AtomicU64,
    moved: Notify,
}

enum Source {
    System,
    /// A fixed moment plus what tokio's clock (that tests can pause) has run since.
    From(u64, Instant),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::new(Source::System)
    }

    /// A clock for tests: starts at `micros` and follows tokio's clock, which tests can pause.
    pub fn starting_at(micros: u64) -> Self {
        Self::new(Source::From(micros, Instant::now()))
    }

    fn new(source: Source) -> Self {
        Clock(Arc::new(Inner {
            source,
            offset: AtomicU64::new(0),
            moved: Notify::new(),
        }))
    }

    /// Now, in microseconds since 1970-01-01 UTC.
    pub fn micros(&self) -> u64 {
        let base = match &self.0.source {
            // The one place where the machine's clock is read.
            #[allow(clippy::disallowed_methods)]
            Source::System => {
                let since = std::time::SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                micros(since)
            }
            Source::From(start, at) => start + micros(at.elapsed()),
        };
        base + self.0.offset.load(Ordering::Relaxed)
    }

    /// Moves the clock forward and wakes whoever waits for a moment.
    pub fn advance(&self, by: Duration) {
        self.0.offset.fetch_add(micros(by), Ordering::Relaxed);
        self.0.moved.notify_waiters();
    }

    /// Waits until the clock shows `at` (microseconds since 1970-01-01 UTC).
    pub async fn sleep_until(&self, at: u64) {
        loop {
            let moved = self.0.moved.notified();
            let now = self.micros();
            if now >= at {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_micros(at - now)) => {}
                () = moved => {}
            }
        }
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// Microseconds since 1970-01-01 UTC as RFC 3339 in UTC, to the second.
pub fn rfc3339(micros: u64) -> String {
    let seconds = i64::try_from(micros / 1_000_000).unwrap_or(0);
    chrono::DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Seconds since 1970 of an HTTP date (RFC 9110, 5.6.7, the form that senders must write); none of anything else.
pub fn http_date(text: &str) -> Option<u64> {
    let date = chrono::DateTime::parse_from_rfc2822(text.trim()).ok()?;
    u64::try_from(date.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_the_paused_clock_and_can_be_moved() {
        let clock = Clock::starting_at(1_000);
        tokio::time::advance(Duration::from_micros(500)).await;
        assert_eq!(clock.micros(), 1_500);
        let waiting = clock.clone();
        let wait = async move { waiting.sleep_until(u64::from(u32::MAX)).await };
        tokio::join!(wait, async { clock.advance(Duration::from_secs(5_000)) });
    }

    #[test]
    fn prints_utc() {
        assert_eq!(rfc3339(1_700_000_000_123_456), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn reads_http_dates() {
        assert_eq!(
            http_date("Tue, 14 Nov 2023 22:13:20 GMT"),
            Some(1_700_000_000)
        );
        assert_eq!(http_date("1700000000"), None);
    }
}
