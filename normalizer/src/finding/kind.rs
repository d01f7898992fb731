//! Kinds of products, which decide what can be found about them. Pure.

use std::collections::HashMap;
use std::sync::LazyLock;

use proto::inventory::v1::SubscribedSku;

use super::{ladder, tsv};

/// What sort of product it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Paid for each user that holds it.
    Paid,
    /// Costs nothing, however many units there are.
    Free,
    /// Ends by itself and costs nothing until then.
    Trial,
    /// Covers the whole tenant; nobody is assigned a unit.
    CompanyWide,
    /// Assigned to devices, which no user's record shows.
    Device,
    /// Counts servers.
    Server,
    /// For the account of a room or a shared device.
    Resource,
    /// For the account of a robot, beside what people hold.
    Unattended,
}

static KINDS: LazyLock<HashMap<&'static str, Kind>> = LazyLock::new(|| {
    tsv::rows::<2>(tsv::KINDS)
        .filter_map(|[kind, sku]| Some((sku, Kind::named(kind)?)))
        .collect()
});

/// Units that Microsoft gives with free products; somebody may own exactly so many of a paid one, too.
const GIVEN_AWAY: [i32; 2] = [10_000, 1_000_000];

impl Kind {
    /// The kind of a product; `only_trials` where trials alone are behind its units.
    pub fn of(sku: &SubscribedSku, only_trials: bool) -> Kind {
        if sku.applies_to.as_deref() == Some("Company") {
            return Kind::CompanyWide;
        }
        let known = KINDS.get(sku.sku_id.as_str()).copied();
        let part_number = sku.sku_part_number.to_ascii_uppercase();
        let says = |word| part_number.contains(word);
        match known {
            Some(kind @ (Kind::Free | Kind::Trial)) => kind,
            _ if only_trials => Kind::Trial,
            Some(kind) => kind,
            None if ladder::place(&sku.sku_id).is_some() => Kind::Paid,
            None if says("TRIAL") || says("VIRAL") => Kind::Trial,
            None if says("FREE") || GIVEN_AWAY.contains(&sku.enabled) => Kind::Free,
            None => Kind::Paid,
        }
    }

    /// Its name, in records and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Paid => "paid",
            Kind::Free => "free",
            Kind::Trial => "trial",
            Kind::CompanyWide => "company_wide",
            Kind::Device => "device",
            Kind::Server => "server",
            Kind::Resource => "resource",
            Kind::Unattended => "unattended",
        }
    }

    /// The kind of a name.
    pub fn named(name: &str) -> Option<Kind> {
        let all = [
            Kind::Paid,
            Kind::Free,
            Kind::Trial,
            Kind::CompanyWide,
            Kind::Device,
            Kind::Server,
            Kind::Resource,
            Kind::Unattended,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether anything can be found: nobody saves a unit of the others.
    pub fn counts(self) -> bool {
        !matches!(self, Kind::Free | Kind::Trial | Kind::CompanyWide)
    }

    /// Whether the users that hold it are all that hold it.
    pub fn is_held_by_users(self) -> bool {
        self.counts() && !matches!(self, Kind::Device | Kind::Server)
    }

    /// Whether it can be had twice: what is for devices, servers, rooms and robots stands beside what people hold.
    pub fn is_for_people(self) -> bool {
        self == Kind::Paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(sku_id: &str, part_number: &str, enabled: i32) -> SubscribedSku {
        SubscribedSku {
            sku_id: sku_id.into(),
            sku_part_number: part_number.into(),
            enabled,
            applies_to: Some("User".into()),
            ..Default::default()
        }
    }

    #[test]
    fn every_kind_is_known_and_every_product_named_once() {
        let rows = tsv::rows::<2>(tsv::KINDS);
        assert_eq!(KINDS.len(), rows.count());
        assert!(KINDS.keys().all(|sku| ladder::place(sku).is_none()));
    }

    #[test]
    fn by_list_by_subscription_by_part_number_and_by_units() {
        let flow = "f30db892-07e9-47e9-837c-80727f46fd3d";
        let e5 = "06ebc4ee-1bb5-47dd-8120-11324bc54e06";
        let visio = "c5928f49-12ba-48f7-ada3-0d743a3601d5";
        let device = "ea4c5ec8-50e3-4193-89b9-50da5bd4cdc7";
        for (sku, only_trials, kind) in [
            (sku(flow, "FLOW_FREE", 50), false, Kind::Free),
            (sku(e5, "SPE_E5", 10_000), false, Kind::Paid),
            (sku(e5, "SPE_E5", 25), true, Kind::Trial),
            (sku(visio, "VISIOCLIENT", 10_000), false, Kind::Paid),
            (
                sku(device, "OFFICE_PROPLUS_DEVICE1", 9),
                false,
                Kind::Device,
            ),
            (sku("x", "NEW_PRODUCT", 10_000), false, Kind::Free),
            (sku("x", "NEW_PRODUCT", 1_000_000), false, Kind::Free),
            (sku("x", "NEW_PRODUCT", 9_999), false, Kind::Paid),
            (sku("x", "NEW_PRODUCT_vTrial", 5), false, Kind::Trial),
        ] {
            assert_eq!(Kind::of(&sku, only_trials), kind, "{}", sku.sku_part_number);
        }
        let company = SubscribedSku {
            applies_to: Some("Company".into()),
            ..sku(e5, "SPE_E5", 5)
        };
        assert_eq!(Kind::of(&company, false), Kind::CompanyWide);
    }
}
