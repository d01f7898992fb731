//! For whom no token could be had, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use proto::ids::TenantId;
use runtime::metrics::token as metrics;

/// Who doesn't ask again for so long may have got one from another token-broker. In microseconds.
const FORGET: u64 = 15 * 60 * 1_000_000;

/// The last failures that no success has followed: code and when.
#[derive(Default)]
pub(crate) struct Failing(Mutex<BTreeMap<(TenantId, String), (String, u64)>>);

impl Failing {
    /// A request for a token of this tenant and dataset ended: with an error of this code, or well.
    pub(crate) fn note(&self, tenant: TenantId, dataset: &str, failed: Option<&str>, now: u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.len();
        all.retain(|_, (_, at)| now.saturating_sub(*at) < FORGET);
        match failed {
            Some(code) => _ = all.insert((tenant, dataset.to_owned()), (code.to_owned(), now)),
            // Asked for thousands of times a second.
            None if before == 0 => return,
            None => _ = all.remove(&(tenant, dataset.to_owned())),
        }
        let shown = all.iter();
        let shown = shown.map(|((t, d), (code, _))| (t.to_string(), d.clone(), code.clone()));
        metrics::failing(shown.collect());
    }
}
