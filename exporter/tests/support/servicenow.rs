//! An instance of ServiceNow whose tables are those of `deploy/servicenow`.

use std::path::Path;

use exporter::sink::servicenow::ServiceNow as Settings;
use serde_json::Value;
use sink_sim::{Credentials, ServiceNow, Sim, Transform, Vendor};

pub const STAGING: &str = "u_leastwise_import";
pub const TARGET: &str = "u_leastwise_record";

/// What the scripts are in.
pub fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/servicenow")
}

/// The columns that `tables.js` makes of a table: name and length.
pub fn columns(table: &str) -> Vec<(String, usize)> {
    let script = std::fs::read_to_string(shipped().join("tables.js")).unwrap();
    let from = script.find("var TABLES = ").unwrap() + "var TABLES = ".len();
    let until = from + script[from..].find("\n];").unwrap() + 2;
    let tables: Value = serde_json::from_str(&script[from..until]).unwrap();
    let mut found = tables.as_array().unwrap().iter();
    let table = found.find(|t| t["name"] == table).unwrap();
    let columns = table["columns"].as_array().unwrap().iter();
    columns
        .map(|c| {
            let length = c[2].as_u64().unwrap_or_default();
            (c[0].as_str().unwrap().to_owned(), length as usize)
        })
        .collect()
}

/// What the shipped transform map does, as far as the target's own columns go.
pub fn transform() -> Transform {
    Transform {
        staging: STAGING.to_owned(),
        columns: columns(STAGING),
        target: TARGET.to_owned(),
        coalesce: "u_key".to_owned(),
        closing: Some("u_closing".to_owned()),
        synchronous: false,
    }
}

pub fn instance(transform: Transform) -> ServiceNow {
    ServiceNow::new(Credentials::new("app", "secret"), transform)
}

/// The sink of an instance, with the secret in a file of this directory.
pub fn settings<V: Vendor>(sim: &Sim<V>, dir: &Path) -> Settings {
    let secret = dir.join("servicenow-secret");
    std::fs::write(&secret, "secret").unwrap();
    Settings::new(sim.url().parse().unwrap(), "app", secret)
}

/// (tenant's first letter, user's key, display name) of every user of the target table, sorted.
pub fn users(instance: &ServiceNow) -> Vec<String> {
    let there = |row: &&std::collections::BTreeMap<String, String>| {
        row["u_kind"] == "user" && row["u_removed"] == "false"
    };
    let rows = instance.target().iter().filter(there);
    let mut users: Vec<_> = rows
        .map(|row| {
            let (tenant, id) = (&row["u_tenant_id"][..1], &row["u_user_id"]);
            format!("{tenant}/{id}={}", row["u_display_name"])
        })
        .collect();
    users.sort();
    users
}
