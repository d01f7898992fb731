//! A token bucket: at most so many pushes a minute. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The share of a minute's pushes that may go at once after a rest. Whoever counts by the minute may have counted
/// those before it, so it is small.
const BURST: f64 = 0.1;

/// Pushes that may go, in one process. Several exporters of one sink have a bucket each.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    a_minute: Option<f64>,
    tokens: f64,
    at: Option<Instant>,
}

impl Rate {
    pub(crate) fn new(a_minute: Option<u32>) -> Self {
        let a_minute = a_minute.map(|n| f64::from(n.max(1)));
        Rate {
            a_minute,
            tokens: a_minute.map_or(0.0, burst),
            at: None,
        }
    }

    /// Takes one, or says how long to wait for it.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let Some(a_minute) = self.a_minute else {
            return Ok(());
        };
        let rested = self.at.map_or(Duration::ZERO, |at| now - at);
        self.at = Some(now);
        let refilled = self.tokens + rested.as_secs_f64() * a_minute / 60.0;
        self.tokens = refilled.min(burst(a_minute));
        // Waiting is rounded to nanoseconds.
        if self.tokens > 1.0 - 1e-6 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - self.tokens) * 60.0 / a_minute,
        ))
    }
}

fn burst(a_minute: f64) -> f64 {
    (a_minute * BURST).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_a_minute_however_long_it_rested() {
        let mut rate = Rate::new(Some(120));
        let start = Instant::now() + Duration::from_secs(86_400);
        let (mut now, mut taken) = (start, 0);
        while now < start + Duration::from_secs(60) {
            match rate.take(now) {
                Ok(()) => taken += 1,
                Err(wait) => now += wait,
            }
        }
        assert!((120..=132).contains(&taken), "{taken}");
        let mut free = Rate::new(None);
        assert!((0..10_000).all(|_| free.take(start).is_ok()));
        let mut slow = Rate::new(Some(1));
        assert_eq!(slow.take(start), Ok(()));
        assert_eq!(slow.take(start), Err(Duration::from_secs(60)));
        assert_eq!(slow.take(start + Duration::from_secs(60)), Ok(()));
    }
}
