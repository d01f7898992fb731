//! Users by product: what one user adds to the counters. Pure.
//!
//! Counters change by differences: what the old state of a user added is taken away, what the new one adds is added,
//! so that a run costs what it changed.

use std::collections::{BTreeSet, HashMap};

use prost::Message;

/// The properties of `inventory.v1.User` that positions and findings follow from. The others are skipped unread: this
/// runs for every user of a first load.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Holder {
    /// Graph's id of the user.
    #[prost(string, tag = "2")]
    pub user_id: String,
    /// Whether sign-in is allowed.
    #[prost(bool, optional, tag = "8")]
    pub account_enabled: Option<bool>,
    /// Member or Guest.
    #[prost(string, optional, tag = "9")]
    pub user_type: Option<String>,
    /// Products that the user consumes.
    #[prost(message, repeated, tag = "21")]
    pub assigned_licenses: Vec<Held>,
    /// The ways by which products were assigned.
    #[prost(message, repeated, tag = "22")]
    pub license_assignment_states: Vec<Way>,
}

/// The part of `AssignedLicense` that counts.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Held {
    /// GUID of the product.
    #[prost(string, tag = "1")]
    pub sku_id: String,
    /// Service plans switched off for the user.
    #[prost(string, repeated, tag = "2")]
    pub disabled_plans: Vec<String>,
}

/// The part of `LicenseAssignmentState` that counts.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Way {
    /// GUID of the product.
    #[prost(string, tag = "1")]
    pub sku_id: String,
    /// The group, if one assigns.
    #[prost(string, optional, tag = "2")]
    pub assigned_by_group: Option<String>,
    /// Active, ActiveWithError, Disabled or Error.
    #[prost(string, tag = "3")]
    pub state: String,
    /// Why the state is an error.
    #[prost(string, optional, tag = "4")]
    pub error: Option<String>,
}

impl Holder {
    /// Every product that the user has or should have, each once.
    pub fn skus(&self) -> Vec<&str> {
        let held = self.assigned_licenses.iter().map(|l| l.sku_id.as_str());
        let ways = self.license_assignment_states.iter();
        let mut skus: Vec<&str> = held.chain(ways.map(|w| w.sku_id.as_str())).collect();
        skus.sort_unstable();
        skus.dedup();
        skus
    }

    /// The ways by which the user holds a product, as license_assignment.proto names them, with the group; none where the
    /// user doesn't.
    pub fn ways(&self, sku: &str) -> BTreeSet<(&'static str, Option<String>)> {
        if !self.assigned_licenses.iter().any(|l| l.sku_id == sku) {
            return BTreeSet::new();
        }
        let states = self.license_assignment_states.iter();
        let working = states.filter(|w| w.sku_id == sku && works(&w.state));
        let mut ways: BTreeSet<_> = working
            .map(|w| match &w.assigned_by_group {
                Some(group) => ("group", Some(group.clone())),
                None => ("direct", None),
            })
            .collect();
        if ways.is_empty() {
            ways.insert(("unknown", None));
        }
        ways
    }
}

/// Users of one product, as `inventory.v1.LicensePosition` defines each number; or a difference of such numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "license_position.proto is the reference")]
pub struct Counts {
    pub assigned: i64,
    pub direct: i64,
    pub by_group: i64,
    pub both: i64,
    pub unknown: i64,
    pub in_error: i64,
    pub disabled: i64,
    pub assigned_blocked: i64,
    pub assigned_guests: i64,
    pub with_disabled_plans: i64,
}

/// Number of the way in which users are counted. A ledger that was counted in another way is counted anew: raise it
/// with every change of what [`Counts`] hold.
pub const COUNTING: i64 = 1;

impl Counts {
    /// Adds `sign` times `other`.
    pub fn add(&mut self, other: &Counts, sign: i64) {
        self.assigned += sign * other.assigned;
        self.direct += sign * other.direct;
        self.by_group += sign * other.by_group;
        self.both += sign * other.both;
        self.unknown += sign * other.unknown;
        self.in_error += sign * other.in_error;
        self.disabled += sign * other.disabled;
        self.assigned_blocked += sign * other.assigned_blocked;
        self.assigned_guests += sign * other.assigned_guests;
        self.with_disabled_plans += sign * other.with_disabled_plans;
    }
}

/// Counters, or differences, by product.
pub type BySku = HashMap<String, Counts>;

/// Adds `sign` times what this user counts.
pub fn add(to: &mut BySku, user: &Holder, sign: i64) {
    for sku in user.skus() {
        let counts = count(user, sku);
        match to.get_mut(sku) {
            Some(sum) => sum.add(&counts, sign),
            None => to.entry(sku.to_owned()).or_default().add(&counts, sign),
        }
    }
}

fn count(user: &Holder, sku: &str) -> Counts {
    let ways = || {
        user.license_assignment_states
            .iter()
            .filter(|w| w.sku_id == sku)
    };
    let held = user.assigned_licenses.iter().find(|l| l.sku_id == sku);
    let assigned = held.is_some();
    let by = |group: bool| {
        assigned && ways().any(|w| works(&w.state) && w.assigned_by_group.is_some() == group)
    };
    let (direct, by_group) = (by(false), by(true));
    Counts {
        assigned: assigned.into(),
        direct: direct.into(),
        by_group: by_group.into(),
        both: (direct && by_group).into(),
        unknown: (assigned && !direct && !by_group).into(),
        in_error: ways().any(|w| w.state == "Error").into(),
        disabled: ways().any(|w| w.state == "Disabled").into(),
        assigned_blocked: (assigned && user.account_enabled == Some(false)).into(),
        assigned_guests: (assigned && user.user_type.as_deref() == Some("Guest")).into(),
        with_disabled_plans: held.is_some_and(|l| !l.disabled_plans.is_empty()).into(),
    }
}

/// Whether a way in this state gives the user the product.
pub(crate) fn works(state: &str) -> bool {
    matches!(state, "Active" | "ActiveWithError")
}

#[cfg(test)]
mod tests;
