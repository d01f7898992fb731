//! What sinks get.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use futures::StreamExt as _;
use proto::feed::v1::FollowRequest;
use proto::feed::v1::feed_server::Feed as _;
use runtime::db::query;

#[tokio::test]
async fn following_ends_where_a_snapshot_is() {
    let mut w = World::new().await;
    let mut sink = Sink::default();
    assert!(
        !w.follow(&mut sink, 7).await,
        "an unknown tenant has nothing to tell"
    );
    let mut follow_and_compare = async |w: &World, most| {
        assert!(!w.follow(&mut sink, most).await);
        assert_eq!(sink.records, w.records().await);
        assert_eq!(sink.cursor.closing, w.head().await.changed);
    };
    w.run(Run::full("subscribedSkus", 5, vec![vec![sku(E5, 100, 25)]]))
        .await;
    w.run(Run::full("users", 10, vec![users(0..25)])).await;
    follow_and_compare(&w, 7).await;
    w.run(Run::some(
        "users",
        20,
        10,
        Page {
            objects: vec![user("u0003", "Ulm")],
            gone: vec!["u0004".into()],
            ..Page::default()
        },
    ))
    .await;
    follow_and_compare(&w, 1).await;
    w.run(Run::full("users", 30, vec![users(0..30)])).await;
    w.run(Run::some(
        "users",
        40,
        30,
        Page {
            gone: vec!["u0020".into(), "u0003".into()],
            ..Page::default()
        },
    ))
    .await;
    follow_and_compare(&w, 1000).await;
    follow_and_compare(&w, 1000).await;
    w.stop().await;
}

#[tokio::test]
async fn what_a_sink_lacks_is_counted_as_it_would_be_told() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..25)])).await;
    let mut sink = Sink::default();
    w.follow(&mut sink, 7).await;
    let everything = w.pending(&Default::default()).await;
    assert_eq!(
        (everything as usize, w.pending(&sink.cursor).await),
        (w.records().await.len(), 0)
    );
    let gone = Page {
        objects: vec![user("u0003", "Ulm")],
        gone: vec!["u0004".into()],
        ..Page::default()
    };
    w.run(Run::some("users", 20, 10, gone)).await;
    let told = w.pending(&sink.cursor).await;
    let before = sink.seen;
    w.follow(&mut sink, 1).await;
    assert_eq!(told as usize, sink.seen - before);
    assert_eq!(w.pending(&sink.cursor).await, 0);
    // Whoever followed another ledger is sent all that lives.
    sink.cursor.as_of += 1;
    let live = w.pending(&sink.cursor).await as usize;
    assert_eq!(live, w.records().await.len());
    w.stop().await;
}

#[tokio::test]
async fn a_cursor_that_saw_another_ledger_needs_a_snapshot() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..3)])).await;
    let mut sink = Sink::default();
    w.follow(&mut sink, 10).await;
    let known = sink.cursor.clone();
    for strange in [
        proto::feed::v1::Cursor {
            as_of: known.as_of + 1,
            ..known.clone()
        },
        proto::feed::v1::Cursor {
            mark: known.as_of + 1,
            ..known.clone()
        },
    ] {
        sink.cursor = strange;
        assert!(w.follow(&mut sink, 10).await);
    }
    sink.cursor = known;
    assert!(!w.follow(&mut sink, 10).await);
    w.stop().await;
}

#[tokio::test]
async fn a_stream_does_not_go_on_over_a_restore() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..25)])).await;
    let request = FollowRequest {
        tenant_id: TENANT.into(),
        cursor: None,
        max_records: 7,
    };
    // Called without a network, which would ask for the next batches before they are wanted.
    let stream = w.normalizer.follow(tonic::Request::new(request));
    let mut stream = stream.await.unwrap().into_inner();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((first.records.len(), first.snapshot_needed), (7, false));
    let as_of = i64::try_from(first.to.as_ref().unwrap().as_of).unwrap();
    let mut restored = w.db.write().await.unwrap();
    let lost = query("DELETE FROM closing WHERE closing = ?").bind(as_of);
    lost.execute(&mut restored).await.unwrap();
    restored.commit().await.unwrap();
    let second = stream.next().await.unwrap().unwrap();
    assert!(second.snapshot_needed && second.records.is_empty());
    assert_eq!(second.from, first.to);
    assert!(stream.next().await.is_none());
    w.stop().await;
}

#[tokio::test]
async fn a_snapshot_tells_whether_it_is_complete() {
    let mut w = World::new().await;
    let datasets = vec!["users", "subscribedSkus"];
    w.run(Run {
        datasets: datasets.clone(),
        ..Run::full("users", 10, vec![users(0..2_300)])
    })
    .await;
    let batches = w.snapshot(&["user"]).await;
    let sizes: Vec<usize> = batches.iter().map(|b| b.records.len()).collect();
    assert_eq!(sizes, [1_000, 1_000, 300, 0]);
    let last = batches.last().unwrap();
    assert!(
        last.last && !last.complete && !w.head().await.complete,
        "subscribedSkus is missing"
    );
    assert_eq!(
        (
            last.datasets[0].dataset.as_str(),
            last.datasets[0].run,
            last.datasets[0].objects
        ),
        ("users", 10, 2_300)
    );

    let skus = Run {
        datasets,
        ..Run::full("subscribedSkus", 5, vec![vec![sku(E5, 3_000, 2_310)]])
    };
    w.run(skus).await;
    assert!(w.head().await.complete);
    let p = w.position(E5).await.unwrap();
    assert_eq!(
        (
            p.product_name.as_str(),
            p.available,
            p.residual,
            p.reconciled
        ),
        ("Microsoft 365 E5", 700, 10, true)
    );
    w.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_no_transaction_open() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..5_000)])).await;
    for _ in 0..10 {
        let request = proto::feed::v1::SnapshotRequest {
            tenant_id: TENANT.into(),
            kinds: vec![],
        };
        let mut stream = w.channel().snapshot(request).await.unwrap().into_inner();
        stream.message().await.unwrap().unwrap();
    }
    let v = w
        .run(Run::some(
            "users",
            20,
            10,
            Page {
                objects: vec![user("new", "")],
                ..Page::default()
            },
        ))
        .await;
    assert_eq!(w.snapshot(&[]).await[0].as_of, v.closing);
    w.stop().await;
}
