//! Flexera One, SaaS Management: the roster of a managed application, by import jobs.
//!
//! Mapping: `roster`, which reads like the vendor's page on payloads. A load is always `full`: with `skus` it can't be
//! anything else, and it deactivates whoever is not in it. So each tenant has a managed application of its own.
//!
//! 1. The roster is written as files (JSON lines, gzip), and these are uploaded, each once. That changes nothing.
//! 2. What is on its way is noted, then a job is made that loads the files.
//! 3. The job is asked for until it ends.
//!
//! Limits: `roster`. Idempotency key: `uniqueId` within an application; a job is known by the names of its files, which
//! nobody had before. Two jobs of an application may end in either order, so none begins before the last one has ended:
//! an earlier one is looked for by its files where nobody knows whether it was made.

mod api;
mod roster;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto::body::Body;
use proto::ids::{Closing, TenantId};
use runtime::Clock;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::api::{Api, Outcome};
use self::roster::{Finished, LONGEST_FILE, Roster};
use super::fault::Fault;
use super::files::blocking;
use super::{Alone, Context, Refusal, Settings as _, Shown, Snapshot, SnapshotSink};
use crate::error::Error;
use crate::http::{Http, Patient, Tokens};
use crate::record;
use crate::states::{Kept, States, TO_BEGIN};

pub use settings::FlexeraOne;

/// Files of a job.
const MOST_FILES: usize = 10;

/// Smaller files are not tried where a file is too large.
const SHORTEST_FILE: usize = 500_000;

/// Pauses between two looks at a job.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(30);

/// How long an earlier job is waited for while the ledger's answer stands open.
const BRIEFLY: Duration = Duration::from_secs(5);

/// Jobs that may fail one after the other; then there is one an hour.
const FAILURES: u32 = 3;
const HOUR: u64 = 3_600_000_000;

/// What is known of a tenant's roster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Load {
    /// The managed application.
    app: String,
    /// What was loaded last.
    shown: Option<Part>,
    /// The job that is on its way.
    job: Option<Job>,
    /// Jobs that failed since one was completed.
    failures: u32,
    /// When the last of them did, in microseconds since 1970.
    failed: u64,
    /// What it said.
    problem: String,
}

/// A roster.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Part {
    /// The closing that it shows.
    closing: Closing,
    /// Its lines.
    records: u64,
}

/// A job.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    part: Part,
    /// Its first file.
    file: String,
    /// When it was wished for, in microseconds since 1970.
    since: u64,
    /// None as long as nobody knows whether it was made.
    id: Option<String>,
}

/// See the [module](self).
struct Sender {
    settings: FlexeraOne,
    sink: String,
    api: Api,
    states: States<Load>,
    clock: Clock,
}

impl Sender {
    fn new(settings: FlexeraOne, context: &Context) -> Result<Self, Error> {
        let (sink, clock) = (context.name.clone(), context.clock.clone());
        let http = Http::new(&sink, &settings.http, clock.clone())?;
        let tokens = Tokens::new(settings.oauth.clone(), http);
        let way = Patient::new(tokens, Duration::from_secs(settings.answer_seconds));
        let (base, place) = (settings.base(), settings.location());
        let states = States::new(context.db.clone(), clock.clone(), sink.clone(), place);
        Ok(Sender {
            settings,
            sink,
            api: Api { way, base },
            states,
            clock,
        })
    }

    fn fault(&self, fault: Fault, what: String) -> Error {
        let sink = self.sink.clone();
        Error::Vendor { sink, what, fault }
    }

    fn refused(&self, source: Refusal) -> Error {
        let sink = self.sink.clone();
        Error::Refused { sink, source }
    }

    fn app(&self, tenant: TenantId) -> Result<&str, Error> {
        let app = self.settings.apps.get(&tenant);
        app.map(String::as_str).ok_or_else(|| {
            let what = format!("tenant {tenant} has no managed application");
            self.fault(Fault::Nowhere, what)
        })
    }

    /// What is known of a tenant, once its earlier job has ended.
    async fn settled(&self, tenant: TenantId, app: &str) -> Result<Kept<Load>, Error> {
        let mut kept = self.states.get(tenant).await?;
        if let Some(job) = kept.now.job.clone() {
            let of = kept.now.app.clone();
            let id = match job.id {
                Some(id) => Some(id),
                None => self.sought(&of, &job).await?,
            };
            self.waited(tenant, &mut kept, id, BRIEFLY).await?;
        }
        if kept.now.app != app {
            let app = app.to_owned();
            let other = Load {
                app,
                ..Load::default()
            };
            self.states.put(tenant, &mut kept, other).await?;
        }
        let load = &kept.now;
        let soon = load.failed.saturating_add(HOUR) > self.states.time().await?;
        match load.failures >= FAILURES && soon {
            true => {
                let what = format!(
                    "tenant {tenant}: {} import jobs failed; the last one said: {}",
                    load.failures, load.problem
                );
                Err(self.fault(Fault::JobFailed, what))
            }
            false => Ok(kept),
        }
    }

    /// The id of a job of which nobody knows whether it was made.
    async fn sought(&self, app: &str, job: &Job) -> Result<Option<String>, Error> {
        // Whoever wished for it may live, and make it still.
        let answer = self.api.way.answer();
        if self.states.under_way(job.since, answer).await? {
            return Err(self.fault(
                Fault::JobRuns,
                "whether a job was made is not known before another minute".to_owned(),
            ));
        }
        let found = self.api.find(app, &job.file, job.since).await;
        found.map_err(|e| self.refused(e))
    }

    /// Waits for the end of the job on its way, and notes it. Without an id there is no such job.
    async fn waited(
        &self,
        tenant: TenantId,
        kept: &mut Kept<Load>,
        id: Option<String>,
        most: Duration,
    ) -> Result<(), Error> {
        let Some(job) = kept.now.job.clone() else {
            return Ok(());
        };
        let outcome = match &id {
            Some(id) => self.ended(tenant, id, most).await?,
            None => None,
        };
        let load = kept.now.clone();
        let failed = match outcome {
            Some(Outcome::Failed(problem)) => Some(problem),
            Some(Outcome::Completed) => {
                let next = Load {
                    app: load.app,
                    shown: Some(job.part),
                    ..Load::default()
                };
                return self.states.put(tenant, kept, next).await;
            }
            _ => id.is_some().then(|| "there is no such job".to_owned()),
        };
        let mut next = Load { job: None, ..load };
        let Some(problem) = failed else {
            // It was never made.
            return self.states.put(tenant, kept, next).await;
        };
        next.failures = next.failures.saturating_add(1);
        next.failed = self.states.time().await?;
        next.problem.clone_from(&problem);
        self.states.put(tenant, kept, next).await?;
        let id = id.unwrap_or_default();
        let what = format!("tenant {tenant}: import job {id} failed: {problem}");
        Err(self.fault(Fault::JobFailed, what))
    }

    /// How a job ended; `None` where there is none.
    async fn ended(
        &self,
        tenant: TenantId,
        id: &str,
        most: Duration,
    ) -> Result<Option<Outcome>, Error> {
        let (end, mut pause) = (Instant::now() + most, FIRST_LOOK);
        loop {
            match self.api.outcome(id).await {
                Ok(Some(Outcome::Open)) if Instant::now() + pause < end => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_LOOK);
                }
                Ok(Some(Outcome::Open)) => {
                    let what = format!("tenant {tenant}: import job {id} has not ended yet");
                    return Err(self.fault(Fault::JobRuns, what));
                }
                Ok(outcome) => return Ok(outcome),
                Err(refusal) => return Err(self.refused(refusal)),
            }
        }
    }

    /// The roster of a snapshot; none of one that is not complete.
    async fn read(
        &self,
        tenant: TenantId,
        snapshot: &mut Snapshot,
        shown: Option<Part>,
    ) -> Result<Option<(Part, Finished)>, Error> {
        let unwritable = |e: std::io::Error| record::unreadable(tenant, "user", e);
        let mut roster = Roster::new();
        while let Some(records) = snapshot.next().await? {
            for record in &records {
                match record::read(tenant, record)? {
                    Some((_, Body::User(user))) if self.settings.users.take(&user) => {
                        roster.add(&user).map_err(unwritable)?;
                    }
                    Some((_, Body::LicensePosition(p))) => {
                        roster.name(&p.sku_id, &p.sku_part_number)
                    }
                    Some((_, Body::SubscribedSku(s))) => roster.name(&s.sku_id, &s.sku_part_number),
                    _ => {}
                }
            }
        }
        let Some(end) = snapshot.end().filter(|end| end.complete) else {
            return Ok(None);
        };
        if roster.untold > 0 {
            let (sink, users) = (&self.sink, roster.untold);
            tracing::warn!(sink, %tenant, users, "users without an address are not in the roster");
        }
        let (closing, records) = (end.as_of, roster.count);
        let before = shown.map_or(0, |part| part.records);
        let kinds = [("user", before, records)];
        let approved = snapshot.approved();
        self.settings.guard.hold(tenant, kinds, end, approved)?;
        let part = Part { closing, records };
        Ok(Some((part, roster.finish().map_err(unwritable)?)))
    }

    /// Uploads a roster, and returns the names of its files.
    async fn uploaded(
        &self,
        tenant: TenantId,
        closing: Closing,
        roster: Finished,
    ) -> Result<Vec<String>, Error> {
        let roster = Arc::new(roster);
        let mut longest = LONGEST_FILE;
        loop {
            let whole = roster.clone();
            let unwritable = move |e| record::unreadable(tenant, "user", e);
            let files = blocking(move || whole.files(longest).map_err(unwritable)).await?;
            if files.len() > MOST_FILES {
                let what = format!(
                    "tenant {tenant}: the roster takes {} files, and a job loads {MOST_FILES}",
                    files.len()
                );
                return Err(self.fault(Fault::TooMuch, what));
            }
            // Nobody had it before: the time is that of this try.
            let prefix = format!("leastwise-{tenant}-{}-{:x}", closing.0, self.clock.micros());
            let names: Vec<_> = (1..=files.len())
                .map(|n| format!("{prefix}-{n}.ndjson.gz"))
                .collect();
            let mut too_large = false;
            for (name, file) in names.iter().zip(&files) {
                match self.api.upload(name, file).await {
                    Ok(()) => {}
                    Err(Refusal::TooLarge) if longest / 2 >= SHORTEST_FILE => {
                        too_large = true;
                        break;
                    }
                    Err(refusal) => return Err(self.refused(refusal)),
                }
            }
            if !too_large {
                return Ok(names);
            }
            longest /= 2;
        }
    }

    /// Has uploaded files loaded, and waits until they are.
    async fn load(
        &self,
        tenant: TenantId,
        kept: &mut Kept<Load>,
        part: Part,
        files: &[String],
    ) -> Result<(), Error> {
        // Before the wish is noted: whoever takes over waits from then on.
        let until = Instant::now() + TO_BEGIN;
        let mut job = Job {
            part,
            file: files.first().cloned().unwrap_or_default(),
            since: self.states.time().await?,
            id: None,
        };
        let wished = Load {
            job: Some(job.clone()),
            ..kept.now.clone()
        };
        self.states.put(tenant, kept, wished).await?;
        let id = match self.api.begin(&kept.now.app, files, until).await {
            Ok(id) => id,
            Err(refusal) => {
                // Only of a request that got no answer nobody knows whether it made one.
                if !matches!(refusal, Refusal::Transient { .. }) {
                    let none = Load {
                        job: None,
                        ..kept.now.clone()
                    };
                    self.states.put(tenant, kept, none).await?;
                }
                return Err(self.refused(refusal));
            }
        };
        job.id = Some(id.clone());
        let made = Load {
            job: Some(job),
            ..kept.now.clone()
        };
        self.states.put(tenant, kept, made).await?;
        let most = Duration::from_secs(self.settings.job_seconds);
        self.waited(tenant, kept, Some(id), most).await
    }

    /// A tenant's roster, as far as it is that of its application of now.
    fn stands(&self, tenant: TenantId, load: &Load) -> Option<Part> {
        let app = self.settings.apps.get(&tenant);
        load.shown.filter(|_| app == Some(&load.app))
    }
}

#[async_trait]
impl SnapshotSink for Sender {
    /// Leases and states keep exporters apart, and nothing lies about.
    async fn alone(&self) -> Result<Option<Alone>, Error> {
        Ok(Some(Box::new(())))
    }

    async fn shown(&self) -> Result<Shown, Error> {
        let loads = self.states.all().await?.into_iter();
        let tenants = loads.filter_map(|(t, load)| Some((t, self.stands(t, &load)?.closing)));
        Ok(Shown {
            tenants: tenants.collect(),
            whole: true,
        })
    }

    async fn check(&self) -> Result<(), Error> {
        self.api.reach().await.map_err(|e| self.refused(e))
    }

    /// A job loads everything.
    fn takes_updates(&self) -> bool {
        false
    }

    /// A job is all of it: nothing is left to be shown afterwards, and each tenant's failure is its own.
    async fn spool(
        &self,
        tenant: TenantId,
        mut snapshot: Snapshot,
    ) -> Result<Option<Closing>, Error> {
        let app = self.app(tenant)?;
        let as_of = snapshot.as_of().await?;
        let before = self.states.get(tenant).await?.now.job;
        let mut kept = self.settled(tenant, app).await?;
        let shown = self.stands(tenant, &kept.now);
        // The job of this very state was interrupted, and has ended by now.
        if before.is_some() && shown.is_some_and(|part| part.closing == as_of) {
            return Ok(Some(as_of));
        }
        let Some((part, roster)) = self.read(tenant, &mut snapshot, shown).await? else {
            return Ok(None);
        };
        drop(snapshot);
        let files = self.uploaded(tenant, part.closing, roster).await?;
        self.load(tenant, &mut kept, part, &files).await?;
        Ok(Some(part.closing))
    }

    async fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        let loads = self.states.all().await?.into_iter();
        let written = loads.filter_map(|(t, load)| Some((t, self.stands(t, &load)?.records)));
        Ok(written.filter(|(t, _)| tenants.contains(t)).collect())
    }
}
