//! Replicas of Graph that are late, up to the lateness that is reckoned with.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::world::{Setup, World};

/// Ten minutes.
const LATE: u64 = 600;

fn late(seed: u64) -> World {
    let mut setup = Setup::users(300);
    setup.sim.seed = seed;
    setup.sim.lag = Some(Duration::from_secs(LATE));
    setup.lateness = LATE;
    setup.paused = true;
    World::new(super::SETTING, setup)
}

/// Keys that are in all kinds of records which exist by themselves.
fn keys(of: impl Fn(&str) -> tests::inventory::Records) -> BTreeSet<(String, String)> {
    let kinds = ["organization", "subscribed_sku", "subscription", "user"];
    let all = kinds.into_iter().flat_map(|kind| {
        let keys = of(kind).into_keys();
        keys.map(move |key| (kind.to_owned(), key))
    });
    all.collect()
}

fn history(seed: u64) {
    let mut world = late(seed);
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
    for _ in 0..3 {
        let before = world.truth();
        world.sim().advance(1);
        let after = world.truth();
        let before = keys(|kind| before.records(kind));
        let after = keys(|kind| after.records(kind));
        let stayed: BTreeSet<_> = before.intersection(&after).cloned().collect();
        // Many readings while some replicas know of the changes and others don't.
        for _ in 0..8 {
            world.sync();
            let shown = keys(|kind| world.inventory(kind));
            let lost: Vec<_> = stayed.difference(&shown).take(3).collect();
            assert!(
                lost.is_empty(),
                "seed {seed}: gone though they existed: {lost:?}"
            );
            world.advance_clock(Duration::from_secs(97));
        }
        world.come_to_rest();
        world.is_as_far_as_tracked(&world.truth());
        assert_eq!(keys(|kind| world.inventory(kind)), after, "seed {seed}");
    }
    world.next_week();
    world.come_to_rest();
    world.is(&world.truth());
}

#[test]
fn in_the_end_the_inventory_equals_the_tenant_and_nothing_was_missing_meanwhile() {
    history(1);
}

#[test]
fn another_company_ends_like_that_too() {
    history(2);
}

#[test]
fn changes_during_the_first_reading_are_not_lost() {
    let mut setup = Setup::users(2_500);
    setup.sim.lag = Some(Duration::from_secs(LATE));
    setup.lateness = LATE;
    setup.paused = true;
    let mut world = World::new(super::SETTING, setup);
    // In the middle of the pages of users a day of changes happens.
    let pages = world.network.requests() + 8;
    world.sync_until(pages);
    world.sim().advance(1);
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
}
