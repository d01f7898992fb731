//! The guard on mass removals. Pure.

use crate::config::Guard;

/// Whether removals are held: more than the guard's share of `live` records and at least its minimum, or all.
/// `removals` are those that nobody approved.
pub fn hold(guard: &Guard, live: u64, removals: u64) -> bool {
    let everything = removals > 0 && removals >= live;
    let many = removals >= guard.minimum
        && u128::from(removals) * 100 > u128::from(live) * u128::from(guard.percent);
    everything || many
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_many_and_everything() {
        let held = |live, removals| hold(&Guard::default(), live, removals);
        assert!(!held(100, 0) && !held(0, 0));
        assert!(!held(100, 20) && held(100, 21));
        assert!(!held(20, 9) && held(20, 10), "fewer than ten are no mass");
        assert!(held(1, 1) && held(3, 3) && !held(3, 2), "everything is one");
        assert!(held(u64::MAX, u64::MAX));
    }
}
