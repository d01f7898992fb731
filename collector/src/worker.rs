//! One turn at one dataset: begin or go on, read, seal.

mod publishing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus::Bus;
use catalog::{Declaration, Reading};
use proto::ids::{Attempt, Dataset, TenantId, Timestamp};
use proto::message::Body;
use runtime::{Clock, metrics};
use tokio::sync::watch;

use crate::config::Config;
use crate::error::Error;
use crate::graph::Graph;
use crate::graph_error::GraphError;
use crate::limit::Limiter;
use crate::page;
use crate::population::{Rosters, Sieve, Ways};
use crate::privacy::Hidden;
use crate::publish::{Name, Step, Window};
use crate::read::{chain, count, delta, each, objects, ranges, report, single};
use crate::run::{Cursor, Open, Rules, Todo};
use crate::seal;
use crate::store::{Row, Store};
use crate::tenants::Tenant;

/// What every turn works with.
pub struct Shared {
    /// Settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// The queue.
    pub bus: Bus,
    /// The time.
    pub clock: Clock,
    /// The token-broker.
    pub tokens: runtime::grpc::Channel,
    /// The way to Graph.
    pub http: runtime::http::Outbound,
    /// Who is inside, of tenants of whose people a part is read.
    pub rosters: Rosters,
    /// Changes whenever a dataset's state does.
    pub changed: watch::Sender<u64>,
}

impl Shared {
    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.micros())
    }

    /// Says that a dataset's state has changed.
    pub fn touch(&self) {
        self.changed.send_modify(|n| *n += 1);
    }
}

/// One turn, under one attempt.
pub struct Turn<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// The dataset.
    pub declaration: &'static Declaration,
    /// The run as it stands in the database.
    pub open: Open,
    /// The queue.
    pub bus: &'a Bus,
    /// Graph, for this tenant and dataset.
    pub graph: &'a Graph,
    /// Pages on their way without confirmation.
    pub window: usize,
    /// Requests for ranges at the same time, at most.
    pub parallel: usize,
    /// A collection of more objects is read in ranges.
    pub ranges_above: u64,
    /// What is read of each parent is read of those too that the declaration leaves out.
    pub every_parent: bool,
    /// What may be published.
    pub sieve: Sieve,
    /// What is left out of it.
    pub hidden: Hidden,
    /// Names that came with the count.
    pub sample: count::Sample,
    shared: &'a Shared,
    /// As it was when the turn began; only this run's verdict moves it.
    pub cursor: Cursor,
    dataset: Dataset,
    tenant_text: String,
    rules: Rules,
    attempt: Attempt,
    sequence: &'a AtomicU32,
}

impl Turn<'_> {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }

    /// The next sequence number.
    pub fn draw(&mut self) -> u32 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// The request for the first page, or for the only answer.
    pub fn first(&self, page_size: Option<u32>) -> String {
        page::first(self.declaration, &self.hidden, page_size)
    }

    /// Whether no value of a property may rest in the database of the collector.
    pub fn keeps_names_back(&self, property: &str) -> bool {
        !self.sieve.is_open() || self.hidden.hides(property)
    }

    /// The name of a page of this turn.
    pub fn name(&self, sequence: u32) -> Name<'_> {
        Name {
            tenant: &self.tenant_text,
            dataset: self.declaration.name,
            run: self.open.run,
            attempt: self.attempt,
            sequence,
        }
    }

    /// Waits until another page may be published.
    pub async fn make_room(&mut self, window: &mut Window<'_>) -> Result<(), Error> {
        while !window.has_room() {
            let steps = window.confirmed().await?;
            self.confirm(steps).await?;
        }
        Ok(())
    }

    /// Waits until every page is confirmed.
    pub async fn drain(&mut self, window: &mut Window<'_>) -> Result<(), Error> {
        while !window.is_empty() {
            let steps = window.confirmed().await?;
            self.confirm(steps).await?;
        }
        Ok(())
    }

    /// Stores that the queue has confirmed pages.
    pub async fn confirm(&mut self, steps: Vec<Step>) -> Result<(), Error> {
        let attempt = self.attempt;
        for step in &steps {
            metrics::graph::page_published(self.declaration.name, step.objects);
        }
        self.update(move |open, _| {
            for step in steps {
                open.read(step.read);
                open.confirmed(attempt, step.sequence, step.objects, step.rest);
            }
        })
        .await
    }

    /// Changes the open run, while it is ours.
    pub async fn update(
        &mut self,
        change: impl FnOnce(&mut Open, Timestamp) + Send,
    ) -> Result<(), Error> {
        let (now, run, attempt) = (self.now(), self.open.run, self.attempt);
        let requests = self.graph.take_requests();
        let (open, _) = self
            .shared
            .store
            .update(
                self.tenant,
                &self.dataset,
                Some(attempt),
                &self.rules,
                now,
                move |row| {
                    let open = row.state.open.as_mut().filter(|o| o.run == run)?;
                    open.requests += requests;
                    change(open, now);
                    Some(open.clone())
                },
            )
            .await?;
        self.open = open.ok_or(Error::Fenced)?;
        self.shared.touch();
        Ok(())
    }
}

/// Works on one dataset until it is sealed, waits, or can't go on. `numbers` counts the pages of the attempt.
pub async fn work(
    shared: &Arc<Shared>,
    id: TenantId,
    tenant: &Tenant,
    declaration: &'static Declaration,
    (attempt, numbers): (Attempt, &AtomicU32),
    limiter: &Limiter,
) -> Result<(), Error> {
    let (rules, dataset) = (shared.config.rules(declaration), declaration.id());
    let now = shared.now();
    let removed = tenant.removed;
    let population = tenant.population.as_ref().map_or(0, |p| p.version());
    let privacy = &shared.config.privacy;
    let scope = population ^ privacy.version(id, declaration.kind);
    let begin = move |row: &mut Row| {
        row.state.give_up(&rules, now);
        row.state.narrow_to(scope);
        let begun = row.state.open.is_none();
        row.state.begin_as(removed, &rules, now);
        let late = row
            .schedule
            .late(now)
            .filter(|_| begun && row.state.open.is_some());
        row.schedule.forced &= row.state.open.is_none();
        late
    };
    let (late, row) = shared
        .store
        .update(id, &dataset, Some(attempt), &rules, now, begin)
        .await?;
    if let Some(late) = late {
        metrics::schedule::began(declaration.name, late);
    }
    shared.touch();
    if let Some(open) = row.state.open {
        let way = |declaration| {
            let (http, tokens) = (&shared.http, shared.tokens.clone());
            let base = tenant.graph_base.clone();
            Graph::new(http, tokens, base, id, declaration, limiter)
        };
        let graph = way(declaration);
        let mut turn = Turn {
            tenant: id,
            declaration,
            open,
            bus: &shared.bus,
            graph: &graph,
            window: shared.config.publish_window,
            parallel: shared.config.parallel_requests,
            ranges_above: shared.config.ranges_above,
            every_parent: every_parent(&shared.config, declaration),
            sieve: Sieve::All,
            hidden: Hidden::new(privacy, id, declaration, tenant.population.is_some()),
            sample: count::Sample::default(),
            shared,
            cursor: row.state.cursor,
            dataset: dataset.clone(),
            tenant_text: id.to_string(),
            rules,
            attempt,
            sequence: numbers,
        };
        // A tenant that was taken out is not read at all.
        if !turn.open.tenant_removed {
            graph.has(declaration)?;
            if let Some(population) = &tenant.population {
                let (rosters, ways) = (&shared.rosters, Ways::new(way));
                let sieve = Sieve::new(rosters, id, population, declaration, &ways, now);
                turn.sieve = sieve.await?;
            }
        }
        read(&mut turn).await?;
        let now = shared.now();
        let seal = move |row: &mut Row| row.state.seal(attempt, now).map(|_| ());
        shared
            .store
            .update(id, &dataset, Some(attempt), &rules, now, seal)
            .await?;
        shared.touch();
    }
    publish_seal(shared, id, tenant, declaration, attempt).await
}

fn every_parent(config: &Config, declaration: &Declaration) -> bool {
    let Reading::Each(parents) = &declaration.reading else {
        return false;
    };
    parents.all_if_asked && config.members_of_all_groups
}

async fn read(turn: &mut Turn<'_>) -> Result<(), Error> {
    loop {
        let rules = turn.rules;
        match turn.open.todo.clone() {
            Todo::TakeLink => {
                // Neither waits for the other, and each takes as long as a page.
                let link = delta::latest(turn.graph, turn.declaration, &turn.hidden);
                let (link, count) = tokio::join!(link, count::ask(turn));
                let (link, (count, sample)) = (link?, count?);
                turn.sample = sample;
                turn.update(|open, _| {
                    open.link_taken(link);
                    open.counted = count;
                })
                .await?;
            }
            Todo::Chain(from) => match &turn.declaration.reading {
                Reading::Each(parents) => each::list(turn, parents).await?,
                Reading::Report { .. } => report::read(turn).await?,
                Reading::Single => single::read(turn).await?,
                _ => match from {
                    None => begin(turn).await?,
                    from => chain::read(turn, from).await?,
                },
            },
            Todo::Ranges(pieces) => match turn.declaration.ranges {
                Some(property) => ranges::read(turn, property, pieces).await?,
                // As below.
                None => turn.update(|open, _| open.restart_chain()).await?,
            },
            Todo::Parents(left) => match &turn.declaration.reading {
                Reading::Each(parents) => each::read(turn, parents, left).await?,
                // Read by an older declaration; the new one begins anew.
                _ => turn.update(|open, _| open.restart_chain()).await?,
            },
            Todo::Delta(link) => match delta::changes(turn.graph, link).await {
                Ok((named, link)) => {
                    let (before, known) = (turn.cursor.again.clone(), turn.cursor.known_objects);
                    turn.update(move |open, now| {
                        open.delta_read(named, link, &before, known, &rules, now);
                    })
                    .await?;
                }
                Err(Error::Graph(GraphError::LinkRefused | GraphError::PageExpired)) => {
                    tracing::info!(tenant = %turn.tenant, dataset = turn.declaration.name, "Graph no longer knows the delta link, everything is read");
                    turn.update(move |open, now| open.link_refused(&rules, now))
                        .await?;
                }
                Err(e) => return Err(e),
            },
            Todo::Ids(ids) => objects::read(turn, ids).await?,
            Todo::Nothing => {
                if count::agrees(turn).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// Begins to read a collection: in ranges where it is large.
async fn begin(turn: &mut Turn<'_>) -> Result<(), Error> {
    let count = count::before(turn).await?;
    match turn.declaration.ranges {
        Some(property) if !turn.open.one_chain && count > Some(turn.ranges_above) => {
            ranges::plan(turn, property, count.unwrap_or_default()).await
        }
        _ => chain::read(turn, None).await,
    }
}

/// Publishes the seal from its row, until the queue has confirmed it.
async fn publish_seal(
    shared: &Shared,
    id: TenantId,
    tenant: &Tenant,
    declaration: &'static Declaration,
    attempt: Attempt,
) -> Result<(), Error> {
    let (rules, dataset) = (shared.config.rules(declaration), declaration.id());
    let rows = shared.store.of(id).await?;
    let row = |name: &str| rows.iter().find(|r| r.dataset.as_str() == name);
    let Some(sealed) = row(declaration.name)
        .and_then(|r| r.state.sealed.as_ref())
        .filter(|s| !s.published)
    else {
        return Ok(());
    };
    let skipped = |d: &Declaration| row(d.name).is_some_and(|r| r.schedule.skipped);
    let read = tenant
        .datasets
        .iter()
        .filter(|d| d.name == declaration.name || !skipped(d));
    let datasets: Vec<String> = read.map(|d| d.name.to_owned()).collect();
    let by = sealed.by;
    shared
        .bus
        .publish(&Body::Sealed(seal::message(
            shared,
            (id, tenant),
            &dataset,
            sealed,
            datasets,
        )))
        .await?;
    metrics::graph::run_sealed(declaration.name);
    let published = move |row: &mut Row| {
        if let Some(s) = row.state.sealed.as_mut().filter(|s| s.by == by) {
            s.published = true;
        }
    };
    shared
        .store
        .update(id, &dataset, Some(attempt), &rules, shared.now(), published)
        .await?;
    shared.touch();
    Ok(())
}
