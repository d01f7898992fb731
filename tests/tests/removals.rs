//! What Graph shows wrongly removes nobody who is there: each history is lived through by the product as it is, and once
//! more without the rule that protects it, which then removes somebody.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;
use std::time::Duration;

use graph_sim::{Fault, Storm};
use proto::rules::{Rule, without};
use tests::world::{Setting, Setup, World};

const LATE: Duration = Duration::from_secs(600);

/// A tenant that was read and is at rest.
fn rested(change: fn(&mut Setup)) -> World {
    let mut setup = Setup::users(300);
    setup.paused = true;
    setup.lateness = LATE.as_secs();
    change(&mut setup);
    let mut world = World::new(Setting::Embedded, setup);
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
    world
}

fn there(world: &World) -> BTreeSet<String> {
    world.truth().records("user").into_keys().collect()
}

/// How many of these users the inventory lacks.
fn missing(world: &World, users: &BTreeSet<String>) -> usize {
    let shown = world.inventory("user");
    users.iter().filter(|key| !shown.contains_key(*key)).count()
}

/// Nobody is missing at the end of a history, and somebody is without the rule.
#[track_caller]
fn protected_by(rule: Rule, history: fn() -> (World, BTreeSet<String>)) {
    let (mut world, users) = history();
    assert_eq!(missing(&world, &users), 0);
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
    without(Some(rule));
    let (world, users) = history();
    let lost = missing(&world, &users);
    drop(world);
    without(None);
    assert!(lost > 0, "the history needs no {rule:?}");
}

/// The next reading is of everything, because the delta link is no longer known.
fn forget_the_link(world: &World) {
    world.sim().fault(Fault {
        status: Some(400),
        path: Some("/users/delta".to_owned()),
        code: Some("syncStateNotFound".to_owned()),
        ..Fault::default()
    });
}

/// Reads everything.
fn full(world: &mut World) {
    forget_the_link(world);
    let outcome = world.sync();
    let full = |r: &&proto::admin::v1::Run| r.dataset == "users" && r.mode == "full";
    assert!(
        outcome.runs.iter().any(|r| full(&r)),
        "{}",
        outcome.summary()
    );
}

#[test]
fn a_mass_deletion_that_is_undone_in_time_removes_nobody() {
    protected_by(Rule::GoneById, || {
        let mut world = rested(|_| {});
        // Fewer than the guard holds.
        world.sim().storm(0, Storm::Deletion { users: 40 });
        full(&mut world);
        world.sim().storm(0, Storm::Restoration { users: 40 });
        let users = there(&world);
        (world, users)
    });
}

#[test]
fn an_index_that_is_late_removes_nobody() {
    protected_by(Rule::GoneById, || {
        let mut world = rested(|setup| {
            // Several ranges of pages of 999.
            setup.sim.users = 2_500;
            setup.sim.filter_lag = Some(LATE);
            setup.ranges_above = 100;
        });
        // So few that the count doesn't tell.
        world.sim().storm(0, Storm::Merger { users: 2 });
        world.sync();
        // Known by their ids, and not to the index that answers for the ranges.
        let users = there(&world);
        assert_eq!(missing(&world, &users), 0);
        full(&mut world);
        (world, users)
    });
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_id_that_is_404_for_a_minute_after_its_creation_comes_later() {
    // Late replicas don't know it, and others name it as changed.
    let mut world = rested(|setup| setup.sim.lag = Some(MINUTE));
    world.sim().storm(0, Storm::Merger { users: 40 });
    world.sync();
    let users = there(&world);
    assert!(missing(&world, &users) > 0, "nobody was 404");
    world.advance_clock(LATE);
    world.sync();
    assert_eq!(missing(&world, &users), 0);
}

/// How many users are missing who were deleted and restored within a minute, while replicas are as late. Which replica
/// answers depends on how many requests there were.
fn lost_while_replicas_are_late(passes_before: u32) -> usize {
    let mut world = rested(|setup| setup.sim.lag = Some(MINUTE));
    for _ in 0..passes_before {
        world.sync();
    }
    world.sim().storm(0, Storm::Deletion { users: 40 });
    world.advance_clock(MINUTE / 2);
    // Late replicas don't know of it, and others name all forty as changed.
    world.sim().storm(0, Storm::Restoration { users: 40 });
    world.sync();
    missing(&world, &there(&world))
}

#[test]
fn an_id_that_is_404_for_a_minute_and_there_again_is_not_removed() {
    let lost = |rule, passes_before| {
        without(rule);
        let lost = lost_while_replicas_are_late(passes_before);
        without(None);
        lost
    };
    // Where a late replica answers the delta query too, Graph says twice that they are gone: nobody can know better.
    let protects = |n| lost(None, n) == 0 && lost(Some(Rule::MissingIsSuspect), n) > 0;
    assert!((0..10).any(protects), "the rule protects nobody");
}
