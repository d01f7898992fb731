//! RabbitMQ: the conformance suite, with cut connections, and what only a server can do to its clients.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod fixtures;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bus::amqp::{Amqp, definitions};
use bus::suite::topology;
use bus::{Backend, Envelope, ReceiveError, Settle};
use fixtures::rabbit::{InRabbit, Server, connect};
use fixtures::run::run_all;
use proto::message::Queue;
use servers::Proxy;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance() {
    let server = Server::for_cases();
    let verdicts = run_all(4, |case| {
        let server = server.clone();
        async move { InRabbit::new(&server, case).await }
    });
    let failed: Vec<_> = verdicts
        .await
        .into_iter()
        .filter(|(_, v)| v.is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn envelope(n: u16) -> Envelope {
    Envelope::from_bytes(n.to_be_bytes().to_vec())
}

fn number(envelope: &Envelope) -> u16 {
    u16::from_be_bytes(envelope.bytes()[..].try_into().unwrap())
}

/// Publishes until the queue has it.
async fn publish(queue: &Amqp, n: u16) {
    while let Err(e) = queue.publish(&Queue::PageFull, envelope(n)).await {
        assert!(e.is_retryable(), "{e:?}");
    }
}

/// Waits until the backend says this of its readiness; "" is ready.
async fn says(queue: &Amqp, text: &str) {
    let wait = async {
        loop {
            match queue.ready() {
                Ok(()) if text.is_empty() => return,
                Err(why) if !text.is_empty() && why.contains(text) => return,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let said = timeout(Duration::from_secs(120), wait).await;
    said.unwrap_or_else(|_| panic!("never said {text:?}: {:?}", queue.ready()));
}

async fn next(queue: &Amqp) -> bus::Delivery {
    let next = timeout(Duration::from_secs(120), queue.next(&Queue::PageFull));
    next.await.unwrap().unwrap()
}

/// Runs something that takes its time on another thread.
async fn done<T: Send + 'static>(
    server: &Arc<Server>,
    what: impl FnOnce(&Server) -> T + Send + 'static,
) -> T {
    let server = server.clone();
    spawn_blocking(move || what(&server)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_crashes_and_comes_back_loses_nothing() {
    let server = Server::start(["v"]);
    let queue = connect(server.config(server.rabbit.port(), "v"), topology()).await;
    publish(&queue, 0).await;
    let held = next(&queue).await;
    let mut publisher = JoinSet::new();
    let handle = queue.clone();
    publisher.spawn(async move {
        for n in 1..300 {
            publish(&handle, n).await;
        }
    });
    let restart = done(&server, |server| server.rabbit.restart().unwrap());
    let mut seen = BTreeSet::new();
    let consume = async {
        while seen.len() < 300 {
            let delivery = next(&queue).await;
            match queue.settle(delivery.tag, Settle::Done).await {
                Ok(()) => _ = seen.insert(number(&delivery.envelope)),
                // It comes again.
                Err(e) => assert!(matches!(e, ReceiveError::NotInHand), "{e:?}"),
            }
        }
    };
    tokio::join!(restart, consume);
    publisher.join_all().await;
    assert_eq!(seen, BTreeSet::from_iter(0..300));
    assert!(matches!(
        queue.settle(held.tag, Settle::Done).await,
        Err(ReceiveError::NotInHand)
    ));
    queue.close().await;
    assert!(queue.publish(&Queue::PageFull, envelope(0)).await.is_err());
    assert!(queue.ready().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_the_server_does_it_is_noticed_and_healed() {
    let server = Server::start(["v"]);
    let proxy = Proxy::start(server.rabbit.port()).unwrap();
    // Unreachable at start.
    proxy.refuse(true);
    let queue = connect(server.config(proxy.port(), "v"), topology()).await;
    says(&queue, "LW-4027").await;
    proxy.refuse(false);
    says(&queue, "").await;
    publish(&queue, 1).await;
    assert_eq!(number(&next(&queue).await.envelope), 1);

    // Connected, and nothing moves.
    proxy.stall(true);
    says(&queue, "LW-4029").await;
    proxy.stall(false);
    says(&queue, "").await;
    let again = next(&queue).await;
    assert_eq!((number(&again.envelope), again.deliveries), (1, 2));
    queue.settle(again.tag, Settle::Done).await.unwrap();

    // Sent away, as for maintenance.
    done(&server, |s| {
        s.rabbit.close_all_connections("maintenance").unwrap()
    })
    .await;
    publish(&queue, 2).await;
    assert_eq!(number(&next(&queue).await.envelope), 2);

    // A queue deleted under a consumer, and one that is only published to.
    for name in ["page.full", "seal"] {
        done(&server, move |s| s.rabbit.delete_queue("v", name).unwrap()).await;
        says(&queue, "LW-4028").await;
        assert!(queue.ready().unwrap_err().contains(name));
        let (waiting, mut publisher) = (queue.clone(), JoinSet::new());
        publisher.spawn(async move { publish(&waiting, 3).await });
        done(&server, redeclare).await;
        publisher.join_all().await;
        while number(&next(&queue).await.envelope) != 3 {}
    }

    // Without a consumer on it, publishing finds out.
    let publisher = connect(server.config(proxy.port(), "v"), topology()).await;
    done(&server, |s| s.rabbit.delete_queue("v", "closing").unwrap()).await;
    let e = publisher.publish(&Queue::Closing, envelope(4)).await;
    assert!(e.is_err_and(|e| e.is_retryable()));
    done(&server, redeclare).await;
    says(&publisher, "").await;
    publisher
        .publish(&Queue::Closing, envelope(4))
        .await
        .unwrap();
}

fn redeclare(server: &Server) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), definitions(&topology(), "v", &[]).to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    server.rabbit.ctl(&["import_definitions", path]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_short_of_memory_stops_publishers_and_no_consumers() {
    let server = Server::start(["v"]);
    let queue = connect(server.config(server.rabbit.port(), "v"), topology()).await;
    publish(&queue, 1).await;
    let alarm = |what: &str| format!("ok = rabbit_alarm:{what}.");
    // Alarms are set in the background: whoever asks for them waits for that.
    let set = alarm("set_alarm({{resource_limit, memory, node()}, []})").replace('.', ",")
        + "[_ | _] = rabbit_alarm:get_alarms().";
    done(&server, move |s| s.rabbit.eval(&set).unwrap()).await;
    let (waiting, mut publisher) = (queue.clone(), JoinSet::new());
    publisher.spawn(async move { publish(&waiting, 2).await });
    says(&queue, "memory").await;
    let delivery = next(&queue).await;
    queue.settle(delivery.tag, Settle::Done).await.unwrap();
    assert_eq!(queue.depth(&Queue::PageFull).await.unwrap(), 0);
    let clear = alarm("clear_alarm({resource_limit, memory, node()})");
    done(&server, move |s| s.rabbit.eval(&clear).unwrap()).await;
    publisher.join_all().await;
    says(&queue, "").await;
    assert_eq!(number(&next(&queue).await.envelope), 2);
}
