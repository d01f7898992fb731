//! What only the embedded queue promises: its file.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use bus::embedded::Embedded;
use bus::{Backend, Envelope, Settle, Topology};
use proto::message::Queue;
use runtime::db::{Durability, Options};
use tokio::task::JoinSet;

async fn open(dir: &Path) -> Embedded {
    open_with(dir, Topology::new([Queue::PageFull, Queue::Seal])).await
}

async fn open_with(dir: &Path, topology: Topology) -> Embedded {
    let options = Options {
        path: dir.join("queue.db"),
        durability: Durability::Normal,
        brake: true,
    };
    Embedded::open(&options, topology).await.unwrap()
}

fn envelope(n: u32, bytes: usize) -> Envelope {
    let mut content = vec![0; bytes.max(4)];
    content[..4].copy_from_slice(&n.to_be_bytes());
    Envelope::from_bytes(content)
}

fn number(envelope: &Envelope) -> u32 {
    u32::from_be_bytes(envelope.bytes()[..4].try_into().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_orderly_restart_keeps_the_order_and_counts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path()).await;
    for n in 0..200 {
        queue
            .publish(&Queue::PageFull, envelope(n, 10))
            .await
            .unwrap();
    }
    let first = queue.next(&Queue::PageFull).await.unwrap();
    queue.settle(first.tag, Settle::Done).await.unwrap();
    queue.close().await;
    assert!(
        queue
            .publish(&Queue::PageFull, envelope(0, 10))
            .await
            .is_err()
    );
    let queue = open(dir.path()).await;
    queue
        .publish(&Queue::PageFull, envelope(200, 10))
        .await
        .unwrap();
    for n in 1..=200 {
        let d = queue.next(&Queue::PageFull).await.unwrap();
        assert_eq!((number(&d.envelope), d.deliveries), (n, 1));
        queue.settle(d.tag, Settle::Done).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_kills_its_process_goes_to_the_dead() {
    let dir = tempfile::tempdir().unwrap();
    let mut topology = Topology::new([Queue::PageFull]);
    topology.delivery_limit = 3;
    for crash in 0..3 {
        let queue = open_with(dir.path(), topology.clone()).await;
        if crash == 0 {
            queue
                .publish(&Queue::PageFull, envelope(1, 10))
                .await
                .unwrap();
        }
        assert_eq!(
            queue.next(&Queue::PageFull).await.unwrap().deliveries,
            crash + 1
        );
    }
    let queue = open_with(dir.path(), topology.clone()).await;
    assert_eq!(queue.depth(&Queue::PageFull).await.unwrap(), 0);
    assert_eq!(
        queue.next(&Queue::Dead).await.unwrap().death.unwrap().queue,
        Queue::PageFull
    );
    drop(queue);
    let queue = open_with(dir.path(), topology).await;
    let death = queue.next(&Queue::Dead).await.unwrap().death.unwrap();
    assert!(death.reason.contains("3 times"), "{death:?}");
}

#[tokio::test(start_paused = true)]
async fn the_file_does_not_grow_with_what_passes_through() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path()).await;
    let size = || {
        std::fs::metadata(dir.path().join("queue.db"))
            .unwrap()
            .len()
    };
    let mut after_first = 0;
    for round in 0..10 {
        for n in 0..40 {
            queue
                .publish(&Queue::PageFull, envelope(n, 100_000))
                .await
                .unwrap();
        }
        for _ in 0..40 {
            let d = queue.next(&Queue::PageFull).await.unwrap();
            queue.settle(d.tag, Settle::Done).await.unwrap();
        }
        if round == 0 {
            after_first = size();
        }
    }
    assert!(
        size() < 2 * after_first.max(4_000_000),
        "{} after {after_first}",
        size()
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_full_by_bytes_too_and_takes_one_message_of_any_size() {
    let dir = tempfile::tempdir().unwrap();
    let mut topology = Topology::new([Queue::PageFull, Queue::Seal]);
    topology.max_bytes = 1_000;
    let queue = open_with(dir.path(), topology).await;
    queue
        .publish(&Queue::PageFull, envelope(1, 5_000))
        .await
        .unwrap();
    let second = envelope(2, 10);
    let mut waiting = Box::pin(queue.publish(&Queue::PageFull, second));
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(1), &mut waiting)
            .await
            .is_err()
    );
    queue.publish(&Queue::Seal, envelope(3, 10)).await.unwrap();
    let d = queue.next(&Queue::PageFull).await.unwrap();
    queue
        .settle(d.tag, Settle::Dead("too large".into()))
        .await
        .unwrap();
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_no_longer_fits_into_memory_is_read_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let queue = std::sync::Arc::new(open(dir.path()).await);
    let mut window = JoinSet::new();
    for n in 0..60 {
        let queue = queue.clone();
        window.spawn(async move { queue.publish(&Queue::PageFull, envelope(n, 1 << 20)).await });
    }
    while let Some(done) = window.join_next().await {
        done.unwrap().unwrap();
    }
    let mut sum = 0;
    for _ in 0..60 {
        let d = queue.next(&Queue::PageFull).await.unwrap();
        assert_eq!(d.envelope.bytes().len(), 1 << 20);
        sum += number(&d.envelope);
        queue.settle(d.tag, Settle::Done).await.unwrap();
    }
    assert_eq!(sum, (0..60).sum::<u32>());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_can_not_be_written_fails_the_publisher_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path()).await;
    queue
        .publish(&Queue::PageFull, envelope(1, 10))
        .await
        .unwrap();
    let d = queue.next(&Queue::PageFull).await.unwrap();
    let options = Options {
        path: dir.path().join("queue.db"),
        durability: Durability::Normal,
        brake: true,
    };
    // A stranger breaks the table, and repairs it.
    let stranger = runtime::db::Db::open(&options, &bus::embedded::MIGRATIONS)
        .await
        .unwrap();
    let run = async |text: &'static str| {
        let mut write = stranger.write().await.unwrap();
        runtime::db::query(text).execute(&mut write).await.unwrap();
        write.commit().await.unwrap();
    };
    run("ALTER TABLE message RENAME TO elsewhere").await;
    assert!(
        queue
            .publish(&Queue::PageFull, envelope(2, 10))
            .await
            .unwrap_err()
            .is_retryable()
    );
    assert!(
        queue
            .settle(d.tag, Settle::Done)
            .await
            .unwrap_err()
            .is_retryable()
    );
    queue.abandon(d.tag);
    assert_eq!(queue.depth(&Queue::PageFull).await.unwrap(), 1);
    run("ALTER TABLE elsewhere RENAME TO message").await;
    let d = queue.next(&Queue::PageFull).await.unwrap();
    assert_eq!((number(&d.envelope), d.deliveries), (1, 2));
    queue.settle(d.tag, Settle::Done).await.unwrap();
    queue
        .publish(&Queue::PageFull, envelope(2, 10))
        .await
        .unwrap();
    assert_eq!(queue.depth(&Queue::PageFull).await.unwrap(), 1);
}
