//! A product beside a higher one of its ladder, which replaces it.

use super::{Confidence, Found, Rule, replaced_by};
use crate::finding::product::{Products, Why};
use crate::position::count::Holder;

/// What would show that there is nothing to do after all.
pub const DISPROVED_BY: &str = "the user is being moved from one to the other and both are meant to overlap until a date, or \
     the account is not one person's";

/// Looks at the products that the user consumes.
pub fn find<'p>(user: &Holder, products: &'p Products, found: &mut Vec<Found<'p>>) {
    for license in &user.assigned_licenses {
        let beside = replaced_by(user, &license.sku_id, products, Why::Ladder);
        if let Some(product) = products.get(&license.sku_id)
            && !beside.is_empty()
        {
            found.push(Found {
                beside,
                ..Found::one(Rule::LowerSku, product, Confidence::Probable)
            });
        }
    }
}
