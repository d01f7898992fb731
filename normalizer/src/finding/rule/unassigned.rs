//! Units that can be assigned and that nobody holds.

use proto::inventory::v1::LicensePosition;

use super::{Confidence, Found, Rule};
use crate::finding::product::Product;

/// What would show that there is nothing to do after all.
pub const DISPROVED_BY: &str = "the units are kept for people who are about to come, or the agreement names a minimum that \
     can't be gone below";

/// Looks at a position. What trials give is not counted, and of the two countings of units in use the larger one is:
/// Microsoft may know of an assignment that was not read yet.
pub fn find<'p>(position: &LicensePosition, product: &'p Product) -> Option<Found<'p>> {
    if !product.kind.is_held_by_users() {
        return None;
    }
    let used = position.assigned.max(position.consumed_units);
    let units = i64::from(position.provisioned) - product.trial_units - i64::from(used);
    let confidence = match position.residual {
        0 => Confidence::Certain,
        _ => Confidence::Probable,
    };
    (units > 0).then(|| Found {
        units,
        ..Found::one(Rule::Unassigned, product, confidence)
    })
}
