//! What is kept of a budget when its tenant goes to another process, or this one ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::{Budget, Limits, Micros, PACE, micros};

/// What was learned so long ago is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Parts of a window in which what was spent is kept.
const PARTS: u64 = 20;

/// What is known of a budget and worth keeping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// When it was stored.
    at: Micros,
    /// Spent in a window.
    pace: f64,
    /// Where the last refusal came; 0: nowhere.
    ceiling: f64,
    /// Nothing is asked before this moment: told, and by the pace.
    paused: Micros,
    next: Micros,
    /// What was spent, and when.
    spent: Vec<(Micros, f64)>,
}

impl Budget {
    /// Goes on with what was known.
    pub fn restored(limits: Limits, known: Known, now: Micros) -> Self {
        let mut budget = Budget::new(limits);
        if known.at.saturating_add(micros(FORGOTTEN)) < now {
            return budget;
        }
        budget.set(now, known.pace);
        budget.ceiling = known.ceiling.max(0.0);
        // Clocks differ: nothing was spent in the future, and nobody said to wait for longer than anybody does.
        budget.paused = known.paused.min(now.saturating_add(micros(FORGOTTEN)));
        budget.jumped = now;
        for (at, cost) in known.spent {
            budget.spend(at.min(now), cost.max(0.0));
        }
        budget.next = known.next.min(now.saturating_add(budget.window()));
        budget
    }

    /// What is worth keeping; none where it is what a new budget would do.
    pub fn known(&mut self, now: Micros) -> Option<Known> {
        self.forget(now);
        let quiet = self.spent.is_empty() && self.paused <= now;
        if quiet && self.ceiling == 0.0 && self.pace >= self.limits.first * PACE {
            return None;
        }
        let part = (self.window() / PARTS).max(1);
        let mut spent: Vec<(Micros, f64)> = Vec::new();
        for (at, cost) in &self.spent {
            match spent.last_mut() {
                // Later than it was: it counts for as long as it should, or a little longer.
                Some((last, sum)) if *last / part == at / part => {
                    *last = *at;
                    *sum += cost;
                }
                _ => spent.push((*at, *cost)),
            }
        }
        Some(Known {
            at: now,
            pace: self.pace,
            ceiling: self.ceiling,
            paused: self.paused,
            next: self.next,
            spent,
        })
    }
}
