//! A queue that repeats, reorders, delays and loses, with replicas that are late: the inventory equals the tenant in
//! the end.
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

use std::time::Duration;

use bus::faulty::Faults;
use proto::message::Queue;
use tests::world::{Setup, World};

/// Everything that a queue may do.
const FAULTS: Faults = Faults {
    duplicate: 0.1,
    lose_confirm: 0.05,
    lose_message: 0.05,
    reorder: 0.2,
    delay: 0.2,
    longest_delay: Duration::from_secs(300),
    crash: 0.1,
};

fn setup(seed: u64) -> Setup {
    let mut setup = Setup::users(300);
    setup.sim.seed = seed;
    setup.sim.lag = Some(Duration::from_secs(600));
    setup.lateness = 600;
    setup.paused = true;
    setup.faults = Some((seed, FAULTS));
    setup
}

/// Everything that waits is lost.
fn lose_everything(world: &World) -> u64 {
    let faulty = world.faulty().unwrap();
    world.run(async {
        let verdict = Queue::Verdict("default".parse().unwrap());
        let mut lost = 0;
        for queue in [
            Queue::PageFull,
            Queue::PageSome,
            Queue::Seal,
            verdict,
            Queue::Closing,
        ] {
            lost += faulty.lose(&queue).await.unwrap();
        }
        lost
    })
}

/// Passes under faults, days of changes between them; then the faults end.
fn history(seed: u64, mut between: impl FnMut(&mut World, &mut fastrand::Rng)) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::new(super::SETTING, setup(seed));
    for _ in 0..4 {
        between(&mut world, &mut random);
        if let Err(e) = world.try_sync() {
            println!("seed {seed}: {e}");
        }
        world.sim().advance(1);
        world.advance_clock(Duration::from_secs(random.u64(60..1_200)));
    }
    let counts = world.faulty().unwrap().counts();
    println!("seed {seed}: {counts:?}");
    assert!(counts != bus::faulty::Counts::default(), "nothing failed");
    world.calm();
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
    world.next_week();
    world.come_to_rest();
    world.is(&world.truth());
}

#[test]
fn whatever_the_queue_does_the_end_is_the_same() {
    for seed in 1..=4 {
        history(seed, |_, _| {});
    }
}

#[test]
fn a_queue_that_loses_everything_at_any_moment_costs_another_reading() {
    let mut lost = 0;
    for seed in 11..=14 {
        history(seed, |world, random| {
            world.sync_until(world.network.requests() + random.u64(1..8));
            lost += lose_everything(world);
        });
    }
    assert!(lost > 0, "the queue was always empty");
}

#[test]
fn crashes_and_a_failing_queue_together() {
    for seed in 21..=23 {
        history(seed, |world, random| {
            for _ in 0..3 {
                world.sync_until_crash(random.u64(1..8), random.u32(0..2_000));
                world.open();
                world.start();
            }
        });
    }
}
