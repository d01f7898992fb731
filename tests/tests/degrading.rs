//! What goes wrong at one tenant is that tenant's alone, and what is mended is noticed by whoever runs on.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use graph_sim::Consent;
use tests::world::{Setting, Setup, World};

const HOUR: Duration = Duration::from_secs(3_600);

/// A product that reads by its cadence.
fn scheduled(setup: Setup) -> World {
    let mut world = World::still(
        Setting::Embedded,
        Setup {
            paused: true,
            ..setup
        },
    );
    world.reconfigure(|config| config.collector.scheduled = true);
    world
}

fn lasts(world: &World, time: Duration) {
    world.run(async { tokio::time::sleep(time).await });
}

/// Requests for tokens of a tenant, and the first answers that its organization was read by.
fn asked(world: &World, tenant: usize) -> (usize, usize) {
    let (log, id) = (world.sim().log(), world.sim().tenants()[tenant].id.clone());
    let tokens = |e: &&graph_sim::LogEntry| e.path.contains(&id) && e.path.ends_with("/token");
    let read = |e: &&graph_sim::LogEntry| e.tenant == Some(tenant) && e.path == "/organization";
    (
        log.iter().filter(tokens).count(),
        log.iter().filter(read).count(),
    )
}

#[test]
fn a_tenant_whose_credential_fails_rests_alone_and_goes_on_when_it_is_mended() {
    let mut setup = Setup::users(40);
    setup.sim.tenants = 2;
    setup.sim.log_capacity = 100_000;
    let world = scheduled(setup);
    let (file, right) = (
        world.path("secret-0"),
        world.sim().tenants()[0].client_secret.clone(),
    );
    std::fs::write(&file, "wrong").unwrap();
    lasts(&world, 6 * HOUR);
    let (tokens, read) = asked(&world, 0);
    assert_eq!(read, 0);
    // Its datasets rest longer and longer, up to an hour.
    assert!((1..=60).contains(&tokens), "{tokens}");
    let (before, other) = (tokens, asked(&world, 1).1);
    assert!(
        other >= 5,
        "{other}: the other tenant is read by its cadence"
    );
    lasts(&world, 6 * HOUR);
    let (tokens, _) = asked(&world, 0);
    assert!(tokens - before <= 4 * 7, "{tokens} after {before}");
    assert!(asked(&world, 1).1 >= other + 5);
    std::fs::write(&file, right).unwrap();
    lasts(&world, 2 * HOUR);
    assert!(asked(&world, 0).1 > 0, "still not read");
}

#[test]
fn a_permission_that_is_granted_later_is_noticed_by_who_runs_on() {
    let setup = Setup {
        datasets: Some(vec!["organization", "domains"]),
        ..Setup::users(40)
    };
    let world = scheduled(setup);
    lasts(&world, 6 * HOUR);
    let domains = |world: &World| {
        let log = world.sim().log();
        let read = log
            .iter()
            .filter(|e| e.path == "/domains" && e.status == 200);
        read.count()
    };
    assert_eq!(domains(&world), 0);
    let grant = Consent {
        roles: Some(
            ["User.Read.All", "Organization.Read.All", "Domain.Read.All"]
                .map(str::to_owned)
                .into(),
        ),
        ..Consent::default()
    };
    assert!(world.sim().consent(0, 0, grant));
    // What is left out is looked at again once a day.
    lasts(&world, 26 * HOUR);
    assert!(domains(&world) > 0);
}
