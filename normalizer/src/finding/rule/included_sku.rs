//! An add-on or smaller suite beside a product that has all of its services.

use super::{Confidence, Found, Rule, replaced_by};
use crate::finding::product::{Product, Products, Why};
use crate::position::count::Holder;

/// What would show that there is nothing to do after all.
pub const DISPROVED_BY: &str = "the product gives a right that is no service plan (use on own servers, a price for add-ons, \
     another term), or both are meant to overlap until a date";

/// Services that are named; a suite has dozens.
const NAMED: usize = 5;

/// Looks at the products that the user consumes and that no ladder has found.
pub fn find<'p>(user: &Holder, products: &'p Products, found: &mut Vec<Found<'p>>) {
    for license in &user.assigned_licenses {
        let Some(product) = products.get(&license.sku_id) else {
            continue;
        };
        if found
            .iter()
            .any(|f| f.rule == Rule::LowerSku && f.product == product)
        {
            continue;
        }
        let beside = replaced_by(user, &license.sku_id, products, Why::Plans);
        if !beside.is_empty() {
            found.push(Found {
                beside,
                reasons: services(product),
                ..Found::one(Rule::IncludedSku, product, Confidence::Probable)
            });
        }
    }
}

fn services(product: &Product) -> Vec<String> {
    let mut names: Vec<String> = product.plans.iter().map(|(_, n)| n.clone()).collect();
    names.sort_unstable();
    if names.len() > NAMED {
        let more = names.len() - NAMED;
        names.truncate(NAMED);
        names.push(format!("and {more} more"));
    }
    names
}
