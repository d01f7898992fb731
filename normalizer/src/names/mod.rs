//! Names of products and service plans that people know.
//!
//! From Microsoft's table "Product names and service plan identifiers for licensing" that the operator has downloaded,
//! else from what this release knows of it. They are looked up where positions and findings are derived, so that every
//! sink has them; what a new table names differently is derived anew by the next run of each tenant, because the name
//! is part of what `finding::settle` compares.

mod table;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use runtime::Problem;

use crate::config::NamesFile;

/// GUID (lower case) to name.
type Table = HashMap<String, String>;

/// Names by GUID; clones are one.
#[derive(Clone)]
pub struct Names(Arc<Tables>);

#[derive(Default)]
struct Tables {
    products: Table,
    plans: Table,
}

/// What this release knows, each line a GUID and a name.
static BUILT_IN: LazyLock<Names> = LazyLock::new(|| {
    Names(Arc::new(Tables {
        products: read(include_str!("products.tsv")),
        plans: read(include_str!("plans.tsv")),
    }))
});

fn read(text: &str) -> Table {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(id, name)| (id.to_owned(), name.to_owned()))
        .collect()
}

impl Names {
    /// The names that this release knows.
    pub fn built_in() -> Names {
        BUILT_IN.clone()
    }

    /// Those of the operator's file, and for what it doesn't name, those that this release knows.
    ///
    /// # Errors
    /// `LW-5030` to `LW-5033`: the file can't be read, isn't the one that was pinned, isn't the table, or contradicts
    /// what is known.
    pub fn load(file: Option<&NamesFile>) -> Result<Names, Problem> {
        let known = Self::built_in();
        let Some(file) = file else { return Ok(known) };
        let Tables { products, plans } = table::load(file, &known.0)?;
        let with = |known: &Table, new: Table| {
            let mut all = known.clone();
            all.extend(new);
            all
        };
        Ok(Names(Arc::new(Tables {
            products: with(&known.0.products, products),
            plans: with(&known.0.plans, plans),
        })))
    }

    /// The name of the product with this GUID (lower case).
    pub fn product(&self, sku_id: &str) -> Option<&str> {
        self.0.products.get(sku_id).map(String::as_str)
    }

    /// The name of the service plan with this GUID (lower case).
    pub fn plan(&self, service_plan_id: &str) -> Option<&str> {
        self.0.plans.get(service_plan_id).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_common_products_and_plans() {
        let names = Names::built_in();
        let e5 = "06ebc4ee-1bb5-47dd-8120-11324bc54e06";
        assert_eq!(names.product(e5), Some("Microsoft 365 E5"));
        assert_eq!(names.product("nothing"), None);
        let teams = "57ff2da0-773e-42df-b2af-ffb7a2317929";
        assert_eq!(names.plan(teams), Some("Microsoft Teams"));
        for (table, text) in [
            (&names.0.products, include_str!("products.tsv")),
            (&names.0.plans, include_str!("plans.tsv")),
        ] {
            assert_eq!(table.len(), text.lines().count(), "each GUID once");
            let guid = |k: &String| k.len() == 36 && *k == k.to_ascii_lowercase();
            assert!(table.keys().all(guid));
            assert!(table.values().all(|n| !n.is_empty() && n == n.trim()));
        }
    }
}
