//! The process dies at any moment: it goes on where it was, and ends where it would have ended.
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

use std::time::Duration;

use tests::world::{Setup, World};

/// Users on a page.
const PAGE: u32 = 999;

/// Where the first full reading of users stands, in confirmed pages, as the services tell it.
fn confirmed(world: &World) -> Option<u32> {
    let state = world.datasets();
    let users = state.datasets.into_iter().find(|d| d.dataset == "users")?;
    (users.phase == "reading" && users.mode == "full").then_some(users.pages)
}

/// The position at which the first page was read after this many requests of the log, in users.
fn resumed(world: &World, after: usize) -> Option<u32> {
    let log = world.sim().log();
    let pages = log.into_iter().skip(after);
    let mut pages = pages.filter(|e| e.path == "/users" && !e.batched && e.status == 200);
    pages.next()?.first
}

/// Lives of random length until everything is read, for the first reading and some days after it. Returns how often a
/// first reading went on in its middle.
fn lives(seed: u64, users: u32, window: usize, days: u32) -> u32 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut setup = Setup::users(users);
    setup.window = window;
    let mut world = World::new(super::SETTING, setup);
    let (mut crashes, mut middles) = (0, 0);
    for day in 0..=days {
        if day > 0 {
            world.sim().advance(1);
        }
        loop {
            let done = world.sync_until_crash(random.u64(1..12), random.u32(0..3_000));
            world.open();
            let (position, log) = (confirmed(&world), world.sim().log().len());
            world.start();
            if done {
                break;
            }
            crashes += 1;
            if let Some(pages) = position.filter(|_| day == 0) {
                // The next life reads on from there, and nothing before.
                while resumed(&world, log).is_none() {
                    if world.sync_until(world.network.requests() + 1) {
                        break;
                    }
                }
                if let Some(first) = resumed(&world, log) {
                    assert_eq!(
                        first,
                        pages * PAGE,
                        "seed {seed}: {pages} pages were confirmed"
                    );
                    middles += u32::from(pages > 0);
                }
            }
        }
        world.sync_whole();
        world.is_as_far_as_tracked(&world.truth());
    }
    println!("seed {seed}: {crashes} crashes, {middles} in the middle of the first reading");
    world.next_week();
    world.sync_whole();
    world.is(&world.truth());
    middles
}

/// Lives until one of them ended in the middle of the first reading: over real servers time decides which.
fn crash_in_the_middle(seed: u64, window: usize) {
    let mut seeds = seed..seed + 8;
    assert!(
        seeds.any(|seed| lives(seed, 5_200, window, 1) > 0),
        "no crash came in the middle of a reading"
    );
}

#[test]
fn it_goes_on_where_it_was_and_reads_no_confirmed_page_again() {
    crash_in_the_middle(1, 1);
}

#[test]
fn neither_with_several_pages_under_way() {
    crash_in_the_middle(2, 4);
}

#[test]
fn small_changes_survive_many_crashes() {
    for seed in 100..104 {
        lives(seed, 300, 4, 3);
    }
}

#[test]
fn a_verdict_that_waits_in_the_queue_while_nobody_lives_is_taken_later() {
    let mut world = World::new(super::SETTING, Setup::users(300));
    // The last request of a first reading is that for the users; then come seal, verdict and delivery.
    while !world.sim().log().iter().any(|e| e.path == "/users") {
        world.sync_until(world.network.requests() + 1);
    }
    world.crash();
    world.open();
    world.start();
    world.advance_clock(Duration::from_secs(3_600));
    world.sync_whole();
    world.is(&world.truth());
    let log = world.sim().log();
    assert!(log.iter().filter(|e| e.path == "/users").count() <= 3);
}

#[test]
fn nothing_is_left_of_a_life_that_ends_while_it_asks_for_a_token() {
    let mut world = World::new(super::SETTING, Setup::users(300));
    world.network.hold("/");
    let (clients, network) = (world.clients(), world.network.clone());
    world.run(async {
        tokio::select! {
            _ = leastwise::pass(&clients) => panic!("without a token"),
            () = network.holds() => {}
        }
    });
    drop(clients);
    world.crash();
    world.network.release();
    world.open();
    world.start();
    world.advance_clock(Duration::from_secs(3_600));
    world.sync_whole();
    world.is(&world.truth());
}
