//! Snow Atlas: a licence for each SKU of a tenant, and who holds it.
//!
//! Mapping, limits and idempotency key: `mapping`. Users of a licence are replaced as a whole, so this sink needs the whole
//! of a tenant. It remembers a hash of what each licence was sent; what didn't change costs no request.
//!
//! Before a request that changes something it is noted that one is on its way, and whoever takes over waits until that
//! request can't be under way any more. So no older state comes after a newer one.

mod accounts;
mod api;
mod mapping;
mod settings;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::Clock;
use runtime::metrics::sinks as metrics;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::accounts::Accounts;
use self::api::Api;
use self::mapping::{License, Products};
use super::fault::Fault;
use super::{Alone, Context, End, Refusal, Settings as _, Shown, Snapshot, SnapshotSink};
use crate::error::Error;
use crate::http::{Http, Patient, Tokens};
use crate::record;
use crate::states::{Kept, States};
use crate::store::{Place, Reject, Store};

pub use settings::SnowAtlas;

/// What is known of a tenant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    /// What stands there.
    shown: Option<Part>,
    /// The licences by SKU.
    licenses: BTreeMap<String, Known>,
    /// When the request that may be on its way was noted, in microseconds since 1970.
    writing: Option<u64>,
}

/// A licence that stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Atlas' id.
    id: String,
    /// Hash of the fields that it was sent; empty where nobody knows what it has.
    fields: String,
    /// The same of its users.
    users: String,
}

/// What was brought.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Part {
    closing: Closing,
    licenses: u64,
    /// Users of all licences together.
    users: u64,
}

/// See the [module](self).
struct Writer {
    settings: SnowAtlas,
    sink: String,
    api: Api,
    states: States<State>,
    store: Store,
    clock: Clock,
    accounts: Mutex<Option<(Instant, Arc<Accounts>)>>,
}

/// A licence's users in Atlas.
struct Holders<'a> {
    accounts: Vec<&'a str>,
    /// Who has no account: places among the people, and why.
    without: Vec<(usize, &'static str)>,
}

impl<'a> Holders<'a> {
    fn of(license: &License, products: &Products, accounts: &'a Accounts) -> Self {
        let (mut found, mut without) = (BTreeSet::new(), Vec::new());
        for place in &license.holders {
            match products.people().get(*place).map(|p| accounts.of(p)) {
                Some(Ok(account)) => _ = found.insert(account),
                Some(Err(why)) => without.push((*place, why)),
                None => {}
            }
        }
        Holders {
            accounts: found.into_iter().collect(),
            without,
        }
    }
}

impl Writer {
    fn new(settings: SnowAtlas, context: &Context) -> Result<Self, Error> {
        let (sink, clock, db) = (&context.name, &context.clock, &context.db);
        let http = Http::new(sink, &settings.http, clock.clone())?;
        let tokens = Tokens::new(settings.oauth.clone(), http);
        let way = Patient::new(tokens, Duration::from_secs(settings.answer_seconds));
        let base = settings.location();
        Ok(Writer {
            states: States::new(db.clone(), clock.clone(), sink.clone(), base.clone()),
            settings,
            sink: sink.clone(),
            api: Api { way, base },
            store: Store::new(db.clone()),
            clock: clock.clone(),
            accounts: Mutex::default(),
        })
    }

    fn refused(&self, source: Refusal) -> Error {
        let sink = self.sink.clone();
        Error::Refused { sink, source }
    }

    /// The accounts, as they were listed not too long ago, and whether that was just now.
    async fn accounts(&self, anew: bool) -> Result<(Arc<Accounts>, bool), Error> {
        let mut known = self.accounts.lock().await;
        let fresh = Duration::from_secs(self.settings.accounts_minutes * 60);
        match known.as_ref() {
            Some((at, accounts)) if !anew && at.elapsed() < fresh => Ok((accounts.clone(), false)),
            _ => {
                let listed = self.api.accounts().await.map_err(|e| self.refused(e))?;
                let accounts = Arc::new(listed);
                *known = Some((Instant::now(), accounts.clone()));
                Ok((accounts, true))
            }
        }
    }

    /// What is known of a tenant, once nobody else's request can be under way.
    async fn settled(&self, tenant: TenantId) -> Result<Kept<State>, Error> {
        let kept = self.states.get(tenant).await?;
        if let Some(since) = kept.now.writing
            && self.states.under_way(since, self.api.way.answer()).await?
        {
            return Err(Error::Vendor {
                sink: self.sink.clone(),
                what: "another exporter's request may still be under way".to_owned(),
                fault: Fault::JobRuns,
            });
        }
        Ok(kept)
    }

    /// Learns which licences of a tenant there are, where nobody knows it.
    async fn found(&self, tenant: TenantId, kept: &mut Kept<State>) -> Result<(), Error> {
        let prefix = format!("{tenant}:");
        let listed = self.api.licenses(&prefix).await;
        let mut licenses = BTreeMap::<String, Known>::new();
        for listed in listed.map_err(|e| self.refused(e))? {
            let id = listed.id;
            let external = listed.external_id.unwrap_or_default();
            let Some(sku) = external.strip_prefix(&prefix) else {
                continue;
            };
            let known = Known {
                id,
                ..Known::default()
            };
            if licenses.insert(sku.to_owned(), known).is_some() {
                return Err(self.twice(&external));
            }
        }
        let found = State {
            licenses,
            ..kept.now.clone()
        };
        self.states.put(tenant, kept, found).await
    }

    fn twice(&self, external: &str) -> Error {
        Error::Vendor {
            sink: self.sink.clone(),
            what: format!("two licences have the external id {external}"),
            fault: Fault::Twice,
        }
    }

    /// The products of a snapshot; none of one that is not complete.
    async fn read(
        &self,
        tenant: TenantId,
        snapshot: &mut Snapshot,
    ) -> Result<Option<Products>, Error> {
        let mut products = Products::default();
        while let Some(records) = snapshot.next().await? {
            for record in &records {
                if let Some((_, body)) = record::read(tenant, record)? {
                    products.note(body);
                }
            }
        }
        let complete = snapshot.end().is_some_and(|end| end.complete);
        Ok(complete.then_some(products))
    }

    /// Refuses what is much smaller than what stands there.
    fn hold(
        &self,
        tenant: TenantId,
        kept: &State,
        new: Part,
        end: &End,
        approved: bool,
    ) -> Result<(), Error> {
        let Some(shown) = kept.shown else {
            return Ok(());
        };
        let kinds = [
            ("subscribed_sku", shown.licenses, new.licenses),
            ("user", shown.users, new.users),
        ];
        self.settings.guard.hold(tenant, kinds, end, approved)
    }

    /// Brings all licences of a tenant. Returns how many were refused.
    async fn bring(
        &self,
        tenant: TenantId,
        part: Part,
        products: &Products,
        licenses: &[License],
        accounts: &Accounts,
        kept: &mut Kept<State>,
    ) -> Result<u64, Error> {
        let (mut rejects, mut refused) = (BTreeMap::new(), 0);
        let closing = part.closing;
        let reject = |kind, key: &str, reason: String| Reject {
            kind,
            key: key.to_owned(),
            closing,
            reason,
        };
        for license in licenses {
            let holders = Holders::of(license, products, accounts);
            for (place, why) in &holders.without {
                if let Some(person) = products.people().get(*place) {
                    let key = person.id.as_str();
                    let of = (RecordKind::User.name(), key.to_owned());
                    rejects.insert(of, reject(RecordKind::User, key, (*why).to_owned()));
                }
            }
            match self.write(tenant, kept, license, &holders.accounts).await {
                Ok(()) => {}
                Err(Error::Refused {
                    source: refusal @ (Refusal::Permanent { .. } | Refusal::TooLarge),
                    ..
                }) => {
                    refused += 1;
                    // Of this licence nobody knows what it has; the others go on.
                    let (kind, key) = (RecordKind::LicensePosition, license.sku.as_str());
                    let of = (kind.name(), key.to_owned());
                    rejects.insert(of, reject(kind, key, refusal.to_string()));
                }
                Err(e) => return Err(e),
            }
        }
        let wanted: BTreeSet<_> = licenses.iter().map(|l| l.sku.as_str()).collect();
        let gone = kept.now.licenses.keys();
        let gone: Vec<_> = gone
            .filter(|sku| !wanted.contains(sku.as_str()))
            .cloned()
            .collect();
        for sku in gone {
            self.remove(tenant, kept, &sku).await?;
        }
        let rejects: Vec<_> = rejects.into_values().collect();
        if let Some(first) = rejects.first() {
            let (sink, records) = (&self.sink, rejects.len());
            let (kind, key, reason) = (first.kind.name(), &first.key, &first.reason);
            tracing::warn!(sink, records, kind, key, reason, "a sink refuses records");
        }
        let place = Place::new(&self.sink, tenant);
        let at = self.clock.micros();
        self.store.refused(&place, at, &rejects).await?;
        let shown = State {
            shown: Some(part),
            ..kept.now.clone()
        };
        self.states.put(tenant, kept, shown).await?;
        Ok(refused)
    }
}

#[async_trait]
impl SnapshotSink for Writer {
    /// Leases and states keep exporters apart, and nothing lies about.
    async fn alone(&self) -> Result<Option<Alone>, Error> {
        Ok(Some(Box::new(())))
    }

    async fn shown(&self) -> Result<Shown, Error> {
        let states = self.states.all().await?.into_iter();
        let tenants = states.filter_map(|(t, state)| Some((t, state.shown?.closing)));
        Ok(Shown {
            tenants: tenants.collect(),
            whole: true,
        })
    }

    async fn check(&self) -> Result<(), Error> {
        self.api.reach().await.map_err(|e| self.refused(e))
    }

    /// A licence's users are those of all records together.
    fn takes_updates(&self) -> bool {
        false
    }

    /// Each licence changes for itself: nothing is left to be shown afterwards, and each tenant's failure is its own.
    async fn spool(
        &self,
        tenant: TenantId,
        mut snapshot: Snapshot,
    ) -> Result<Option<Closing>, Error> {
        let Some(products) = self.read(tenant, &mut snapshot).await? else {
            return Ok(None);
        };
        let (anew, approved) = (snapshot.is_anew(), snapshot.approved());
        let Some(end) = snapshot.end().cloned() else {
            return Ok(None);
        };
        drop(snapshot);
        let mut kept = self.settled(tenant).await?;
        let licenses = products.licenses(tenant, &self.settings);
        let mut learn = anew;
        loop {
            let (accounts, listed) = self.accounts(learn).await?;
            let users = |l| Holders::of(l, &products, &accounts).accounts.len() as u64;
            let part = Part {
                closing: end.as_of,
                licenses: licenses.len() as u64,
                users: licenses.iter().map(users).sum(),
            };
            self.hold(tenant, &kept.now, part, &end, approved)?;
            if anew || kept.now.shown.is_none() {
                self.found(tenant, &mut kept).await?;
            }
            let brought = self.bring(tenant, part, &products, &licenses, &accounts, &mut kept);
            // An account may be gone since they were listed.
            let refused = brought.await?;
            if refused == 0 || listed {
                // People without an account are usual, and no refusal.
                metrics::rejected(&self.sink, "refused", refused);
                return Ok(Some(end.as_of));
            }
            learn = true;
        }
    }

    async fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error> {
        let states = self.states.all().await?.into_iter();
        let written = states.filter_map(|(t, state)| {
            let part = state.shown?;
            Some((t, part.licenses + part.users))
        });
        Ok(written.filter(|(t, _)| tenants.contains(t)).collect())
    }
}
