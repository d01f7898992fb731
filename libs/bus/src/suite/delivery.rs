//! Publishing, delivering, settling.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::message::{Body, Queue};
use proto::pages::v1::CheckRequested;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Fixture, bus, depth_is, page, page_of, publish, sequence, take, topology};
use crate::{Keys, PublishError, ReceiveError, Settle};

/// A queue keeps its order, and a settled message is gone.
pub async fn order(fixture: &mut dyn Fixture) {
    publish(&bus(fixture), 0..30).await;
    let backend = fixture.backend();
    depth_is(fixture, &Queue::PageFull, 30).await;
    for n in 0..30 {
        let (tag, sequence, deliveries) = take(&backend).await;
        assert_eq!((sequence, deliveries), (n, 1));
        backend.settle(tag, Settle::Done).await.unwrap();
    }
    depth_is(fixture, &Queue::PageFull, 0).await;
    depth_is(fixture, &Queue::PageSome, 0).await;
}

/// Whatever was confirmed is there after a crash in the midst of publishing, and after a cut connection.
pub async fn confirmed_survives(fixture: &mut dyn Fixture) {
    let mut window = JoinSet::new();
    for n in 0..40 {
        let bus = bus(fixture);
        window.spawn(async move { bus.publish(&page(n)).await.map(|()| n) });
    }
    let mut confirmed = BTreeSet::new();
    for _ in 0..10 {
        confirmed.insert(window.join_next().await.unwrap().unwrap().unwrap());
    }
    if fixture.cut().await {
        while let Some(done) = window.join_next().await {
            match done.unwrap() {
                Ok(n) => _ = confirmed.insert(n),
                Err(e) => assert!(e.is_retryable(), "{e:?}"),
            }
        }
    }
    window.shutdown().await;
    fixture.crash().await;
    fixture.reopen().await;
    let backend = fixture.backend();
    let mut found = BTreeSet::new();
    for _ in 0..backend.depth(&Queue::PageFull).await.unwrap() {
        let (tag, sequence, _) = take(&backend).await;
        found.insert(sequence);
        backend.settle(tag, Settle::Done).await.unwrap();
    }
    assert!(
        found.is_superset(&confirmed),
        "{confirmed:?} were confirmed, {found:?} are there"
    );
}

/// What was in hand at a crash comes again, counted; what was done doesn't.
pub async fn redelivery(fixture: &mut dyn Fixture) {
    publish(&bus(fixture), 0..3).await;
    {
        let backend = fixture.backend();
        let (tag, ..) = take(&backend).await;
        backend.settle(tag, Settle::Done).await.unwrap();
        assert_eq!(take(&backend).await.1, 1);
    }
    fixture.crash().await;
    fixture.reopen().await;
    let backend = fixture.backend();
    let (tag, sequence, deliveries) = take(&backend).await;
    assert_eq!((sequence, deliveries), (1, 2));
    assert_eq!(take(&backend).await.1, 2);
    backend.settle(tag, Settle::Done).await.unwrap();
    depth_is(fixture, &Queue::PageFull, 1).await;
}

/// A message that is given back again and again goes to the dead, with where from and why.
pub async fn delivery_limit(fixture: &mut dyn Fixture) {
    publish(&bus(fixture), 0..1).await;
    let backend = fixture.backend();
    for n in 1..=topology().delivery_limit {
        let (tag, _, deliveries) = take(&backend).await;
        assert_eq!(deliveries, n);
        backend.settle(tag, Settle::GiveBack).await.unwrap();
    }
    let dead = backend.next(&Queue::Dead).await.unwrap();
    let death = dead.death.unwrap();
    assert_eq!(death.queue, Queue::PageFull);
    assert!(!death.reason.is_empty());
    depth_is(fixture, &Queue::PageFull, 0).await;
    // Even the dead are not lost when their consumer fails.
    backend.settle(dead.tag, Settle::GiveBack).await.unwrap();
    let dead = backend.next(&Queue::Dead).await.unwrap();
    backend.settle(dead.tag, Settle::Done).await.unwrap();
    depth_is(fixture, &Queue::Dead, 0).await;
}

/// A full queue makes its publishers wait, and no others.
pub async fn back_pressure(fixture: &mut dyn Fixture) {
    let (bus, exact) = (bus(fixture), fixture.exact());
    let long = Duration::from_millis(if exact { 50 } else { 1000 });
    let full = u32::try_from(topology().max_messages).unwrap();
    publish(&bus, 0..full).await;
    let mut published = full;
    let first = loop {
        let (bus, page) = (bus.clone(), page(published));
        let mut one = Box::pin(async move { bus.publish(&page).await });
        published += 1;
        if timeout(long, &mut one).await.is_err() {
            break one;
        }
        assert!(!exact && published < 2 * full, "the queue is full");
    };
    let page = page(published);
    published += 1;
    let mut more = Box::pin(async { tokio::join!(first, bus.publish(&page)) });
    assert!(timeout(long, &mut more).await.is_err(), "the queue is full");
    let check = CheckRequested {
        tenant_id: "11111111-2222-3333-4444-555555555555".into(),
        dataset: "users".into(),
        pool: "default".into(),
        ..Default::default()
    };
    bus.publish(&Body::Check(check)).await.unwrap();
    let backend = fixture.backend();
    let mut taken = 0;
    let (one, other) = loop {
        let (tag, ..) = take(&backend).await;
        backend.settle(tag, Settle::Done).await.unwrap();
        taken += 1;
        if let Ok(done) = timeout(long, &mut more).await {
            break done;
        }
    };
    one.and(other).unwrap();
    assert!(
        taken == 2 || !exact,
        "there is space for each that was taken"
    );
    depth_is(fixture, &Queue::PageFull, (published - taken).into()).await;
}

/// A message of 10 MiB arrives as it was sent.
pub async fn large(fixture: &mut dyn Fixture) {
    let keys = Keys::generate();
    let sent = page_of(0, 10 << 20);
    let backend = fixture.backend();
    backend
        .publish(&Queue::PageFull, keys.seal(&sent).unwrap())
        .await
        .unwrap();
    let delivery = backend.next(&Queue::PageFull).await.unwrap();
    assert!(keys.open(&delivery.envelope).unwrap().body == sent);
    backend
        .settle(delivery.tag, Settle::GiveBack)
        .await
        .unwrap();
    let again = backend.next(&Queue::PageFull).await.unwrap();
    assert!(again.envelope == delivery.envelope);
}

/// Publishing to a queue that nobody declared is an error, and so is reading it.
pub async fn unroutable(fixture: &mut dyn Fixture) {
    let queue = Queue::Verdict("nowhere".parse().unwrap());
    let envelope = Keys::generate().seal(&page(0)).unwrap();
    let backend = fixture.backend();
    let e = backend.publish(&queue, envelope).await.unwrap_err();
    assert!(matches!(e, PublishError::Unroutable { .. }) && !e.is_retryable());
    assert!(matches!(
        backend.next(&queue).await,
        Err(ReceiveError::Undeclared { .. })
    ));
    assert!(backend.depth(&queue).await.is_err());
}

/// Whoever stops waiting for a message loses none, and others get theirs.
pub async fn cancelled_next(fixture: &mut dyn Fixture) {
    let backend = fixture.backend();
    for n in 0..20 {
        assert!(
            timeout(Duration::from_millis(1), backend.next(&Queue::PageFull))
                .await
                .is_err()
        );
        let bus = bus(fixture);
        let waiting = backend.clone();
        let mut one = Box::pin(async move { waiting.next(&Queue::PageFull).await.unwrap() });
        // Polled once, so that it waits; dropped at some moment while the message arrives.
        let published = async {
            tokio::task::yield_now().await;
            bus.publish(&page(n)).await.unwrap();
        };
        let early = tokio::select! {
            biased;
            d = &mut one => Some(d),
            () = published => None,
        };
        let d = match early {
            Some(d) => d,
            None => {
                drop(one);
                backend.next(&Queue::PageFull).await.unwrap()
            }
        };
        backend.settle(d.tag, Settle::Done).await.unwrap();
    }
}

/// Purging removes what waits, not what is in hand, and the queue goes on.
pub async fn purge(fixture: &mut dyn Fixture) {
    let bus = bus(fixture);
    publish(&bus, 0..10).await;
    let backend = fixture.backend();
    let (tag, ..) = take(&backend).await;
    assert_eq!(backend.purge(&Queue::PageFull).await.unwrap(), 9);
    depth_is(fixture, &Queue::PageFull, 1).await;
    backend.settle(tag, Settle::Done).await.unwrap();
    publish(&bus, 10..11).await;
    assert_eq!(take(&backend).await.1, 10);
}

/// A delivery can be settled once.
pub async fn settled_once(fixture: &mut dyn Fixture) {
    publish(&bus(fixture), 0..2).await;
    let backend = fixture.backend();
    let (tag, ..) = take(&backend).await;
    backend.settle(tag, Settle::GiveBack).await.unwrap();
    backend.abandon(tag);
    assert!(matches!(
        backend.settle(tag, Settle::Done).await,
        Err(ReceiveError::NotInHand)
    ));
    let (mut again, mut first, mut deliveries) = take(&backend).await;
    if !fixture.exact() && first == 1 {
        // It was on its way already.
        (again, first, deliveries) = take(&backend).await;
    }
    assert_eq!((first, deliveries), (0, 2));
    assert!(again != tag, "a tag names one delivery");
    assert_eq!(sequence(&page(first)), 0);
}
