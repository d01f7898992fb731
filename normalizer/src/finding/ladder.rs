//! Ladders: products of which each replaces those below it, whatever their service plans are called. Pure.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::tsv;

/// Ladder and rung by product.
static PLACES: LazyLock<HashMap<&'static str, (&'static str, u8)>> = LazyLock::new(|| {
    tsv::rows::<3>(tsv::LADDERS)
        .filter_map(|[ladder, rung, sku]| Some((sku, (ladder, rung.parse().ok()?))))
        .collect()
});

/// The ladder that a product stands on, and its rung there; 1 is the lowest.
pub fn place(sku_id: &str) -> Option<(&'static str, u8)> {
    PLACES.get(sku_id).copied()
}

/// How two products of one ladder stand to each other; none where they stand on different ones, or on none.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((one, a), (other, b)) = (place(a)?, place(b)?);
    (one == other).then(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The GUID of a product by its part number.
    fn sku(part_number: &str) -> &'static str {
        let mut rows = tsv::rows::<4>(tsv::LADDERS);
        rows.find(|r| r[3] == part_number).unwrap()[2]
    }

    #[test]
    fn each_rung_is_below_the_next() {
        for ladder in [
            &["M365_F1", "SPE_F1", "SPE_E3", "SPE_E5"][..],
            &["STANDARDPACK", "ENTERPRISEPACK", "ENTERPRISEPREMIUM"],
            &["EMS", "EMSPREMIUM"],
            &["O365_BUSINESS_ESSENTIALS", "O365_BUSINESS_PREMIUM", "SPB"],
        ] {
            for (n, low) in ladder.iter().enumerate() {
                for high in &ladder[n + 1..] {
                    assert_eq!(compare(sku(low), sku(high)), Some(Ordering::Less));
                    assert_eq!(compare(sku(high), sku(low)), Some(Ordering::Greater));
                }
            }
        }
        assert_eq!(compare(sku("ENTERPRISEPACK"), sku("SPE_E5")), None);
        assert_eq!(compare("nothing", sku("SPE_E5")), None);
        assert_eq!(
            PLACES.len(),
            tsv::rows::<4>(tsv::LADDERS).count(),
            "each once"
        );
    }
}
