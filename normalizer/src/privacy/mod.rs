//! What a tenant's people may ask for: fields that are left out or replaced before they rest anywhere, and persons who are
//! erased and don't come back.
//!
//! [`Care`] is what is done to each page before it is stored; `erase` is an operator's act.

mod erase;
mod forget;
mod former;
pub(crate) mod keys;
mod leftovers;
mod lift;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod suppression;
mod who;

use proto::ids::TenantId;
use proto::kind::RecordKind;
use runtime::db::Connection;

use crate::Normalizer;
use crate::error::Error;
use crate::map::Objects;
use policy::Policy;
use suppression::{Learned, Suppressed};

/// What is done to a page of a tenant's dataset.
#[derive(Default)]
pub(crate) struct Care {
    pub suppressed: Option<Suppressed>,
    pub policy: Policy,
}

impl Care {
    /// Leaves out who was erased, then what the tenant's policy says. Says what it learned of who was erased.
    ///
    /// # Errors
    /// When a record can't be read: then nothing of the page may be stored.
    pub fn take(&self, kind: RecordKind, objects: &mut Objects) -> Result<Vec<Learned>, String> {
        let mut learned = Vec::new();
        if let Some(suppressed) = &self.suppressed {
            learned = suppressed.sift(kind, objects)?;
        }
        if !self.policy.is_empty() {
            self.policy.apply(kind, objects)?;
            // Whoever was known by a pseudonym only.
            if let Some(suppressed) = &self.suppressed {
                suppressed.sift(kind, objects)?;
            }
        }
        Ok(learned)
    }
}

impl Normalizer {
    /// What is to be done to a page; `number` is the tenant's, if the ledger knows it.
    pub(crate) async fn care(
        &self,
        c: &mut Connection,
        (tenant, number): (TenantId, Option<i64>),
        kind: RecordKind,
    ) -> Result<Care, Error> {
        let keys = &self.0.keys;
        Ok(Care {
            suppressed: match number {
                Some(number) => Suppressed::load(c, keys, number, &tenant.to_string()).await?,
                None => None,
            },
            policy: Policy::new(&self.0.config.privacy, tenant, kind, keys),
        })
    }
}
