//! The simulation as a whole.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use serde::Serialize;

use crate::clock::Clock;
use crate::config::{Config, DEFAULT_BASE, MOST_USERS};
use crate::entra::Entra;
use crate::fault::{Fault, Faults};
use crate::graph::{Request, Seen};
use crate::log::{LogEntry, Ring};
use crate::miscount::Miscounts;
use crate::order::Orders;
use crate::query;
use crate::reply::{Failure, Ids, Reply};
use crate::rng::mix;
use crate::storm::Storm;
use crate::tally::Summary;
use crate::tenant::{self, Identity, TenantInfo};
use crate::throttle::{Asker, Moment, Size, Throttle, Throttling, Told};
use crate::trouble::{Armed, Trouble, Troubles};
use crate::world::{Consumed, World};

/// A running simulation; clones are the same one.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    config: Config,
    key: u64,
    identities: Vec<Identity>,
    infos: Vec<TenantInfo>,
    /// Position by id and by domain.
    names: HashMap<String, usize>,
    worlds: RwLock<Worlds>,
    at_start: Vec<OnceLock<Consumed>>,
    clock: Clock,
    entra: Entra,
    faults: Mutex<Faults>,
    log: Mutex<Ring>,
    summary: Mutex<Summary>,
    orders: Orders,
    throttle: Mutex<Throttle>,
    troubles: Mutex<Troubles>,
    requests: AtomicU64,
    objects: AtomicU64,
    concealed: AtomicBool,
    miscounts: Miscounts,
    delta_gone: AtomicBool,
    delta_replays: AtomicBool,
}

/// A request that is being answered.
pub(crate) struct Flight(Sim);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.summary_state().leave();
    }
}

/// All tenants' histories.
pub(crate) struct Worlds {
    pub(crate) tenants: Vec<World>,
    /// Simulated second at which each day's changes happened; entry d - 1 is day d.
    day_at: Vec<u64>,
}

impl Worlds {
    pub(crate) fn today(&self) -> u32 {
        self.day_at.len() as u32
    }

    /// Begins the day that was made last.
    fn dawn(&mut self, now: u64) {
        // Later days never happen before earlier ones, whatever the clock says.
        let now = now.max(self.day_at.last().copied().unwrap_or(0));
        self.day_at.push(now);
    }

    /// The day that was current at a time.
    fn day_at(&self, time: u64) -> u32 {
        self.day_at.partition_point(|at| *at <= time) as u32
    }
}

/// Counters of a simulation.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Stats {
    /// Requests to Graph and to the token endpoint; those inside a batch count too.
    pub requests: u64,
    /// Objects in all answers.
    pub objects: u64,
    /// The simulated day.
    pub day: u32,
    /// Simulated seconds since the start.
    pub now: u64,
}

impl Sim {
    /// Makes a simulation; no user exists until somebody asks.
    pub fn new(mut config: Config) -> Self {
        config.users = config.users.min(MOST_USERS);
        let key = mix(config.seed, 0x006c_6561_7374);
        let identities: Vec<_> = (0..config.tenants)
            .map(|n| tenant::identity(config.seed, n))
            .collect();
        let base = config.base.as_deref().unwrap_or(DEFAULT_BASE);
        let clock = Clock::new(&config);
        Self(Arc::new(Inner {
            names: (0..)
                .zip(&identities)
                .flat_map(|(n, i)| [(i.id.clone(), n), (i.domain.clone(), n)])
                .collect(),
            infos: identities.iter().map(|i| i.info(base)).collect(),
            worlds: RwLock::new(Worlds {
                tenants: identities
                    .iter()
                    .map(|i| World::new(i.key, config.users).churning(config.churn.min(100_000)))
                    .collect(),
                day_at: Vec::new(),
            }),
            at_start: identities.iter().map(|_| OnceLock::new()).collect(),
            identities,
            key,
            entra: Entra::new(clock.unix(), &config),
            clock,
            troubles: Mutex::new(Troubles::new(config.trouble_seed, config.trouble.clone())),
            throttle: Mutex::new(Throttle::new(config.throttling.clone())),
            faults: Mutex::default(),
            log: Mutex::new(Ring::new(config.log_capacity)),
            summary: Mutex::default(),
            orders: Orders::default(),
            requests: AtomicU64::new(0),
            objects: AtomicU64::new(0),
            concealed: AtomicBool::new(config.concealed_names),
            miscounts: Miscounts::default(),
            delta_gone: AtomicBool::new(config.delta_gone),
            delta_replays: AtomicBool::new(config.delta_replays),
            config,
        }))
    }

    /// The tenants, with what a client needs to read them.
    pub fn tenants(&self) -> &[TenantInfo] {
        &self.0.infos
    }

    /// Lets days pass: their changes happen now, in simulated time. Returns the day that it is then.
    pub fn advance(&self, days: u32) -> u32 {
        let mut worlds = self
            .0
            .worlds
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        for _ in 0..days {
            worlds.tenants.iter_mut().for_each(World::next_day);
            worlds.dawn(self.now().as_secs());
        }
        worlds.today()
    }

    /// Lets one day pass that is stormy for one tenant and ordinary for the others.
    /// Returns how many users the storm touched; none if there is no such tenant.
    pub fn storm(&self, tenant: usize, storm: Storm) -> Option<usize> {
        let mut worlds = self
            .0
            .worlds
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if tenant >= worlds.tenants.len() {
            return None;
        }
        let mut touched = 0;
        for (position, world) in worlds.tenants.iter_mut().enumerate() {
            if position == tenant {
                touched = world.stormy_day(storm);
            } else {
                world.next_day();
            }
        }
        worlds.dawn(self.now().as_secs());
        Some(touched)
    }

    /// Moves simulated time, without any change of users.
    pub fn tick(&self, by: Duration) {
        self.0.clock.tick(by);
    }

    /// Puts the dates of answers and tokens off by some seconds, as a server does whose clock is wrong.
    pub fn put_clock_off(&self, seconds: i64) {
        self.0.clock.put_off(seconds);
    }

    /// Simulated time since the start.
    pub fn now(&self) -> Duration {
        self.0.clock.now()
    }

    /// The simulated day, which starts at 0.
    pub fn day(&self) -> u32 {
        self.worlds().today()
    }

    /// Arms a fault.
    pub fn fault(&self, fault: Fault) {
        self.faults().arm(fault);
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        self.faults().clear();
    }

    /// Arms trouble; the error says what of it makes no sense.
    pub fn trouble(&self, trouble: Trouble) -> Result<(), String> {
        trouble.check()?;
        self.troubles().arm(trouble);
        Ok(())
    }

    /// The armed trouble and how it went so far.
    pub fn armed(&self) -> Vec<Armed> {
        self.troubles().armed().to_vec()
    }

    /// Disarms all trouble.
    pub fn clear_trouble(&self) {
        self.troubles().clear();
    }

    pub(crate) fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.0
            .troubles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// Throttles from now on as this says, with all budgets full; none: no more.
    pub fn throttle(&self, how: Option<Throttling>) {
        *self.throttle_state() = Throttle::new(how);
    }

    /// Charges a request to its budgets.
    pub(crate) fn admit(&self, asker: &Asker) -> Result<Told, Failure> {
        let clock = &self.0.clock;
        let moment = Moment {
            millis: clock.millis(),
            unix: clock.unix(),
            speed: clock.speed(),
        };
        self.throttle_state().admit(asker, moment)
    }

    fn throttle_state(&self) -> MutexGuard<'_, Throttle> {
        self.0
            .throttle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The size that decides on a tenant's budgets.
    pub(crate) fn size(&self) -> Size {
        Size::of(self.0.config.users)
    }

    /// The newest requests, oldest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.0
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entries()
    }

    /// Sums over all requests since the start, or since the log was cleared.
    pub fn summary(&self) -> Summary {
        self.summary_state().clone()
    }

    /// Forgets all requests.
    pub fn clear_log(&self) {
        self.0
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.summary_state().clear();
    }

    fn summary_state(&self) -> MutexGuard<'_, Summary> {
        self.0
            .summary
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is in flight as long as the result lives.
    pub(crate) fn flight(&self) -> Flight {
        self.summary_state().enter();
        Flight(self.clone())
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats {
            requests: self.0.requests.load(Ordering::Relaxed),
            objects: self.0.objects.load(Ordering::Relaxed),
            day: self.day(),
            now: self.now().as_secs(),
        }
    }

    pub(crate) fn worlds(&self) -> RwLockReadGuard<'_, Worlds> {
        self.0.worlds.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn failure(&self, path: &str) -> Option<Fault> {
        self.faults().failure(path)
    }

    pub(crate) fn entra(&self) -> &Entra {
        &self.0.entra
    }

    pub(crate) fn key(&self) -> u64 {
        self.0.key
    }

    pub(crate) fn identity(&self, tenant: usize) -> &Identity {
        &self.0.identities[tenant]
    }

    /// The position of the tenant with this id or domain.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.0.names.get(&name.to_ascii_lowercase()).copied()
    }

    /// The permissions of a tenant's application.
    pub(crate) fn roles(&self, tenant: usize) -> Vec<String> {
        self.0
            .config
            .roles_of
            .get(&tenant)
            .unwrap_or(&self.0.config.roles)
            .clone()
    }

    pub(crate) fn orders(&self) -> &Orders {
        &self.0.orders
    }

    pub(crate) fn configured_base(&self) -> Option<&str> {
        self.0.config.base.as_deref()
    }

    /// Lets usage reports conceal names from now on, or show them.
    pub fn conceal_names(&self, conceal: bool) {
        self.0.concealed.store(conceal, Ordering::Relaxed);
    }

    pub(crate) fn miscounts(&self) -> &Miscounts {
        &self.0.miscounts
    }

    pub(crate) fn conceals_names(&self) -> bool {
        self.0.concealed.load(Ordering::Relaxed)
    }

    /// Days that usage reports are behind.
    pub(crate) fn report_lag(&self) -> u32 {
        self.0.config.report_lag.min(1_000)
    }

    /// Lets old delta tokens be answered with 410 from now on, or with 400.
    pub fn reset_delta(&self, gone: bool) {
        self.0.delta_gone.store(gone, Ordering::Relaxed);
    }

    /// Whether old delta tokens are answered with 410.
    pub(crate) fn resets_delta(&self) -> bool {
        self.0.delta_gone.load(Ordering::Relaxed)
    }

    /// Lets delta name objects several times from now on, or once.
    pub fn replay_delta(&self, replay: bool) {
        self.0.delta_replays.store(replay, Ordering::Relaxed);
    }

    /// Whether delta names objects several times.
    pub(crate) fn replays_delta(&self) -> bool {
        self.0.delta_replays.load(Ordering::Relaxed)
    }

    /// The consumed units of day 0, counted once.
    pub(crate) fn consumed_at_start(&self, tenant: usize) -> Consumed {
        let key = self.identity(tenant).key;
        *self.0.at_start[tenant].get_or_init(|| World::count_day_zero(key, self.0.config.users))
    }

    /// The time that tokens are dated with.
    pub(crate) fn unix(&self) -> u64 {
        self.0.clock.unix()
    }

    /// The number of a new request.
    pub(crate) fn next_seq(&self) -> u64 {
        self.0.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn ids(&self, seq: u64, client: Option<&str>) -> Ids {
        Ids::new(self.key(), seq, client, self.unix())
    }

    /// The day that the replica which answers request `seq` knows.
    pub(crate) fn seen_day(&self, worlds: &Worlds, seq: u64) -> u32 {
        let Some(lag) = self.0.config.lag.map(|l| l.as_secs()).filter(|l| *l > 0) else {
            return worlds.today();
        };
        // Every other replica is current; the others are evenly late.
        let draw = mix(self.key() ^ 0x1a65, seq);
        let late = if draw & 1 == 0 {
            0
        } else {
            1 + (draw >> 1) % lag
        };
        match self.now().as_secs().checked_sub(late) {
            Some(time) => worlds.day_at(time),
            None => 0,
        }
    }

    /// The day that the index knows which answers filters and searches.
    pub(crate) fn indexed_day(&self, worlds: &Worlds) -> u32 {
        let Some(lag) = self.0.config.filter_lag else {
            return worlds.today();
        };
        match self.now().checked_sub(lag) {
            Some(time) => worlds.day_at(time.as_secs()),
            None => 0,
        }
    }

    /// Lets a day pass when the settings say so after this request.
    pub(crate) fn pass_time(&self, seq: u64) {
        let every = self.0.config.day_every_requests;
        if every.is_some_and(|n| seq.is_multiple_of(u64::from(n.max(1)))) {
            self.advance(1);
        }
    }

    /// Writes a request into the log.
    pub(crate) fn note(&self, request: &Request, seen: &Seen, reply: &Reply) {
        if !request.batched {
            // A batch counts what its parts answered, once.
            self.0
                .objects
                .fetch_add(u64::from(reply.objects), Ordering::Relaxed);
        }
        let entry = LogEntry {
            seq: request.seq,
            at: self.now().as_secs(),
            tenant: seen.tenant,
            method: request.method.to_owned(),
            path: request.path.to_owned(),
            query: query::redacted(request.query),
            status: reply.status,
            first: reply.first,
            objects: reply.objects,
            bytes: reply.body.len() as u64,
            units: reply.units(),
            batched: request.batched,
            roles: seen.roles.clone(),
        };
        self.summary_state().add(&entry);
        self.0
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }
}
