//! Each sink while its exporter is killed by SIGKILL at random moments, or stopped by SIGSTOP while another one takes over:
//! in the end the sink is as the ledger.
//!
//! `LEASTWISE_STRIKES=100` kills so often, and stops a twentieth of that, each of which takes the seconds of a lease.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use super::process::{Order, Process, Store, serve};
use super::subject::Subject;
use super::support::{A, B, Rig, postgres};
use super::table::subjects;

/// Changes before each life.
const CHANGES: usize = 8;

/// More than a lease, and what may be under way when it ends.
const TAKE_OVER: Duration = Duration::from_secs(8);

fn strikes(default: u32) -> u32 {
    let wanted = std::env::var("LEASTWISE_STRIKES");
    wanted.map_or(default, |n| n.parse().unwrap())
}

/// What the ledger holds.
#[derive(Default)]
struct Truth(BTreeMap<String, String>);

impl Truth {
    /// Makes, renames and removes users.
    fn change(&mut self, rig: &Rig, random: &mut fastrand::Rng, round: u32) {
        for n in 0..CHANGES {
            let (tenant, id) = (if random.bool() { A } else { B }, random.u32(1..=12));
            let (key, id) = (format!("{}/u{id}", &tenant[..1]), format!("u{id}"));
            if self.0.contains_key(&key) && random.u8(..4) == 0 {
                rig.ledger.remove(tenant, "user", &id);
                self.0.remove(&key);
            } else {
                // Some show the first word only.
                let name = format!("N{round}x{n}");
                // Some sinks show nobody without a licence.
                let skus: &[&str] = if random.bool() { &["e5"] } else { &["e3"] };
                rig.ledger.user(tenant, &id, &name, skus);
                self.0.insert(key, name);
            }
        }
    }

    /// As the sink shows them.
    fn users(&self, subject: &dyn Subject) -> Vec<String> {
        let user = |(key, name): (&String, &String)| match subject.names() {
            true => format!("{key}={name}"),
            false => key.clone(),
        };
        self.0.iter().map(user).collect()
    }
}

/// Users that the sink lacks or has otherwise, and those that it has more than once or too many.
async fn difference(subject: &dyn Subject, rig: &Rig, truth: &Truth) -> (usize, usize) {
    let (shown, there) = (subject.users(rig).await, truth.users(subject));
    let lost = there.iter().filter(|user| !shown.contains(user)).count();
    (lost, shown.len() + lost - there.len())
}

/// A rig whose exporter has been stopped, and what its processes are told.
async fn rig(subject: &dyn Subject) -> (Rig, Order) {
    let config = subject.config();
    let mut rig = Rig::new(|_| vec![config]).await;
    rig.stop().await;
    let order = Order {
        config: rig.config().clone(),
        store: Store::Sqlite(rig.dir.path().join("exporter.db")),
        feed: rig.dir.path().join("feed.sock"),
    };
    (rig, order)
}

/// How long an exporter takes that nobody strikes.
async fn undisturbed(order: &Order) -> Duration {
    let mut process = Process::start(order).await;
    let begun = Instant::now();
    process.done().await;
    begun.elapsed()
}

async fn killed(subject: &dyn Subject, strikes: u32) -> (usize, usize) {
    let (rig, order) = rig(subject).await;
    let (_, _serving) = serve(&rig);
    let (mut random, mut truth) = (fastrand::Rng::with_seed(7), Truth::default());
    truth.change(&rig, &mut random, 0);
    let mut longest = undisturbed(&order).await;
    let mut struck = 0;
    while struck < strikes {
        truth.change(&rig, &mut random, struck);
        let process = Process::start(&order).await;
        tokio::time::sleep(longest.mul_f64(random.f64())).await;
        // What comes after its work strikes nothing.
        match process.kill().await {
            true => longest = longest.mul_f64(0.9),
            false => struck += 1,
        }
    }
    Process::start(&order).await.done().await;
    difference(subject, &rig, &truth).await
}

async fn stopped(subject: &dyn Subject, strikes: u32) -> (usize, usize) {
    let (rig, mut order) = rig(subject).await;
    let (_, _serving) = serve(&rig);
    order.store = Store::Postgres(postgres::shared(rig.dir.path()).await);
    order.config.lease = Duration::from_secs(1);
    order.config.poll = Duration::from_secs(1);
    let (mut random, mut truth) = (fastrand::Rng::with_seed(7), Truth::default());
    truth.change(&rig, &mut random, 0);
    let longest = undisturbed(&order).await;
    for round in 0..strikes {
        truth.change(&rig, &mut random, round);
        let mut first = Process::start(&order).await;
        tokio::time::sleep(longest.mul_f64(random.f64())).await;
        first.signal("STOP");
        truth.change(&rig, &mut random, strikes + round);
        let mut second = Process::start(&order).await;
        // Who is stopped keeps the lock on a directory; what others take over is theirs within these seconds.
        let _ = tokio::time::timeout(TAKE_OVER, second.outcome()).await;
        first.signal("CONT");
        first.done().await;
        second.done().await;
        drop((first, second));
    }
    Process::start(&order).await.done().await;
    difference(subject, &rig, &truth).await
}

/// What is done to an exporter.
#[derive(Clone, Copy, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Strike {
    Killed,
    Stopped,
}

/// Has every sink struck, and tells what was lost and what stands there twice. A few at a time: most of it is waiting.
#[allow(
    clippy::print_stdout,
    reason = "the figures are what the command shows"
)]
async fn each(how: Strike, strikes: u32) {
    let count = subjects(std::path::Path::new("")).len();
    let struck = stream::iter(0..count).map(|n| async move {
        let dir = tempfile::tempdir().unwrap();
        let subject = subjects(dir.path()).remove(n);
        let (lost, twice) = match how {
            Strike::Killed => killed(subject.as_ref(), strikes).await,
            Strike::Stopped => stopped(subject.as_ref(), strikes).await,
        };
        let sink = subject.name();
        let figures = serde_json::json!({
            "exporter": how, "sink": sink, "times": strikes, "lost": lost, "twice": twice,
        });
        // On a line of its own: the harness leaves the one with the test's name open.
        println!("\n{figures}");
        ((lost, twice) != (0, 0)).then(|| figures.to_string())
    });
    let broken: Vec<_> = struck
        .buffer_unordered(4)
        .filter_map(async |b| b)
        .collect()
        .await;
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn an_exporter_that_is_killed_loses_nothing() {
    each(Strike::Killed, strikes(3)).await;
}

#[tokio::test]
async fn an_exporter_that_comes_back_after_another_took_over_brings_nothing_old() {
    each(Strike::Stopped, strikes(1).div_ceil(20)).await;
}
