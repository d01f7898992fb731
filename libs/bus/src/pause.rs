//! The pause of a consumer whose handler fails.
//!
//! What fails for a while is a stage (a database, a sink), not one message. So nothing new is taken while a handler
//! fails, and of the deliveries in hand one at a time tries again, each time after a longer while: an outage costs
//! one call now and then, however many deliveries are in hand.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use runtime::retry::Backoff;
use tokio::sync::{Mutex as Turn, watch};

pub(crate) struct Pause {
    paused: watch::Sender<bool>,
    failures: AtomicU32,
    turn: Turn<()>,
    backoff: Backoff,
    random: Mutex<fastrand::Rng>,
}

impl Pause {
    pub fn new(backoff: Backoff, seed: u64) -> Self {
        Pause {
            paused: watch::Sender::new(false),
            failures: AtomicU32::new(0),
            turn: Turn::new(()),
            backoff,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    pub fn failed(&self) {
        self.paused.send_replace(true);
    }

    pub fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.paused
            .send_if_modified(|p| std::mem::replace(p, false));
    }

    /// Waits for this delivery's turn to try again.
    pub async fn turn(&self) {
        // Fair: a delivery that fails again goes to the end, so that one bad message can't hold up the others.
        let _turn = self.turn.lock().await;
        if *self.paused.borrow() {
            tokio::time::sleep(self.delay(self.failures.fetch_add(1, Ordering::Relaxed))).await;
        }
    }

    /// Waits until nothing fails.
    pub async fn over(&self) {
        _ = self.paused.subscribe().wait_for(|p| !p).await;
    }

    /// Waits until something fails.
    pub async fn begun(&self) {
        _ = self.paused.subscribe().wait_for(|p| *p).await;
    }

    pub fn delay(&self, attempt: u32) -> std::time::Duration {
        let random = self
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .f64();
        self.backoff.delay(attempt, random)
    }
}
