//! A product that somebody should have and doesn't get: an assignment failed, and no other one works.

use super::{Confidence, Found, Rule};
use crate::finding::product::Products;
use crate::position::count::{Holder, works};

/// What would show that there is nothing to do after all.
pub const DISPROVED_BY: &str =
    "the assignment has been repaired since it was read, or the user shouldn't have the product";

/// Looks at the ways by which products were assigned. Where one fails and another one works, the user has the product.
pub fn find<'p>(user: &Holder, products: &'p Products, found: &mut Vec<Found<'p>>) {
    let ways = &user.license_assignment_states;
    let mut failed: Vec<&str> = ways
        .iter()
        .filter(|w| w.state == "Error")
        .map(|w| w.sku_id.as_str())
        .collect();
    failed.sort_unstable();
    failed.dedup();
    for sku in failed {
        let of_it = || ways.iter().filter(|w| w.sku_id == sku);
        if of_it().any(|w| works(&w.state)) {
            continue;
        }
        let Some(product) = products.get(sku).filter(|p| p.kind.counts()) else {
            continue;
        };
        let failed = of_it().filter(|w| w.state == "Error");
        let mut reasons: Vec<String> = failed
            .map(|w| w.error.clone().unwrap_or_else(|| "Other".to_owned()))
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        found.push(Found {
            reasons,
            ..Found::one(Rule::InError, product, Confidence::Certain)
        });
    }
}
