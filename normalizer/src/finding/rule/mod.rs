//! The rules: each a file, each pure.

pub mod disabled_account;
pub mod in_error;
pub mod included_sku;
pub mod lower_sku;
pub mod unassigned;

use super::product::{Product, Products, Why};
use crate::position::count::Holder;

/// The rules, in the order in which they look at a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// See [`disabled_account`].
    DisabledAccount,
    /// See [`in_error`].
    InError,
    /// See [`lower_sku`].
    LowerSku,
    /// See [`included_sku`].
    IncludedSku,
    /// See [`unassigned`].
    Unassigned,
}

impl Rule {
    /// Those that look at users.
    pub const OF_USERS: [Rule; 4] = [
        Rule::DisabledAccount,
        Rule::InError,
        Rule::LowerSku,
        Rule::IncludedSku,
    ];

    /// As records and commands spell it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::DisabledAccount => "disabled_account",
            Rule::InError => "in_error",
            Rule::LowerSku => "lower_sku",
            Rule::IncludedSku => "included_sku",
            Rule::Unassigned => "unassigned",
        }
    }

    /// What would show that there is nothing to do after all.
    pub fn disproved_by(self) -> &'static str {
        match self {
            Rule::DisabledAccount => disabled_account::DISPROVED_BY,
            Rule::InError => in_error::DISPROVED_BY,
            Rule::LowerSku => lower_sku::DISPROVED_BY,
            Rule::IncludedSku => included_sku::DISPROVED_BY,
            Rule::Unassigned => unassigned::DISPROVED_BY,
        }
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// What was read proves it.
    Certain,
    /// There are exceptions that can't be seen in what was read.
    Probable,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<'p> {
    /// The rule.
    pub rule: Rule,
    /// The product whose units it is about.
    pub product: &'p Product,
    /// Units.
    pub units: i64,
    /// How sure it is.
    pub confidence: Confidence,
    /// Products beside which this one gives nothing more.
    pub beside: Vec<&'p Product>,
    /// Sorted.
    pub reasons: Vec<String>,
}

impl<'p> Found<'p> {
    /// One unit of a product, with nothing beside.
    fn one(rule: Rule, product: &'p Product, confidence: Confidence) -> Found<'p> {
        Found {
            rule,
            product,
            units: 1,
            confidence,
            beside: Vec::new(),
            reasons: Vec::new(),
        }
    }
}

/// What is to be found about a user.
pub fn of_user<'p>(user: &Holder, products: &'p Products) -> Vec<Found<'p>> {
    let mut found = Vec::new();
    disabled_account::find(user, products, &mut found);
    in_error::find(user, products, &mut found);
    lower_sku::find(user, products, &mut found);
    included_sku::find(user, products, &mut found);
    found
}

/// Those of the user's other products that replace this one, for one reason. A service that is switched off there and
/// on here is what this one is for: such a pair is no duplicate.
fn replaced_by<'p>(
    user: &Holder,
    sku_id: &str,
    products: &'p Products,
    reason: Why,
) -> Vec<&'p Product> {
    let held = |sku: &str| user.assigned_licenses.iter().find(|l| l.sku_id == sku);
    let gives = |other: &Product| {
        let (Some(here), Some(there), Some(product)) =
            (held(sku_id), held(&other.sku_id), products.get(sku_id))
        else {
            return false;
        };
        let off_there = |plan: &str| there.disabled_plans.iter().any(|off| off == plan);
        let lost = |plan: &str| {
            let mut giving = other.giving(plan).peekable();
            giving.peek().is_some() && giving.all(off_there)
        };
        let on_here = |plan: &&(String, String)| !here.disabled_plans.contains(&plan.0);
        there.disabled_plans.is_empty()
            || !product.plans.iter().filter(on_here).any(|(id, _)| lost(id))
    };
    products
        .beside(sku_id)
        .filter(|(other, why)| *why == reason && gives(other))
        .map(|(other, _)| other)
        .collect()
}

#[cfg(test)]
mod tests;
