//! Two releases in one installation: the tables are brought to the newer format while the older one works, replicas are
//! replaced one after the other and put back again, and each reads the other's messages.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use graph_sim::Sim;
use servers::Proxy;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::chaos::{Field, Presence, Round, judged, watch};
use crate::cluster::{Cluster, SERVICES, STATEFUL, Servers, Tuning};

/// What the command is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The directory with the older release's programs
    #[arg(long)]
    older: PathBuf,
    /// Users of each tenant
    #[arg(long, default_value_t = 300)]
    users: u32,
    /// Simulated tenants
    #[arg(long, default_value_t = 3)]
    tenants: u16,
}

/// Goes through all states in which both releases are there, and compares every sink with the truth in each.
///
/// # Errors
/// When one of them doesn't start, or something is lost or comes twice.
#[expect(clippy::print_stdout, reason = "what the command prints")]
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let servers = Servers::start()?;
    runtime.block_on(async {
        servers.declare()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let graph = Proxy::start(listener.local_addr()?.port())?;
        let sim = Sim::new(graph_sim::Config {
            users: args.users,
            tenants: args.tenants,
            base: Some(format!("http://127.0.0.1:{}", graph.port())),
            wall_clock: true,
            ..graph_sim::Config::default()
        });
        let mut serving = JoinSet::new();
        let server = sim.clone();
        serving.spawn(async move { server.serve(listener, std::future::pending()).await });
        let tuning = Tuning {
            older: Some(args.older.clone()),
            ..Tuning::default()
        };
        let cluster = Cluster::start(&servers, sim.tenants(), tuning)?;
        let pool = |name: &str| cluster.pool(name).clone();
        let (ledger, sink, collector) = (pool("normalizer"), pool("sink"), pool("collector"));
        crate::bench::synced(&cluster)
            .await
            .context("the older release")?;
        let since = watch(&ledger, &sink, &collector).await?;
        let mut field = Field {
            servers: &servers,
            presence: Presence::new(&sim),
            cluster,
            sim,
            graph,
            dump: None,
        };
        let state = async |name: &str, field: &mut Field<'_>| -> Result<()> {
            field.a_day_passes();
            sleep(Duration::from_millis(500)).await;
            let round = Round {
                lossy: false,
                restored: false,
                overtaken: BTreeSet::new(),
            };
            judged(field, since, false, round)
                .await
                .context(name.to_owned())?;
            println!("{name}: every sink equals the truth, nothing came twice");
            Ok(())
        };
        state("the older release", &mut field).await?;
        for service in STATEFUL {
            field.cluster.migrate(service)?;
        }
        state(
            "the older release, while the tables are the newer one's",
            &mut field,
        )
        .await?;
        for service in SERVICES {
            field.restart(service, 0, true)?;
            field.restart(service, 1, true)?;
        }
        state(
            "the older release, started on the newer one's tables",
            &mut field,
        )
        .await?;
        for service in SERVICES {
            field.restart(service, 0, false)?;
            state(&format!("one {service} of the newer release"), &mut field).await?;
        }
        for service in SERVICES {
            field.restart(service, 1, false)?;
        }
        state("the newer release", &mut field).await?;
        for service in SERVICES {
            field.restart(service, 1, true)?;
        }
        state("one of each put back", &mut field).await?;
        for service in SERVICES {
            field.restart(service, 0, true)?;
        }
        state("all of them put back", &mut field).await
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Field<'_> {
    /// Ends a replica as Kubernetes does, and starts it in the older or the newer release.
    fn restart(&mut self, service: &'static str, n: usize, older: bool) -> Result<()> {
        let replica = &mut self.cluster.of(service)[n];
        replica.signal("TERM");
        servers::wait_until("the replica ends", Duration::from_secs(30), || {
            Ok(replica.has_ended())
        })?;
        replica.older(older);
        replica.start()
    }
}
