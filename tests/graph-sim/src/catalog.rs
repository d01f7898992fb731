//! The real SKUs that the simulated tenants hold, with their service plans.

use std::sync::LazyLock;

/// How many SKUs a tenant holds.
pub(crate) const SKUS: usize = 16;

/// The first so many SKUs are what people are given from day to day.
pub(crate) const GIVEN: u32 = 10;

/// Positions in the table, in the order of `data/skus.tsv`.
pub(crate) mod sku {
    pub(crate) const M365_E3: u8 = 0;
    pub(crate) const M365_E5: u8 = 1;
    pub(crate) const M365_F3: u8 = 2;
    pub(crate) const OFFICE_E3: u8 = 3;
    pub(crate) const POWER_BI: u8 = 4;
    pub(crate) const VISIO: u8 = 5;
    pub(crate) const PROJECT: u8 = 6;
    pub(crate) const EMS: u8 = 7;
    pub(crate) const FLOW_FREE: u8 = 8;
    pub(crate) const COPILOT: u8 = 9;
    /// Covers the company; never assigned.
    pub(crate) const STORE: u8 = 10;
    pub(crate) const M365_E3_NO_TEAMS: u8 = 11;
    pub(crate) const TEAMS: u8 = 12;
    pub(crate) const UNATTENDED: u8 = 13;
    /// Licenses devices by a group; no user holds it.
    pub(crate) const APPS_DEVICE: u8 = 14;
    pub(crate) const ROOMS: u8 = 15;
}

/// One product.
pub(crate) struct Sku {
    pub(crate) id: &'static str,
    pub(crate) part_number: &'static str,
    pub(crate) plans: Vec<Plan>,
}

/// One service plan of a product.
pub(crate) struct Plan {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
}

static CATALOG: LazyLock<Vec<Sku>> = LazyLock::new(|| {
    let mut skus: Vec<Sku> = Vec::with_capacity(SKUS);
    for line in include_str!("../data/skus.tsv").lines() {
        let mut fields = line.split('\t');
        match (fields.next(), fields.next(), fields.next()) {
            (Some("sku"), Some(id), Some(part_number)) => {
                skus.push(Sku {
                    id,
                    part_number,
                    plans: Vec::new(),
                });
            }
            (Some("plan"), Some(id), Some(name)) => {
                if let Some(sku) = skus.last_mut() {
                    sku.plans.push(Plan { id, name });
                }
            }
            _ => {}
        }
    }
    skus
});

/// The table.
pub(crate) fn all() -> &'static [Sku] {
    &CATALOG
}

/// One product by position.
pub(crate) fn get(sku: u8) -> &'static Sku {
    &CATALOG[usize::from(sku)]
}

/// Whether a SKU covers the whole company instead of users.
pub(crate) fn is_company_wide(sku: u8) -> bool {
    sku == self::sku::STORE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_the_positions_say() {
        assert_eq!(all().len(), SKUS);
        for (position, part_number) in [
            (sku::M365_E3, "SPE_E3"),
            (sku::M365_F3, "SPE_F1"),
            (sku::COPILOT, "Microsoft_365_Copilot"),
            (sku::STORE, "WINDOWS_STORE"),
            (sku::TEAMS, "Microsoft_Teams_Enterprise_New"),
            (sku::ROOMS, "Microsoft_Teams_Rooms_Pro"),
        ] {
            assert_eq!(get(position).part_number, part_number);
        }
        for sku in all() {
            assert!(crate::guid::parse(sku.id).is_some());
            assert!(
                !sku.plans.is_empty()
                    && sku.plans.iter().all(|p| crate::guid::parse(p.id).is_some())
            );
        }
    }
}
