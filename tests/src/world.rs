//! The whole product in one process, over a temporary directory, with the simulator behind it.
//!
//! Each life of the product has a runtime of its own, so that a crash ends everything at once, as the end of a
//! process does. Time is the tests' own: a clock that they move, or tokio's paused one.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::faulty::Faulty;
use graph_sim::Sim;
use leastwise::{Clients, Config, Decorate, Options, Outcome, Pass, Stack, pass};
use proto::admin::v1::CollectorStatus;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{ApproveRequest, MakeDueRequest, RejectRequest, WatchRequest};
use runtime::{Clock, Problem};
use tokio::runtime::{Builder, Runtime};

use crate::expected_findings::explained;
use crate::ground::Ground;
pub use crate::ground::Setting;
use crate::inventory::{self, KINDS, Records};
use crate::network::Network;
use crate::setup::configure;
pub use crate::setup::{App, Setup};
use crate::truth::{Truth, without_states};

/// Where time starts, in microseconds since 1970: a day in 2027.
pub const ORIGIN: u64 = 1_800_000_000_000_000;

/// See the [module](self).
pub struct World {
    /// The way to the simulator.
    pub network: Network,
    ground: Ground,
    setup: Setup,
    config: Config,
    life: Option<Life>,
    now: u64,
    faulty: Arc<Mutex<Option<Arc<Faulty>>>>,
    home: tempfile::TempDir,
}

struct Life {
    stack: Stack,
    works: bool,
    clock: Clock,
    runtime: Runtime,
}

impl World {
    /// A product that has never read anything, started.
    pub fn new(setting: Setting, setup: Setup) -> World {
        let mut world = World::still(setting, setup);
        world.start();
        world
    }

    /// A product that has never read anything, and whose services don't work yet: the first pass starts them.
    pub fn still(setting: Setting, mut setup: Setup) -> World {
        // Real servers know nothing of a clock that stands still.
        setup.paused &= setting == Setting::Embedded;
        runtime::telemetry::init(runtime::telemetry::LogFormat::Text, "off");
        let home = tempfile::tempdir().unwrap();
        let sim = Sim::new(setup.sim.clone());
        let mut config = configure(home.path(), &sim, &setup);
        if setting == Setting::Distributed {
            // The clock of a real database decides about leases: whoever goes on after a crash waits for it.
            config.collector.lease_seconds = 3;
        }
        let mut world = World {
            ground: Ground::new(setting, home.path()),
            network: Network::new(sim),
            setup,
            config,
            life: None,
            now: ORIGIN,
            faulty: Arc::default(),
            home,
        };
        world.open();
        world
    }

    /// The simulator.
    pub fn sim(&self) -> Sim {
        self.network.sim()
    }

    /// A file or directory of this world.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Opens the data directory; the services don't work yet.
    pub fn open(&mut self) {
        let mut builder = Builder::new_current_thread();
        let runtime = builder
            .enable_all()
            .start_paused(self.setup.paused)
            .build()
            .unwrap();
        let (now, network) = (self.now, self.network.clone());
        let (slot, faults) = (Arc::clone(&self.faulty), self.setup.faults);
        let decorate: Option<Decorate> = faults.map(|(seed, faults)| {
            let decorate = move |inner| {
                let faulty = Arc::new(Faulty::new(inner, seed ^ now, faults));
                *slot.lock().unwrap() = Some(Arc::clone(&faulty));
                faulty as Arc<dyn bus::Backend>
            };
            Arc::new(decorate) as Decorate
        });
        let listen = self.setup.overheard.clone();
        let listen = listen.map(|o| Arc::new(move |inner| o.around(inner)) as Decorate);
        let decorate = decorate.or(listen);
        let opened = runtime.block_on(async {
            let clock = Clock::starting_at(now);
            network.follow(clock.clone(), ORIGIN);
            let options = Options {
                clock: clock.clone(),
                http: network.outbound(),
                brake: self.setup.paused,
                decorate,
            };
            let stack = self.ground.open(&self.config, options).await;
            (stack, clock)
        });
        let (stack, clock) = (opened.0.unwrap(), opened.1);
        self.life = Some(Life {
            stack,
            works: false,
            clock,
            runtime,
        });
    }

    /// Lets the services work.
    pub fn start(&mut self) {
        let life = self.life.as_mut().unwrap();
        let _inside = life.runtime.enter();
        life.stack.start();
        life.works = true;
    }

    /// Stops as a signal does, and waits for it.
    pub fn stop(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.now = life.now();
        let Life { stack, runtime, .. } = life;
        self.faulty.lock().unwrap().take();
        runtime.block_on(stack.stop());
        drop(runtime);
        self.settle();
    }

    /// Ends everything at once, whatever is under way.
    pub fn crash(&mut self) {
        let Some(life) = self.life.take() else { return };
        self.now = life.now();
        let Life { stack, runtime, .. } = life;
        // It holds the queue's database.
        self.faulty.lock().unwrap().take();
        {
            let _inside = runtime.enter();
            drop(stack);
        }
        drop(runtime);
        self.settle();
    }

    /// Keeps a copy of what a service has stored, or of the queue; it must not run.
    pub fn save(&self, name: &str) {
        self.ground.save(name, &self.home.path().join("data"));
    }

    /// Puts the copy in place of what is there; the service must not run.
    pub fn restore(&self, name: &str) {
        self.ground.restore(name, &self.home.path().join("data"));
    }

    /// Stops and starts again on the same directory.
    pub fn restart(&mut self) {
        self.stop();
        self.open();
        self.start();
    }

    /// Stops, and starts again on the same directory with another configuration.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        self.stop();
        change(&mut self.config);
        self.open();
        self.start();
    }

    /// SQLite's threads outlive a runtime for a moment; a process that died would have taken them along.
    fn settle(&self) {
        let home = self.home.path().canonicalize().unwrap();
        let open = || {
            let files = std::fs::read_dir("/proc/self/fd")
                .into_iter()
                .flatten()
                .flatten();
            files
                .filter_map(|f| std::fs::read_link(f.path()).ok())
                .any(|f| f.starts_with(&home))
        };
        while open() {
            std::thread::yield_now();
        }
    }

    /// Runs something beside the services.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.life.as_ref().unwrap().runtime.block_on(work)
    }

    /// Channels to the services.
    pub fn clients(&self) -> Clients {
        self.life.as_ref().unwrap().stack.clients.clone()
    }

    /// One pass, as the command makes it.
    ///
    /// # Errors
    /// As the command.
    pub fn try_sync(&mut self) -> Result<Outcome, Problem> {
        let pass = self.run(Pass::begin(&self.clients()))?;
        if !self.life.as_ref().unwrap().works {
            self.start();
        }
        let Life { stack, runtime, .. } = self.life.as_mut().unwrap();
        runtime.block_on(async {
            tokio::select! {
                outcome = pass.finish() => outcome,
                failed = stack.failed() => Err(failed.err().unwrap()),
            }
        })
    }

    /// One pass that works.
    #[track_caller]
    pub fn sync(&mut self) -> Outcome {
        self.try_sync().unwrap_or_else(|e| panic!("{e}"))
    }

    /// One pass that ends with exit code 0.
    #[track_caller]
    pub fn sync_whole(&mut self) -> Outcome {
        let outcome = self.sync();
        assert_eq!(exit(&outcome), "0", "{}", outcome.summary());
        outcome
    }

    /// A pass that is left, the services with it, when so many requests were made; the next one goes on. True when
    /// the pass was done before.
    pub fn sync_until(&mut self, requests: u64) -> bool {
        let (clients, network) = (self.clients(), self.network.clone());
        self.run(async {
            tokio::select! {
                done = pass(&clients) => { done.unwrap(); true }
                () = network.reached(requests) => false,
            }
        })
    }

    /// A pass until so many more requests were made, and a few turns of the scheduler more; then a crash. True when
    /// the pass was done before.
    pub fn sync_until_crash(&mut self, requests: u64, turns: u32) -> bool {
        let (clients, network) = (self.clients(), self.network.clone());
        let at = network.requests() + requests;
        let distributed = matches!(self.ground, Ground::Servers(_));
        let done = self.run(async {
            let crash = async {
                network.reached(at).await;
                match distributed {
                    // What real servers do between takes time, not turns.
                    true => tokio::time::sleep(Duration::from_micros(60 * u64::from(turns))).await,
                    false => {
                        for _ in 0..turns {
                            tokio::task::yield_now().await;
                        }
                    }
                }
            };
            tokio::select! {
                done = pass(&clients) => { done.unwrap(); true }
                () = crash => false,
            }
        });
        // They hold the databases.
        drop(clients);
        self.crash();
        done
    }

    /// Syncs and moves the clock until nothing is to be asked again. Returns the number of passes.
    #[track_caller]
    pub fn come_to_rest(&mut self) -> u32 {
        let mut last = String::new();
        for n in 1..=40 {
            match self.try_sync() {
                Ok(outcome) => {
                    let mut datasets = outcome.collector.datasets.iter();
                    // A first reading is repeated once.
                    if exit(&outcome) == "0"
                        && datasets.all(|d| d.waiting_ids == 0)
                        && (self.setup.lateness == 0 || n > 2)
                    {
                        return n;
                    }
                    last = outcome.summary();
                }
                Err(e) => last = e.to_string(),
            }
            self.advance_clock(Duration::from_secs(self.setup.lateness.max(600)));
        }
        panic!("no rest after 40 passes: {last}");
    }

    /// Moves the clock of product and simulator.
    pub fn advance_clock(&mut self, by: Duration) {
        let life = self.life.as_ref().unwrap();
        life.clock.advance(by);
        self.run(async { self.network.tick() });
    }

    /// Time since the world began.
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.life.as_ref().unwrap().now() - ORIGIN)
    }

    /// Lets time pass in which no service works: the next pass starts them.
    pub fn away(&mut self, by: Duration) {
        self.stop();
        self.open();
        self.advance_clock(by);
    }

    /// Moves the clock so far that everything is read in full again.
    pub fn next_week(&mut self) {
        self.advance_clock(Duration::from_secs(7 * 24 * 3600));
    }

    /// Lets the queue fail no longer.
    pub fn calm(&mut self) {
        self.setup.faults = None;
        if let Some(faulty) = self.faulty() {
            self.run(async { faulty.calm() });
        }
    }

    /// The failing queue of this life.
    pub fn faulty(&self) -> Option<Arc<Faulty>> {
        self.faulty.lock().unwrap().clone()
    }

    /// The state of every dataset, for which each of them is made due.
    pub fn datasets(&self) -> CollectorStatus {
        let mut client = CollectorAdminClient::new(self.clients().collector);
        self.run(async {
            client.make_due(MakeDueRequest::default()).await.unwrap();
            let mut states = client.watch(WatchRequest {}).await.unwrap().into_inner();
            states.message().await.unwrap().unwrap()
        })
    }

    /// Lets the held removals of a run go ahead.
    pub fn approve(&self, run: u64) -> u64 {
        self.try_approve(run).unwrap()
    }

    /// Lets the held removals of a run go ahead, if it has any.
    ///
    /// # Errors
    /// The service's refusal.
    pub fn try_approve(&self, run: u64) -> Result<u64, String> {
        let mut client = NormalizerAdminClient::new(self.clients().normalizer);
        let request = ApproveRequest {
            run,
            ..ApproveRequest::default()
        };
        let answer = self.run(client.approve(request));
        answer
            .map(|a| a.into_inner().released)
            .map_err(|s| s.message().to_owned())
    }

    /// Drops the held removals of a run.
    pub fn reject(&self, run: u64) -> u64 {
        let mut client = NormalizerAdminClient::new(self.clients().normalizer);
        let request = RejectRequest {
            run,
            ..RejectRequest::default()
        };
        self.run(client.reject(request))
            .unwrap()
            .into_inner()
            .dropped
    }

    /// What the files sink shows of a kind.
    pub fn inventory(&self, kind: &str) -> Records {
        inventory::read(&self.path("inventory"), kind)
    }

    /// The SQLite sink shows what the files sink shows, in its views.
    #[track_caller]
    pub fn sqlite_shows_the_same(&self) {
        let file = self.path("inventory.db");
        for kind in KINDS {
            let shown = inventory::read_view(&file, kind);
            inventory::same(kind, &self.inventory(kind), &shown);
        }
    }

    /// What is really so.
    pub fn truth(&self) -> Truth {
        Truth::of(&self.sim())
    }

    /// The inventory is this in both sinks, record by record, and its countings agree with each other.
    #[track_caller]
    pub fn is(&self, truth: &Truth) {
        for kind in KINDS {
            let mut actual = self.inventory(kind);
            actual.values_mut().for_each(|r| name_taken(kind, r));
            inventory::same(kind, &truth.records(kind), &actual);
        }
        self.sqlite_shows_the_same();
        inventory::countings_agree(&self.path("inventory"));
    }

    /// The inventory is the truth, apart from what a delta doesn't track.
    #[track_caller]
    pub fn is_as_far_as_tracked(&self, truth: &Truth) {
        let kinds = ["organization", "subscribed_sku", "subscription", "user"];
        self.has_as_far_as_tracked(&kinds, truth);
        inventory::countings_agree(&self.path("inventory"));
    }

    /// The same of these kinds only.
    #[track_caller]
    pub fn has_as_far_as_tracked(&self, kinds: &[&str], truth: &Truth) {
        let stripped = |records: Records| -> Records {
            records
                .into_iter()
                .map(|(k, v)| (k, without_states(&v)))
                .collect()
        };
        for kind in kinds {
            inventory::same(
                kind,
                &stripped(truth.records(kind)),
                &stripped(self.inventory(kind)),
            );
        }
    }
}

impl Life {
    fn now(&self) -> u64 {
        self.runtime.block_on(async { self.clock.micros() })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.crash();
    }
}

/// The exit code of a pass, or the code of the problem.
pub fn exit(outcome: &Outcome) -> String {
    match outcome.exit() {
        Ok(code) if code == ExitCode::SUCCESS => "0".to_owned(),
        Ok(code) if code == ExitCode::from(3) => "3".to_owned(),
        Ok(code) => format!("{code:?}"),
        Err(problem) => problem.code.into_owned(),
    }
}

/// Names for people come from a table of the product's; here it is enough that there is one.
pub(crate) fn name_taken(kind: &str, record: &mut serde_json::Value) {
    if kind == "license_position" || kind == "finding" {
        let name = record.as_object_mut().unwrap().remove("productName");
        assert!(name.is_some_and(|n| n.as_str().is_some_and(|n| !n.is_empty())));
    }
    if kind == "finding" {
        explained(record);
    }
}
