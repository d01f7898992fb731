//! One licence on its way: noted, sent, noted again.

use proto::ids::TenantId;
use serde::Serialize;
use tokio::time::Instant;

use super::mapping::License;
use super::{Known, State, Writer};
use crate::delivery::digest;
use crate::error::Error;
use crate::sink::Refusal;
use crate::states::{Kept, TO_BEGIN};

/// What something is recognised by.
fn print(of: &impl Serialize) -> String {
    // What is hashed here is made of texts and numbers, and never fails.
    let text = serde_json::to_vec(of).unwrap_or_default();
    digest(&text).iter().map(|b| format!("{b:02x}")).collect()
}

impl Writer {
    /// Brings a licence and who holds it, where it isn't there like that.
    pub(super) async fn write(
        &self,
        tenant: TenantId,
        kept: &mut Kept<State>,
        license: &License,
        accounts: &[&str],
    ) -> Result<(), Error> {
        let sku = license.sku.as_str();
        let (fields, users) = (print(&license.ours), print(&accounts));
        let mut known = kept.now.licenses.get(sku).cloned().unwrap_or_default();
        if known.fields == fields && known.users == users {
            return Ok(());
        }
        if known.id.is_empty() {
            known.id = self.sought(&license.external_id).await?;
        }
        let shown = match known.id.as_str() {
            "" => None,
            id => self.api.license(id).await.map_err(|e| self.refused(e))?,
        };
        match shown {
            None => {
                let until = self.noted(tenant, kept, sku, Known::default()).await?;
                let made = self.api.create(&license.new_one(), until).await;
                let id = self.heard(tenant, kept, made).await?;
                known = Known {
                    id,
                    fields,
                    ..Known::default()
                };
            }
            Some(shown) if known.fields != fields => {
                // Whether users stay where a licence is replaced is not said.
                known = Known {
                    id: known.id,
                    ..Known::default()
                };
                let until = self.noted(tenant, kept, sku, known.clone()).await?;
                let instead = license.instead(shown);
                let replaced = self.api.replace(&known.id, &instead, until).await;
                self.heard(tenant, kept, replaced).await?;
                known.fields = fields;
            }
            Some(_) => {}
        }
        if known.users != users {
            known.users.clear();
            let until = self.noted(tenant, kept, sku, known.clone()).await?;
            let assigned = self.api.assign(&known.id, accounts, until).await;
            self.heard(tenant, kept, assigned).await?;
            known.users = users;
        }
        let mut next = kept.now.clone();
        next.licenses.insert(sku.to_owned(), known);
        next.writing = None;
        self.states.put(tenant, kept, next).await
    }

    /// Removes the licence of a SKU that the tenant has no more.
    pub(super) async fn remove(
        &self,
        tenant: TenantId,
        kept: &mut Kept<State>,
        sku: &str,
    ) -> Result<(), Error> {
        let mut id = kept.now.licenses.get(sku).map(|k| k.id.clone());
        if id.as_deref() == Some("") {
            id = Some(self.sought(&format!("{tenant}:{sku}")).await?);
        }
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let known = Known {
                id: id.clone(),
                ..Known::default()
            };
            let until = self.noted(tenant, kept, sku, known).await?;
            let removed = self.api.remove(&id, until).await;
            self.heard(tenant, kept, removed).await?;
        }
        let mut next = kept.now.clone();
        next.licenses.remove(sku);
        next.writing = None;
        self.states.put(tenant, kept, next).await
    }

    /// The id of the licence with an external id; empty where there is none.
    async fn sought(&self, external: &str) -> Result<String, Error> {
        let listed = self.api.licenses(external).await;
        let mut listed = listed.map_err(|e| self.refused(e))?;
        listed.retain(|l| l.external_id.as_deref() == Some(external));
        match listed.len() {
            0 | 1 => Ok(listed.pop().map(|l| l.id).unwrap_or_default()),
            _ => Err(self.twice(external)),
        }
    }

    /// Notes that a request about a licence is on its way, and returns until when it may begin.
    async fn noted(
        &self,
        tenant: TenantId,
        kept: &mut Kept<State>,
        sku: &str,
        known: Known,
    ) -> Result<Instant, Error> {
        // Before the note: whoever takes over waits from then on.
        let until = Instant::now() + TO_BEGIN;
        let mut next = kept.now.clone();
        next.licenses.insert(sku.to_owned(), known);
        next.writing = Some(self.states.time().await?);
        self.states.put(tenant, kept, next).await?;
        Ok(until)
    }

    /// Notes that a request is under way no more, unless it got no answer.
    async fn heard<T>(
        &self,
        tenant: TenantId,
        kept: &mut Kept<State>,
        answer: Result<T, Refusal>,
    ) -> Result<T, Error> {
        let refusal = match answer {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        if !matches!(refusal, Refusal::Transient { .. }) {
            let mut next = kept.now.clone();
            next.writing = None;
            self.states.put(tenant, kept, next).await?;
        }
        Err(self.refused(refusal))
    }
}
