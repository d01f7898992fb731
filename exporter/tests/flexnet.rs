//! FlexNet Manager Suite: what the package holds, by a loader that was written from the vendor's documentation alone.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use exporter::SinkConfig;
use exporter::sink::flexnet::Package;
use prost::Message as _;
use proto::inventory::v1::{AssignedLicense, Subscription, User};
use support::{A, B, Rig};

async fn rig() -> Rig {
    Rig::new(|dir| {
        vec![SinkConfig::new(Package {
            path: dir.join("package"),
            ..Package::default()
        })]
    })
    .await
}

/// Somebody who is synchronised from a local directory.
fn person(rig: &Rig, tenant: &str, id: &str, account: &str, skus: &[&str]) {
    let license = |sku: &&str| AssignedLicense {
        sku_id: (*sku).to_owned(),
        disabled_plans: Vec::new(),
    };
    let user = User {
        tenant_id: tenant.into(),
        user_id: id.into(),
        user_principal_name: Some(format!("{account}@contoso.example")),
        on_premises_sam_account_name: Some(account.into()),
        on_premises_domain_name: Some("corp.contoso.local".into()),
        assigned_licenses: skus.iter().map(license).collect(),
        ..User::default()
    };
    let record = ("user", id.to_owned(), Some(user.encode_to_vec()));
    rig.ledger.close(tenant, vec![record]);
}

/// The rows of a table by their first column.
fn table(rig: &Rig, name: &str) -> BTreeMap<String, Vec<String>> {
    let path = rig.dir.path().join(format!("package/{name}.csv"));
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.records().map(|r| {
        let row: Vec<String> = r.unwrap().iter().map(str::to_owned).collect();
        (row[0].clone(), row)
    });
    rows.collect()
}

/// The number of each user, by his account name.
fn numbers(rig: &Rig) -> BTreeMap<String, String> {
    let users = table(rig, "User").into_values();
    users.map(|row| (row[1].clone(), row[0].clone())).collect()
}

#[tokio::test]
async fn a_person_keeps_the_number_and_one_who_is_made_anew_gets_another() {
    let mut rig = rig().await;
    person(&rig, A, "u1", "ann", &["e5"]);
    person(&rig, A, "u2", "ben", &["e5"]);
    person(&rig, B, "u1", "cat", &["e5"]);
    rig.sync().await;
    let first = numbers(&rig);
    assert_eq!(first.len(), 3, "{first:?}");
    // Somebody between the two, a new sign-in name, and a person who was deleted and made anew under another id.
    person(&rig, A, "u11", "abe", &["e5"]);
    person(&rig, A, "u1", "ann.smith", &["e5"]);
    rig.ledger.remove(A, "user", "u2");
    person(&rig, A, "u3", "ben", &["e5"]);
    rig.restart().await;
    rig.sync().await;
    let second = numbers(&rig);
    assert_eq!(second["ann.smith"], first["ann"]);
    assert_eq!(second["cat"], first["cat"]);
    assert_ne!(second["ben"], first["ben"], "another person");
    assert!(
        !first
            .values()
            .any(|id| *id == second["abe"] || *id == second["ben"])
    );
    assert_eq!(second.len(), 4);
}

#[tokio::test]
async fn every_allocation_has_its_licence_and_its_user() {
    let rig = rig().await;
    person(&rig, A, "u1", "ann", &["e5", "visio"]);
    person(&rig, A, "u2", "no licence", &[]);
    person(&rig, B, "u1", "cat", &["e5"]);
    rig.sync().await;
    let (users, licenses) = (table(&rig, "User"), table(&rig, "SoftwareLicense"));
    assert_eq!(
        (users.len(), licenses.len()),
        (2, 3),
        "a licence is one of a tenant"
    );
    let path = rig.dir.path().join("package/SoftwareLicenseAllocation.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert!(
        rows.iter()
            .all(|r| licenses.contains_key(&r[0]) && users.contains_key(&r[1]))
    );
    assert_eq!(table(&rig, "Unmatched").len(), 0);
}

#[tokio::test]
async fn subscriptions_are_purchases_and_a_package_of_before_gets_them() {
    let mut rig = rig().await;
    person(&rig, A, "u1", "ann", &["e5"]);
    person(&rig, B, "u1", "cat", &["e5"]);
    for (tenant, id) in [(A, "s1"), (B, "s2")] {
        let subscription = Subscription {
            tenant_id: tenant.into(),
            id: id.into(),
            sku_id: "e5".into(),
            sku_part_number: Some("SPE_E5".into()),
            total_licenses: 25,
            created_date_time: Some("2026-02-03T04:05:06Z".into()),
            ..Subscription::default()
        };
        let record = (
            "subscription",
            id.to_owned(),
            Some(subscription.encode_to_vec()),
        );
        rig.ledger.close(tenant, vec![record]);
    }
    rig.sync().await;
    let bought = table(&rig, "PurchaseOrderLine");
    assert_eq!(bought["s1"][3..6], ["SPE_E5", "SPE_E5", "25"]);
    assert_eq!(bought.len(), 2);
    // As a release wrote it that knew no purchases.
    rig.stop().await;
    let package = rig.dir.path().join("package");
    for file in [".spool/index.json", "manifest.json"] {
        let text = std::fs::read(package.join(file)).unwrap();
        let mut index: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for part in index["tenants"].as_object_mut().unwrap().values_mut() {
            part["tables"]
                .as_object_mut()
                .unwrap()
                .remove("PurchaseOrderLine");
        }
        index["files"]
            .as_object_mut()
            .unwrap()
            .remove("PurchaseOrderLine");
        std::fs::write(package.join(file), index.to_string()).unwrap();
    }
    std::fs::remove_file(package.join("PurchaseOrderLine.csv")).unwrap();
    rig.start().await;
    rig.sync().await;
    assert_eq!(table(&rig, "PurchaseOrderLine"), bought);
}

#[tokio::test]
async fn who_lives_in_the_cloud_is_listed_and_changes_nobody_elses_row() {
    let rig = rig().await;
    person(&rig, A, "u1", "ann", &["e5"]);
    rig.sync().await;
    let ann = table(&rig, "User");
    let cloud = User {
        tenant_id: A.into(),
        user_id: "u0".into(),
        user_principal_name: Some("cloe@contoso.example".into()),
        given_name: Some("=1+1, \"Cloe\"\r\n".into()),
        assigned_licenses: vec![AssignedLicense {
            sku_id: "e5".into(),
            disabled_plans: Vec::new(),
        }],
        ..User::default()
    };
    let record = ("user", "u0".to_owned(), Some(cloud.encode_to_vec()));
    rig.ledger.close(A, vec![record]);
    rig.sync().await;
    let all = table(&rig, "User");
    let (id, row) = ann.first_key_value().unwrap();
    assert_eq!((all.len(), &all[id]), (2, row));
    let unmatched = table(&rig, "Unmatched");
    assert_eq!(unmatched[A][2..4], ["u0", "cloe@contoso.example"]);
    assert_eq!(all[&unmatched[A][1]][1..3], ["cloe", "contoso.example"]);
    assert_eq!(
        all[&unmatched[A][1]][5], "=1+1, \"Cloe\"",
        "the name, without the line break"
    );
}

/// By a program that was written from what the vendor documents, and from nothing else.
#[tokio::test]
async fn the_adapter_loads_it_twice_and_has_what_is_true() {
    let Some(python) = servers::Python::installed().unwrap() else {
        return;
    };
    let rig = rig().await;
    person(&rig, A, "u1", "ann", &["e5", "visio"]);
    person(&rig, A, "u2", "ben", &["e5"]);
    rig.ledger.position(A, "e5", 2);
    rig.sync().await;
    let (package, database) = (
        rig.dir.path().join("package"),
        rig.dir.path().join("fnms.db"),
    );
    let load = || {
        let told = python.run(
            "flexnet_loader.py",
            &[
                package.as_os_str(),
                "--database".as_ref(),
                database.as_os_str(),
            ],
        );
        serde_json::from_str::<serde_json::Value>(&told.unwrap()).unwrap()
    };
    let first = load();
    assert_eq!(load(), first);
    let of = |table: &str| first[table].as_array().map_or(0, Vec::len);
    let told = format!("{first:#}");
    assert_eq!((of("User"), of("SoftwareLicense")), (2, 2), "{told}");
    for part in ["\"ann\"", "\"ben\"", "corp.contoso.local"] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    // The truth moves on, and so does the table.
    person(&rig, A, "u2", "ben", &[]);
    rig.sync().await;
    let later = load();
    assert_eq!(
        later["absent"]["User"].as_array().map(Vec::len),
        Some(1),
        "{later:#}"
    );
    assert_eq!(
        later["absent"]["SoftwareLicense"].as_array().map(Vec::len),
        Some(0)
    );
}

#[tokio::test]
async fn what_was_interrupted_or_taken_away_is_made_whole() {
    let mut rig = rig().await;
    person(&rig, A, "u1", "ann", &["e5"]);
    person(&rig, B, "u1", "cat", &["e5"]);
    rig.sync().await;
    let before = files(&rig.dir.path().join("package"));
    for gone in ["User.csv", "manifest.json", ".spool/index.json"] {
        rig.stop().await;
        std::fs::remove_file(rig.dir.path().join("package").join(gone)).unwrap();
        rig.start().await;
        rig.sync().await;
        assert_eq!(files(&rig.dir.path().join("package")), before, "{gone}");
    }
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let names = [
        "SoftwareLicense.csv",
        "User.csv",
        "SoftwareLicenseAllocation.csv",
        "Unmatched.csv",
        "PurchaseOrderLine.csv",
    ];
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
    names.iter().map(|n| ((*n).to_owned(), read(n))).collect()
}
