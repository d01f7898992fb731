//! Graph and the network fail: what happens, and what an operator is told.

use std::time::Duration;

use graph_sim::Fault;
use tests::world::{Setup, World, exit};

/// A tenant of three pages that was read, and on which a day of changes has happened since.
fn a_day_later() -> World {
    let mut setup = Setup::users(2_500);
    setup.paused = true;
    let mut world = World::new(super::SETTING, setup);
    world.sync_whole();
    world.sim().advance(1);
    world
}

/// So many requests to a path fail.
fn fault(status: u16, path: &str, times: u32) -> Fault {
    Fault {
        status: Some(status),
        path: Some(path.to_owned()),
        times: Some(times),
        ..Fault::default()
    }
}

/// The next requests to a path fail.
fn fails(world: &World, status: u16, path: &str, times: u32) {
    world.sim().fault(fault(status, path, times));
}

/// Whether the last pass read all users.
fn read_all(outcome: &leastwise::Outcome) -> bool {
    outcome
        .runs
        .iter()
        .any(|r| r.dataset == "users" && r.mode == "full")
}

#[test]
fn a_refused_delta_link_means_that_everything_is_read() {
    for (status, code) in [(400, "syncStateNotFound"), (410, "resyncRequired")] {
        let mut world = a_day_later();
        world.sim().fault(Fault {
            status: Some(status),
            path: Some("/users/delta".to_owned()),
            code: Some(code.to_owned()),
            ..Fault::default()
        });
        let outcome = world.sync_whole();
        assert!(read_all(&outcome), "{code}: {}", outcome.summary());
        world.is(&world.truth());
        // The new link works.
        world.sim().advance(1);
        let outcome = world.sync_whole();
        assert!(!read_all(&outcome), "{}", outcome.summary());
        world.is_as_far_as_tracked(&world.truth());
    }
}

#[test]
fn a_page_whose_continuation_expired_starts_the_chain_again() {
    let mut setup = Setup::users(2_500);
    setup.paused = true;
    let mut world = World::new(super::SETTING, setup);
    // Names come with the count, before the chain.
    let chain =
        |e: &&graph_sim::LogEntry| e.path.ends_with("/users") && !e.query.contains("$count");
    // Token, three small collections, delta link, first page of users: then the continuation is no longer known.
    while !world.sim().log().iter().any(|e| chain(&e)) {
        world.sync_until(world.network.requests() + 1);
    }
    world.sim().fault(Fault {
        status: Some(400),
        path: Some("/users".to_owned()),
        code: Some("Directory_ExpiredPageToken".to_owned()),
        ..Fault::default()
    });
    world.sync_whole();
    world.is(&world.truth());
    let log = world.sim().log();
    let starts = log.iter().filter(chain).filter(|e| e.first == Some(0));
    assert_eq!(
        starts.count(),
        2,
        "the chain was read twice from its beginning"
    );
}

#[test]
fn throttling_is_waited_for_as_long_as_graph_says() {
    let mut world = a_day_later();
    world.sim().fault(Fault {
        retry_after: Some(40),
        ..fault(429, "/users/delta", 2)
    });
    let before = world.now();
    world.sync_whole();
    assert!(world.now() - before >= Duration::from_secs(80));
    world.is_as_far_as_tracked(&world.truth());
}

#[test]
fn a_throttled_part_of_a_batch_is_asked_again() {
    let mut world = a_day_later();
    // Each part of a batch counts: the delta fails, then a list of ids, the batch itself doesn't.
    fails(&world, 429, "/users", 2);
    world.sync_whole();
    world.is_as_far_as_tracked(&world.truth());
}

#[test]
fn a_burst_of_unavailability_is_sat_out() {
    let mut world = a_day_later();
    for path in [
        "/organization",
        "/subscribedSkus",
        "/directory/subscriptions",
        "/users",
    ] {
        fails(&world, 503, path, 6);
    }
    world.sync_whole();
    world.is_as_far_as_tracked(&world.truth());
}

#[test]
fn an_outage_fails_with_a_code_and_the_next_pass_works() {
    let mut world = a_day_later();
    let before = world.inventory("user");
    fails(&world, 503, "/users", 1_000);
    let outcome = world.sync();
    assert_eq!(exit(&outcome), "LW-3002");
    assert_eq!(world.inventory("user"), before);
    world.sim().clear_faults();
    world.sync_whole();
    world.is_as_far_as_tracked(&world.truth());
}

#[test]
fn a_refused_token_is_replaced_once() {
    let mut world = a_day_later();
    let tokens = |world: &World| {
        let log = world.sim().log();
        log.iter().filter(|e| e.path.ends_with("/token")).count()
    };
    let before = tokens(&world);
    fails(&world, 401, "/users/delta", 1);
    world.sync_whole();
    assert_eq!(tokens(&world) - before, 1);
    world.is_as_far_as_tracked(&world.truth());
    // A second refusal in a row is a denial.
    fails(&world, 401, "/users/delta", 2);
    let outcome = world.sync();
    assert_eq!(exit(&outcome), "3", "{}", outcome.summary());
    world.sync_whole();
}

#[test]
fn a_denied_dataset_is_left_out_and_the_others_go_on() {
    let mut setup = Setup::users(300);
    setup.paused = true;
    setup.sim.roles = ["User.Read.All", "LicenseAssignment.Read.All"]
        .map(Into::into)
        .into();
    let mut world = World::new(super::SETTING, setup);
    let outcome = world.sync();
    assert_eq!(exit(&outcome), "3");
    let skipped: Vec<_> = outcome
        .collector
        .datasets
        .iter()
        .filter(|d| d.phase == "skipped")
        .collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].dataset, "subscriptions");
    assert!(
        skipped[0].problem.starts_with("LW-3003"),
        "{}",
        skipped[0].problem
    );
    let truth = world.truth();
    for kind in [
        "user",
        "subscribed_sku",
        "organization",
        "license_assignment",
    ] {
        assert_eq!(world.inventory(kind), truth.records(kind), "{kind}");
    }
    tests::inventory::countings_agree(&world.path("inventory"));
    // A later grant is noticed: the same tenant with the permission.
    world
        .network
        .replace(graph_sim::Sim::new(Setup::users(300).sim));
    fails(&world, 401, "/directory/subscriptions", 1);
    world.sync_whole();
    world.is(&world.truth());
}

#[test]
fn a_network_that_loses_requests_is_tried_again() {
    let mut world = a_day_later();
    world.network.lose(3);
    world.sync_whole();
    world.is_as_far_as_tracked(&world.truth());
}

#[test]
fn a_network_that_is_down_fails_with_a_code_and_the_next_pass_works() {
    let mut world = a_day_later();
    world.network.lose(u32::MAX);
    assert_eq!(exit(&world.sync()), "LW-3001");
    world.network.lose(0);
    world.sync_whole();
    world.is_as_far_as_tracked(&world.truth());
    // Without a token at hand it is Entra ID that can't be reached.
    world.restart();
    world.network.lose(u32::MAX);
    assert_eq!(exit(&world.sync()), "LW-2010");
    world.network.lose(0);
    // It is left alone for less than a minute.
    world.advance_clock(Duration::from_secs(60));
    world.sync_whole();
}
