//! How answers change the pace at which a budget is spent.
//!
//! * Answers that tell the used share of the budget (`x-ms-throttle-limit-percentage`, above 0.8 only) bound it: what we spent
//!   in a window is at least that share. The pace follows the bound, and stops where the next request would be refused.
//! * Where nothing is told, a refusal slows the pace once for all that was under way, and is remembered as the ceiling. Half a
//!   window later the pace is just below the ceiling again, and grows slowly there; beyond it ever faster, because a ceiling
//!   that was passed is gone.
//!
//! The figures were chosen with the fake servers of the tests.

use std::time::Duration;

use super::budget::{Answer, Budget, FIRST_STEP, KEEP, Micros, PACE, Share, Ticket, micros};
use super::told::Told;

/// Where nothing is told: the share of the ceiling that the pace returns to, and the growth in a window there.
const BELOW: f64 = 0.97;
const STEADY: f64 = 0.008;
/// Up to here the ceiling counts; beyond it growth doubles with each window, up to this.
const PASSED: f64 = 1.02;
const LAST_STEP: f64 = 0.7;
/// What is left of the pace after a refusal, and for how many windows.
const SLOWED: f64 = 0.8;
const SLOWED_FOR: f64 = 0.5;
/// A told share above which the pace grows no more, and the growth in a window just below it.
const FULL: f64 = 0.97;
const CREEP: f64 = 0.02;
/// Only shares above this are told.
const TOLD: f64 = 0.8;
/// What a told share may be wrong by: it has two decimals.
const ROUNDED: f64 = 0.005;
/// A share that was told for so long of a window before a refusal belongs to a bucket, which fills up slowly.
const SLOW: f64 = 0.35;
/// Requests under way at most.
const MOST_WIDTH: f64 = 64.0;

impl Budget {
    /// An answer came. `random` is between 0 and 1.
    pub fn answered(
        &mut self,
        now: Micros,
        ticket: Ticket,
        answer: Answer,
        told: &Told,
        random: f64,
    ) {
        self.lost();
        if let Some(units) = told.units {
            self.correct(units - ticket.cost);
        }
        self.observe(now, ticket.mark, told.share);
        match answer {
            Answer::Served => {
                self.vain = 0;
                self.width = match self.widens {
                    true => self.width + 1.0,
                    false => self.width + 1.0 / self.width,
                }
                .min(MOST_WIDTH);
                self.grow(now);
            }
            Answer::Refused(_) | Answer::Overloaded => {
                if let Some(wait) = told.wait {
                    self.paused = self.paused.max(now.saturating_add(micros(wait)));
                    self.changed = true;
                }
                if ticket.at > self.reduced {
                    self.reduce(now, answer, told, random);
                }
            }
        }
    }

    /// A refusal that is not of the last burst.
    fn reduce(&mut self, now: Micros, answer: Answer, told: &Told, random: f64) {
        self.reduced = now;
        self.grown = now;
        self.step = FIRST_STEP;
        self.changed = true;
        self.widens = false;
        self.width = (self.width / 2.0).max(1.0);
        if told.wait.is_none() && answer != Answer::Overloaded {
            let first = (2 * self.gap(self.cost)).max(self.window() / 16);
            let pause = first
                .saturating_mul(1 << self.vain.min(6))
                .min(self.window());
            let pause = Duration::from_micros(pause).mul_f64(0.9 + 0.2 * random);
            self.paused = self.paused.max(now + micros(pause));
        }
        self.vain += 1;
        self.slow |= told.share.is_some() && self.untold + self.windows(SLOW) < now;
        if self.vain > 1 && !self.vain.is_multiple_of(3) {
            // The same trouble still: the window, not the pace, has to pass.
            return;
        }
        let allowed = self.pace / PACE;
        self.ceiling = match answer {
            Answer::Refused(cost) if self.vain == 1 => {
                let whole = (self.sum - cost).max(self.cost);
                (whole * self.limits.share).min(allowed)
            }
            _ => allowed,
        };
        self.set(now, self.pace.min(self.ceiling) * SLOWED);
        self.jumped = now;
        self.slowed = true;
    }

    /// Takes in the share that an answer tells, of what was spent until `mark`.
    fn observe(&mut self, now: Micros, mark: f64, share: Option<f64>) {
        self.forget(now);
        let Some(share) = share else {
            self.untold = now;
            return;
        };
        self.tells = true;
        // Whatever the window, it holds no more of ours than we spent in one.
        let bound = self.sum / (share + ROUNDED) * self.limits.share;
        // What is under way may be counted already, or not yet. Where others ask too, they have the benefit of the doubt.
        let loose = if self.limits.share < 1.0 {
            0.0
        } else {
            self.cost
        };
        self.set(now, self.pace.min(PACE * (bound + loose)));
        self.shares.push_back(Share {
            at: now,
            share,
            mark,
            bound,
        });
    }

    fn grow(&mut self, now: Micros) {
        let passed = now.saturating_sub(self.grown.max(self.reduced));
        let passed = (passed as f64 / self.window() as f64).min(1.0);
        if now < self.paused {
            return;
        }
        if self.slowed {
            if now >= self.reduced + self.windows(SLOWED_FOR) {
                self.recover(now);
            }
            return;
        }
        self.grown = now;
        if self.tells {
            self.follow(now, passed);
        } else if self.sum >= 0.45 * self.pace {
            // What isn't used proves nothing.
            self.probe(now, passed);
        }
    }

    /// The end of a slow time.
    fn recover(&mut self, now: Micros) {
        self.slowed = false;
        self.grown = now;
        let bounds = self.shares.iter().map(|s| s.bound);
        let goal = match self.tells {
            true => bounds.fold(self.ceiling, f64::min) * PACE * 0.99,
            false => self.ceiling * BELOW,
        };
        self.set(now, goal.max(self.pace));
        self.jumped = now;
    }

    /// Growth where shares are told.
    fn follow(&mut self, now: Micros, passed: f64) {
        let full = self.limits.share;
        if self.shares.is_empty() && full * FULL <= TOLD {
            // What is told begins where our part ends.
            return self.probe(now, passed);
        }
        let top = self.shares.iter().map(|s| s.share).fold(0.0, f64::max);
        if self.sum < 0.7 * self.pace || top > FULL * full {
            return;
        }
        let none = self.sum / TOLD * full;
        let bound = self.shares.iter().map(|s| s.bound).fold(none, f64::min);
        let long = now > self.jumped + self.windows(KEEP);
        if self.shares.is_empty() && self.sum > 0.9 * self.ceiling && long {
            self.ceiling = 0.0;
        }
        let jump = match self.ceiling > 0.0 {
            true => bound.min(self.ceiling),
            false => bound,
        };
        let creep = (self.pace * (1.0 + CREEP * passed)).min(PACE * bound);
        // One request more would be told as full: no leaps here.
        let near = top + self.cost / self.pace > FULL * full;
        let goal = if near { creep } else { creep.max(PACE * jump) };
        self.set(now, goal.max(self.pace));
    }

    /// Growth where nothing is told.
    fn probe(&mut self, now: Micros, passed: f64) {
        let rate = if self.pace < BELOW * self.ceiling {
            0.25 * self.ceiling
        } else if self.pace < PASSED * self.ceiling {
            STEADY * self.ceiling
        } else {
            self.step = (self.step * passed.exp2()).min(LAST_STEP);
            self.step * self.pace
        };
        self.set(now, self.pace + rate * passed);
    }
}
