//! Prints how many users a second of CPU time delivers, read as an inventory reads them.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/mod.rs"]
mod support;

use graph_sim::Config;
use support::{Client, SELECT};
use tokio::time::Instant;

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let ticks = |n: usize| {
        fields
            .get(n)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

#[tokio::main]
async fn main() {
    let users = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(200_000);
    let client = Client::new(Config {
        users,
        ..Config::default()
    })
    .await;
    let measure = |what: &str, objects: usize, bytes: usize, from: (f64, Instant)| {
        let (cpu, wall) = (cpu() - from.0, from.1.elapsed().as_secs_f64());
        let rate = objects as f64 / cpu.max(0.01);
        println!(
            "{what}: {objects} objects, {bytes} bytes, {cpu:.2} s CPU, {wall:.2} s wall, {rate:.0} per CPU-second"
        );
    };
    let start = (cpu(), Instant::now());
    let (mut next, mut bytes) = (format!("/users?$select={SELECT}&$top=999"), 0);
    loop {
        let answer = client.get(&next).await;
        bytes += answer.body.len();
        // Only the head of the page is looked at, so that the client costs little.
        let head =
            String::from_utf8_lossy(&answer.body[..answer.body.len().min(1_500)]).into_owned();
        match head
            .split("\"@odata.nextLink\":\"")
            .nth(1)
            .and_then(|r| r.split('"').next())
        {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    measure("pages", client.sim.stats().objects as usize, bytes, start);
    let start = (cpu(), Instant::now());
    let skus = client.get("/subscribedSkus").await;
    measure("subscribedSkus, first time", 16, skus.body.len(), start);
    let start = (cpu(), Instant::now());
    client.sim.advance(10);
    measure("ten days", users as usize / 20, 0, start);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|l| l.starts_with("VmHWM")) {
        println!("{line}");
    }
}
