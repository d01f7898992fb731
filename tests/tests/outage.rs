//! Entra ID is down for two hours, and several collectors have one token-broker: they go on with the tokens that are there,
//! are told to come back, and do within a minute of its return. Entra ID sees as few requests as with one collector.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the whole file is a test, and shows what it measured"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus::memory::Memory;
use bus::{Bus, Keys, Topology};
use collector::Collector;
use graph_sim::{Config, Fault, LogEntry, Sim};
use normalizer::Normalizer;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::{DatasetStatus, WatchRequest};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::db::{Db, Durability, Migrations, Options};
use runtime::grpc::{Channel, local, pushback};
use runtime::{CancellationToken, Clock, Problem};
use tests::network::{BASE, Network};
use tests::world::ORIGIN;
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps};
use tokio::task::JoinSet;
use tokio::time::sleep;

const TENANTS: u16 = 3;
const COLLECTORS: u32 = 5;
/// A collector reads each dataset so often.
const CADENCE: Duration = Duration::from_secs(3_600);
const OUTAGE: Duration = Duration::from_secs(2 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a token is good.
const TOKEN: u64 = 3_600;
/// What one credential may cost Entra ID in two hours without an answer: four tries at first, seven while the rests grow,
/// then one in 30 s (40 s and 25 % less) at most.
const MOST: usize = 4 + 7 + 7_200 / 30;

struct World {
    home: tempfile::TempDir,
    sim: Sim,
    clock: Clock,
    broker: Broker,
}

impl World {
    fn new() -> Self {
        let sim = Sim::new(Config {
            users: 20,
            tenants: TENANTS,
            base: Some(BASE.to_owned()),
            start: Some(ORIGIN / 1_000_000),
            ..Config::default()
        });
        let home = tempfile::tempdir().unwrap();
        let clock = Clock::starting_at(ORIGIN);
        let mut text = String::new();
        for (n, tenant) in sim.tenants().iter().enumerate() {
            std::fs::write(
                home.path().join(format!("secret-{n}")),
                &tenant.client_secret,
            )
            .unwrap();
            text += &format!(
                "[[tenants]]\nid = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{}'\nclient_secret_file = 'secret-{n}'\n",
                tenant.id, tenant.client_id
            );
        }
        let mut config: token_broker::Config =
            runtime::config::parse(&text, "test", HashMap::new()).unwrap();
        config.resolve(home.path());
        let network = network(&sim, &clock);
        let notes = home.path().join("audit");
        let deps = Deps {
            http: network.client(),
            direct: network.client(),
            policy_file: None,
            store: None,
            events: token_broker::event::Events::logged(clock.clone()),
            audit: Audit::open(&audit::Config::at(notes), clock.clone())
                .unwrap()
                .with_brake(true),
            clock: clock.clone(),
        };
        let broker = Broker::new(config, deps).unwrap();
        World {
            home,
            sim,
            clock,
            broker,
        }
    }

    /// Simulated seconds since the beginning.
    fn now(&self) -> u64 {
        (self.clock.micros() - ORIGIN) / 1_000_000
    }

    /// The requests to the token endpoint for a tenant that came in these seconds.
    fn token_requests(&self, tenant: usize, from: u64, until: u64) -> Vec<LogEntry> {
        let path = format!("/{}/oauth2/v2.0/token", self.sim.tenants()[tenant].id);
        let all = self.sim.log().into_iter();
        all.filter(|e| e.path == path && (from..until).contains(&e.at))
            .collect()
    }

    /// How old the oldest token is.
    fn oldest_token(&self) -> u64 {
        let newest = |tenant| self.token_requests(tenant, 0, u64::MAX).last().unwrap().at;
        let all = (0..usize::from(TENANTS)).map(newest);
        self.now() - all.min().unwrap()
    }

    /// Answers of Graph in these seconds.
    fn read(&self, from: u64, until: u64) -> usize {
        let all = self.sim.log().into_iter();
        all.filter(|e| !e.path.ends_with("/token") && (from..until).contains(&e.at))
            .count()
    }
}

fn network(sim: &Sim, clock: &Clock) -> Network {
    let network = Network::new(sim.clone());
    network.follow(clock.clone(), ORIGIN);
    network
}

/// A collector with a ledger and a queue of its own.
struct Installation {
    admin: CollectorAdminClient<Channel>,
    /// Its way to Graph.
    network: Network,
    _tasks: JoinSet<Result<(), Problem>>,
}

impl Installation {
    async fn start(world: &World, number: u32) -> Self {
        let home = world.home.path();
        let network = network(&world.sim, &world.clock);
        let pool = "default".parse().unwrap();
        let bus = Bus::new(
            Arc::new(Memory::new(Topology::of_pools([pool]))),
            Keys::generate(),
        );
        let name = |service: &str| home.join(format!("{service}-{number}.db"));
        let collector = Collector::new(
            collector::Config::default(),
            collector::Deps {
                bus: bus.clone(),
                db: db(&name("collector"), &collector::MIGRATIONS).await,
                tokens: local(world.broker.tokens()),
                http: network.outbound(),
                clock: world.clock.clone(),
                holder: number.to_string(),
                alone: true,
            },
        );
        let normalizer = Normalizer::new(
            normalizer::Config::default(),
            normalizer::Deps {
                bus,
                db: db(&name("normalizer"), &normalizer::MIGRATIONS).await,
                clock: world.clock.clone(),
                at_rest: None,
            },
        )
        .unwrap();
        let admin = CollectorAdminClient::new(local(collector.admin()));
        let mut tasks = JoinSet::new();
        // They end with the value.
        let never = CancellationToken::new();
        let stop = never.clone();
        tasks.spawn(async move { normalizer.run(stop).await });
        tasks.spawn(async move { collector.run(never).await });
        Installation {
            admin,
            network,
            _tasks: tasks,
        }
    }

    async fn states(&self) -> Vec<DatasetStatus> {
        let mut states = self.admin.clone().watch(WatchRequest {}).await;
        let states = states.as_mut().unwrap().get_mut().message().await;
        states.unwrap().unwrap().datasets
    }
}

async fn db(path: &Path, migrations: &Migrations) -> Db {
    let options = Options {
        path: path.to_owned(),
        durability: Durability::Normal,
        brake: true,
    };
    Db::open(&options, migrations).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn collectors_go_on_with_what_they_have_and_are_back_within_a_minute_without_a_herd() {
    let world = World::new();
    let mut all = Vec::new();
    for number in 0..COLLECTORS {
        all.push(Installation::start(&world, number).await);
        sleep(CADENCE / COLLECTORS).await;
    }
    // It begins when the tokens are fresh.
    while world.oldest_token() > 300 {
        sleep(MINUTE).await;
    }
    let began = world.now();
    let last_token = began - world.oldest_token();
    world.sim.fault(Fault {
        status: Some(503),
        path: Some("/oauth2/v2.0/token".to_owned()),
        times: Some(u32::MAX),
        ..Fault::default()
    });
    let before: Vec<u64> = all.iter().map(|c| c.network.requests()).collect();
    sleep(OUTAGE - MINUTE).await;

    // They went on while there were tokens, and not longer.
    let went_on = all.iter().zip(&before);
    let went_on = went_on.filter(|(c, before)| c.network.requests() > **before);
    assert!(went_on.count() >= 3);
    assert!(world.read(began, last_token + TOKEN) > 0);
    assert_eq!(world.read(began + TOKEN, world.now()), 0);
    // Then each was told why, and that nobody has to act.
    for collector in &all {
        let states = collector.states().await;
        assert_eq!(
            states.len(),
            usize::from(TENANTS) * catalog::defaults().count()
        );
        for state in states {
            assert!(state.problem.starts_with("LW-2010"), "{state:?}");
            let wait = state.next_at.saturating_sub(world.clock.micros());
            assert!(Duration::from_micros(wait) < MINUTE, "{state:?}");
        }
    }
    let request = GetTokenRequest {
        tenant_id: world.sim.tenants()[0].id.clone(),
        dataset: "users".to_owned(),
        ..GetTokenRequest::default()
    };
    let mut tokens = TokenServiceClient::new(local(world.broker.tokens()));
    let refused = tokens.get_token(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(pushback::of(&refused).unwrap() < MINUTE);
    sleep(MINUTE).await;

    let back = world.now();
    world.sim.clear_faults();
    let before: Vec<u64> = all.iter().map(|c| c.network.requests()).collect();
    sleep(MINUTE).await;
    for (collector, before) in all.iter().zip(before) {
        assert!(collector.network.requests() > before);
        for state in collector.states().await {
            assert_eq!(state.problem, "", "{state:?}");
        }
    }
    // Entra ID was asked by nobody else than the token-broker, for each credential on its own.
    for tenant in 0..usize::from(TENANTS) {
        let during = world.token_requests(tenant, began, back);
        let after = world.token_requests(tenant, back, world.now() + 1);
        println!(
            "tenant {tenant}: {} token requests in two hours, {} in the minute after",
            during.len(),
            after.len()
        );
        assert!((10..=MOST).contains(&during.len()), "{}", during.len());
        assert!(during.iter().all(|e| e.status == 503));
        assert_eq!(after.len(), 1, "{after:?}");
    }
}
