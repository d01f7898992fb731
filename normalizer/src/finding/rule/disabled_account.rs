//! A licence on an account whose sign-in is blocked: it is consumed all the same.

use super::{Confidence, Found, Rule};
use crate::finding::product::Products;
use crate::position::count::Holder;

/// What would show that there is nothing to do after all.
pub const DISPROVED_BY: &str = "the account is a shared or resource mailbox that needs the licence (archive, litigation hold, \
     above 50 GB), or its sign-in is blocked for a short time only";

/// Looks at the products that the user consumes.
pub fn find<'p>(user: &Holder, products: &'p Products, found: &mut Vec<Found<'p>>) {
    if user.account_enabled != Some(false) {
        return;
    }
    let held = user.assigned_licenses.iter();
    let held = held.filter_map(|l| products.get(&l.sku_id));
    found.extend(
        held.filter(|p| p.kind.counts())
            .map(|p| Found::one(Rule::DisabledAccount, p, Confidence::Probable)),
    );
}
