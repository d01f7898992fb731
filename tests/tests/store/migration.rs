//! An app that holds far too much is taken over: it works on day one, and a report says how to shrink it.

use std::time::Duration;

use proto::admin::v1::{AppReport, PreflightRequest};
use serde_json::json;

use super::world::{Life, SECRET, World, files};

/// What the adapters of today ask for.
const HELD: [&str; 2] = ["Directory.Read.All", "Reports.Read.All"];

async fn grant(world: &World, roles: &[&str]) {
    let roles = json!({ "roles": roles });
    world.control("consent?tenant=0&app=0", roles).await;
}

async fn report(life: &mut Life) -> AppReport {
    let request = PreflightRequest {
        tenant_id: life.id.clone(),
    };
    let report = life.admin.preflight(request).await.unwrap();
    report.into_inner().apps.remove(0)
}

#[tokio::test]
async fn it_works_under_a_dated_exception_is_refused_after_it_and_the_report_names_what_to_keep() {
    let world = World::new();
    grant(&world, &HELD).await;
    let now = i64::try_from(world.clock.micros()).unwrap();
    let today = chrono::DateTime::from_timestamp_micros(now)
        .unwrap()
        .date_naive();
    let exceptions: String = HELD
        .iter()
        .map(|role| {
            format!("\n[[exceptions]]\nrole = '{role}'\nreason = 'taken over'\nuntil = '{today}'")
        })
        .collect();
    let section = world.section(SECRET) + &exceptions;
    let secret = world.sim.tenants()[0].client_secret.clone();
    let mut life = world.start(&[]).await.unwrap();
    life.put(section, files(&[("secret", &secret)]))
        .await
        .unwrap();
    life.token().await.unwrap();
    let found = report(&mut life).await;
    assert_eq!(found.granted, HELD);
    assert_eq!(found.tolerated.len(), 2, "{found:?}");
    let enough = ["Organization.Read.All", "User.Read.All"];
    assert_eq!(found.enough, enough);

    world.clock.advance(Duration::from_secs(24 * 3_600));
    let e = life.token().await.unwrap_err();
    assert!(e.message().contains("LW-2030"), "{e}");
    let found = report(&mut life).await;
    assert_eq!(
        (found.refused.len(), found.enough.len()),
        (2, 2),
        "{found:?}"
    );
    // What the report says is done: it works, without any exception.
    grant(&world, &enough).await;
    world.clock.advance(Duration::from_secs(3_600));
    life.token().await.unwrap();
    let found = report(&mut life).await;
    assert!(
        found.refused.is_empty() && found.missing.is_empty(),
        "{found:?}"
    );
}
