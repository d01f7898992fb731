//! What happens in a tenant on one day, enumerated from the seed without looking at all users.

use std::collections::HashSet;

use crate::change::{self, Change, Draw, What};
use crate::property::Select;
use crate::rng::{self, Rng};
use crate::world::{Life, RETENTION, World};

/// Share of each kind among a day's changes in per cent, and how many happen at least.
const KINDS: [(Draw, u32, u32); 7] = [
    (Draw::Given, 16, 1),
    (Draw::Taken, 10, 1),
    (Draw::MadeDirect, 6, 0),
    (Draw::Turned, 14, 1),
    (Draw::Moved, 16, 1),
    (Draw::Renamed, 5, 0),
    (Draw::Disabled, 8, 0),
];
const JOINERS: u32 = 14;
const LEAVERS: u32 = 11;
/// Deletions that are undone or made final.
const RETURNS: u32 = 1;
/// How many users are asked before a change that fits nobody is dropped.
const TRIES: u32 = 400;

/// The changes of `day`, each of another user; the world must have lived up to the day before.
pub(crate) fn make(world: &World, day: u32) -> Vec<(u32, Change)> {
    let mut rng = Rng::new(rng::mix(world.key() ^ 0x0da1, u64::from(day)));
    let (limit, live) = (world.limit(day - 1), world.live(day - 1));
    let total = world.changing(live);
    let mut seen = HashSet::new();
    let mut changes = Vec::new();
    for (draw, share, least) in KINDS {
        for _ in 0..part(total, share, &mut rng).max(least) {
            if let Some((index, change)) = find(world, draw, day, limit, &seen, &mut rng) {
                seen.insert(index);
                changes.push((index, change));
            }
        }
    }
    let everything = Select(u128::MAX);
    // The last two users stay, so that no tenant runs empty.
    let leavers = part(total, LEAVERS, &mut rng)
        .max(1)
        .min(live.saturating_sub(2));
    for _ in 0..leavers {
        let found = (0..TRIES)
            .map(|_| rng.below(limit))
            .find(|i| !seen.contains(i) && world.user(*i, day).is_some());
        if let Some(index) = found {
            seen.insert(index);
            changes.push((
                index,
                Change {
                    day,
                    what: What::Left,
                    touched: everything,
                },
            ));
        }
    }
    for n in 0..part(total, JOINERS, &mut rng).max(1) {
        changes.push((
            limit + n,
            Change {
                day,
                what: What::Joined,
                touched: everything,
            },
        ));
    }
    shuffle(&mut changes, &mut rng);
    changes.extend(returns(world, day, total));
    changes
}

/// Deleted users that come back, and those that are forgotten after their time.
fn returns(world: &World, day: u32, total: u32) -> Vec<(u32, Change)> {
    let mut rng = Rng::new(rng::mix(world.key() ^ 0x4e70, u64::from(day)));
    let change = |index: u32, what: What| {
        let touched = Select(u128::MAX);
        (index, Change { day, what, touched })
    };
    let deleted = world.deleted(day - 1);
    let (over, waiting): (Vec<u32>, Vec<u32>) = deleted.into_iter().partition(|i| {
        world.life(*i, day - 1) == Life::Deleted(day.saturating_sub(RETENTION)) && day > RETENTION
    });
    let mut changes: Vec<_> = over.into_iter().map(|i| change(i, What::Purged)).collect();
    let mut seen = HashSet::new();
    for _ in 0..part(total, RETURNS, &mut rng) {
        let at = rng.below(waiting.len() as u32) as usize;
        // Not everything can wait: some are deleted for good before their time.
        let what = if rng.chance(800) {
            What::Restored
        } else {
            What::Purged
        };
        if let Some(index) = waiting.get(at).filter(|i| seen.insert(**i)) {
            changes.push(change(*index, what));
        }
    }
    changes
}

/// A share in per cent; what is less than one happens on some days.
fn part(total: u32, share: u32, rng: &mut Rng) -> u32 {
    (total * share + rng.below(100)) / 100
}

fn find(
    world: &World,
    draw: Draw,
    day: u32,
    limit: u32,
    seen: &HashSet<u32>,
    rng: &mut Rng,
) -> Option<(u32, Change)> {
    for _ in 0..TRIES {
        let index = rng.below(limit);
        if seen.contains(&index) {
            continue;
        }
        let Some(before) = world.user(index, day) else {
            continue;
        };
        if let Some(what) = change::draw(&before, draw, day, rng) {
            let mut after = before;
            change::apply(&mut after, what, day);
            return Some((
                index,
                Change {
                    day,
                    what,
                    touched: change::touched(&before, &after),
                },
            ));
        }
    }
    None
}

/// Puts items into a seeded order.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::licence::assigned;
    use crate::person;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn sums_agree_with_the_users(key: u64, users in 0..400_u32, days in 0..12_u32) {
            let mut world = World::new(key, users);
            for _ in 0..days {
                world.next_day();
            }
            for day in 0..=days {
                let alive: Vec<_> = (0..world.limit(day)).filter_map(|i| world.user(i, day)).collect();
                prop_assert_eq!(alive.len() as u32, world.live(day));
                let mut units = World::count_day_zero(key, users);
                units.iter_mut().zip(world.consumed_since_start(day)).for_each(|(u, d)| *u += d);
                for (sku, units) in units.into_iter().enumerate() {
                    let held = alive.iter().filter(|u| assigned(&u.paths, u.orphan)[sku].is_some()).count();
                    prop_assert_eq!(held as i64, units);
                }
            }
        }

        #[test]
        fn who_is_not_enumerated_has_not_changed(key: u64, users in 1..300_u32) {
            let mut world = World::new(key, users);
            for day in 1..8 {
                world.next_day();
                let unique: HashSet<_> = world.changed(day).iter().collect();
                prop_assert_eq!(unique.len(), world.changed(day).len());
                for index in 0..world.limit(day) {
                    let dateless = |mut u: person::User| {
                        u.day = 0;
                        u
                    };
                    let state = |day| {
                        let user = world.user(index, day).map(dateless);
                        (user, world.life(index, day) == Life::Purged)
                    };
                    let same = state(day) == state(day - 1);
                    prop_assert_eq!(!same, unique.contains(&index), "user {} on day {}", index, day);
                }
            }
        }
    }

    #[test]
    fn small_tenants_see_several_kinds_a_day() {
        let mut world = World::new(7, 200);
        for day in 1..30 {
            world.next_day();
            let kinds: HashSet<_> = world
                .changed(day)
                .iter()
                .flat_map(|i| world.changes(*i, day - 1, day))
                .map(|c| std::mem::discriminant(&c.what))
                .collect();
            assert!(kinds.len() >= 3, "day {day}");
        }
    }

    #[test]
    fn the_company_has_every_kind_of_trouble() {
        let users: Vec<_> = (0..20_000).map(|i| person::make(42, i, None)).collect();
        let paths = || users.iter().flat_map(|u| u.paths.iter());
        for state in ["Active", "ActiveWithError", "Disabled", "Error"] {
            assert!(paths().any(|p| p.state.name() == state), "{state}");
        }
        assert!(users.iter().any(|u| u.orphan.is_some()));
        assert!(users.iter().any(|u| !u.enabled && u.paths.iter().len() > 0));
        assert!(
            users
                .iter()
                .any(|u| u.kind == person::Kind::Guest && u.paths.iter().len() > 0)
        );
        let held: usize = users
            .iter()
            .map(|u| assigned(&u.paths, u.orphan).iter().flatten().count())
            .sum();
        assert!(held < paths().count());
    }
}
