//! Why Microsoft counts otherwise: what is planted is what is explained, and what is left.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeSet;

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{ApproveRequest, ExplainRequest, Reconciliation};
use proto::inventory::v1::LicensePosition;
use proto::message::Body;
use proto::pages::v1::RunSealed;
use runtime::db::query;
use runtime::grpc::local;

const DEVICES: &str = "ea4c5ec8-50e3-4193-89b9-50da5bd4cdc7";
const DAY: u64 = 24 * 60;

/// What `leastwise why position` says of a product, and its position; both say the same.
async fn explained(w: &World, sku: &str) -> (LicensePosition, Reconciliation) {
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let request = ExplainRequest {
        tenant_id: String::new(),
        kind: "license_position".into(),
        key: sku.to_owned(),
        most_objects: 3,
    };
    let mut answer = admin.explain(request).await.unwrap().into_inner().records;
    let (position, why) = (w.position(sku).await.unwrap(), answer.remove(0));
    let why = why.reconciliation.unwrap_or_default();
    assert_eq!(
        (position.residual, position.unexplained),
        (why.residual, why.unexplained)
    );
    let parts: i32 = why.reasons.iter().map(|r| r.units).sum();
    assert_eq!(parts + why.unexplained, why.residual);
    let within = position.unexplained.unsigned_abs() <= why.limit;
    assert_eq!(position.reconciled, within || position.residual == 0);
    (position, why)
}

/// Each reason with what it explains, and how many objects it has.
fn parts(why: &Reconciliation) -> Vec<(&str, i32, Option<u64>)> {
    let reasons = why.reasons.iter();
    reasons
        .map(|r| (r.reason.as_str(), r.units, r.objects))
        .collect()
}

/// The keys of the objects that a reason names.
fn keys<'w>(why: &'w Reconciliation, reason: &str) -> BTreeSet<&'w str> {
    let found = why.reasons.iter().find(|r| r.reason == reason).unwrap();
    found.listed.iter().map(|o| o.key.as_str()).collect()
}

async fn counted(w: &mut World, run: u64, consumed: u32) {
    let products = vec![vec![sku(E5, 1_000, consumed)]];
    w.run(Run::full("subscribedSkus", run, products)).await;
}

fn some(run: u64, base: u64, objects: Vec<String>, gone: &[&str]) -> Run {
    let page = Page {
        objects,
        gone: gone.iter().map(|id| (*id).to_owned()).collect(),
        ..Page::default()
    };
    Run::some("users", run, base, page)
}

/// A user who could not be read: what it holds can be.
fn unreadable(id: &str, holds: bool) -> String {
    let held = match holds {
        true => format!(r#"{{"skuId":"{E5}"}}"#),
        false => String::new(),
    };
    format!(r#"{{"id":{id},"city":7,"assignedLicenses":[{held}]}}"#)
}

async fn unreconciled(w: &World) -> i64 {
    let mut read = w.db.read().await.unwrap();
    let sql = "SELECT count(*) FROM residual WHERE reconciled = 0";
    query(sql).fetch_one(&mut read).await.unwrap()
}

#[tokio::test]
async fn users_who_could_not_be_read_explain_what_they_hold_and_no_more() {
    let mut w = World::new().await;
    counted(&mut w, 10, 21).await;
    let mut all = users(0..10);
    all.extend((0..3).map(|n| unreadable(&format!("\"bad-{n}\""), true)));
    all.push(unreadable("\"bad-without\"", false));
    all.push(unreadable("7", true));
    all.push(r#"{"id":"bad-all","city":7,"assignedLicenses":7}"#.to_owned());
    w.run(Run::full("users", 20, vec![all])).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!(parts(&why), [("set_aside", 5, Some(5))]);
    assert_eq!(
        (
            why.residual,
            why.unexplained,
            why.limit,
            position.reconciled
        ),
        (11, 6, 5, false)
    );
    assert_eq!(keys(&why, "set_aside").len(), 3, "the first of them");
    assert_eq!(unreconciled(&w).await, 1);
    // One unit less that nothing explains is let pass.
    counted(&mut w, 30, 20).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!((why.unexplained, position.reconciled), (5, true));
    assert_eq!(unreconciled(&w).await, 0);
    w.minutes(1);
    let mut all = users(0..10);
    all.extend((0..10).map(|n| user(&format!("bad-{n}"), "Bonn")));
    w.run(Run::full("users", 40, vec![all])).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!((position.residual, parts(&why)), (0, vec![]));
    w.stop().await;
}

#[tokio::test]
async fn a_user_who_was_read_before_counts_as_what_can_be_read_now() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..10)])).await;
    // One lost it, of one that can't be told, one is readable again.
    let broken = vec![
        unreadable("\"u0001\"", false),
        r#"{"id":"u0002","city":7}"#.to_owned(),
        unreadable("\"u0003\"", false),
    ];
    w.run(some(20, 10, broken, &[])).await;
    w.run(some(30, 20, vec![user("u0003", "Ulm")], &[])).await;
    counted(&mut w, 40, 8).await;
    let (_, why) = explained(&w, E5).await;
    assert_eq!(parts(&why), [("set_aside", -1, Some(1))]);
    assert_eq!(why.unexplained, -1);
    assert_eq!(keys(&why, "set_aside"), ["u0001"].into());
    w.stop().await;
}

#[tokio::test]
async fn held_removals_explain_that_microsoft_counts_less() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..50)])).await;
    w.run(Run::full("users", 20, vec![users(12..50)])).await;
    counted(&mut w, 30, 38).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!(parts(&why), [("suspected", -12, Some(12))]);
    assert!(position.reconciled && position.residual == -12);
    assert_eq!(keys(&why, "suspected"), ["u0000", "u0001", "u0002"].into());
    assert_eq!(why.reasons[0].listed[0].why, "the removal is held");
    counted(&mut w, 40, 30).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!((why.unexplained, position.reconciled), (-8, false));
    assert_eq!(unreconciled(&w).await, 1);
    // Nothing but the suspicion ends, and the position knows.
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let request = ApproveRequest {
        run: 20,
        ..ApproveRequest::default()
    };
    admin.approve(request).await.unwrap();
    let gone: Vec<String> = (0..12).map(|n| format!("u{n:04}")).collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    w.run(some(50, 20, vec![], &gone)).await;
    let (_, why) = explained(&w, E5).await;
    assert_eq!((why.residual, why.unexplained), (-8, -8));
    assert!(parts(&why).is_empty(), "{why:?}");
    w.stop().await;
}

#[tokio::test]
async fn users_who_moved_and_a_count_that_moved_explain_what_lies_between() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..10)])).await;
    w.minutes(10);
    counted(&mut w, 20, 10).await;
    w.minutes(10);
    let without = |id: &str| format!(r#"{{"id":"{id}","assignedLicenses":[]}}"#);
    let mut changes = users(10..14);
    changes.extend([without("u0000"), without("u0001")]);
    w.run(some(30, 10, changes, &[])).await;
    // Microsoft doesn't count the new ones yet.
    let (position, why) = explained(&w, E5).await;
    assert_eq!((position.assigned, position.residual), (12, -2));
    assert_eq!(parts(&why), [("moved", -2, Some(4))]);
    assert_eq!(keys(&why, "moved"), ["u0010", "u0011", "u0012"].into());
    // It counts seven more, after users were read.
    w.minutes(10);
    counted(&mut w, 40, 17).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!(parts(&why), [("moved", 2, Some(2)), ("recounted", 3, None)]);
    assert!(position.reconciled && why.unexplained == 0);
    let at = |minutes: u64| START + minutes * MINUTE;
    let (before, newest) = (why.before.unwrap(), why.newest.unwrap());
    assert!(before.at >= at(10) && before.at < why.users_from && before.units == 10);
    assert!(newest.at > why.users_to && newest.units == 17);
    // Read once more, users are as they were: neither has moved since.
    w.minutes(10);
    w.run(some(50, 30, vec![], &[])).await;
    let (_, why) = explained(&w, E5).await;
    assert_eq!((parts(&why), why.unexplained), (vec![], 5));
    assert_eq!(why.before.unwrap().units, 17);
    w.stop().await;
}

#[tokio::test]
async fn the_deleted_explain_until_graph_has_forgotten_them() {
    let mut w = World::new().await;
    let base = w.now();
    w.run(Run::full("users", base, vec![users(0..20)])).await;
    w.minutes(10);
    let leavers = [
        "u0000", "u0001", "u0002", "u0003", "u0004", "u0005", "u0006",
    ];
    let bin: Vec<String> = leavers
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","displayName":"{id} who left"}}"#))
        .collect();
    w.run(some(w.now(), base, vec![], &leavers)).await;
    let run = w.now();
    w.run(Run::full("deletedUsers", run, vec![bin[..6].to_vec()]))
        .await;
    counted(&mut w, run, 20).await;
    w.minutes(10);
    w.run(some(w.now(), base, vec![], &[])).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!(parts(&why), [("deleted", 7, Some(7))]);
    assert!(position.reconciled);
    let listed = &why.reasons[0].listed;
    assert_eq!(listed[0].kind, "deleted_user");
    assert_eq!(listed[0].name, "u0000 who left");
    // One comes back.
    w.minutes(10);
    w.run(some(w.now(), base, vec![user("u0006", "Ulm")], &[]))
        .await;
    let (_, why) = explained(&w, E5).await;
    assert_eq!(parts(&why), [("deleted", 6, Some(6))]);
    assert_eq!(why.unexplained, 0);
    // A month later they explain nothing.
    w.minutes(31 * DAY);
    w.sql("UPDATE tenant SET swept_at = 1").await;
    w.restart().await;
    let sql = "SELECT min(swept_at) FROM tenant";
    let swept = async |w: &World| -> i64 {
        let mut read = w.db.read().await.unwrap();
        query(sql).fetch_one(&mut read).await.unwrap()
    };
    while swept(&w).await == 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    w.run(some(w.now(), base, vec![], &[])).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!((parts(&why), why.unexplained), (vec![], 6));
    assert!(!position.reconciled);
    w.stop().await;
}

#[tokio::test]
async fn what_no_user_shows_is_told_by_the_kind_of_the_product() {
    let mut w = World::new().await;
    let device = sku(DEVICES, 50, 40).replace("SPE_E5", "OFFICE_PROPLUS_DEVICE1");
    let company = sku("c0", 9, 9).replace("\"User\"", "\"Company\"");
    let products = vec![device, company, sku(E5, 50, 8)];
    w.run(Run::full("subscribedSkus", 10, vec![products])).await;
    let failed = format!(
        r#"{{"id":"failed","assignedLicenses":[],"licenseAssignmentStates":[{{"skuId":"{E5}","state":"Error","error":"CountViolation"}}]}}"#
    );
    let mut all = users(0..5);
    all.push(failed);
    w.run(Run::full("users", 20, vec![all.clone()])).await;
    for (sku, kind, residual) in [(DEVICES, "device", 40), ("c0", "company_wide", 9)] {
        let (position, why) = explained(&w, sku).await;
        assert_eq!(parts(&why), [("not_held_by_users", residual, None)]);
        assert_eq!((position.kind.as_str(), position.unexplained), (kind, 0));
    }
    let (position, why) = explained(&w, E5).await;
    assert_eq!(position.kind, "paid");
    assert_eq!(parts(&why), [("in_error", 1, Some(1))]);
    assert_eq!(keys(&why, "in_error"), ["failed"].into());
    assert_eq!(why.unexplained, 2);
    // Where only a part of the people is read, the rest is theirs.
    let (pages, seal) = Run::full("users", 30, vec![all]).messages(w.now());
    let Body::Sealed(seal) = seal else {
        panic!("it is a seal")
    };
    for page in pages {
        w.send(page).await;
    }
    w.send(Body::Sealed(RunSealed {
        narrowed: true,
        ..seal
    }))
    .await;
    w.verdict().await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!(
        parts(&why),
        [("in_error", 1, Some(1)), ("outside_population", 2, None)]
    );
    assert_eq!((position.unexplained, position.reconciled), (0, true));
    w.stop().await;
}

#[tokio::test]
async fn a_reading_with_gaps_is_named_and_explains_no_number() {
    let mut w = World::new().await;
    counted(&mut w, 10, 30).await;
    let gap = Run {
        gaps: vec!["Graph counted more".into()],
        ..Run::full("users", 20, vec![users(0..10)])
    };
    w.run(gap).await;
    let (position, why) = explained(&w, E5).await;
    assert_eq!((why.incomplete_run, why.unexplained), (20, 20));
    assert!(!position.reconciled);
    w.stop().await;
}

#[tokio::test]
async fn which_of_two_readings_is_applied_first_makes_no_difference() {
    let mut positions = Vec::new();
    for products_first in [true, false] {
        let mut w = World::new().await;
        w.run(Run::full("users", 10, vec![users(0..10)])).await;
        w.minutes(10);
        counted(&mut w, 20, 10).await;
        w.minutes(10);
        let products = vec![vec![sku(E5, 1_000, 19)]];
        // Both are read at the same time, and the products a moment earlier.
        let now = START + 30 * MINUTE;
        let mut runs = vec![
            Run {
                started_at: Some(now - 2),
                ..Run::full("subscribedSkus", 30, products)
            }
            .messages(now - 1),
            Run {
                started_at: Some(now),
                ..some(30, 10, users(10..14), &[])
            }
            .messages(now + 1),
        ];
        if !products_first {
            runs.reverse();
        }
        for (pages, seal) in runs {
            for page in pages {
                w.send(page).await;
            }
            w.send(seal).await;
            w.verdict().await;
        }
        let (position, why) = explained(&w, E5).await;
        positions.push((position, why));
        w.stop().await;
    }
    assert_eq!(positions[0], positions[1]);
    // The newest count had been read before the users were, so it has not moved since.
    assert_eq!(
        (parts(&positions[0].1), positions[0].0.unexplained),
        (vec![], 5)
    );
}
