//! How fast one budget may be spent, learned from what Graph answers. Pure: it is told the time.
//!
//! What Graph allows in a window is documented, but not for the size of a tenant that nobody knows yet, nor while Graph gives
//! less; and neither is whether windows are fixed, slide, or are buckets that drain. So requests are spread evenly at a pace
//! that is right in all three, and the pace is learned:
//!
//! What of an answer makes the pace what it is stands in [`super::learn`].

use std::collections::VecDeque;
use std::time::Duration;

/// Microseconds since 1970.
pub type Micros = u64;

/// Of what is believed to be allowed this is spent.
pub(super) const PACE: f64 = 0.995;
/// What may be spent at once after a rest, in windows' worth.
const IDLE: f64 = 0.5;
/// The part of a request that stays between a bucket and its end, where it is known to be one.
const MARGIN: f64 = 0.4;
/// Windows for which a told share counts.
pub(super) const KEEP: f64 = 2.0;
/// Parts of a window in which what was spent is counted.
const PARTS: u64 = 1_000;
/// Of a pace so much is spent with one request at most, where a request can be smaller.
const PORTION: f64 = 0.025;
/// Requests under way at first.
const FIRST_WIDTH: f64 = 8.0;
/// The growth in a window of a pace beyond every ceiling, at first.
pub(super) const FIRST_STEP: f64 = 0.04;

/// What is documented of a budget, less what is left to other applications.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The window.
    pub window: Duration,
    /// What is believed to be allowed in it at first.
    pub first: f64,
    /// More than this is never tried.
    pub most: f64,
    /// The share up to which it is used: less than 1 where other applications use it too. The amounts are parts of it already.
    pub share: f64,
}

/// A share that an answer told.
pub(super) struct Share {
    pub(super) at: Micros,
    pub(super) share: f64,
    /// What was spent in all until its request.
    pub(super) mark: f64,
    /// The budget is not larger than this.
    pub(super) bound: f64,
}

/// A request that was let go.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(super) at: Micros,
    pub(super) cost: f64,
    pub(super) mark: f64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// Graph served it, or refused it for another reason.
    Served,
    /// The budget is used up: so much of the cost was refused.
    Refused(f64),
    /// Graph is overloaded, whoever asks.
    Overloaded,
}

/// See the [module](self).
pub struct Budget {
    pub(super) limits: Limits,
    pub(super) pace: f64,
    pub(super) ceiling: f64,
    pub(super) paused: Micros,
    pub(super) spent: VecDeque<(Micros, f64)>,
    /// The sum of `spent`.
    pub(super) sum: f64,
    /// All that was ever spent.
    pub(super) total: f64,
    /// The next request goes at this moment.
    pub(super) next: Micros,
    /// The last request had to wait: a pause before the next one is no rest.
    pub(super) waited: bool,
    /// The last request's cost.
    pub(super) cost: f64,
    pub(super) grown: Micros,
    /// The last reduction; what was sent before it is of the same burst.
    pub(super) reduced: Micros,
    pub(super) slowed: bool,
    /// The last time that the pace left what answers could tell of.
    pub(super) jumped: Micros,
    pub(super) step: f64,
    /// Refusals since something was served.
    pub(super) vain: u32,
    pub(super) shares: VecDeque<Share>,
    pub(super) tells: bool,
    /// The last answer that told no share.
    pub(super) untold: Micros,
    pub(super) slow: bool,
    pub(super) width: f64,
    pub(super) widens: bool,
    pub(super) flying: u32,
    pub(super) changed: bool,
}

impl Budget {
    /// A budget that nothing is known of.
    pub fn new(limits: Limits) -> Self {
        Budget {
            pace: limits.first * PACE,
            limits,
            ceiling: 0.0,
            paused: 0,
            spent: VecDeque::new(),
            sum: 0.0,
            total: 0.0,
            next: 0,
            waited: false,
            cost: 1.0,
            grown: 0,
            reduced: 0,
            slowed: false,
            jumped: 0,
            step: FIRST_STEP,
            vain: 0,
            shares: VecDeque::new(),
            tells: false,
            untold: 0,
            slow: false,
            width: FIRST_WIDTH,
            widens: true,
            flying: 0,
            changed: false,
        }
    }

    /// Whether something was learned that should not get lost; asked once.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether another request may be under way.
    pub fn has_room(&self) -> bool {
        f64::from(self.flying) < self.width
    }

    /// The cost up to which requests may go as one without making the pace uneven.
    pub fn portion(&self) -> f64 {
        self.pace * PORTION
    }

    /// The used share of what is believed to be allowed in a window.
    pub fn used(&self) -> f64 {
        self.sum / (self.pace / PACE)
    }

    /// The moment at which a request of this cost may go.
    pub fn ready(&mut self, now: Micros, cost: f64) -> Micros {
        self.forget(now);
        let allowed = self.pace / PACE;
        let mut at = self.next.max(self.paused);
        // Never more than all of it in any window: only what is spent at once after a rest comes near that.
        let mut over = self.sum + cost - (allowed + 0.5 * cost).max(cost) * (1.0 + 1e-9);
        for (spent, cost) in &self.spent {
            if over <= 0.0 {
                break;
            }
            over -= cost;
            at = at.max(spent + self.window());
        }
        if let Some(last) = self.shares.back() {
            let whole = allowed / self.limits.share;
            let level = last.share + (self.total - last.mark + cost) / whole;
            let margin = if self.slow {
                MARGIN * cost / whole
            } else {
                0.0
            };
            let excess = level + margin - self.limits.share;
            // Of a bucket so much drains; in a window that slides or ends, the pace has to be right.
            if excess > 0.0 {
                at = at.max(last.at + self.windows(excess));
            }
        }
        self.waited |= at > now;
        at
    }

    /// A request of this cost goes.
    pub fn send(&mut self, now: Micros, cost: f64) -> Ticket {
        self.forget(now);
        self.cost = cost;
        self.flying += 1;
        self.spend(now, cost);
        let rest = if self.waited { 0.0 } else { IDLE };
        let earliest = now.saturating_sub(self.windows(rest));
        self.next = self.next.max(earliest) + self.gap(cost);
        self.waited = false;
        Ticket {
            at: now,
            cost,
            mark: self.total,
        }
    }

    /// No answer came.
    pub fn lost(&mut self) {
        self.flying = self.flying.saturating_sub(1);
    }

    pub(super) fn set(&mut self, now: Micros, pace: f64) {
        let least = (self.limits.most / 1_000.0).min(1.0);
        let old = self.pace;
        self.pace = pace.clamp(least, self.limits.most.max(least) * PACE);
        if self.next > now {
            let left = Duration::from_micros(self.next - now).mul_f64(old / self.pace);
            self.next = now + micros(left);
        }
    }

    pub(super) fn spend(&mut self, now: Micros, cost: f64) {
        let part = (self.window() / PARTS).max(1);
        match self.spent.back_mut() {
            Some((at, sum)) if *at / part == now / part => {
                *at = now;
                *sum += cost;
            }
            _ => self.spent.push_back((now, cost)),
        }
        self.sum += cost;
        self.total += cost;
    }

    /// A request has cost more, or less, than was thought.
    pub(super) fn correct(&mut self, more: f64) {
        if let Some((_, sum)) = self.spent.back_mut() {
            let more = more.max(-*sum);
            *sum += more;
            self.sum += more;
            self.total += more;
        }
    }

    pub(super) fn forget(&mut self, now: Micros) {
        while let Some((at, cost)) = self.spent.front().copied()
            && at + self.window() <= now
        {
            self.spent.pop_front();
            self.sum -= cost;
        }
        if self.spent.is_empty() {
            self.sum = 0.0;
        }
        let keep = self.windows(KEEP);
        while self.shares.front().is_some_and(|s| s.at + keep <= now) {
            self.shares.pop_front();
        }
    }

    pub(super) fn window(&self) -> Micros {
        micros(self.limits.window)
    }

    pub(super) fn windows(&self, n: f64) -> Micros {
        micros(self.limits.window.mul_f64(n))
    }

    /// Between a request of this cost and the next.
    pub(super) fn gap(&self, cost: f64) -> Micros {
        micros(self.limits.window.mul_f64(cost / self.pace))
    }
}

pub(super) fn micros(d: Duration) -> Micros {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}
