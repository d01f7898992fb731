//! Who works for which tenant when: leases, wake-ups, failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use proto::admin::v1::collector_admin_server::CollectorAdminServer;
use proto::ids::{Attempt, TenantId, Timestamp};
use runtime::db::Db;
use runtime::grpc::Channel;
use runtime::{CancellationToken, Clock, Problem};
use tokio::sync::{Notify, RwLock, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::config::Config;
use crate::error::Error;
use crate::limit::Limiter;
use crate::population::Rosters;
use crate::schedule::Rest;
use crate::store::{DUE, Row, Store};
use crate::tenants::{self, Tenant};
use crate::verdicts;
use crate::worker::{self, Shared};

/// The list of tenants is asked for again after this time.
const TENANTS_EVERY: Duration = Duration::from_secs(60);

/// Where other collectors share the database, what they and their operators did is looked for after this time.
const OTHERS_EVERY: Duration = Duration::from_secs(2);

/// Whoever waits for the same moment comes back within this time after it.
const SPREAD: Duration = Duration::from_secs(5);

/// What a collector works with.
pub struct Deps {
    /// The queue.
    pub bus: Bus,
    /// The database, opened with [`crate::MIGRATIONS`].
    pub db: Db,
    /// The token-broker.
    pub tokens: Channel,
    /// The way to Graph.
    pub http: runtime::http::Streaming,
    /// The time.
    pub clock: Clock,
    /// Names this process in leases.
    pub holder: String,
    /// True where a lock guarantees that no other collector works on the database: old leases end at start.
    pub alone: bool,
}

/// Reads Graph for the tenants of a pool.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wake: Notify,
    pub(crate) tenants: RwLock<BTreeMap<TenantId, Tenant>>,
    holder: String,
    alone: bool,
}

impl Collector {
    /// A collector that does nothing yet.
    pub fn new(config: Config, deps: Deps) -> Self {
        let scheduled = config.scheduled;
        let shared = Shared {
            config,
            store: Store::new(deps.db, scheduled),
            bus: deps.bus,
            clock: deps.clock,
            tokens: deps.tokens,
            http: deps.http,
            rosters: Rosters::default(),
            changed: watch::Sender::new(0),
        };
        Collector(Arc::new(Inner {
            shared: Arc::new(shared),
            wake: Notify::new(),
            tenants: RwLock::new(BTreeMap::new()),
            holder: deps.holder,
            alone: deps.alone,
        }))
    }

    /// The operator's service.
    pub fn admin(&self) -> CollectorAdminServer<Admin> {
        CollectorAdminServer::new(Admin(Arc::clone(&self.0)))
    }

    /// Works until `stop`.
    ///
    /// # Errors
    /// When the database or the queue fails for good.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Problem> {
        if self.0.alone {
            self.0
                .shared
                .store
                .void_leases()
                .await
                .map_err(|e| e.problem())?;
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(verdicts::consume(Arc::clone(&self.0), stop.clone()));
        let inner = Arc::clone(&self.0);
        let stopped = stop.clone();
        tasks.spawn(async move { inner.schedule(stopped).await.map_err(|e| e.problem()) });
        let mut outcome = Ok(());
        while let Some(done) = tasks.join_next().await {
            let done = done.unwrap_or_else(|e| {
                Err(Problem::new(
                    "LW-4090",
                    format!("a task of the collector ended: {e}."),
                    "report it",
                ))
            });
            if done.is_err() {
                stop.cancel();
                outcome = outcome.and(done);
            }
        }
        outcome
    }
}

impl Inner {
    async fn schedule(self: Arc<Self>, stop: CancellationToken) -> Result<(), Error> {
        let mut busy: BTreeMap<TenantId, tokio::task::Id> = BTreeMap::new();
        // Tenants that another collector works for, and when to look again: asked at once, it would say the same.
        let mut elsewhere: BTreeMap<TenantId, Timestamp> = BTreeMap::new();
        let mut tasks: JoinSet<Option<TenantId>> = JoinSet::new();
        let mut listed = None;
        while !stop.is_cancelled() {
            let now = self.shared.now();
            if listed.is_none_or(|t: Timestamp| now.since(t) >= TENANTS_EVERY) {
                match self.refresh().await {
                    Ok(()) => listed = Some(now),
                    Err(e) => {
                        tracing::warn!(error = %runtime::error::Chain(&e), "tenants not listed")
                    }
                }
            }
            elsewhere.retain(|_, until| *until > now);
            let free = match self.free(now, &busy, &elsewhere).await {
                Ok(free) => free,
                // A server that restarts must not end the process.
                Err(e) if self.shared.store.is_shared() => {
                    let problem = e.problem().to_string();
                    tracing::error!(problem, "no tenants are taken at present");
                    Vec::new()
                }
                Err(e) => return Err(e),
            };
            for tenant in free {
                let (inner, stop) = (Arc::clone(&self), stop.clone());
                let handle = tasks.spawn(async move { inner.tenant(tenant, stop).await });
                busy.insert(tenant, handle.id());
            }
            let poll = match self.shared.store.is_shared() && busy.len() < self.most() {
                true => now.plus(OTHERS_EVERY),
                false => now.plus(TENANTS_EVERY),
            };
            let wake = self.shared.store.next_wake(now).await;
            let next = match wake {
                Err(_) if self.shared.store.is_shared() => None,
                wake => wake?,
            };
            let next = next
                .into_iter()
                .chain(elsewhere.values().copied())
                .fold(poll, Timestamp::min);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = self.shared.clock.sleep_until(next.0) => {}
                Some(done) = tasks.join_next_with_id() => {
                    let id = match &done {
                        Ok((id, held)) => {
                            let until = self.shared.now().plus(self.lease() / 3);
                            elsewhere.extend(held.map(|tenant| (tenant, until)));
                            *id
                        }
                        Err(e) => e.id(),
                    };
                    busy.retain(|_, task| *task != id);
                    if let Err(e) = done {
                        tracing::error!(error = %e, "the work for a tenant ended abnormally");
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Tenants to work for at the same time.
    fn most(&self) -> usize {
        self.shared.config.concurrent_tenants.max(1)
    }

    /// Tenants of ours that have something due and that nobody works for, latest first, as many as there is room for.
    async fn free(
        &self,
        now: Timestamp,
        busy: &BTreeMap<TenantId, tokio::task::Id>,
        elsewhere: &BTreeMap<TenantId, Timestamp>,
    ) -> Result<Vec<TenantId>, Error> {
        let (room, mut found) = (self.most().saturating_sub(busy.len()), Vec::new());
        let ours = self.tenants.read().await;
        let mut last = None;
        while found.len() < room {
            let due = self
                .shared
                .store
                .due(&self.holder, now, last.as_ref())
                .await?;
            let free = due
                .iter()
                .filter_map(|d| d.tenant.parse::<TenantId>().ok())
                .filter(|t| {
                    ours.contains_key(t) && !busy.contains_key(t) && !elsewhere.contains_key(t)
                });
            for tenant in free {
                if found.len() < room && !found.contains(&tenant) {
                    found.push(tenant);
                }
            }
            let end = due.len() < DUE;
            last = due.into_iter().last();
            if end {
                break;
            }
        }
        Ok(found)
    }

    /// Lists the tenants, and makes rows for datasets that are new.
    pub(crate) async fn refresh(&self) -> Result<(), Problem> {
        let list = tenants::list(&self.shared.tokens, &self.shared.config.pool).await?;
        let known = self.shared.store.known().await.map_err(|e| e.problem())?;
        for (id, tenant) in list.iter().filter(|(_, t)| !t.removed) {
            for dataset in &tenant.datasets {
                let name = (*id, dataset.id());
                if !known.contains(&name) {
                    self.shared
                        .store
                        .ensure(*id, &name.1)
                        .await
                        .map_err(|e| e.problem())?;
                }
            }
        }
        *self.tenants.write().await = list;
        self.shared.touch();
        Ok(())
    }

    /// How long a lease lasts without a heartbeat.
    fn lease(&self) -> Duration {
        Duration::from_secs(self.shared.config.lease_seconds.max(3))
    }

    /// Works for one tenant while it has something due, under one lease. Returns the tenant when what is due is
    /// another collector's.
    async fn tenant(&self, id: TenantId, stop: CancellationToken) -> Option<TenantId> {
        let tenant = self.tenants.read().await.get(&id).cloned()?;
        let (store, lease) = (&self.shared.store, self.lease());
        let now = self.shared.now();
        let (attempt, stored) = match store.lease(id, &self.holder, now, lease).await {
            Ok(Some(taken)) => taken,
            Ok(None) => return Some(id),
            Err(e) => {
                tracing::warn!(tenant = %id, error = %runtime::error::Chain(&e), "no lease on the tenant");
                return None;
            }
        };
        let free = self.shared.config.free_share;
        let limiter = Limiter::new(self.shared.clock.clone(), free, &stored);
        let left = tokio::select! {
            () = stop.cancelled() => false,
            () = self.beat(id, attempt, lease, &limiter) => {
                tracing::warn!(tenant = %id, "the lease on the tenant was lost");
                false
            }
            left = self.datasets(id, &tenant, attempt, &limiter) => left,
        };
        // Err: the lease ends by itself.
        let _ = store.release(id, attempt, &limiter.store()).await;
        self.shared.touch();
        left.then_some(id)
    }

    /// Renews the lease; returns when it was lost.
    async fn beat(&self, id: TenantId, attempt: Attempt, lease: Duration, limiter: &Limiter) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(lease / 3) => {}
                () = limiter.learned() => {}
            }
            let (now, budgets) = (self.shared.now(), limiter.store());
            match self
                .shared
                .store
                .renew(id, attempt, now, lease, &budgets)
                .await
            {
                Ok(true) => {}
                Ok(false) => return,
                Err(e) => {
                    tracing::warn!(tenant = %id, error = %runtime::error::Chain(&e), "the lease was not renewed")
                }
            }
        }
    }

    /// Works on every dataset that is due. True when one was left to a newer release.
    async fn datasets(
        &self,
        id: TenantId,
        tenant: &Tenant,
        attempt: Attempt,
        limiter: &Limiter,
    ) -> bool {
        let mut left = false;
        for declaration in &tenant.datasets {
            let now = self.shared.now();
            if !self
                .shared
                .store
                .is_due(id, declaration.name, now)
                .await
                .unwrap_or(false)
            {
                continue;
            }
            match worker::work(&self.shared, id, tenant, declaration, attempt, limiter).await {
                Ok(()) => {}
                Err(Error::Fenced) => break,
                Err(e @ Error::Newer { .. }) => {
                    tracing::warn!(tenant = %id, dataset = declaration.name, problem = %e.problem(), "left to a newer release");
                    left = true;
                }
                Err(e) => self.failed(id, declaration, attempt, &e).await,
            }
        }
        left
    }

    async fn failed(
        &self,
        id: TenantId,
        declaration: &'static catalog::Declaration,
        attempt: Attempt,
        e: &Error,
    ) {
        let (now, problem) = (self.shared.now(), e.problem().to_string());
        tracing::warn!(tenant = %id, dataset = declaration.name, problem, "the run can't go on for now");
        let rest = match e.again() {
            _ if e.is_skip() => Rest::Skipped(declaration.cadence),
            Some(wait) => Rest::Told(wait + SPREAD.mul_f64(fastrand::f64())),
            None => Rest::Growing,
        };
        let note = move |row: &mut Row| row.schedule.failed(problem, rest, now);
        let rules = self.shared.config.rules(declaration);
        if let Err(e) = self
            .shared
            .store
            .update(id, &declaration.id(), Some(attempt), &rules, now, note)
            .await
        {
            tracing::warn!(tenant = %id, error = %runtime::error::Chain(&e), "the failure was not noted");
        }
        self.shared.touch();
    }
}
