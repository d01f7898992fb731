//! A PostgreSQL sink whose selection changes while its ledger goes on.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use exporter::SinkConfig;
use support::{A, B, Rig, postgres};

#[tokio::test]
async fn a_field_that_is_selected_later_is_filled_for_what_was_there_before() {
    let mut rig = Rig::new(|dir| {
        let mut sink = postgres::new(dir);
        sink.shows =
            serde_json::from_str(r#"{"kinds":["user"],"fields":{"user":["userId"]}}"#).unwrap();
        vec![SinkConfig::new(sink)]
    })
    .await;
    rig.ledger.user(A, "u1", "Ann", &["e5"]);
    rig.ledger.user(B, "u1", "Bea", &[]);
    rig.sync().await;
    let dir = rig.dir.path().to_owned();
    let columns = "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'user'";
    assert_eq!(
        postgres::sql(&dir, columns),
        ["tenant_id key closing user_id"]
    );
    rig.stop().await;
    rig.configure(|config| {
        let exporter::sink::Target::Postgres(sink) = &mut config.sinks[0].target else {
            panic!("another sink");
        };
        sink.shows = serde_json::from_str(
            r#"{"kinds":["user","license_assignment"],"fields":{"user":["userId","displayName"]},"names":{"user":{"displayName":"full name"}}}"#,
        )
        .unwrap();
    });
    // One ledger isn't complete: what it lacks must not go, so its records wait as they are.
    rig.ledger
        .with(|l| l.tenants.get_mut(B).unwrap().complete = false);
    rig.start().await;
    let sinks = rig.wait().await;
    assert!(sinks.iter().all(|s| s.problem.is_empty()), "{sinks:?}");
    let names =
        "SELECT key || ' ' || coalesce(\"full name\", '-') FROM \"user\" ORDER BY tenant_id";
    assert_eq!(postgres::sql(&dir, names), ["u1 Ann", "u1 -"]);
    let ways = "SELECT sku_id FROM license_assignment";
    assert_eq!(postgres::sql(&dir, ways), ["e5"]);
    rig.ledger
        .with(|l| l.tenants.get_mut(B).unwrap().complete = true);
    rig.sync().await;
    assert_eq!(postgres::sql(&dir, names), ["u1 Ann", "u1 Bea"]);
    assert_eq!(rig.ledger.calls().snapshot, 2);
    // From here on it follows as ever.
    rig.ledger.user(A, "u1", "Anna", &[]);
    rig.restart().await;
    rig.sync().await;
    assert_eq!(postgres::sql(&dir, names), ["u1 Anna", "u1 Bea"]);
    assert_eq!(rig.ledger.calls().snapshot, 2);
}
