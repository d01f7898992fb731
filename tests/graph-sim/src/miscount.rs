//! Units in use that are counted otherwise than users hold them, on request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::sim::Sim;

/// A product's count, off by some units.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Miscount {
    /// The part number.
    pub sku: String,
    /// By how many units `consumedUnits` is higher than the number of users; negative for lower.
    pub by: i64,
}

/// By position of the tenant and part number.
#[derive(Default)]
pub(crate) struct Miscounts(Mutex<HashMap<(usize, String), i64>>);

impl Miscounts {
    /// The units that a product's count is off.
    pub(crate) fn of(&self, tenant: usize, sku: &str) -> i64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(tenant, sku.to_owned())).copied().unwrap_or(0)
    }
}

impl Sim {
    /// Lets the count of a product be off from now on; the truth has it too, since that is what Microsoft counts.
    pub fn miscount(&self, tenant: usize, miscount: Miscount) {
        let all = &self.miscounts().0;
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((tenant, miscount.sku), miscount.by);
    }
}
