//! One budget and how much of it is used.

use super::Window;

/// Parts of a sliding window.
const SLOTS: usize = 10;
/// More than this share of a budget is not counted: however often a client knocks, it is served again in time.
const MOST: f64 = 1.8;
/// What the arithmetic of fractions may be wrong by.
const ROUNDING: f64 = 1e-6;

/// Use of one budget; times are milliseconds.
pub(super) enum Meter {
    Bucket { used: f64, at: u64 },
    Sliding { slots: [f64; SLOTS], newest: u64 },
    Fixed { used: f64, window: u64 },
}

/// What a charge came to.
pub(super) struct Charged {
    /// Used share of the budget afterwards.
    pub(super) used: f64,
    /// Milliseconds until it would be served; none: it is.
    pub(super) wait: Option<u64>,
}

impl Meter {
    pub(super) fn new(window: Window) -> Self {
        match window {
            Window::Bucket => Self::Bucket { used: 0.0, at: 0 },
            Window::Sliding => Self::Sliding {
                slots: [0.0; SLOTS],
                newest: 0,
            },
            Window::Fixed => Self::Fixed {
                used: 0.0,
                window: 0,
            },
        }
    }

    /// Charges `cost` against `amount` in `millis`; only a `share` of it is there for this one.
    pub(super) fn charge(
        &mut self,
        now: u64,
        amount: f64,
        millis: u64,
        cost: f64,
        share: f64,
    ) -> Charged {
        let millis = millis.max(1);
        let allowed = (amount * share).max(cost);
        let used = self.used(now, amount, millis);
        let room = (amount * MOST - used).max(0.0);
        self.add(cost.min(room));
        let after = used + cost.min(room);
        // The refused attempt counted as well, so it has to be waited for too.
        let wait = (used + cost > allowed + ROUNDING)
            .then(|| self.wait(now, amount, millis, after + cost - allowed));
        Charged {
            used: after / amount,
            wait,
        }
    }

    /// What is used now.
    fn used(&mut self, now: u64, amount: f64, millis: u64) -> f64 {
        match self {
            Self::Bucket { used, at } => {
                let back = now.saturating_sub(*at) as f64 * amount / millis as f64;
                *used = (*used - back).max(0.0);
                *at = now.max(*at);
                *used
            }
            Self::Sliding { slots, newest } => {
                let slot = now / slot_millis(millis);
                let passed = slot.saturating_sub(*newest).min(SLOTS as u64) as usize;
                slots.rotate_right(passed);
                slots.iter_mut().take(passed).for_each(|s| *s = 0.0);
                *newest = slot.max(*newest);
                slots.iter().sum()
            }
            Self::Fixed { used, window } => {
                let current = now / millis;
                if current > *window {
                    (*used, *window) = (0.0, current);
                }
                *used
            }
        }
    }

    fn add(&mut self, cost: f64) {
        match self {
            Self::Bucket { used, .. } | Self::Fixed { used, .. } => *used += cost,
            Self::Sliding { slots, .. } => slots[0] += cost,
        }
    }

    /// Milliseconds until `missing` is free again.
    fn wait(&self, now: u64, amount: f64, millis: u64, missing: f64) -> u64 {
        match self {
            Self::Bucket { .. } => (missing * millis as f64 / amount).ceil() as u64,
            Self::Fixed { .. } => millis - now % millis,
            Self::Sliding { slots, .. } => {
                let length = slot_millis(millis);
                let mut freed = 0.0;
                let mut steps = 0;
                // The oldest slot leaves first.
                for slot in slots.iter().rev() {
                    steps += 1;
                    freed += slot;
                    if freed >= missing {
                        break;
                    }
                }
                steps * length - now % length
            }
        }
    }
}

fn slot_millis(millis: u64) -> u64 {
    (millis / SLOTS as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn served(window: Window, step: u64, count: u64) -> usize {
        let mut meter = Meter::new(window);
        (0..count)
            .filter(|n| meter.charge(n * step, 10.0, 1_000, 1.0, 1.0).wait.is_none())
            .count()
    }

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        for window in [Window::Bucket, Window::Sliding, Window::Fixed] {
            assert_eq!(served(window, 0, 30), 10, "{window:?}");
            assert_eq!(served(window, 100, 30), 30, "{window:?}");
        }
    }

    proptest! {
        /// Waiting as told is enough, whatever the window and whatever was refused before.
        #[test]
        fn who_waits_as_told_is_served(
            kind in 0..3_usize, start in 0..100_000_u64, steps in prop::collection::vec((0..400_u64, 1..4_u32), 1..60)
        ) {
            let window = [Window::Bucket, Window::Sliding, Window::Fixed][kind];
            let mut meter = Meter::new(window);
            let mut now = start;
            for (step, cost) in steps {
                now += step;
                let cost = f64::from(cost);
                if let Some(wait) = meter.charge(now, 10.0, 1_000, cost, 1.0).wait {
                    prop_assert!(wait > 0 && wait <= 2_000, "{}", wait);
                    now += wait;
                    prop_assert!(meter.charge(now, 10.0, 1_000, cost, 1.0).wait.is_none());
                }
            }
        }
    }
}
