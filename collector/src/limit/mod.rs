//! The budgets of a tenant: every request to Graph passes one, whichever dataset it is for.
//!
//! They are local to the process that holds the tenant's lease, and are stored beside it.

pub mod budget;
mod known;
mod learn;
pub mod told;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use catalog::{Bucket, Declaration};
use runtime::{Clock, metrics};
use tokio::sync::Notify;

use budget::{Answer, Budget, Limits, Ticket};
use known::Known;
use told::Told;

/// A longer wait than this is the schedule's business.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The budgets of one tenant.
pub struct Limiter {
    clock: Clock,
    free: f64,
    gates: Mutex<BTreeMap<String, Arc<Gate>>>,
    /// What was stored, of budgets that nobody has asked for yet.
    stored: Mutex<BTreeMap<String, Known>>,
    learned: Arc<Notify>,
}

/// The way into one budget.
pub struct Gate {
    bucket: Bucket,
    clock: Clock,
    budget: Mutex<Budget>,
    /// An answer came.
    changed: Notify,
    learned: Arc<Notify>,
}

/// A request under way.
pub struct Pass {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
}

impl Limiter {
    /// What a text of [`Limiter::store`] says; nothing known where it can't be read. `free` is the share that
    /// is not used where all applications of a tenant have a limit together.
    pub fn new(clock: Clock, free: f64, stored: &str) -> Self {
        Limiter {
            clock,
            free: free.clamp(0.0, 0.95),
            gates: Mutex::default(),
            stored: Mutex::new(serde_json::from_str(stored).unwrap_or_default()),
            learned: Arc::default(),
        }
    }

    /// The budget that requests for a dataset are paid from; none where Graph limits each object that is asked for.
    pub fn gate(&self, dataset: &Declaration) -> Option<Arc<Gate>> {
        self.of(dataset.bucket, dataset.name)
    }

    /// The budget of the directory.
    pub fn identity(&self) -> Option<Arc<Gate>> {
        self.of(Bucket::Identity, "")
    }

    fn of(&self, bucket: Bucket, dataset: &str) -> Option<Arc<Gate>> {
        let limit = bucket.limit()?;
        // Each report has a budget of its own, and no two datasets read the same one.
        let key = match bucket {
            Bucket::Reports => format!("{}/{dataset}", bucket.name()),
            _ => bucket.name().to_owned(),
        };
        let mut gates = locked(&self.gates);
        if let Some(gate) = gates.get(&key) {
            return Some(Arc::clone(gate));
        }
        // An app's own limit is about half of what all have together: where nobody else asks, more than their part stays free.
        let share = if limit.shared { 1.0 - self.free } else { 1.0 };
        let limits = Limits {
            window: limit.window,
            first: f64::from(limit.least) * share,
            most: f64::from(limit.most) * share,
            share,
        };
        let budget = match locked(&self.stored).remove(&key) {
            Some(known) => Budget::restored(limits, known, self.clock.micros()),
            None => Budget::new(limits),
        };
        let gate = Arc::new(Gate {
            bucket,
            clock: self.clock.clone(),
            budget: Mutex::new(budget),
            changed: Notify::new(),
            learned: Arc::clone(&self.learned),
        });
        gates.insert(key, Arc::clone(&gate));
        Some(gate)
    }

    /// What is known, for whoever has the tenant next.
    pub fn store(&self) -> String {
        let now = self.clock.micros();
        let mut all = locked(&self.stored).clone();
        for (key, gate) in &*locked(&self.gates) {
            if let Some(known) = locked(&gate.budget).known(now) {
                all.insert(key.clone(), known);
            }
        }
        // Err: an amount that is no number, which arithmetic here does not come to.
        serde_json::to_string(&all).unwrap_or_default()
    }

    /// Waits until something was learned that must survive the end of the process: a refusal, a pause.
    pub async fn learned(&self) {
        self.learned.notified().await;
    }
}

impl Gate {
    /// How many requests of this cost, of so many, go as one without making the pace uneven; at least one.
    pub fn portion(&self, cost: u32, of: usize) -> usize {
        let most = locked(&self.budget).portion() / f64::from(cost.max(1));
        (1..of).take_while(|n| *n as f64 <= most - 1.0).count() + 1
    }

    /// Waits until a request of this cost may go.
    ///
    /// # Errors
    /// How long it would have to wait, when that is longer than [`LONGEST_WAIT`].
    pub async fn pass(self: &Arc<Self>, cost: u32) -> Result<Pass, Duration> {
        let cost = f64::from(cost);
        let asked = self.clock.micros();
        loop {
            let changed = self.changed.notified();
            let now = self.clock.micros();
            let at = {
                let mut budget = locked(&self.budget);
                let at = budget.ready(now, cost);
                if budget.has_room() {
                    if at <= now {
                        let waited = Duration::from_micros(now.saturating_sub(asked));
                        metrics::graph::waited(self.bucket.name(), waited);
                        metrics::graph::used(self.bucket.name(), budget.used());
                        let ticket = Some(budget.send(now, cost));
                        let gate = Arc::clone(self);
                        return Ok(Pass { gate, ticket });
                    }
                    Some(at)
                } else {
                    None
                }
            };
            let Some(at) = at else {
                changed.await;
                continue;
            };
            let wait = Duration::from_micros(at - now);
            if wait > LONGEST_WAIT {
                return Err(wait);
            }
            tokio::select! {
                () = self.clock.sleep_until(at) => {}
                () = changed => {}
            }
        }
    }
}

impl Pass {
    /// Takes in the answer.
    pub fn answered(mut self, answer: Answer, told: &Told) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let gate = &self.gate;
        let now = gate.clock.micros();
        let mut budget = locked(&gate.budget);
        budget.answered(now, ticket, answer, told, fastrand::f64());
        if matches!(answer, Answer::Refused(_)) {
            metrics::graph::throttled(gate.bucket.name());
        }
        let learned = budget.take_changed();
        drop(budget);
        if learned {
            gate.learned.notify_one();
        }
        gate.changed.notify_waiters();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.ticket.take().is_some() {
            locked(&self.gate.budget).lost();
            self.gate.changed.notify_waiters();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
