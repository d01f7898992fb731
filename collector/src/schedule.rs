//! When a dataset is read next, apart from what the protocol wants.

use std::time::Duration;

use proto::ids::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::{Rules, State};

/// A dataset's place in the schedule, and what became of its last run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// Due by cadence at this moment.
    pub next_at: Timestamp,
    /// Nothing is tried before this moment, after a failure.
    pub rest_until: Timestamp,
    /// Due by command, once.
    pub forced: bool,
    /// Failures in a row.
    pub failures: u32,
    /// The last failure as an operator reads it; empty after a success.
    pub problem: String,
    /// The last failure was a denial: the dataset is left out until that changes.
    pub skipped: bool,
    /// Runs that got their verdict.
    pub closed_runs: u32,
    /// Whether the last of them was complete.
    pub complete: bool,
    /// When the last run began that the ledger has applied completely; before the first, since when the dataset is known.
    pub fresh_at: Timestamp,
}

/// After a failure: 1 minute, doubling up to an hour.
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);

const NOT_WHOLE: &str = "LW-5010: the run was applied with gaps, so nothing was removed and its cursor did not move. What to do: \
         nothing, it is read again; look for dead letters if it keeps happening";

/// How long nothing is tried after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The dataset is denied: for its cadence.
    Skipped(Duration),
    /// Somebody said how long.
    Told(Duration),
    /// Longer after each failure.
    Growing,
}

impl Schedule {
    /// The next moment at which there is something to do, given what the protocol wants.
    pub fn wake_at(
        &self,
        state: &State,
        rules: &Rules,
        scheduled: bool,
        now: Timestamp,
    ) -> Timestamp {
        if state.sealed.as_ref().is_some_and(|s| !s.published) {
            return self.rest_until;
        }
        if let Some(sealed) = &state.sealed {
            return sealed.at.plus(
                rules
                    .verdict_within
                    .saturating_mul(1 << state.cursor.unanswered.min(10)),
            );
        }
        if self.forced || state.askable(rules, now) {
            return self.rest_until;
        }
        let cadence = scheduled.then_some(self.next_at);
        let due = cadence.into_iter().chain(state.next_age(rules)).min();
        due.map_or(Timestamp(u64::MAX >> 1), |t| t.max(self.rest_until))
    }

    /// How long ago the dataset was due by its cadence, or by the end of its rest; none where it is due for another
    /// reason.
    pub fn late(&self, now: Timestamp) -> Option<Duration> {
        let at = self.next_at.max(self.rest_until);
        let due = self.next_at > Timestamp(0) && at <= now && !self.forced;
        due.then(|| now.since(at))
    }

    /// A run could not go on.
    pub fn failed(&mut self, problem: String, rest: Rest, now: Timestamp) {
        self.failures += 1;
        self.problem = problem;
        self.skipped = matches!(rest, Rest::Skipped(_));
        self.forced = false;
        self.rest_until = now.plus(match rest {
            Rest::Skipped(cadence) => cadence,
            Rest::Told(wait) => wait,
            Rest::Growing => FIRST_REST
                .saturating_mul(1 << (self.failures - 1).min(10))
                .min(LONGEST_REST),
        });
    }

    /// A run got its verdict; `complete` says when it began where it was applied completely.
    pub fn closed(
        &mut self,
        complete: Option<Timestamp>,
        gaps: &[String],
        cadence: Duration,
        jitter: f64,
        now: Timestamp,
    ) {
        self.closed_runs += 1;
        self.complete = complete.is_some();
        self.skipped = false;
        if let Some(began) = complete {
            self.fresh_at = self.fresh_at.max(began);
            self.failures = 0;
            self.problem.clear();
            self.rest_until = Timestamp(0);
            self.next_at = now.plus(cadence.mul_f64(0.95 + jitter * 0.1));
            return;
        }
        self.failures += 1;
        self.problem = match gaps {
            [] => NOT_WHOLE.to_owned(),
            gaps => gaps.join(" "),
        };
        // The first time at once: a page that was lost on the way is read again. Then at the cadence, doubling.
        self.rest_until = match self.failures {
            1 => now,
            n => now.plus(cadence.saturating_mul(1 << (n - 2).min(6))),
        };
        self.forced = self.failures == 1;
    }
}
