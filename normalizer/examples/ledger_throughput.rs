//! How many users a CPU-second takes from a page in the queue to the ledger, its positions, findings and its feed. Every
//! tenth account is disabled, so there are two findings for each five users.
//!
//! `cargo run --release -p normalizer --example ledger_throughput -- [users]`

use std::sync::Arc;
use std::time::Duration;

use bus::memory::Memory;
use bus::{Bus, ConsumeOptions, Keys, Outcome, Topology};
use normalizer::{Config, Deps, MIGRATIONS, Normalizer};
use proto::feed::v1::SnapshotRequest;
use proto::feed::v1::feed_client::FeedClient;
use proto::message::{Body, Queue};
use proto::pages::v1::{PageFetched, PageRange, RunMode, RunSealed};
use runtime::db::{Db, Durability, Options};
use runtime::{CancellationToken, Clock};
use tokio::task::JoinSet;

const PAGE: usize = 999;
const SKUS: [(&str, &str); 2] = [
    ("06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SPE_E5"),
    (
        "639dec6b-bb19-468b-871c-c5c441c4b0cb",
        "Microsoft_365_Copilot",
    ),
];
const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn user(i: usize, city: &str) -> String {
    // Spread like Graph's ids: the ledger's index sees keys in random order.
    let id = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let [(a, _), (b, _)] = SKUS;
    let state = |sku, group| {
        format!(
            r#"{{"skuId":"{sku}","disabledPlans":[],"assignedByGroup":{group},"state":"Active","error":"None","lastUpdatedDateTime":"2026-01-01T00:00:00Z"}}"#
        )
    };
    format!(
        r#"{{"id":"{:08x}-1111-4222-8333-{:012x}","userPrincipalName":"person{i}@contoso.example","displayName":"Person {i}","givenName":"Person","surname":"Number {i}","mail":"person{i}@contoso.example","accountEnabled":{},"userType":"Member","employeeId":"{i}","employeeType":null,"department":"Department {}","companyName":"Contoso","jobTitle":"Engineer","officeLocation":"{}","city":"{city}","country":"Germany","usageLocation":"DE","createdDateTime":"2024-02-03T04:05:06Z","onPremisesSyncEnabled":null,"assignedLicenses":[{{"skuId":"{a}","disabledPlans":[]}},{{"skuId":"{b}","disabledPlans":["0feaeb32-d00e-4d66-bd5a-43b5b83db82c"]}}],"licenseAssignmentStates":[{},{}]}}"#,
        id >> 32,
        id & 0xffff_ffff,
        !i.is_multiple_of(10),
        i % 40,
        i % 100,
        state(a, "null"),
        state(b, "\"aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb\"")
    )
}

/// Where user number n lives.
type City = fn(usize) -> &'static str;

fn page(dataset: &str, run: u64, sequence: usize, objects: &[String]) -> Body {
    let json = format!("{{\"value\":[{}]}}", objects.join(","));
    Body::Page(PageFetched {
        tenant_id: TENANT.into(),
        dataset: dataset.into(),
        run,
        attempt: 1,
        sequence: u32::try_from(sequence).unwrap_or_default(),
        mode: RunMode::Full.into(),
        body: zstd::bulk::compress(json.as_bytes(), 1).unwrap_or_default(),
        objects: u32::try_from(objects.len()).unwrap_or_default(),
        ..PageFetched::default()
    })
}

fn sealed(dataset: &str, run: u64, now: u64, pages: usize, objects: usize) -> Body {
    Body::Sealed(RunSealed {
        tenant_id: TENANT.into(),
        dataset: dataset.into(),
        run,
        attempt: 1,
        mode: RunMode::Full.into(),
        pages: vec![PageRange {
            attempt: 1,
            first: 0,
            last: u32::try_from(pages).unwrap_or_default() - 1,
        }],
        objects: objects as u64,
        started_at: now,
        sealed_at: now,
        pool: "p".into(),
        ..RunSealed::default()
    })
}

/// The products that the users hold.
fn products(run: u64, now: u64) -> Vec<Body> {
    let product = |(id, part_number): (&str, &str)| {
        format!(
            r#"{{"skuId":"{id}","skuPartNumber":"{part_number}","appliesTo":"User","consumedUnits":0,"prepaidUnits":{{"enabled":100}},"servicePlans":[]}}"#
        )
    };
    let objects = SKUS.map(product);
    let dataset = "subscribedSkus";
    vec![
        page(dataset, run, 0, &objects),
        sealed(dataset, run, now, 1, objects.len()),
    ]
}

fn messages(users: usize, run: u64, now: u64, city: City) -> Vec<Body> {
    let pages = users.div_ceil(PAGE);
    let mut out: Vec<Body> = (0..pages)
        .map(|p| {
            let of = p * PAGE..users.min((p + 1) * PAGE);
            let objects: Vec<String> = of.map(|i| user(i, city(i))).collect();
            page("users", run, p, &objects)
        })
        .collect();
    out.push(sealed("users", run, now, pages, users));
    out
}

/// CPU time of this process (Linux: clock ticks are hundredths of a second), and its largest resident size.
fn spent() -> (Duration, String) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = stat
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find(|l| l.starts_with("VmHWM"))
        .unwrap_or_default()
        .replace("VmHWM:", "");
    (Duration::from_millis(ticks * 10), peak.trim().to_owned())
}

#[tokio::main]
#[allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints and takes the time"
)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |n| n.parse::<usize>())?;
    let dir = tempfile::tempdir()?;
    let options = Options {
        path: dir.path().join("ledger.db"),
        durability: Durability::Normal,
        brake: false,
    };
    let db = Db::open(&options, &MIGRATIONS).await?;
    let pool: proto::ids::Pool = "p".parse()?;
    let bus = Bus::new(
        Arc::new(Memory::new(Topology::of_pools([pool.clone()]))),
        Keys::generate(),
    );
    let clock = Clock::system();
    let normalizer = Normalizer::new(
        Config::default(),
        Deps {
            bus: bus.clone(),
            db,
            clock: clock.clone(),
            at_rest: None,
        },
    )?;

    let (tell, mut verdicts) = tokio::sync::mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (listener, token) = (bus.clone(), stop.clone());
    tasks.spawn(async move {
        let handler = move |r: bus::Received| {
            let tell = tell.clone();
            async move {
                _ = tell.send(r.body);
                Ok::<_, std::io::Error>(Outcome::Done)
            }
        };
        bus::consume(
            &listener,
            Queue::Verdict(pool),
            ConsumeOptions::default(),
            token,
            handler,
        )
        .await
    });

    let now = clock.micros();
    let runs: [(&str, Option<City>); 4] = [
        ("products", None),
        ("first load", Some(|_| "Bonn")),
        ("unchanged", Some(|_| "Bonn")),
        (
            "1 % changed",
            Some(|i| if i % 100 == 0 { "Ulm" } else { "Bonn" }),
        ),
    ];
    for (n, (name, city)) in runs.into_iter().enumerate() {
        let run = now + n as u64;
        let messages = match city {
            Some(city) => messages(users, run, now, city),
            None => products(run, now),
        };
        // Everything is in the queue before the clock starts: sealing it is not the normalizer's work, opening it is.
        for body in &messages {
            bus.publish(body).await?;
        }
        drop(messages);
        let (before, wall) = (spent().0, std::time::Instant::now());
        let running = CancellationToken::new();
        let (me, token) = (normalizer.clone(), running.clone());
        let mut normalizing = JoinSet::new();
        normalizing.spawn(async move { me.run(token).await });
        while let Some(body) = verdicts.recv().await {
            if let Body::Closed(c) = body
                && c.run == run
            {
                let (cpu, peak) = spent();
                let cpu = cpu.saturating_sub(before).as_secs_f64();
                let counts = c.counts.unwrap_or_default();
                println!(
                    "{name}: {users} users, {} changed, {:.2} s, {cpu:.2} CPU s, {:.0} users a CPU second, peak {peak}",
                    counts.changed,
                    wall.elapsed().as_secs_f64(),
                    users as f64 / cpu
                );
                break;
            }
        }
        running.cancel();
        while let Some(task) = normalizing.join_next().await {
            task??;
        }
    }
    let (before, wall) = (spent().0, std::time::Instant::now());
    let mut client = FeedClient::new(runtime::grpc::local(normalizer.feed()));
    let mut stream = client
        .snapshot(SnapshotRequest {
            tenant_id: TENANT.into(),
            kinds: vec![],
        })
        .await?
        .into_inner();
    let mut records = 0;
    while let Some(batch) = stream.message().await? {
        records += batch.records.len();
    }
    let cpu = spent().0.saturating_sub(before).as_secs_f64();
    println!(
        "snapshot: {records} records, {:.2} s, {cpu:.2} CPU s",
        wall.elapsed().as_secs_f64()
    );
    stop.cancel();
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}
