//! A database is restored from an earlier copy, each by itself: the others notice, and nothing stays wrong.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::path::{Path, PathBuf};

use tests::world::{Setup, World};

/// The files of a database.
fn files(dir: &Path, name: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(dir).unwrap().map(|f| f.unwrap().path());
    let of_it = |f: &PathBuf| f.file_name().unwrap().to_string_lossy().starts_with(name);
    all.filter(of_it).collect()
}

/// Copies a database that nobody has open, in place of what is there.
fn copy(from: &Path, to: &Path, name: &str) {
    std::fs::create_dir_all(to).unwrap();
    for old in files(to, name) {
        std::fs::remove_file(old).unwrap();
    }
    for file in files(from, name) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// Reads, saves, lets days of changes be read, restores what was saved, and reads again.
fn restored(names: &[&str], late: bool) -> World {
    let mut setup = Setup::users(300);
    if late {
        setup.lateness = 600;
        setup.sim.lag = Some(std::time::Duration::from_secs(600));
        setup.paused = true;
    }
    let mut world = World::new(setup);
    world.come_to_rest();
    let (data, saved) = (world.path("data"), world.path("saved"));
    world.stop();
    names.iter().for_each(|name| copy(&data, &saved, name));
    world.open();
    world.start();
    for _ in 0..3 {
        world.sim().advance(1);
        world.come_to_rest();
    }
    world.is_as_far_as_tracked(&world.truth());
    world.stop();
    names.iter().for_each(|name| copy(&saved, &data, name));
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
    goes_on(restored(&["collector.db"], false));
}

#[test]
fn the_ledger() {
    let world = restored(&["normalizer.db"], false);
    // Everything was read again, so even what no delta names is right.
    world.is(&world.truth());
    world.sqlite_shows_the_same();
    goes_on(world);
}

#[test]
fn the_exporters() {
    let world = restored(&["exporter.db"], false);
    world.sqlite_shows_the_same();
    goes_on(world);
}

#[test]
fn the_queue() {
    goes_on(restored(&["queue.db"], false));
}

#[test]
fn the_collectors_with_late_replicas() {
    goes_on(restored(&["collector.db"], true));
}

#[test]
fn the_ledger_with_late_replicas() {
    goes_on(restored(&["normalizer.db"], true));
}

#[test]
fn a_row_sink() {
    let mut world = World::new(Setup::users(300));
    world.sync_whole();
    world.sqlite_shows_the_same();
    world.stop();
    let (home, saved) = (world.path(""), world.path("saved"));
    copy(&home, &saved, "inventory.db");
    world.open();
    world.start();
    world.sim().advance(2);
    world.sync_whole();
    world.sqlite_shows_the_same();
    world.stop();
    copy(&saved, &home, "inventory.db");
    world.open();
    world.start();
    world.sync_whole();
    world.sqlite_shows_the_same();
}

#[test]
fn a_snapshot_sink_that_was_deleted() {
    let mut world = World::new(Setup::users(300));
    world.sync_whole();
    world.stop();
    std::fs::remove_dir_all(world.path("inventory")).unwrap();
    world.open();
    world.start();
    world.sync_whole();
    world.is(&world.truth());
}
