//! The days, and what is compared after them.

use std::time::Duration;

use graph_sim::{Sim, Storm};
use proto::message::Body;
use tests::compared::{COMPARED, Depth, REPORTS, differs, every_dataset};
use tests::overheard::Overheard;
use tests::world::{Setting, Setup, World};

use super::replay::{Delivered, On, replay, stored};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn setup(overheard: &Overheard) -> Setup {
    let mut setup = every_dataset(120);
    setup.sim.seed = 30;
    setup.sim.concealed_names = false;
    setup.overheard = Some(overheard.clone());
    setup
}

/// What happens on a day: beside joiners, leavers, moves and changed licences, which come every day, all that is rarer.
fn happens(sim: &Sim, day: u32) {
    let storm = |storm| _ = sim.storm(0, storm);
    match day {
        // A delta link that is no longer known: everything is read, keeping an older link.
        4 => sim.reset_delta(true),
        5 => sim.reset_delta(false),
        // Objects come several times.
        8 => sim.replay_delta(true),
        12 => sim.replay_delta(false),
        _ => {}
    }
    match day {
        3 => storm(Storm::Merger { users: 20 }),
        6 | 20 => storm(Storm::Flip),
        10 => storm(Storm::Deletion { users: 15 }),
        13 => storm(Storm::Restoration { users: 9 }),
        _ => _ = sim.advance(1),
    }
}

fn is_the_tenant(world: &World, day: u32) {
    world.is(&world.truth());
    for kind in COMPARED.iter().map(|c| c.0).chain(REPORTS.map(|r| r.0)) {
        if let Some(difference) = differs(world, kind, Depth::Values) {
            panic!("day {day}: {difference}");
        }
    }
}

#[test]
fn the_inventory_is_the_tenant_and_the_ledger_is_the_same_however_it_was_delivered() {
    let overheard = Overheard::default();
    let mut world = World::new(Setting::Embedded, setup(&overheard));
    world.sync_whole();
    is_the_tenant(&world, 0);
    for day in 1..=30 {
        happens(&world.sim(), day);
        world.advance_clock(DAY);
        world.sync_whole();
        world.is_as_far_as_tracked(&world.truth());
    }
    // Everything is read in full, also what no delta names, until the rows of leavers in usage reports have had their month.
    for _ in 0..5 {
        world.next_week();
        world.sync_whole();
    }
    is_the_tenant(&world, 30);
    world.stop();

    let data = world.path("data");
    let heard = overheard.take(&data.join("queue.keys"));
    let seals = heard.iter().filter(|m| matches!(m, Body::Sealed(_)));
    println!("{} messages, {} runs", heard.len(), seals.count());
    let original = stored(&data.join("normalizer.db"));
    let one = replay(&heard, On::Sqlite, 1, Delivered::InOrder);
    one.records_are(&original, "one normalizer");
    for (on, seed) in [(On::Sqlite, 1), (On::Postgres, 2)] {
        let two = replay(&heard, on, 2, Delivered::TwiceInAnyOrder(seed));
        two.is(&one, &format!("two normalizers, {on:?}"));
    }
}
