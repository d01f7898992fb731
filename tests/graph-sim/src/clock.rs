//! Simulated time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Time since the start of the simulation: what was ticked, and the wall clock if asked for.
pub(crate) struct Clock {
    ticked: AtomicU64,
    started: Option<Instant>,
}

impl Clock {
    pub(crate) fn new(wall: bool) -> Self {
        Self {
            ticked: AtomicU64::new(0),
            started: wall.then(Instant::now),
        }
    }

    pub(crate) fn tick(&self, by: Duration) {
        let _ = self
            .ticked
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |t| {
                Some(t.saturating_add(by.as_secs()))
            });
    }

    /// Simulated seconds since the start.
    pub(crate) fn now(&self) -> u64 {
        let wall = self.started.map_or(0, |s| s.elapsed().as_secs());
        self.ticked.load(Ordering::SeqCst).saturating_add(wall)
    }

    /// The time that tokens are dated with: the real one, because clients compare with it, plus what was ticked.
    pub(crate) fn unix(&self) -> u64 {
        // The simulator shares no code with the product, its clock neither: real time comes in here only.
        #[allow(clippy::disallowed_methods)]
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        self.ticked.load(Ordering::SeqCst).saturating_add(real)
    }
}
