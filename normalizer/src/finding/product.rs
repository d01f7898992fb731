//! What findings have to know of a tenant's products. Pure.

use std::cmp::Ordering;
use std::collections::HashMap;

use proto::inventory::v1::{SubscribedSku, Subscription};
use sha2::{Digest as _, Sha256};

use super::kind::Kind;
use super::{ladder, plans, tsv};
use crate::names::Names;

/// A product of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// GUID.
    pub sku_id: String,
    /// Microsoft's short name.
    pub part_number: String,
    /// Name a person knows; the short name when none is known.
    pub name: String,
    /// What sort of product it is.
    pub kind: Kind,
    /// Whether units can be assigned at present.
    pub usable: bool,
    /// Units that can be assigned and belong to a trial.
    pub trial_units: i64,
    /// The services that a user gets by it, with their names.
    pub plans: Vec<(String, String)>,
}

impl Product {
    /// From the records of a tenant: a product, and the subscriptions behind it.
    pub fn of(sku: &SubscribedSku, subscriptions: &[Subscription], names: &Names) -> Product {
        let usable = |s: &&Subscription| {
            s.sku_id == sku.sku_id && matches!(s.status.as_deref(), Some("Enabled" | "Warning"))
        };
        let behind = || subscriptions.iter().filter(usable);
        let is_trial = |s: &&Subscription| s.is_trial == Some(true);
        let trial_units = behind()
            .filter(is_trial)
            .map(|s| i64::from(s.total_licenses));
        let only_trials = behind().next().is_some() && behind().all(|s| is_trial(&s));
        // Those for the company come with any product.
        let for_users = sku
            .service_plans
            .iter()
            .filter(|p| p.applies_to.as_deref() != Some("Company"))
            .filter(|p| plans::entitles(&p.service_plan_id));
        let plan_name = |id: &str, short: &str| names.plan(id).unwrap_or(short).to_owned();
        Product {
            sku_id: sku.sku_id.clone(),
            part_number: sku.sku_part_number.clone(),
            name: names
                .product(&sku.sku_id)
                .unwrap_or(&sku.sku_part_number)
                .to_owned(),
            kind: Kind::of(sku, only_trials),
            usable: i64::from(sku.enabled) + i64::from(sku.warning) > 0,
            trial_units: trial_units.sum(),
            plans: for_users
                .map(|p| {
                    let name = plan_name(&p.service_plan_id, &p.service_plan_name);
                    (p.service_plan_id.clone(), name)
                })
                .collect(),
        }
    }

    /// Changes when something of the product, or a rule, changes from which findings follow.
    pub fn fingerprint(&self) -> Vec<u8> {
        let mut hash = Sha256::new_with_prefix(*tsv::VERSION);
        hash.update(format!("{self:?}"));
        hash.finalize()[..16].to_vec()
    }

    /// The services that give all of this plan.
    pub fn giving<'p>(&'p self, plan: &'p str) -> impl Iterator<Item = &'p str> {
        let giving = plans::giving(plan).into_iter();
        giving.filter(|id| self.has(id))
    }

    fn has(&self, plan: &str) -> bool {
        self.plans.iter().any(|(id, _)| id == plan)
    }

    /// Whether the other product gives all services of this one.
    fn is_inside(&self, other: &Product) -> bool {
        !self.plans.is_empty()
            && self
                .plans
                .iter()
                .all(|(id, _)| other.giving(id).next().is_some())
    }
}

/// Why a product gives nothing more beside another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It stands below on the same ladder.
    Ladder,
    /// The other one has all of its services, and more.
    Plans,
}

/// Why `a` gives nothing more to who has `b`. Ladders decide first; products of one rung, or of none, by their plans.
fn why(a: &Product, b: &Product) -> Option<Why> {
    if a.sku_id == b.sku_id || !a.kind.is_for_people() || !b.kind.is_for_people() || !b.usable {
        return None;
    }
    match ladder::compare(&a.sku_id, &b.sku_id) {
        // A higher one that is sold without Teams doesn't replace a lower one that has it.
        Some(Ordering::Less) => {
            (b.has(plans::TEAMS) || !a.has(plans::TEAMS)).then_some(Why::Ladder)
        }
        Some(Ordering::Greater) => None,
        Some(Ordering::Equal) | None => (a.is_inside(b) && !b.is_inside(a)).then_some(Why::Plans),
    }
}

/// The products of a tenant, and how they stand to each other.
#[derive(Clone, Debug, Default)]
pub struct Products {
    all: Vec<Product>,
    by_id: HashMap<String, usize>,
    /// For each, those beside which it gives nothing more.
    beside: Vec<Vec<(usize, Why)>>,
}

impl Products {
    /// Compares all with all.
    pub fn new(mut all: Vec<Product>) -> Products {
        all.sort_by(|a, b| a.sku_id.cmp(&b.sku_id));
        let beside = |a| {
            let each = all.iter().enumerate();
            each.filter_map(|(n, b)| Some((n, why(a, b)?))).collect()
        };
        Products {
            beside: all.iter().map(beside).collect(),
            by_id: all
                .iter()
                .enumerate()
                .map(|(n, p)| (p.sku_id.clone(), n))
                .collect(),
            all,
        }
    }

    /// Each, sorted by GUID.
    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.all.iter()
    }

    /// The product with this GUID, if the tenant has it.
    pub fn get(&self, sku_id: &str) -> Option<&Product> {
        self.by_id.get(sku_id).map(|n| &self.all[*n])
    }

    /// Those beside which a product gives nothing more, and why.
    pub fn beside(&self, sku_id: &str) -> impl Iterator<Item = (&Product, Why)> {
        let found = self.by_id.get(sku_id).map(|n| self.beside[*n].as_slice());
        let each = found.unwrap_or_default().iter();
        each.map(|(n, why)| (&self.all[*n], *why))
    }
}
