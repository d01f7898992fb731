//! Snipe-IT, and what stands in it.

use std::path::Path;

use exporter::sink::snipe_it::{People, SnipeIt as Settings, Users};
use prost::Message as _;
use proto::inventory::v1::{AssignedLicense, LicensePosition, User};
use sink_sim::{Sim, SnipeIt, Vendor};

pub const TOKEN: &str = "token";

/// One that doesn't count requests.
pub fn system() -> SnipeIt {
    let mut system = SnipeIt::new(TOKEN);
    system.set_throttle(u64::MAX);
    system
}

/// The sink of a system, with the token in a file of this directory, as fast as it can.
pub fn settings<V: Vendor>(sim: &Sim<V>, dir: &Path) -> Settings {
    let token = dir.join("snipe-token");
    std::fs::write(&token, TOKEN).unwrap();
    Settings {
        requests_a_minute: u32::MAX,
        ..Settings::new(sim.url().parse().unwrap(), token, 1)
    }
}

/// The same, which creates all people.
pub fn creating<V: Vendor>(sim: &Sim<V>, dir: &Path) -> Settings {
    Settings {
        people: People::Create,
        users: Users::All,
        ..settings(sim, dir)
    }
}

/// (tenant's first letter, user's key, name) of every user whom the sink created, sorted.
pub fn users(system: &SnipeIt) -> Vec<String> {
    let user = |person: &sink_sim::Person| {
        let (tenant, id) = person.employee_num.split_once(':')?;
        Some(format!("{}/{id}={}", &tenant[..1], person.first_name))
    };
    let mut users: Vec<_> = system.people().iter().filter_map(user).collect();
    users.sort();
    users
}

/// `SKU seats: who sits there`, of every licence.
pub fn seats(system: &SnipeIt) -> Vec<String> {
    let name = |id: u64| {
        let mut people = system.people().iter();
        people.find(|p| p.id == id).unwrap().username.clone()
    };
    let licence = |licence: &sink_sim::License| {
        let key = licence.fields["order_number"].as_str().unwrap();
        let (_, sku) = key.split_once(':').unwrap();
        let held = licence.seats.iter().filter_map(|s| s.assigned_to);
        let mut held: Vec<_> = held.map(name).collect();
        held.sort();
        format!("{sku} {}: {}", licence.seats.len(), held.join(" "))
    };
    let mut licences: Vec<_> = system.licenses().iter().map(licence).collect();
    licences.sort();
    licences
}

/// A change of the ledger's.
pub type Change = (&'static str, String, Option<Vec<u8>>);

/// A user who signs in as `<id>@x`.
pub fn holder(id: &str, skus: &[&str]) -> Change {
    let license = |sku: &&str| AssignedLicense {
        sku_id: (*sku).to_owned(),
        disabled_plans: Vec::new(),
    };
    let user = User {
        tenant_id: super::A.into(),
        user_id: id.into(),
        user_principal_name: Some(format!("{id}@X")),
        mail: Some("shared@mail".into()),
        assigned_licenses: skus.iter().map(license).collect(),
        ..User::default()
    };
    ("user", id.to_owned(), Some(user.encode_to_vec()))
}

pub fn position(sku: &str, name: &str, provisioned: i32) -> Change {
    let position = LicensePosition {
        tenant_id: super::A.into(),
        sku_id: sku.into(),
        product_name: name.into(),
        provisioned,
        ..LicensePosition::default()
    };
    (
        "license_position",
        sku.to_owned(),
        Some(position.encode_to_vec()),
    )
}
