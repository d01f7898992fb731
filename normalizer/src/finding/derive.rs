//! Keeps the findings of a tenant what the rules make of its records, by what a run changes.
//!
//! The findings about users are a function of each user and of the tenant's [`Products`]: a run of users derives those
//! of the users that it changes, and a run that changes products those of all who hold these (see `settle`).

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use proto::inventory::v1::LicensePosition;
use proto::kind::RecordKind;
use runtime::db::Connection;

use super::product::Products;
use super::rule::{Rule, of_user, unassigned};
use super::{record, settle};
use crate::error::Error;
use crate::ledger::bulk::Shared;
use crate::ledger::derived::{self, Wanted};
use crate::names::Names;
use crate::position::count::Holder;

/// The findings of a tenant while a run is applied.
pub(crate) struct Findings {
    tenant_id: String,
    pub names: Names,
    pub products: Products,
    /// Products of which something changed that findings or names follow from.
    pub changed: BTreeSet<String>,
    wanted: Wanted,
    /// Records that were written or removed.
    pub written: u64,
}

impl Findings {
    /// For a run. Before users change, what they held is brought to what is known of the products now.
    pub async fn begin(
        c: &mut Connection,
        run: &Shared,
        tenant_id: &str,
        names: &Names,
    ) -> Result<Findings, Error> {
        let mut findings = Findings {
            tenant_id: tenant_id.to_owned(),
            names: names.clone(),
            products: Products::default(),
            changed: BTreeSet::new(),
            wanted: Wanted::new(),
            written: 0,
        };
        if run.kind == RecordKind::User {
            settle::settle(c, run, &mut findings).await?;
        }
        Ok(findings)
    }

    /// Once the records of the run are written.
    pub async fn end(&mut self, c: &mut Connection, run: &Shared) -> Result<(), Error> {
        match run.kind {
            RecordKind::SubscribedSku | RecordKind::Subscription => {
                settle::settle(c, run, self).await
            }
            _ => Ok(()),
        }
    }

    /// A user is no longer this.
    pub fn was(&mut self, user: &Holder) {
        for found in of_user(user, &self.products) {
            let key = record::key(found.rule, &found.product.sku_id, Some(&user.user_id));
            self.wanted.insert(key, None);
        }
    }

    /// A user is this now.
    pub fn is(&mut self, user: &Holder) {
        for found in of_user(user, &self.products) {
            let (key, finding) = record::record(&self.tenant_id, Some(&user.user_id), found);
            let body = Bytes::from(finding.encode_to_vec());
            self.wanted.insert(key, Some(body));
        }
    }

    /// A user is this, and what was found about them earlier may rest on other products.
    pub(super) fn anew(&mut self, user: &Holder) {
        for sku in user.skus() {
            for rule in Rule::OF_USERS {
                let key = record::key(rule, sku, Some(&user.user_id));
                self.wanted.insert(key, None);
            }
        }
        self.is(user);
    }

    /// A position is this now, or there is none.
    pub fn position(&mut self, sku_id: &str, position: Option<&LicensePosition>) {
        let found = position
            .zip(self.products.get(sku_id))
            .and_then(|(position, product)| unassigned::find(position, product));
        let body = found.map(|found| {
            let (_, finding) = record::record(&self.tenant_id, None, found);
            Bytes::from(finding.encode_to_vec())
        });
        let key = record::key(Rule::Unassigned, sku_id, None);
        self.wanted.insert(key, body);
    }

    /// Writes what has come together. Called for each page, so that it stays little.
    pub async fn flush(&mut self, c: &mut Connection, run: &Shared) -> Result<(), Error> {
        let wanted = std::mem::take(&mut self.wanted);
        self.written += derived::bring(c, run, RecordKind::Finding, &wanted).await?;
        Ok(())
    }
}
