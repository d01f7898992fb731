//! The sink: what a push begins with, and what is remembered after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex as Short, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use proto::body::Body;
use proto::ids::TenantId;
use proto::kind::RecordKind;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::{Change, ChangeSink, Limits, Refusal, Taken};
use super::api::{Api, PACE};
use super::known::{Known, category};
use super::push::{Push, Want};
use super::rows::{self, Wanted};
use super::{SnipeIt, Users};
use crate::http::Http;

/// For how long it is believed that nobody else wrote there: within one tenant's turn, and at most this long.
const BELIEVED: Duration = Duration::from_secs(1_800);

/// A Snipe-IT.
pub(super) struct System {
    settings: SnipeIt,
    api: Api,
    /// What stands there, by tenant. A push takes it out, and puts it back where it knows what it did.
    known: Mutex<HashMap<TenantId, Known>>,
    /// Tenants of which it is to be read anew.
    stale: Short<BTreeSet<TenantId>>,
}

impl System {
    pub(super) fn new(settings: SnipeIt, http: Http) -> Self {
        System {
            api: Api::new(settings.clone(), http),
            settings,
            known: Mutex::default(),
            stale: Short::default(),
        }
    }

    /// What is believed to stand there of a tenant.
    async fn taken_out(&self, tenant: TenantId) -> Option<Known> {
        let anew = {
            let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
            stale.remove(&tenant)
        };
        let mut known = self.known.lock().await;
        known.retain(|_, known| known.at.elapsed() < BELIEVED);
        known.remove(&tenant).filter(|_| !anew)
    }
}

fn unfit() -> Refusal {
    Refusal::Permanent {
        why: "a record is no JSON".to_owned(),
    }
}

#[async_trait]
impl ChangeSink for System {
    fn limits(&self) -> Limits {
        Limits {
            records: self.settings.most_records,
            bytes: 1 << 20,
            // It counts requests, of which a push has many: they are paced one by one.
            pushes_a_minute: None,
            timeout: Duration::from_secs(self.settings.push_seconds),
        }
    }

    fn wants(&self, kind: RecordKind) -> bool {
        matches!(kind, RecordKind::User | RecordKind::LicensePosition)
    }

    fn render(
        &self,
        tenant: TenantId,
        _: RecordKind,
        _: &str,
        body: &Body,
    ) -> Result<Option<Vec<u8>>, String> {
        let wanted = match body {
            // Units for the company can't be assigned.
            Body::LicensePosition(p) if p.applies_to.as_deref() == Some("Company") => None,
            Body::LicensePosition(position) => Some(Wanted::Licence(rows::licence(position))),
            Body::User(user) => {
                let holds = !user.assigned_licenses.is_empty();
                match holds || self.settings.users == Users::All {
                    true => Some(Wanted::Holder(rows::holder(
                        tenant,
                        user,
                        self.settings.match_by,
                    )?)),
                    false => None,
                }
            }
            _ => None,
        };
        let json = wanted.map(|w| serde_json::to_vec(&w)).transpose();
        json.map_err(|e| e.to_string())
    }

    fn turn(&self, tenant: TenantId) {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        stale.insert(tenant);
    }

    async fn push(
        &self,
        tenant: TenantId,
        changes: &[Change],
        until: Instant,
    ) -> Result<Vec<Taken>, Refusal> {
        let want = |change: &'_ Change| {
            let wanted = change.payload.as_deref().map(serde_json::from_slice);
            (change.kind, wanted.transpose())
        };
        let mut wants = Vec::with_capacity(changes.len());
        for change in changes {
            wants.push(match want(change) {
                (_, Err(_)) => return Err(unfit()),
                (_, Ok(Some(Wanted::Licence(licence)))) => Want::Licence(&change.key, licence),
                (_, Ok(Some(Wanted::Holder(holder)))) => Want::Holder(&change.key, holder),
                (RecordKind::LicensePosition, Ok(None)) => Want::NoLicence(&change.key),
                (_, Ok(None)) => Want::NoHolder(&change.key),
            });
        }
        let mut known = match self.taken_out(tenant).await {
            Some(known) => known,
            None => Known::read(&self.api, &self.settings, tenant, until).await?,
        };
        let mut push = Push {
            api: &self.api,
            settings: &self.settings,
            tenant,
            known: &mut known,
            until,
        };
        let outcomes = push.run(&wants).await;
        // Where an answer is missing it isn't known what stands there. A request that has to wait, or was not sent, had no effect.
        let is_known = match &outcomes {
            Ok(_) | Err(Refusal::Throttled { .. } | Refusal::Late) => true,
            Err(Refusal::Transient { why }) => why == PACE,
            Err(_) => false,
        };
        if is_known {
            self.known.lock().await.insert(tenant, known);
        }
        let taken = outcomes?.into_iter().map(|outcome| match outcome {
            Ok(id) => Taken::Done {
                remote: id.map(|id| id.to_string()),
            },
            Err(reason) => Taken::Rejected { reason },
        });
        Ok(taken.collect())
    }

    /// Reads the categories.
    async fn check(&self) -> Result<(), Refusal> {
        let until = Instant::now() + self.limits().timeout;
        category(&self.api, &self.settings, until).await
    }
}
