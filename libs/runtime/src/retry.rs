//! One retry policy: exponential back-off with jitter.

use std::time::Duration;

use tokio::time::Instant;

/// Delays between tries: `base`, doubled each time up to `max`, each spread by ±25 %.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first delay.
    pub base: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Backoff {
    /// The delay before try number `attempt` (0 for the first retry).
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let doubled = self
            .base
            .saturating_mul(2_u32.saturating_pow(attempt.min(20)));
        doubled
            .min(self.max)
            .mul_f64(0.75 + random.clamp(0.0, 1.0) / 2.0)
    }
}

/// Waits for a moment; for ever where there is none.
pub async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let b = Backoff {
            base: Duration::from_secs(1),
            max: Duration::from_secs(8),
        };
        let delays: Vec<u64> = (0..6).map(|n| b.delay(n, 0.5).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 8, 8]);
        assert!(b.delay(100, 1.0) <= Duration::from_secs(10));
    }
}
