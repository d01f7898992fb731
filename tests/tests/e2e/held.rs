//! Removals that are suspiciously many are held until somebody decides.

use std::collections::BTreeSet;

use graph_sim::Sim;
use proto::admin::v1::Run;
use tests::world::{Setup, World, exit};

/// A world that has read 300 users, of whom Graph then knows only 200.
fn a_third_vanished(lateness: u64) -> World {
    let mut setup = Setup::users(300);
    setup.lateness = lateness;
    setup.paused = true;
    let mut world = World::new(super::SETTING, setup.clone());
    world.come_to_rest();
    setup.sim.users = 200;
    world.network.replace(Sim::new(setup.sim));
    // Nobody names them: only a full reading lacks them.
    world.next_week();
    world
}

/// The keys of the users in the inventory.
fn users(world: &World) -> BTreeSet<String> {
    world.inventory("user").into_keys().collect()
}

/// Syncs until a run holds removals.
fn hold(world: &mut World) -> Run {
    let outcome = world.sync();
    let held = outcome.runs.iter().find(|r| r.held > 0).cloned();
    let held = held.unwrap_or_else(|| panic!("nothing is held: {}", outcome.summary()));
    assert_eq!(exit(&outcome), "3");
    assert!(
        outcome
            .summary()
            .contains(&format!("leastwise runs approve {}", held.run))
    );
    held
}

#[test]
fn they_stay_in_the_inventory_until_they_are_approved() {
    let mut world = a_third_vanished(0);
    let known = users(&world);
    let alive: BTreeSet<String> = world.truth().records("user").into_keys().collect();
    let held: BTreeSet<String> = known.difference(&alive).cloned().collect();
    let run = hold(&mut world);
    assert_eq!((run.held, run.removed, held.len()), (100, 0, 100));
    assert_eq!(users(&world), known);
    // They hold up nothing else, and stay held, also over a restart.
    world.sim().advance(1);
    world.restart();
    let outcome = world.sync();
    // Where everything was read again meanwhile (a link that is a week old), they are held under that run's number.
    let again = outcome.runs.iter().find(|r| r.held > 0 && r.mode == "full");
    let run = again.unwrap_or(&run);
    let alive: BTreeSet<String> = world.truth().records("user").into_keys().collect();
    assert_eq!(users(&world), alive.union(&held).cloned().collect());
    // Somebody joined under the id of one that vanished: nothing is left to decide there.
    let left = held.difference(&alive).count() as u64;
    assert_eq!(world.approve(run.run), left);
    let outcome = world.sync_whole();
    let removed: u64 = outcome.runs.iter().map(|r| r.removed).sum();
    assert_eq!(removed, left, "{}", outcome.summary());
    world.next_week();
    world.sync_whole();
    world.is(&world.truth());
}

#[test]
fn with_late_replicas_the_approved_ones_are_removed_by_an_answer() {
    let mut world = a_third_vanished(600);
    let run = hold(&mut world);
    assert_eq!(world.approve(run.run), 100);
    world.come_to_rest();
    world.is(&world.truth());
}

#[test]
fn rejected_they_stay_and_the_next_full_reading_asks_anew() {
    let mut world = a_third_vanished(0);
    let run = hold(&mut world);
    assert_eq!(world.reject(run.run), 100);
    let outcome = world.sync_whole();
    assert_eq!(outcome.runs.iter().map(|r| r.removed).sum::<u64>(), 0);
    assert_eq!(world.inventory("user").len(), 300);
    world.next_week();
    let again = hold(&mut world);
    assert!(again.run > run.run);
    assert_eq!(again.held, 100);
}

#[test]
fn those_that_come_back_are_no_longer_held() {
    let mut world = a_third_vanished(0);
    let run = hold(&mut world);
    world.network.replace(Sim::new(Setup::users(300).sim));
    world.next_week();
    world.sync_whole();
    world.is(&world.truth());
    // Nothing of the run is left to decide on.
    assert!(world.try_approve(run.run).is_err());
}
