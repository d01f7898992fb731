//! A database is restored from an earlier copy, each by itself: the others notice, and nothing stays wrong.

use tests::world::{Setup, World};

/// Reads, saves, lets days of changes be read, restores what was saved, and reads again.
fn restored(names: &[&str], late: bool) -> World {
    let mut setup = Setup::users(300);
    if late {
        setup.lateness = 600;
        setup.sim.lag = Some(std::time::Duration::from_secs(600));
        setup.paused = true;
    }
    let mut world = World::new(super::SETTING, setup);
    world.come_to_rest();
    world.stop();
    names.iter().for_each(|name| world.save(name));
    world.open();
    world.start();
    for _ in 0..3 {
        world.sim().advance(1);
        world.come_to_rest();
    }
    world.is_as_far_as_tracked(&world.truth());
    world.stop();
    names.iter().for_each(|name| world.restore(name));
    world.open();
    world.start();
    world.sim().advance(1);
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
    world
}

/// Goes on for a day and a week.
fn goes_on(mut world: World) {
    world.sim().advance(1);
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
    world.next_week();
    world.come_to_rest();
    world.is(&world.truth());
}

#[test]
fn the_collectors() {
    goes_on(restored(&["collector"], false));
}

#[test]
fn the_ledger() {
    let world = restored(&["normalizer"], false);
    // Everything was read again, so even what no delta names is right.
    world.is(&world.truth());
    world.sqlite_shows_the_same();
    goes_on(world);
}

#[test]
fn the_exporters() {
    let world = restored(&["exporter"], false);
    world.sqlite_shows_the_same();
    goes_on(world);
}

#[test]
fn the_queue() {
    goes_on(restored(&["queue"], false));
}

#[test]
fn the_collectors_with_late_replicas() {
    goes_on(restored(&["collector"], true));
}

#[test]
fn the_ledger_with_late_replicas() {
    goes_on(restored(&["normalizer"], true));
}

#[test]
fn a_row_sink() {
    let mut world = World::new(super::SETTING, Setup::users(300));
    world.sync_whole();
    world.sqlite_shows_the_same();
    world.stop();
    let (file, saved) = (world.path("inventory.db"), world.path("inventory.saved"));
    std::fs::copy(&file, &saved).unwrap();
    world.open();
    world.start();
    world.sim().advance(2);
    world.sync_whole();
    world.sqlite_shows_the_same();
    world.stop();
    std::fs::copy(&saved, &file).unwrap();
    world.open();
    world.start();
    world.sync_whole();
    world.sqlite_shows_the_same();
}

#[test]
fn a_snapshot_sink_that_was_deleted() {
    let mut world = World::new(super::SETTING, Setup::users(300));
    world.sync_whole();
    world.stop();
    std::fs::remove_dir_all(world.path("inventory")).unwrap();
    world.open();
    world.start();
    world.sync_whole();
    world.is(&world.truth());
}
