//! How fast the embedded queue is: sealed messages published, consumed and settled, and the processor time it costs.
//!
//! `cargo run --release -p bus --example throughput -- [messages] [bytes] [in flight] [directory]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that people read"
)]

use std::path::PathBuf;
use std::sync::Arc;

use bus::embedded::Embedded;
use bus::{Bus, ConsumeOptions, Keys, Outcome, Topology, consume};
use proto::message::{Body, Queue};
use proto::pages::v1::PageFetched;
use runtime::CancellationToken;
use runtime::db::{Durability, Options};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let mut number = |usual: usize| words.next().map_or(usual, |w| w.parse().unwrap());
    let (messages, bytes, in_flight) = (number(10_000), number(100 << 10), number(256));
    let at = words
        .next()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::tempdir_in(at).unwrap();
    let options = Options {
        path: dir.path().join("queue.db"),
        durability: Durability::Normal,
        brake: false,
    };
    let topology = Topology::of_pools(["default".parse().unwrap()]);
    let bus = Bus::new(
        Arc::new(Embedded::open(&options, topology).await.unwrap()),
        Keys::generate(),
    );

    let (cpu, start) = (cpu_seconds(), Instant::now());
    fill(&bus, messages, bytes, in_flight).await;
    report("published", messages, bytes, start, cpu);

    let (cpu, start) = (cpu_seconds(), Instant::now());
    empty(&bus, messages, in_flight).await;
    report("consumed", messages, bytes, start, cpu);

    let (cpu, start) = (cpu_seconds(), Instant::now());
    tokio::join!(
        fill(&bus, messages, bytes, in_flight),
        empty(&bus, messages, in_flight)
    );
    report(
        "published and consumed at once",
        messages,
        bytes,
        start,
        cpu,
    );

    bus.backend().close().await;
    let size = std::fs::metadata(&options.path).unwrap().len();
    println!("file: {} MiB", size >> 20);
}

async fn fill(bus: &Bus, messages: usize, bytes: usize, in_flight: usize) {
    let mut window = JoinSet::new();
    for n in 0..messages {
        if window.len() == in_flight {
            window.join_next().await.unwrap().unwrap();
        }
        let bus = bus.clone();
        let body = Body::Page(PageFetched {
            tenant_id: "11111111-2222-3333-4444-555555555555".into(),
            dataset: "users".into(),
            sequence: u32::try_from(n).unwrap(),
            body: vec![7; bytes],
            ..Default::default()
        });
        window.spawn(async move { bus.publish(&body).await.unwrap() });
    }
    window.join_all().await;
}

async fn empty(bus: &Bus, messages: usize, in_flight: usize) {
    let (stop, done) = (CancellationToken::new(), Arc::new(Semaphore::new(0)));
    let count = done.clone();
    let handler = move |_| {
        count.add_permits(1);
        async { Ok::<_, std::convert::Infallible>(Outcome::Done) }
    };
    let options = ConsumeOptions {
        prefetch: in_flight,
        ..Default::default()
    };
    let all = async {
        _ = done
            .acquire_many(u32::try_from(messages).unwrap())
            .await
            .unwrap();
        stop.cancel();
    };
    let (consumed, ()) = tokio::join!(
        consume(bus, Queue::PageFull, options, stop.clone(), handler),
        all
    );
    consumed.unwrap();
}

fn report(what: &str, messages: usize, bytes: usize, start: Instant, cpu: f64) {
    let seconds = start.elapsed().as_secs_f64();
    let rate = messages as f64 / seconds;
    let mib = rate * bytes as f64 / f64::from(1 << 20);
    println!(
        "{what}: {rate:.0} messages/s, {mib:.0} MiB/s, {:.2} processors busy",
        (cpu_seconds() - cpu) / seconds
    );
}

/// Processor time of this process, from Linux's /proc; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    // User and system time, in ticks of 10 ms.
    [11, 12]
        .iter()
        .filter_map(|i| fields.get(*i)?.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
