//! Two collectors over one database: one works, the other waits for its lease to run out; then the first one's word
//! no longer counts.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::memory::Memory;
use bus::{
    Backend, Bus, Delivery, Envelope, Keys, PublishError, ReceiveError, Settle, Tag, Topology,
};
use collector::Collector;
use graph_sim::Sim;
use normalizer::Normalizer;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{CollectorStatus, ListRunsRequest, MakeDueRequest, Run, WatchRequest};
use proto::message::Queue;
use runtime::db::{Db, Durability, Options};
use runtime::{CancellationToken, Clock, grpc};
use tests::network::{BASE, Network};
use token_broker::audit::{self, Audit};
use token_broker::{Broker, TenantConfig};
use tokio::runtime::{Builder, Runtime};

/// So long that its heartbeat never comes in this test.
const LEASE: u64 = 600;

/// A process of its own: it does something only while it is driven.
struct Process {
    runtime: Runtime,
    collector: Collector,
    network: Network,
}

impl Process {
    /// Begins to work. Whoever is not driven then keeps its transactions open, so nobody begins too early.
    fn start(&self) {
        let running = self.collector.clone();
        self.runtime
            .spawn(async move { running.run(CancellationToken::new()).await });
    }

    fn make_due(&self) {
        let mut client = CollectorAdminClient::new(grpc::local(self.collector.admin()));
        let made = self
            .runtime
            .block_on(client.make_due(MakeDueRequest::default()));
        made.unwrap();
    }

    /// Works until a state is reached.
    fn until(&self, mut reached: impl FnMut(&CollectorStatus) -> bool) {
        let mut client = CollectorAdminClient::new(grpc::local(self.collector.admin()));
        self.runtime.block_on(async {
            let mut states = client.watch(WatchRequest {}).await.unwrap().into_inner();
            while !reached(&states.message().await.unwrap().unwrap()) {}
        });
    }
}

/// The queue as the first one sees it: no verdict comes. Who stands still would keep what it was handed.
struct Deaf(Arc<Memory>);

#[async_trait]
impl Backend for Deaf {
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError> {
        self.0.publish(queue, envelope).await
    }
    async fn next(&self, _: &Queue) -> Result<Delivery, ReceiveError> {
        std::future::pending().await
    }
    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        self.0.settle(tag, how).await
    }
    fn abandon(&self, tag: Tag) {
        self.0.abandon(tag);
    }
    async fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        self.0.depth(queue).await
    }
    async fn purge(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        self.0.purge(queue).await
    }
    async fn close(&self) {
        self.0.close().await;
    }
}

struct Two {
    first: Process,
    second: Process,
    clock: Clock,
    normalizer: Normalizer,
    sim: Sim,
    _home: tempfile::TempDir,
}

fn two() -> Two {
    let home = tempfile::tempdir().unwrap();
    let sim = Sim::new(graph_sim::Config {
        users: 2_500,
        base: Some(BASE.to_owned()),
        ..graph_sim::Config::default()
    });
    let tenant = &sim.tenants()[0];
    let secret = home.path().join("secret");
    std::fs::write(&secret, &tenant.client_secret).unwrap();
    let tenants = vec![TenantConfig {
        authority: Some(tenant.authority.parse().unwrap()),
        graph: Some(tenant.graph.parse().unwrap()),
        ..TenantConfig::with_secret(tenant.id.parse().unwrap(), &tenant.client_id, secret)
    }];
    let clock = Clock::starting_at(1_800_000_000_000_000);
    let pools = ["default".parse().unwrap()];
    let queue = Arc::new(Memory::new(Topology::of_pools(pools)));
    // The keys of an installation are in a file, which both read.
    let keys = || Keys::load_or_create(&home.path().join("queue.keys")).unwrap();
    let bus = Bus::new(Arc::clone(&queue) as Arc<dyn Backend>, keys());
    let deaf = Bus::new(Arc::new(Deaf(queue)), keys());
    let build = |paused| {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(paused).build().unwrap()
    };
    let database = |runtime: &Runtime, name: &str, brake, migrations: &runtime::db::Migrations| {
        let options = Options {
            path: home.path().join(name),
            durability: Durability::Normal,
            brake,
        };
        runtime.block_on(Db::open(&options, migrations)).unwrap()
    };
    let process = |holder: &str, bus: &Bus, paused| {
        let (runtime, network) = (build(paused), Network::new(sim.clone()));
        let db = database(&runtime, "collector.db", paused, &collector::MIGRATIONS);
        let deps = token_broker::Deps {
            http: network.client(),
            direct: network.client(),
            policy_file: None,
            store: None,
            events: token_broker::event::Events::logged(clock.clone()),
            audit: Audit::open(
                &audit::Config::at(home.path().join(format!("audit-{holder}"))),
                clock.clone(),
            )
            .unwrap(),
            clock: clock.clone(),
        };
        let broker = Broker::new(
            token_broker::Config {
                tenants: tenants.clone(),
            },
            deps,
        );
        let config = collector::Config {
            lateness_seconds: 0,
            scheduled: false,
            lease_seconds: LEASE,
            ..collector::Config::default()
        };
        let collector = Collector::new(
            config,
            collector::Deps {
                bus: bus.clone(),
                db,
                tokens: grpc::local(broker.unwrap().tokens()),
                http: network.outbound(),
                clock: clock.clone(),
                holder: holder.to_owned(),
                alone: false,
            },
        );
        Process {
            runtime,
            collector,
            network,
        }
    };
    let (first, second) = (
        process("first", &deaf, false),
        process("second", &bus, true),
    );
    let db = database(
        &second.runtime,
        "normalizer.db",
        true,
        &normalizer::MIGRATIONS,
    );
    let config = normalizer::Config {
        lateness_seconds: 0,
        ..normalizer::Config::default()
    };
    let normalizer = Normalizer::new(
        config,
        normalizer::Deps {
            bus,
            db,
            clock: clock.clone(),
            at_rest: None,
        },
    )
    .unwrap();
    Two {
        first,
        second,
        clock,
        normalizer,
        sim,
        _home: home,
    }
}

impl Two {
    fn runs(&self) -> Vec<Run> {
        let mut client = NormalizerAdminClient::new(grpc::local(self.normalizer.admin()));
        let list = client.list_runs(ListRunsRequest::default());
        self.second
            .runtime
            .block_on(list)
            .unwrap()
            .into_inner()
            .runs
    }
}

#[test]
fn one_at_a_time_and_who_lost_its_lease_changes_nothing() {
    let two = two();
    let Two { first, second, .. } = &two;
    // The first one reads, and stands still in the middle of the users.
    first.network.hold("/v1.0/users/delta");
    first.start();
    first.make_due();
    first.runtime.block_on(first.network.holds());
    // Its other datasets are read beside the users; their seals are confirmed when they wait for a verdict.
    first.until(|state| {
        let mut others = state.datasets.iter().filter(|d| d.dataset != "users");
        others.all(|d| d.phase == "sealed" && d.next_at > d.sealed_at)
    });

    // While its lease lasts the second one asks Graph for nothing, due or not.
    let running = two.normalizer.clone();
    let applying = async move { running.run(CancellationToken::new()).await };
    second.runtime.spawn(applying);
    second.start();
    second.make_due();
    // Its clock jumps when it has nothing to do: it waits, and doesn't ask for the lease without end.
    second
        .runtime
        .block_on(async { tokio::time::sleep(Duration::from_secs(5)).await });
    assert_eq!(
        second.network.requests(),
        0,
        "two collectors work for one tenant"
    );

    // The first one is not driven any more: no heartbeat, and the lease runs out. The second one goes on.
    two.clock.advance(Duration::from_secs(LEASE + 1));
    second.until(|state| state.idle && state.datasets.iter().all(|d| d.complete));
    let runs = two.runs();
    let users = runs.iter().find(|r| r.changed == 2_500).unwrap();
    assert!(users.complete && users.dataset == "users");

    // The first one wakes up with its answer. What it wants to store is refused, and nothing more comes of it.
    let before = two.sim.stats().requests;
    first.network.release();
    first.runtime.block_on(async {
        for _ in 0..20_000 {
            tokio::task::yield_now().await;
        }
    });
    let asked = two.sim.stats().requests - before;
    assert_eq!(asked, 1, "it reads on without a lease");
    second.make_due();
    second.until(|state| state.idle);
    let runs_before = runs;
    for run in two.runs() {
        if !runs_before.iter().any(|old| old.run == run.run) {
            assert_eq!(
                (run.complete, run.changed, run.removed),
                (true, 0, 0),
                "{}",
                run.dataset
            );
        }
    }
}
