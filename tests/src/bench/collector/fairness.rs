//! Whether small tenants wait for a large one: two collectors over one PostgreSQL read many small tenants at their cadence
//! while a large one is read for the first time. Time is simulated (tokio's paused clock): answers of Graph take as long as
//! is asked for, and nothing else takes any, so the figures are of the schedule alone.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use graph_sim::{Config, Sim, TenantInfo};
use proto::admin::v1::{CollectorStatus, PauseRequest, ResumeRequest, WatchRequest};
use proto::pages::v1::RunSealed;
use runtime::db::Db;
use runtime::http::{BoxError, Streaming};
use runtime::{CancellationToken, Clock};
use servers::Postgres;
use servers::postgres::{Options, SUPERUSER};
use tokio::time::{Instant, sleep, sleep_until};
use tower::ServiceExt as _;

use super::Figures;
use crate::bench::usage;
use crate::desk::{Desk, Setup};
use crate::world::ORIGIN;

/// What is read.
#[derive(clap::Args)]
pub struct Args {
    /// Users of the large tenant
    #[arg(long, default_value_t = 1_000_000)]
    users: u32,
    /// Small tenants
    #[arg(long, default_value_t = 500)]
    tenants: u16,
    /// Users of each of them
    #[arg(long, default_value_t = 200)]
    small_users: u32,
    /// Milliseconds that an answer takes
    #[arg(long, default_value_t = 300)]
    latency: u64,
    /// Seconds between two readings of a small tenant's dataset: at 127 they take 60 % of all places
    #[arg(long, default_value_t = 127)]
    cadence: u64,
    /// Seconds for which the small ones are watched at least
    #[arg(long, default_value_t = 240)]
    watch: u64,
}

const DATASETS: [&str; 2] = ["users", "organization"];
const REPLICAS: usize = 2;
/// Until the small tenants, which begin one after the other within a cadence, have been read several times.
const WARM_UP: Duration = Duration::from_secs(600);
/// The large tenant is not done within this time.
const LONGEST: Duration = Duration::from_secs(7_200);
/// Between looks at when datasets are due: far less than the cadence.
const LOOK: Duration = Duration::from_secs(10);

/// What one arrangement showed.
struct Seen {
    /// Of each small run, seconds after it was due.
    late: Vec<f64>,
    /// The part of all places that the small runs took.
    load: f64,
    /// From the moment at which the large one was due to its seal.
    large: Option<f64>,
    /// What the machine would have been busy with it, simulator and database's client included.
    cpu_share: f64,
}

/// Measures the small tenants without the large one, the large one without them, and all together.
///
/// # Errors
/// When nothing is read.
pub fn measure(args: &Args) -> Result<Figures> {
    let server = Postgres::start(&Options::default())?;
    let arrange = |name, small, large| {
        let seen = arrange(args, &server, name, small, large)?;
        let (runs, load) = (seen.late.len(), seen.load);
        tell(&format!(
            "{name}: {runs} small runs, load {load:.2}, large {:?} s",
            seen.large
        ));
        anyhow::Ok(seen)
    };
    let without = arrange("without", true, false)?;
    let alone = arrange("alone", false, true)?;
    let together = arrange("together", true, true)?;
    let calm = quantile(&without.late).context("without the large tenant")?;
    let busy = quantile(&together.late).context("beside the large tenant")?;
    let large = |seen: &Seen| seen.large.context("the large tenant was not read");
    let (alone, beside) = (large(&alone)?, large(&together)?);
    Ok(BTreeMap::from([
        ("base_load", without.load),
        ("small_runs", together.late.len() as f64),
        ("small_p99_lateness_without_seconds", calm),
        ("small_p99_lateness_seconds", busy),
        ("small_p99_lateness_ratio", busy / calm.max(0.1)),
        ("small_p99_lateness_more_seconds", busy - calm),
        ("large_alone_seconds", alone),
        ("large_seconds", beside),
        ("large_later_ratio", beside / alone),
        ("cpu_share", without.cpu_share.max(together.cpu_share)),
    ]))
}

#[expect(clippy::print_stderr, reason = "where the bench is")]
fn tell(text: &str) {
    eprintln!("{text}");
}

fn quantile(late: &[f64]) -> Result<f64> {
    // Of fewer than a hundred it is the latest one.
    ensure!(late.len() >= 50, "{} runs are too few", late.len());
    let mut late = late.to_vec();
    late.sort_by(f64::total_cmp);
    Ok(late[late.len() * 99 / 100])
}

fn arrange(args: &Args, server: &Postgres, name: &str, small: bool, large: bool) -> Result<Seen> {
    server.create_database(name)?;
    let home = tempfile::tempdir()?;
    let password = home.path().join("password");
    std::fs::write(&password, server.password())?;
    let mut config = runtime::db::Config::new(format!(
        "postgres://{SUPERUSER}@127.0.0.1:{}/{name}",
        server.port()
    ));
    config.password_file = Some(password);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        Db::migrate(&config, &collector::MIGRATIONS, "collector").await?;
        let mut dbs = Vec::new();
        for _ in 0..REPLICAS {
            let stop = CancellationToken::new();
            let db = Db::connect(&config, &collector::MIGRATIONS, "collector", &stop).await?;
            dbs.push(db.with_brake());
        }
        tokio::time::pause();
        watch(args, dbs, small, large).await
    })
}

/// Both simulators, each at its own host, behind answers that take their time.
fn network(sims: [Sim; 2], latency: Duration) -> Streaming {
    Streaming::new(tower::service_fn(move |request: http::Request<Bytes>| {
        let [small, large] = &sims;
        let router = match request.uri().host() {
            Some("large.localhost") => large.router(),
            _ => small.router(),
        };
        async move {
            sleep(latency).await;
            let answer = router.oneshot(request.map(Body::from)).await?;
            let (parts, body) = answer.into_parts();
            let chunks = body.into_data_stream().map_err(BoxError::from);
            Ok(http::Response::from_parts(parts, chunks.boxed()))
        }
    }))
}

async fn watch(args: &Args, dbs: Vec<Db>, small: bool, large: bool) -> Result<Seen> {
    let sim = |host: &str, users, tenants, seed| {
        Sim::new(Config {
            users,
            tenants,
            seed,
            base: Some(format!("http://{host}.localhost")),
            log_capacity: 0,
            ..Config::default()
        })
    };
    let sims = [
        sim("small", args.small_users, args.tenants, 1),
        sim("large", args.users, 1, 2),
    ];
    let one = sims[1].tenants()[0].clone();
    let mut tenants: Vec<TenantInfo> = Vec::new();
    if small {
        tenants.extend(sims[0].tenants().iter().cloned());
    }
    if large {
        tenants.push(one.clone());
    }
    let config = collector::Config {
        cadence: DATASETS
            .iter()
            .map(|d| Ok((d.parse()?, args.cadence)))
            .collect::<Result<_>>()?,
        // Nothing is read twice: the large tenant is read once.
        lateness_seconds: 0,
        // The database's clock is not simulated.
        lease_seconds: 120,
        ..collector::Config::default()
    };
    let places = (REPLICAS * config.concurrent_tenants) as f64;
    let clock = Clock::starting_at(ORIGIN);
    let http = network(sims.clone(), Duration::from_millis(args.latency));
    let mut desks = Vec::new();
    for db in dbs {
        let desk = Desk::start(Setup {
            config: config.clone(),
            tenants: &tenants,
            datasets: &DATASETS,
            http: http.clone().into(),
            clock: clock.clone(),
            db,
            alone: false,
            keep: false,
        });
        if desks.is_empty() {
            // Before the first one has read a thing of them.
            for tenant in &tenants {
                let tenant_id = tenant.id.clone();
                desk.admin().pause(PauseRequest { tenant_id }).await?;
            }
        }
        desks.push(desk);
    }
    let mut book = Book::new(&one.id);
    if small {
        // All at once they would come in a wave, at every cadence again.
        let (begun, cadence) = (Instant::now(), Duration::from_secs(args.cadence));
        for (n, tenant) in (0..).zip(sims[0].tenants()) {
            let until = begun + cadence * n / u32::from(args.tenants);
            book.follow(&mut desks, until, false).await?;
            let tenant_id = tenant.id.clone();
            desks[0].admin().resume(ResumeRequest { tenant_id }).await?;
        }
        book.follow(&mut desks, begun + WARM_UP, false).await?;
    }
    book.begin();
    let cpu = usage::of_process(std::process::id());
    let begun = Instant::now();
    if large {
        let tenant_id = one.id.clone();
        desks[0].admin().resume(ResumeRequest { tenant_id }).await?;
        book.follow(&mut desks, begun + LONGEST, true).await?;
    } else {
        let end = begun + Duration::from_secs(args.watch);
        book.follow(&mut desks, end, false).await?;
    }
    let took = begun.elapsed().as_secs_f64();
    let cpu = usage::of_process(std::process::id()) - cpu;
    let cores = std::thread::available_parallelism()?.get() as f64;
    for desk in desks {
        desk.stop().await;
    }
    Ok(Seen {
        load: book.worked / (places * took),
        late: book.late,
        large: large.then_some(took),
        cpu_share: cpu / took / cores,
    })
}

/// When datasets are due, and when their runs began.
struct Book {
    large: String,
    due: BTreeMap<(String, String), u64>,
    late: Vec<f64>,
    worked: f64,
    /// When to look at the dates again.
    look: Instant,
}

impl Book {
    fn new(large: &str) -> Self {
        Book {
            large: large.to_owned(),
            due: BTreeMap::new(),
            late: Vec::new(),
            worked: 0.0,
            look: Instant::now(),
        }
    }

    /// What was so far doesn't count.
    fn begin(&mut self) {
        self.late.clear();
        self.worked = 0.0;
    }

    /// Takes notes until then, or until the large tenant's users are read.
    async fn follow(&mut self, desks: &mut [Desk], until: Instant, large: bool) -> Result<()> {
        let [first, second] = desks else {
            unreachable!("as many as replicas")
        };
        loop {
            let seal = tokio::select! {
                seal = first.sealed() => seal,
                seal = second.sealed() => seal,
                () = sleep_until(self.look) => {
                    self.note_due(first).await?;
                    self.look = Instant::now() + LOOK;
                    continue;
                }
                () = sleep_until(until) => {
                    ensure!(!large, "the large tenant takes too long");
                    return Ok(());
                }
            };
            self.sealed(&seal);
            if large && seal.tenant_id == self.large && seal.dataset == "users" {
                ensure!(
                    seal.gaps.is_empty() && seal.objects > 0,
                    "the large tenant was not read: {:?}",
                    (seal.run, seal.attempt, seal.objects, seal.gaps)
                );
                return Ok(());
            }
        }
    }

    async fn note_due(&mut self, desk: &Desk) -> Result<()> {
        let mut states = desk.admin().watch(WatchRequest {}).await?.into_inner();
        let state: CollectorStatus = states.message().await?.context("no status")?;
        for dataset in state.datasets {
            if dataset.phase == "waiting" {
                let name = (dataset.tenant_id, dataset.dataset);
                self.due.insert(name, dataset.next_at);
            }
        }
        Ok(())
    }

    fn sealed(&mut self, seal: &RunSealed) {
        if seal.tenant_id == self.large {
            return;
        }
        let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
        self.worked += seconds(seal.sealed_at - seal.started_at);
        let name = (seal.tenant_id.clone(), seal.dataset.clone());
        if let Some(due) = self.due.remove(&name) {
            self.late.push(seconds(seal.started_at.saturating_sub(due)));
        }
    }
}
