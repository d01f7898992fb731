//! A reading that leaves no request out that the collector has, for tests of what is asked and by whom.

use crate::world::{Setting, Setup, World};

/// Lets a world read everything in full, then what changed, with objects that are gone, then everything again.
///
/// The simulator's log then holds each kind of request: lists with their continuations, delta rounds, batches of lists of
/// ids, and single ids.
pub fn of_every_kind(mut setup: Setup) -> World {
    // Continuations of pages are requests too.
    setup.sim.users = setup.sim.users.max(1_200);
    let mut world = World::new(Setting::Embedded, setup);
    world.sync_whole();
    for _ in 0..3 {
        world.sim().advance(1);
        world.sync_whole();
    }
    world.next_week();
    world.sync_whole();
    world
}
