//! Devices of Entra ID and of Intune, the applications on them, sign-ins and mailboxes.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::Config;
use serde_json::Value;
use support::{Client, by_id};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 53,
        roles: [
            "User.Read.All",
            "Device.Read.All",
            "DeviceManagementManagedDevices.Read.All",
            "AuditLog.Read.All",
            "MailboxSettings.Read",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Config::default()
    }
}

const MANAGED: &str = "/deviceManagement/managedDevices";
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

#[tokio::test]
async fn both_directories_know_the_same_devices() {
    let client = Client::new(config(1_200)).await;
    client.sim.advance(2);
    let (entra, _) = client.pages("/devices?$top=999").await;
    let entra = by_id(entra);
    let (few, _) = client.pages("/devices?$select=id&$top=77").await;
    assert_eq!(few.len(), entra.len());
    let by_device: BTreeMap<&str, &Value> = entra
        .values()
        .map(|d| (d["deviceId"].as_str().unwrap(), d))
        .collect();
    assert_eq!(by_device.len(), entra.len());
    let (managed, _) = client.pages(&format!("{MANAGED}?$top=500")).await;
    let managed = by_id(managed);
    let users = client.truth();
    let (mut strangers, mut without_user) = (0, 0);
    for device in managed.values() {
        let id = device["azureADDeviceId"].as_str().unwrap();
        match by_device.get(id) {
            Some(known) => {
                assert_eq!(known["isManaged"], true);
                assert_eq!(
                    known["isCompliant"],
                    device["complianceState"] == "compliant"
                );
                assert_eq!(known["model"], device["model"]);
            }
            None => {
                assert_eq!(id, NOBODY);
                strangers += 1;
            }
        }
        match device["userId"].as_str().unwrap() {
            "" => without_user += 1,
            user => assert_eq!(
                device["userPrincipalName"],
                users[user]["userPrincipalName"]
            ),
        }
    }
    assert!(strangers > 0 && without_user > 0);
    let of_managed: BTreeSet<_> = managed
        .values()
        .map(|d| &d["azureADDeviceId"])
        .map(|v| v.as_str().unwrap())
        .collect();
    let claims = by_device.iter().filter(|(_, d)| d["isManaged"] == true);
    assert!(claims.into_iter().all(|(id, _)| of_managed.contains(id)));
    assert!(
        by_device.values().any(|d| d["isManaged"].is_null()),
        "some are only registered"
    );
    let mut names: BTreeMap<&str, u32> = BTreeMap::new();
    entra
        .values()
        .for_each(|d| *names.entry(d["displayName"].as_str().unwrap()).or_default() += 1);
    assert!(
        names
            .iter()
            .any(|(name, n)| name.starts_with("LAP-") && *n > 1),
        "duplicates"
    );
}

#[tokio::test]
async fn devices_are_used_by_one_or_several() {
    let client = Client::new(config(800)).await;
    let (devices, _) = client
        .pages("/devices?$select=id,displayName&$top=999")
        .await;
    let mut several = 0;
    for device in devices.iter().step_by(9).chain(
        devices
            .iter()
            .filter(|d| d["displayName"].as_str().unwrap().starts_with("SHARED")),
    ) {
        let id = device["id"].as_str().unwrap();
        let users = client
            .get(&format!("/devices/{id}/registeredUsers?$select=id"))
            .await
            .json();
        let owners = client
            .get(&format!("/devices/{id}/registeredOwners"))
            .await
            .json();
        let (users, owners) = (
            users["value"].as_array().unwrap(),
            owners["value"].as_array().unwrap(),
        );
        assert!(
            users
                .iter()
                .all(|u| u["@odata.type"] == "#microsoft.graph.user"
                    && u.as_object().unwrap().len() == 2)
        );
        let shared = device["displayName"]
            .as_str()
            .unwrap()
            .starts_with("SHARED");
        assert_eq!(owners.len(), if shared { 0 } else { users.len() });
        several += usize::from(users.len() > 1);
    }
    assert!(several > 3);
    let id = devices[0]["id"].as_str().unwrap();
    let one = client.get(&format!("/devices/{id}")).await.json();
    assert_eq!(one["displayName"], devices[0]["displayName"]);
    assert_eq!(
        client
            .get("/devices/00000000-0000-4000-8000-000000000000")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn devices_are_filtered_and_counted() {
    let client = Client::new(config(500)).await;
    let (all, _) = client
        .pages("/devices?$select=id,operatingSystem,approximateLastSignInDateTime&$top=999")
        .await;
    let (windows, _) = client
        .pages("/devices?$filter=operatingSystem%20eq%20'Windows'&$select=id&$top=100")
        .await;
    assert_eq!(
        windows.len(),
        all.iter()
            .filter(|d| d["operatingSystem"] == "Windows")
            .count()
    );
    let (stale, _) = client
        .pages(
            "/devices?$filter=approximateLastSignInDateTime%20le%202026-08-01T00:00:00Z&$select=id",
        )
        .await;
    assert!(!stale.is_empty() && stale.len() < all.len());
    let eventual = [("consistencylevel", "eventual")];
    let count = client.get_with("/devices/$count", &eventual).await;
    assert_eq!(count.body, all.len().to_string().into_bytes());
    let (compliant, _) = client
        .pages(&format!(
            "{MANAGED}?$filter=complianceState%20eq%20'compliant'&$select=id"
        ))
        .await;
    let (managed, _) = client
        .pages(&format!("{MANAGED}?$select=id,complianceState"))
        .await;
    assert_eq!(
        compliant.len(),
        managed
            .iter()
            .filter(|d| d["complianceState"] == "compliant")
            .count()
    );
    assert_eq!(
        client
            .get_with(&format!("{MANAGED}/$count"), &eventual)
            .await
            .status,
        400
    );
    let refused = client
        .get(&format!("{MANAGED}?$filter=operatingSystem%20eq%20'iOS'"))
        .await;
    assert_eq!(refused.status, 400);
    let hinted = client
        .get_with(MANAGED, &[("prefer", "odata.maxpagesize=7")])
        .await
        .json();
    assert_eq!(hinted["value"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn what_a_list_leaves_out_comes_with_one_device() {
    let client = Client::new(config(60)).await;
    let page = client
        .get(&format!(
            "{MANAGED}?$select=id,physicalMemoryInBytes,deviceName"
        ))
        .await
        .json();
    let device = &page["value"][0];
    assert_eq!(device["physicalMemoryInBytes"], 0);
    let id = device["id"].as_str().unwrap();
    let one = client
        .get(&format!(
            "{MANAGED}/{id}?$select=physicalMemoryInBytes,deviceName"
        ))
        .await
        .json();
    assert!(one["physicalMemoryInBytes"].as_u64() > Some(0));
    assert_eq!(one["deviceName"], device["deviceName"]);
    let whole = client.get(&format!("{MANAGED}/{id}")).await.json();
    assert_eq!(whole["easActivationDateTime"], "0001-01-01T00:00:00Z");
}

#[tokio::test]
async fn applications_and_devices_agree() {
    let client = Client::new(config(400)).await;
    let (apps, _) = client.pages("/deviceManagement/detectedApps").await;
    let apps = by_id(apps);
    assert!(apps.len() > 100, "{}", apps.len());
    let (managed, _) = client.pages(&format!("{MANAGED}?$select=id")).await;
    let managed = by_id(managed);
    for (id, app) in apps.iter().step_by(5) {
        let (devices, _) = client
            .pages(&format!(
                "/deviceManagement/detectedApps/{id}/managedDevices?$select=id,deviceName"
            ))
            .await;
        let devices = by_id(devices);
        assert_eq!(
            app["deviceCount"].as_u64(),
            Some(devices.len() as u64),
            "{}",
            app["displayName"]
        );
        assert!(devices.keys().all(|d| managed.contains_key(d)));
    }
    let named = |text: &str| {
        apps.values()
            .filter(|a| a["displayName"].as_str().unwrap().contains(text))
            .count()
    };
    assert!(named("Chrome") > 2, "one product has several versions");
    assert!(named("\"Field\"") > 0);
    assert!(apps.values().any(|a| a["publisher"] == ""));
    let id = apps.keys().next().unwrap();
    let path = format!("/deviceManagement/detectedApps/{id}");
    assert_eq!(
        client.get(&path).await.json()["displayName"],
        apps[id]["displayName"]
    );
    assert_eq!(
        client.get(&format!("{path}/managedDevices/x")).await.status,
        400
    );
    assert_eq!(
        client
            .get("/deviceManagement/detectedApps?$expand=managedDevices")
            .await
            .status,
        400
    );
    assert_eq!(
        client
            .get("/deviceManagement/detectedApps/0000")
            .await
            .status,
        404
    );
    client.sim.advance(40);
    let (later, _) = client.pages("/deviceManagement/detectedApps").await;
    let later = by_id(later);
    assert!(
        later.keys().any(|id| !apps.contains_key(id)),
        "new versions come"
    );
    assert!(apps.keys().any(|id| !later.contains_key(id)), "old ones go");
}

#[tokio::test]
async fn sign_ins_are_shown_where_there_were_any() {
    let client = Client::new(config(900)).await;
    let path = "/users?$select=id,signInActivity&$top=500";
    let (users, _) = client.pages(path).await;
    let users = by_id(users);
    let never = users
        .values()
        .filter(|u| u.get("signInActivity").is_none())
        .count();
    assert!(never > 20 && never < users.len() / 2, "{never}");
    let last = |u: &Value| {
        u["signInActivity"]["lastSignInDateTime"]
            .as_str()
            .map(str::to_owned)
    };
    assert!(
        users
            .values()
            .any(|u| last(u).is_some_and(|l| l.as_str() < "2026-06"))
    );
    assert!(users.values().any(
        |u| u["signInActivity"]["lastSuccessfulSignInDateTime"].is_null() && last(u).is_some()
    ));
    assert!(
        users
            .values()
            .any(|u| last(u).is_none() && u["signInActivity"].is_object()),
        "robots"
    );
    client.sim.advance(3);
    let (later, _) = client.pages(path).await;
    let moved = later.iter().filter(|u| {
        users
            .get(u["id"].as_str().unwrap())
            .is_some_and(|was| last(was) < last(u))
    });
    assert!(moved.count() > 100);
    let filter = "/users?$filter=signInActivity/lastSignInDateTime%20le%202026-06-01T00:00:00Z&$select=id,signInActivity";
    let (stale, _) = client.pages(filter).await;
    assert!(!stale.is_empty());
    assert!(
        stale
            .iter()
            .all(|u| last(u).is_some_and(|l| l.as_str() <= "2026-06-01T00:00:00Z"))
    );
}

#[tokio::test]
async fn mailboxes_say_what_they_are_for() {
    let client = Client::new(config(700)).await;
    let mut purposes: BTreeMap<String, u32> = BTreeMap::new();
    let mut disabled_shared = 0;
    for (id, user) in client.truth() {
        let answer = client
            .get(&format!("/users/{id}/mailboxSettings/userPurpose"))
            .await;
        if answer.status == 404 {
            assert_eq!(answer.code(), "MailboxNotEnabledForRESTAPI");
            *purposes.entry("none".to_owned()).or_default() += 1;
            continue;
        }
        let purpose = answer.json()["value"].as_str().unwrap().to_owned();
        assert_ne!(user["userType"], "Guest");
        let licensed = !user["assignedLicenses"].as_array().unwrap().is_empty();
        disabled_shared +=
            usize::from(purpose == "shared" && user["accountEnabled"] == false && licensed);
        *purposes.entry(purpose).or_default() += 1;
    }
    for purpose in ["user", "shared", "room", "none"] {
        assert!(purposes.contains_key(purpose), "{purpose}: {purposes:?}");
    }
    assert!(disabled_shared > 0);
    let id = client
        .truth()
        .into_iter()
        .find(|(_, u)| u["accountEnabled"] == true && u["department"].is_string())
        .unwrap()
        .0;
    let settings = client
        .get(&format!("/users/{id}/mailboxSettings"))
        .await
        .json();
    assert_eq!(settings["userPurpose"], "user");
    assert_eq!(
        client.get("/users?$select=mailboxSettings").await.status,
        501
    );
}

#[tokio::test]
async fn what_nobody_consented_to_is_refused() {
    let client = Client::new(Config::default()).await;
    let id = client.truth().into_keys().next().unwrap();
    for path in [
        "/devices",
        MANAGED,
        "/deviceManagement/detectedApps",
        &format!("/users/{id}/mailboxSettings/userPurpose"),
        "/domains",
    ] {
        assert_eq!(
            client.get(path).await.code(),
            "Authorization_RequestDenied",
            "{path}"
        );
    }
}
