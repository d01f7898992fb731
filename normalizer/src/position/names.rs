//! Names of products that people know.

use std::collections::HashMap;
use std::sync::LazyLock;

/// GUID and name, one a line, from Microsoft's "Product names and service plan identifiers for licensing".
static NAMES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    include_str!("names.tsv")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect()
});

/// The name of the product with this GUID (lower case), if it is in Microsoft's list.
pub fn name(sku_id: &str) -> Option<&'static str> {
    NAMES.get(sku_id).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_common_products() {
        assert_eq!(
            name("06ebc4ee-1bb5-47dd-8120-11324bc54e06"),
            Some("Microsoft 365 E5")
        );
        assert_eq!(name("nothing"), None);
        assert_eq!(
            NAMES.len(),
            include_str!("names.tsv").lines().count(),
            "each GUID once"
        );
        assert!(
            NAMES
                .keys()
                .all(|k| k.len() == 36 && *k == k.to_ascii_lowercase())
        );
    }
}
