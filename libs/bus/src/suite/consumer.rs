//! Consumers: what they do with a message that fails, a stage that fails, and a stop.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::message::{Body, Queue};
use proto::pages::v1::RunMode;
use runtime::{CancellationToken, Problem};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;

use super::{
    Count, Down, Fixture, bus, depth_is, next, options, page, publish, sequence, topology,
};
use crate::{Bus, DeadLetter, Envelope, Keys, Outcome, Received, consume, consume_dead};

/// Consumes `page.full` in the background until `stop`.
fn start<H, F>(
    bus: &Bus,
    prefetch: usize,
    stop: &CancellationToken,
    handler: H,
) -> JoinSet<Result<(), Problem>>
where
    H: Fn(Received) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, Down>> + Send + 'static,
{
    let (bus, stop) = (bus.clone(), stop.clone());
    let mut task = JoinSet::new();
    task.spawn(
        async move { consume(&bus, Queue::PageFull, options(prefetch), stop, handler).await },
    );
    task
}

async fn ended(mut tasks: JoinSet<Result<(), Problem>>) {
    while let Some(task) = tasks.join_next().await {
        task.unwrap().unwrap();
    }
}

/// The first `n` dead letters.
async fn dead(bus: &Bus, n: usize) -> Vec<DeadLetter> {
    let letters = Arc::new(Mutex::new(Vec::new()));
    let (stop, into) = (CancellationToken::new(), letters.clone());
    let token = stop.clone();
    let collect = move |letter| {
        into.lock().unwrap().push(letter);
        if into.lock().unwrap().len() == n {
            token.cancel();
        }
        async { Ok::<_, Down>(()) }
    };
    consume_dead(bus, stop, collect).await.unwrap();
    Arc::try_unwrap(letters)
        .unwrap_or_default()
        .into_inner()
        .unwrap()
}

/// A rejected message reaches the dead, with its reason and its content.
pub async fn dead_letter(fixture: &mut dyn Fixture) {
    let (bus, stop) = (bus(fixture), CancellationToken::new());
    publish(&bus, 0..1).await;
    let consumer = start(&bus, 1, &stop, |_| async {
        Ok(Outcome::Reject("no such dataset".into()))
    });
    let letters = dead(&bus, 1).await;
    stop.cancel();
    ended(consumer).await;
    let letter = DeadLetter {
        label: Some(page(0).label().unwrap()),
        queue: Queue::PageFull,
        reason: "no such dataset".into(),
        body: Some(page(0)),
    };
    assert_eq!(letters, [letter]);
}

/// A message that crashes its handler goes to the dead after the limit; the others are done.
pub async fn poison(fixture: &mut dyn Fixture) {
    let (bus, stop, done) = (bus(fixture), CancellationToken::new(), Count::new());
    publish(&bus, 0..10).await;
    let (counted, crashes) = (done.clone(), Arc::new(AtomicU64::new(0)));
    let crashed = crashes.clone();
    let consumer = start(&bus, 3, &stop, move |m| {
        let (done, crashed) = (counted.clone(), crashed.clone());
        async move {
            if sequence(&m.body) == 4 {
                assert!(
                    u64::from(m.deliveries) == next(&crashed) + 1,
                    "each crash is counted"
                );
                std::panic::resume_unwind(Box::new("poison"));
            }
            done.add();
            Ok(Outcome::Done)
        }
    });
    done.reaches(9).await;
    let letters = dead(&bus, 1).await;
    stop.cancel();
    ended(consumer).await;
    assert_eq!(sequence(letters[0].body.as_ref().unwrap()), 4);
    assert_eq!(
        crashes.load(Ordering::SeqCst),
        u64::from(topology().delivery_limit)
    );
    assert_eq!(done.get(), 9, "nothing was done twice");
}

/// Two consumers share a queue, and no message goes to both.
pub async fn competing(fixture: &mut dyn Fixture) {
    let (bus, stop, done) = (bus(fixture), CancellationToken::new(), Count::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let meet = Arc::new(Barrier::new(2));
    let mut consumers = Vec::new();
    for _ in 0..2 {
        let (seen, meet, done, calls) = (
            seen.clone(),
            meet.clone(),
            done.clone(),
            Arc::new(AtomicU64::new(0)),
        );
        consumers.push(start(&bus, 1, &stop, move |m| {
            let (seen, meet, done, calls) =
                (seen.clone(), meet.clone(), done.clone(), calls.clone());
            async move {
                if next(&calls) == 0 {
                    // Passes only when the other consumer has one as well.
                    meet.wait().await;
                }
                seen.lock().unwrap().push(sequence(&m.body));
                done.add();
                Ok(Outcome::Done)
            }
        }));
    }
    publish(&bus, 0..40).await;
    done.reaches(40).await;
    stop.cancel();
    for consumer in consumers {
        ended(consumer).await;
    }
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.sort_unstable();
    assert_eq!(seen, Vec::from_iter(0..40));
}

/// A stopped consumer takes nothing new, finishes what is in hand, settles it and returns.
pub async fn drain(fixture: &mut dyn Fixture) {
    let (bus, stop, begun) = (bus(fixture), CancellationToken::new(), Count::new());
    publish(&bus, 0..10).await;
    let (open, count) = (Arc::new(Semaphore::new(0)), begun.clone());
    let gate = open.clone();
    let mut consumer = start(&bus, 4, &stop, move |_| {
        count.add();
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(Outcome::Done)
        }
    });
    begun.reaches(4).await;
    stop.cancel();
    let early = tokio::time::timeout(Duration::from_millis(50), consumer.join_next()).await;
    assert!(early.is_err(), "four are in hand");
    open.add_permits(10);
    ended(consumer).await;
    assert_eq!(begun.get(), 4);
    depth_is(fixture, &Queue::PageFull, 6).await;
}

/// A consumer that is dropped gives back what it has in hand.
pub async fn dropped_consumer(fixture: &mut dyn Fixture) {
    let (bus, stop, begun) = (bus(fixture), CancellationToken::new(), Count::new());
    publish(&bus, 0..3).await;
    let count = begun.clone();
    let mut consumer = start(&bus, 2, &stop, move |_| {
        count.add();
        std::future::pending()
    });
    begun.reaches(2).await;
    consumer.shutdown().await;
    let done = Count::new();
    let count = done.clone();
    let consumer = start(&bus, 4, &stop, move |_| {
        count.add();
        async { Ok(Outcome::Done) }
    });
    done.reaches(3).await;
    stop.cancel();
    ended(consumer).await;
    depth_is(fixture, &Queue::PageFull, 0).await;
}

/// What can't be opened goes to the dead at once, alone, and no handler sees it.
pub async fn undecodable(fixture: &mut dyn Fixture) {
    let keys = Keys::generate();
    let whole = keys.seal(&page(0)).unwrap().bytes().to_vec();
    let (mut run, mut content, mut format, mut version) =
        (whole.clone(), whole.clone(), whole.clone(), whole);
    run[15] ^= 1;
    *content.last_mut().unwrap() ^= 1;
    format[2] = 9;
    version[7] = 9;
    let foreign = Keys::generate().seal(&page(0)).unwrap().bytes().to_vec();
    let bad = [
        b"garbage".to_vec(),
        vec![],
        run,
        content,
        format,
        version,
        foreign,
    ];
    let bus = Bus::new(fixture.backend(), keys);
    for bytes in bad.clone() {
        fixture
            .backend()
            .publish(&Queue::PageFull, Envelope::from_bytes(bytes))
            .await
            .unwrap();
    }
    publish(&bus, 1..2).await;
    let (stop, done) = (CancellationToken::new(), Count::new());
    let count = done.clone();
    let consumer = start(&bus, 2, &stop, move |m| {
        count.add();
        async move {
            Ok(if sequence(&m.body) == 1 {
                Outcome::Done
            } else {
                Outcome::Reject("opened".into())
            })
        }
    });
    let letters = dead(&bus, bad.len()).await;
    done.reaches(1).await;
    stop.cancel();
    ended(consumer).await;
    assert_eq!(done.get(), 1);
    assert!(
        letters
            .iter()
            .all(|l| l.queue == Queue::PageFull && l.body.is_none()),
        "{letters:?}"
    );
    let reasons: BTreeSet<&str> = letters.iter().map(|l| l.reason.as_str()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(
        letters.iter().filter(|l| l.label.is_some()).count(),
        4,
        "{letters:?}"
    );
}

/// A message that somebody moved to another queue is refused.
pub async fn misplaced(fixture: &mut dyn Fixture) {
    let keys = Keys::generate();
    let Body::Page(mut some) = page(0) else {
        unreachable!()
    };
    some.mode = RunMode::Some.into();
    let envelope = keys.seal(&Body::Page(some)).unwrap();
    fixture
        .backend()
        .publish(&Queue::PageFull, envelope)
        .await
        .unwrap();
    let (bus, stop) = (Bus::new(fixture.backend(), keys), CancellationToken::new());
    let consumer = start(&bus, 1, &stop, |_| async { Ok(Outcome::Done) });
    let letters = dead(&bus, 1).await;
    stop.cancel();
    ended(consumer).await;
    assert!(letters[0].reason.contains("page.full"), "{letters:?}");
}

/// While the handler fails, nothing new is taken, and nothing counts as delivered again.
pub async fn outage(fixture: &mut dyn Fixture) {
    let (bus, stop) = (bus(fixture), CancellationToken::new());
    publish(&bus, 0..20).await;
    let (calls, done) = (Count::new(), Count::new());
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let down = Arc::new(AtomicU64::new(1));
    let (c, d, s, is_down) = (calls.clone(), done.clone(), seen.clone(), down.clone());
    let consumer = start(&bus, 3, &stop, move |m| {
        c.add();
        s.lock().unwrap().insert(sequence(&m.body));
        let up = is_down.load(Ordering::SeqCst) == 0;
        if up {
            d.add();
        }
        async move {
            assert_eq!(m.deliveries, 1, "a try is no delivery");
            if up { Ok(Outcome::Done) } else { Err(Down) }
        }
    });
    calls.reaches(30).await;
    assert!(
        seen.lock().unwrap().len() <= 3,
        "only what was in hand was tried"
    );
    down.store(0, Ordering::SeqCst);
    done.reaches(20).await;
    stop.cancel();
    ended(consumer).await;
    depth_is(fixture, &Queue::PageFull, 0).await;
}

/// A consumer can be stopped while its handler fails; what it had in hand is given back.
pub async fn stop_in_outage(fixture: &mut dyn Fixture) {
    let (bus, stop, calls) = (bus(fixture), CancellationToken::new(), Count::new());
    publish(&bus, 0..3).await;
    let count = calls.clone();
    let consumer = start(&bus, 2, &stop, move |_| {
        count.add();
        async { Err(Down) }
    });
    calls.reaches(4).await;
    stop.cancel();
    ended(consumer).await;
    depth_is(fixture, &Queue::PageFull, 3).await;
}
