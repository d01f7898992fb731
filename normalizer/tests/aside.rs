//! Objects that can't be read: kept sealed, shown, and mapped again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    ListSetAsideRequest, ReplaySetAsideRequest, SetAside, ShowSetAsideRequest, ShowSetAsideResponse,
};
use runtime::db::query;
use runtime::grpc::{Channel, local};

const MALFORMED: &str = r#"{"id":"U0000","accountEnabled":7,"city":"a city to look for"}"#;

fn admin(w: &World) -> NormalizerAdminClient<Channel> {
    NormalizerAdminClient::new(local(w.normalizer.admin()))
}

async fn list(w: &World, which: ListSetAsideRequest) -> Vec<SetAside> {
    let listed = admin(w).list_set_aside(which).await;
    listed.unwrap().into_inner().objects
}

async fn show(w: &World, id: u64) -> Result<ShowSetAsideResponse, tonic::Status> {
    let request = ShowSetAsideRequest {
        id,
        who: "kim".into(),
        why: "the supplier asks".into(),
    };
    let shown = admin(w).show_set_aside(request).await;
    shown.map(tonic::Response::into_inner)
}

/// A world that has set one user aside, and that user.
async fn one_aside() -> (World, SetAside) {
    let mut w = World::new().await;
    let mut page = users(1..12);
    page.push(MALFORMED.into());
    w.run(Run::full("users", 20, vec![page])).await;
    let aside = list(&w, ListSetAsideRequest::default()).await;
    assert_eq!(aside.len(), 1);
    let aside = aside[0].clone();
    (w, aside)
}

#[tokio::test]
async fn kept_sealed_and_shown_to_whoever_may() {
    let (mut w, aside) = one_aside().await;
    assert_eq!(
        (aside.tenant_id.as_str(), aside.dataset.as_str()),
        (TENANT, "users")
    );
    assert_eq!((aside.run, aside.attempt, aside.sequence), (20, 1, 0));
    assert_eq!(aside.key, "u0000");
    assert!(
        aside.reason.starts_with("not as documented"),
        "{}",
        aside.reason
    );
    assert!(aside.source_kept && aside.at >= START);
    let shown = show(&w, aside.id).await.unwrap();
    assert_eq!(shown.source, MALFORMED);
    assert!(shown.reason_now.starts_with("not as documented"));
    // At rest it is not to be read.
    let sealed: Vec<Vec<u8>> = query("SELECT source FROM set_aside")
        .fetch_all(&mut w.db.read().await.unwrap())
        .await
        .unwrap();
    let needle = b"a city to look for";
    assert!(
        !sealed[0]
            .windows(needle.len())
            .any(|window| window == needle)
    );

    let none = list(
        &w,
        ListSetAsideRequest {
            run: 21,
            ..Default::default()
        },
    );
    assert!(none.await.is_empty());
    let by_key = ListSetAsideRequest {
        tenant_id: TENANT.into(),
        dataset: "users".into(),
        key: "u0000".into(),
        limit: 5,
        run: 20,
    };
    assert_eq!(list(&w, by_key).await, [aside]);
    let missing = show(&w, 4711).await.unwrap_err();
    assert_eq!(missing.code(), tonic::Code::NotFound);
    w.stop().await;
}

#[tokio::test]
async fn another_key_opens_nothing_until_the_old_one_is_named() {
    let (mut w, aside) = one_aside().await;
    let key = w.dir.path().join("at-rest.key");
    let kept = w.dir.path().join("kept.key");
    std::fs::rename(&key, &kept).unwrap();
    w.restart().await;
    let refused = show(&w, aside.id).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().starts_with("LW-5041: "), "{refused}");
    std::fs::rename(&kept, w.dir.path().join("old.key")).unwrap();
    w.restart().await;
    assert_eq!(show(&w, aside.id).await.unwrap().source, MALFORMED);
    w.stop().await;
}

#[tokio::test]
async fn a_source_in_another_row_does_not_open() {
    let (mut w, aside) = one_aside().await;
    w.sql("UPDATE set_aside SET key = 'u0001'").await;
    let refused = show(&w, aside.id).await.unwrap_err();
    assert!(refused.message().starts_with("LW-5042: "), "{refused}");
    let mut admin = admin(&w);
    let request = ReplaySetAsideRequest { which: None };
    let replayed = admin.replay_set_aside(request).await;
    let replayed = replayed.unwrap().into_inner();
    assert!(!replayed.objects[0].readable && replayed.due.is_empty());
    assert!(replayed.objects[0].reason.starts_with("LW-5042: "));
    w.stop().await;
}

#[tokio::test]
async fn replay_says_what_this_release_reads_and_writes_nothing() {
    let (mut w, aside) = one_aside().await;
    let replay = async |w: &World| {
        let request = ReplaySetAsideRequest { which: None };
        let replayed = admin(w).replay_set_aside(request).await;
        replayed.unwrap().into_inner()
    };
    let replayed = replay(&w).await;
    assert_eq!(replayed.objects.len(), 1);
    assert_eq!(replayed.objects[0].object.as_ref(), Some(&aside));
    assert!(!replayed.objects[0].readable && replayed.due.is_empty());
    // As if an earlier release had not known how to read it: its reason is of the past.
    let page = vec![user("u0000", "Bonn"), r#"{"id":7}"#.into()];
    w.run(Run::full("users", 30, vec![page])).await;
    let replayed = replay(&w).await;
    assert_eq!(
        replayed.objects.len(),
        1,
        "a newer full reading takes the place of what older ones set aside"
    );
    assert!(replayed.objects[0].reason.starts_with("not as documented"));
    assert_eq!(w.users().await.len(), 1 + 11, "nothing was written");
    w.stop().await;
}

#[tokio::test]
async fn of_a_page_of_malformed_objects_some_sources_are_kept() {
    let mut w = World::new().await;
    let page: Vec<String> = (0..300)
        .map(|n| format!(r#"{{"id":"u{n}","city":7}}"#))
        .collect();
    let v = w.run(Run::full("users", 10, vec![page])).await;
    assert_eq!(v.counts.unwrap().set_aside, 300);
    let which = ListSetAsideRequest {
        limit: 1_000,
        ..Default::default()
    };
    let aside = list(&w, which).await;
    let kept = aside.iter().filter(|a| a.source_kept).count();
    assert_eq!((aside.len(), kept), (300, 100));
    w.stop().await;
}

#[tokio::test]
async fn a_page_of_a_run_that_was_closed_sets_nothing_aside() {
    let mut w = World::new().await;
    w.run(Run::full("users", 20, vec![users(0..5)])).await;
    let late = Run {
        attempt: 2,
        ..Run::full("users", 20, vec![vec![MALFORMED.into()]])
    };
    let (pages, _) = late.messages(w.now());
    w.send(pages[0].clone()).await;
    // Whatever is taken after it was taken after it.
    w.run(Run::full("subscribedSkus", 20, vec![vec![]])).await;
    w.run(Run::full("users", 30, vec![users(0..5)])).await;
    assert_eq!(w.waiting().await, 0);
    assert_eq!(list(&w, ListSetAsideRequest::default()).await, []);
    assert_eq!(w.users().await.len(), 5);
    w.stop().await;
}
