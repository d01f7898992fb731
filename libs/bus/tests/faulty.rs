//! The fault decorator is itself reliable: the same seed does the same, and calm means calm.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use bus::faulty::{Counts, Faults, Faulty};
use bus::memory::Memory;
use bus::{Backend, Envelope, Settle, Topology};
use proto::message::Queue;

fn faulty(seed: u64) -> Faulty {
    let faults = Faults {
        duplicate: 0.2,
        lose_confirm: 0.2,
        lose_message: 0.2,
        reorder: 0.2,
        delay: 0.2,
        longest_delay: Duration::from_secs(60),
        crash: 0.2,
    };
    Faulty::new(
        Arc::new(Memory::new(Topology::new([Queue::Seal]))),
        seed,
        faults,
    )
}

/// What a consumer sees, and what happened.
async fn run(seed: u64) -> (Vec<u8>, Counts) {
    let queue = faulty(seed);
    for n in 0..100 {
        _ = queue
            .publish(&Queue::Seal, Envelope::from_bytes(vec![n]))
            .await;
    }
    let mut seen = Vec::new();
    while queue.depth(&Queue::Seal).await.unwrap() > 0 {
        let d = queue.next(&Queue::Seal).await.unwrap();
        seen.push(d.envelope.bytes()[0]);
        queue.settle(d.tag, Settle::Done).await.unwrap();
    }
    (seen, queue.counts())
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_does_the_same() {
    let (seen, counts) = run(1).await;
    assert_eq!((seen.clone(), counts), run(1).await);
    assert!(seen != run(2).await.0);
    assert!(!seen.is_sorted(), "something was overtaken");
    let distinct = std::collections::BTreeSet::from_iter(&seen).len() as u64;
    assert_eq!(distinct, 100 - counts.lose_message);
    assert_eq!(
        seen.len() as u64,
        distinct + counts.duplicate + counts.crash
    );
}

#[tokio::test(start_paused = true)]
async fn calm_means_no_faults_and_nothing_held() {
    let queue = faulty(3);
    for n in 0..50 {
        _ = queue
            .publish(&Queue::Seal, Envelope::from_bytes(vec![n]))
            .await;
    }
    // Until something is held.
    while queue.counts().delay == 0 {
        let d = queue.next(&Queue::Seal).await.unwrap();
        queue.settle(d.tag, Settle::Done).await.unwrap();
    }
    queue.calm();
    let (start, before) = (tokio::time::Instant::now(), queue.counts());
    while queue.depth(&Queue::Seal).await.unwrap() > 0 {
        let d = queue.next(&Queue::Seal).await.unwrap();
        queue.settle(d.tag, Settle::Done).await.unwrap();
    }
    queue
        .publish(&Queue::Seal, Envelope::from_bytes(vec![0]))
        .await
        .unwrap();
    assert_eq!((start.elapsed(), queue.counts()), (Duration::ZERO, before));
}

#[tokio::test(start_paused = true)]
async fn a_queue_loses_everything_on_command() {
    let queue = faulty(4);
    queue.calm();
    for n in 0..10 {
        queue
            .publish(&Queue::Seal, Envelope::from_bytes(vec![n]))
            .await
            .unwrap();
    }
    let d = queue.next(&Queue::Seal).await.unwrap();
    assert_eq!(queue.lose(&Queue::Seal).await.unwrap(), 9);
    assert_eq!(queue.counts().lost, 9);
    queue.settle(d.tag, Settle::Done).await.unwrap();
    assert_eq!(queue.depth(&Queue::Seal).await.unwrap(), 0);
}
