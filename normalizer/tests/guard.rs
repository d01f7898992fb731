//! Mass removals wait for a decision.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{ApproveRequest, ListRunsRequest, NormalizerStatusRequest, RejectRequest};
use proto::message::Body;
use runtime::grpc::{Channel, local};

fn admin(w: &World) -> NormalizerAdminClient<Channel> {
    NormalizerAdminClient::new(local(w.normalizer.admin()))
}

fn ids(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter().map(|i| format!("u{i:04}")).collect()
}

async fn check(w: &mut World) -> Vec<String> {
    loop {
        if let Body::Check(c) = w.hear().await {
            return c.suspects.into_iter().map(|s| s.id).collect();
        }
    }
}

#[tokio::test]
async fn absent_users_are_held_until_approved() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..50)])).await;
    let v = w.run(Run::full("users", 20, vec![users(12..50)])).await;
    assert!(
        v.complete && v.suspects.is_empty(),
        "held ones are not named"
    );
    assert_eq!(
        (v.counts.unwrap().held, v.counts.unwrap().suspects),
        (12, 12)
    );

    // One is seen again. A newer full run looks at the others anew: they stay held, now of that run.
    let v = w.run(Run::full("users", 30, vec![users(11..50)])).await;
    assert_eq!(v.counts.unwrap().held, 11);
    // Even an answer "gone" doesn't remove what is held.
    let v = w
        .run(Run::some(
            "users",
            40,
            30,
            Page {
                gone: ids(0..2),
                ..Page::default()
            },
        ))
        .await;
    assert_eq!((v.counts.unwrap().held, v.counts.unwrap().removed), (11, 0));

    let runs = admin(&w)
        .list_runs(ListRunsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .runs;
    assert_eq!(
        runs.iter().map(|r| (r.run, r.held)).collect::<Vec<_>>(),
        [(40, 0), (30, 11), (20, 0), (10, 0)]
    );
    let list = async |tenant_id: &str, held| {
        let tenant_id = tenant_id.to_owned();
        let request = ListRunsRequest {
            tenant_id,
            held,
            ..ListRunsRequest::default()
        };
        let runs = admin(&w).list_runs(request).await.unwrap();
        let runs = runs.into_inner().runs;
        runs.iter().map(|r| r.run).collect::<Vec<_>>()
    };
    let tenant = runs[0].tenant_id.to_uppercase();
    assert_eq!(list("", true).await, [30]);
    assert_eq!(list(&tenant, true).await, [30]);
    assert_eq!(list(&tenant, false).await, [40, 30, 20, 10]);
    assert!(list("another", false).await.is_empty());
    let request = |run| ApproveRequest {
        run,
        who: "kim".into(),
        why: "site closed".into(),
    };
    assert_eq!(
        admin(&w).approve(request(20)).await.unwrap_err().code(),
        tonic::Code::NotFound
    );
    assert_eq!(
        admin(&w)
            .approve(request(30))
            .await
            .unwrap()
            .into_inner()
            .released,
        11
    );
    assert_eq!(check(&mut w).await, ids(0..11));

    // Every verdict names them too, in case the request was lost.
    let v = w
        .run(Run::some(
            "users",
            50,
            40,
            Page {
                objects: users(20..21),
                ..Page::default()
            },
        ))
        .await;
    assert_eq!(
        v.suspects.iter().map(|s| s.id.clone()).collect::<Vec<_>>(),
        ids(0..11)
    );
    let v = w
        .run(Run::some(
            "users",
            60,
            50,
            Page {
                gone: ids(0..11),
                ..Page::default()
            },
        ))
        .await;
    assert_eq!(
        (v.counts.unwrap().removed, v.counts.unwrap().suspects),
        (11, 0)
    );
    assert_eq!(w.users().await.len(), 39);
    w.stop().await;
}

#[tokio::test]
async fn what_is_held_holds_nobody_else_and_is_let_go_of_when_it_is_no_mass_any_more() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..50)])).await;
    w.run(Run::full("users", 20, vec![users(20..50)])).await;
    // An ordinary leaver, named by the delta and by a full reading.
    let page = Page {
        gone: ids(20..21),
        ..Page::default()
    };
    let v = w.run(Run::some("users", 30, 20, page)).await;
    assert_eq!((v.counts.unwrap().held, v.counts.unwrap().removed), (20, 1));
    let v = w.run(Run::full("users", 40, vec![users(22..50)])).await;
    assert_eq!((v.counts.unwrap().held, v.suspects.len()), (20, 1));
    assert_eq!(v.suspects[0].id, "u0021");
    // Most of them come back.
    let v = w
        .run(Run::full("users", 50, vec![users(3..20), users(21..50)]))
        .await;
    assert_eq!(v.counts.unwrap().held, 0);
    let named: Vec<_> = v.suspects.iter().map(|s| s.id.clone()).collect();
    assert_eq!(named, ids(0..3));
    w.stop().await;
}

#[tokio::test]
async fn gone_in_masses_is_held_too_and_rejection_starts_anew() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..40)])).await;
    let v = w
        .run(Run::some(
            "users",
            20,
            10,
            Page {
                gone: ids(0..15),
                ..Page::default()
            },
        ))
        .await;
    assert_eq!(
        (
            v.complete,
            v.counts.unwrap().held,
            v.counts.unwrap().removed
        ),
        (true, 15, 0)
    );
    let status = admin(&w)
        .status(NormalizerStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.held, status.waiting_pages, status.records[0].live),
        (15, 0, 40)
    );

    let request = RejectRequest {
        run: 20,
        who: "kim".into(),
        why: "they exist".into(),
    };
    assert_eq!(
        admin(&w)
            .reject(request)
            .await
            .unwrap()
            .into_inner()
            .dropped,
        15
    );
    let v = w
        .run(Run::some(
            "users",
            30,
            20,
            Page {
                objects: users(20..21),
                ..Page::default()
            },
        ))
        .await;
    assert_eq!(v.counts.unwrap().suspects, 0);
    let v = w.run(Run::full("users", 40, vec![users(15..40)])).await;
    assert_eq!(
        v.counts.unwrap().held,
        15,
        "a newer full run looks at them anew"
    );
    w.stop().await;
}
