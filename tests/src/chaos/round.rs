//! One round: a new installation, the first sync and days of changes under fire, then rest.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use graph_sim::Sim;
use leastwise::pass;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{CollectorStatus, NormalizerStatusRequest, WatchRequest};
use servers::Proxy;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Args;
use super::audit;
use super::check::{Presence, Results, Round};
use super::plan::{Fault, Plan};
use super::strike::Field;
use super::tally::Tally;
use crate::cluster::{Cluster, Servers, Tuning};
use crate::truth::Truth;

/// How late Graph is reckoned to be, in seconds, in rounds in which it is.
const LATENESS: u64 = 3;
/// How late its replicas really are.
const LAG: Duration = Duration::from_millis(2_500);
/// An installation that works comes to rest in a fraction of this.
const REST_WITHIN: Duration = Duration::from_secs(120);

/// Runs a round.
pub(super) async fn run(
    servers: &Servers,
    plan: &Plan,
    args: &Args,
    tally: &mut Tally,
) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let graph = Proxy::start(listener.local_addr()?.port())?;
    let sim = Sim::new(graph_sim::Config {
        users: args.users,
        tenants: args.tenants,
        seed: plan.seed,
        lag: plan.late.then_some(LAG),
        base: Some(format!("http://127.0.0.1:{}", graph.port())),
        wall_clock: true,
        ..graph_sim::Config::default()
    });
    let mut serving = JoinSet::new();
    let server = sim.clone();
    serving.spawn(async move { server.serve(listener, std::future::pending()).await });

    servers.declare()?;
    let tuning = Tuning {
        lateness: if plan.late { LATENESS } else { 0 },
        lease: 3,
        verdict_within: 8,
        environment: args
            .bug
            .iter()
            .map(|b| ("LEASTWISE_WITHOUT_RULE".to_owned(), b.clone()))
            .collect(),
        ..Tuning::default()
    };
    let cluster = Cluster::start(servers, sim.tenants(), tuning)?;
    let mut field = Field {
        servers,
        cluster,
        sim: sim.clone(),
        graph,
        dump: None,
        presence: Presence::new(&sim),
    };
    let outcome = fight(&mut field, plan, tally).await;
    if outcome.is_err() && args.keep {
        let Field { cluster, .. } = field;
        let kept = cluster.keep();
        return outcome.with_context(|| format!("files are kept in {}", kept.display()));
    }
    outcome
}

async fn fight(field: &mut Field<'_>, plan: &Plan, tally: &mut Tally) -> Result<()> {
    let pool = |name: &str| field.cluster.pool(name).clone();
    let (ledger, sink, collector) = (pool("normalizer"), pool("sink"), pool("collector"));
    let since = audit::watch(&ledger, &sink, &collector).await?;
    for (day, strikes) in plan.days.iter().enumerate() {
        if day > 0 {
            field.a_day_passes();
            field.changes_then_everything().await?;
            field.a_day_passes();
        }
        field.dump()?;
        field.make_due().await?;
        for strike in strikes {
            field.strike(*strike, tally).await?;
        }
    }
    let faults: Vec<Fault> = plan.days.iter().flatten().map(|s| s.fault).collect();
    let round = Round {
        lossy: faults.iter().any(|f| f.loses()),
        restored: faults.contains(&Fault::LedgerRestored),
        overtaken: BTreeSet::new(),
    };
    judged(field, since, plan.late, round).await
}

/// Lets an installation come to rest, and fails with everything that doesn't hold then: what is lost, what came twice.
/// `since` is from when on its databases are watched.
pub(crate) async fn judged(
    field: &mut Field<'_>,
    since: i64,
    late: bool,
    round: Round,
) -> Result<()> {
    let pool = |name: &str| field.cluster.pool(name).clone();
    let (ledger, sink, collector) = (pool("normalizer"), pool("sink"), pool("collector"));
    let (files, sqlite) = (field.cluster.files(), field.cluster.sqlite());
    let results = Results {
        ledger: &ledger,
        collector: &collector,
        sink: &sink,
        files: &files,
        sqlite: &sqlite,
        since,
    };
    let outcome = rest(field, late, &results).await;
    let dead = field.cluster.dead();
    if !dead.is_empty() {
        bail!("{}", dead.join("\n"));
    }
    outcome?;
    let round = Round {
        overtaken: field.cluster.overtaken()?,
        ..round
    };
    results
        .hold(&field.presence, &Truth::of(&field.sim), &round)
        .await
}

/// Passes as `leastwise sync` makes them, until nothing is left to be asked again.
async fn rest(field: &mut Field<'_>, late: bool, results: &Results<'_>) -> Result<()> {
    let pause = if late {
        Duration::from_secs(LATENESS)
    } else {
        Duration::from_millis(500)
    };
    for service in crate::cluster::SERVICES {
        field
            .cluster
            .of(service)
            .iter()
            .for_each(|r| r.signal("CONT"));
        field.cluster.start_all(service)?;
    }
    let deadline = Instant::now() + REST_WITHIN;
    let mut last = "no pass was made".to_owned();
    let mut week_is_over = false;
    for n in 0.. {
        if Instant::now() > deadline {
            bail!("no rest within {} s: {last}", REST_WITHIN.as_secs());
        }
        match timeout(Duration::from_secs(30), pass(&field.cluster.clients(n)?)).await {
            Ok(Ok(outcome)) => {
                let whole = outcome
                    .exit()
                    .is_ok_and(|code| code == std::process::ExitCode::SUCCESS);
                last = outcome.summary();
                if whole && nothing_waits(&outcome.collector) {
                    if week_is_over {
                        return Ok(());
                    }
                    results.tracked(&Truth::of(&field.sim)).await?;
                    week_is_over = field.next_week().await;
                    continue;
                }
            }
            Ok(Err(e)) => last = e.to_string(),
            Err(_) => last = format!("a pass that does not end: {}", unrest(field, n).await),
        }
        sleep(pause).await;
    }
    Ok(())
}

/// What keeps a pass from its end, as the services tell it.
async fn unrest(field: &Field<'_>, n: usize) -> String {
    let told = async {
        let clients = field.cluster.clients(n)?;
        let mut states = CollectorAdminClient::new(clients.collector)
            .watch(WatchRequest {})
            .await?
            .into_inner();
        let collector = states.message().await?.unwrap_or_default();
        let normalizer = NormalizerAdminClient::new(clients.normalizer)
            .status(NormalizerStatusRequest {})
            .await?
            .into_inner();
        let busy: Vec<_> = collector
            .datasets
            .iter()
            .filter(|d| d.phase != "waiting")
            .collect();
        anyhow::Ok(format!("{busy:#?}\n{normalizer:?}"))
    };
    match timeout(Duration::from_secs(5), told).await {
        Ok(Ok(told)) => told,
        Ok(Err(e)) => format!("{e:#}"),
        Err(_) => "the services don't answer".to_owned(),
    }
}

fn nothing_waits(status: &CollectorStatus) -> bool {
    status.datasets.iter().all(|d| d.waiting_ids == 0)
}
