//! The inventory equals the tenant after the first reading and after each day of changes.
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

use tests::world::{Setup, World};

/// Reads first, then lets days of changes happen and reads what changed.
fn days(mut world: World, days: u32) {
    world.sync_whole();
    let mut known = world.truth();
    world.is(&known);
    let mut unnamed = 0;
    for day in 1..=days {
        world.sim().advance(1);
        let outcome = world.sync_whole();
        let users = outcome.runs.iter().filter(|r| r.dataset == "users");
        assert!(users.clone().count() > 0, "users were read on day {day}");
        assert!(
            users.clone().all(|r| r.mode == "some"),
            "day {day}: {}",
            outcome.summary()
        );
        let (now, more) = world.truth().known_after(&known);
        world.is(&now);
        (known, unnamed) = (now, unnamed + more);
    }
    println!("{unnamed} changes that no delta names");
    world.next_week();
    world.sync_whole();
    world.is(&world.truth());
}

#[test]
fn a_small_tenant() {
    days(World::new(super::SETTING, Setup::users(300)), 5);
}

#[test]
fn a_tenant_of_several_pages() {
    days(World::new(super::SETTING, Setup::users(2_500)), 5);
}

#[test]
fn two_tenants_at_once() {
    let mut setup = Setup::users(300);
    setup.sim.tenants = 2;
    setup.sim.seed = 5;
    days(World::new(super::SETTING, setup), 5);
}
