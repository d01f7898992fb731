//! Simulated time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::config::Config;

/// Time since the start of the simulation: what was ticked, and the wall clock if asked for.
pub(crate) struct Clock {
    ticked: Mutex<Duration>,
    started: Option<Instant>,
    /// The date at which it starts, in seconds since 1970, if that is not the real one.
    start: Option<u64>,
    /// How much faster than the wall clock simulated time runs.
    speed: f64,
    /// Seconds by which dates are off.
    off: AtomicI64,
}

impl Clock {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            ticked: Mutex::default(),
            started: config.wall_clock.then(Instant::now),
            start: config.start,
            speed: config.speed,
            off: AtomicI64::new(config.clock_off),
        }
    }

    pub(crate) fn tick(&self, by: Duration) {
        let mut ticked = self.ticked.lock().unwrap_or_else(PoisonError::into_inner);
        *ticked = ticked.saturating_add(by);
    }

    fn ticked(&self) -> Duration {
        *self.ticked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts all dates that are told off by some seconds; time itself goes on as before.
    pub(crate) fn put_off(&self, seconds: i64) {
        self.off.store(seconds, Ordering::SeqCst);
    }

    pub(crate) fn speed(&self) -> f64 {
        self.speed
    }

    /// Simulated time since the start.
    pub(crate) fn now(&self) -> Duration {
        let wall = self.started.map_or(Duration::ZERO, |s| {
            let fast = s.elapsed().as_secs_f64() * self.speed;
            Duration::try_from_secs_f64(fast).unwrap_or(Duration::MAX)
        });
        self.ticked().saturating_add(wall)
    }

    /// Simulated milliseconds since the start.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.now().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time that tokens and answers are dated with: the real one, because clients compare with it, plus what was
    /// ticked; or simulated time alone, where its start is given.
    pub(crate) fn unix(&self) -> u64 {
        let off = self.off.load(Ordering::SeqCst);
        if let Some(start) = self.start {
            let now = self.now().as_secs();
            return start.saturating_add(now).saturating_add_signed(off);
        }
        // The simulator shares no code with the product, its clock neither: real time comes in here only.
        #[allow(clippy::disallowed_methods)]
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        self.ticked()
            .as_secs()
            .saturating_add(real)
            .saturating_add_signed(off)
    }
}
