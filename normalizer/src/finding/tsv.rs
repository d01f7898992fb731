//! The tables of this module: a line each, fields by tabs, comments with `#`.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// Kinds of products.
pub(super) const KINDS: &str = include_str!("kinds.tsv");
/// Products of which a higher one replaces a lower one.
pub(super) const LADDERS: &str = include_str!("ladders.tsv");
/// Service plans that entitle to nothing, and those that give all of another one.
pub(super) const PLANS: &str = include_str!("plans.tsv");

/// Raised with every change of what a rule finds, and of what positions say: then all of both are derived anew, as they are
/// when a table changes.
const RULES: u8 = 2;

/// Stands for the rules and their tables.
pub(super) static VERSION: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut hash = Sha256::new_with_prefix([RULES]);
    for table in [KINDS, LADDERS, PLANS] {
        hash.update(table);
    }
    hash.finalize().into()
});

/// The fields of each line, of lines with at least `N`.
pub(super) fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let mut row = [""; N];
            for field in &mut row {
                *field = fields.next()?;
            }
            Some(row)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_whole_and_every_table_has_a_version() {
        for (text, columns) in [(KINDS, 3), (LADDERS, 4), (PLANS, 4)] {
            assert!(text.starts_with("# version "));
            for line in text.lines().filter(|l| !l.starts_with('#')) {
                assert_eq!(line.split('\t').count(), columns, "{line}");
            }
        }
    }
}
