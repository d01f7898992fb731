//! The truth of each kind is what a current replica answers, and older days stay known.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Sim, Storm};
use serde_json::Value;
use support::{Answer, Client, SELECT, by_id, send};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 71,
        tenants: 2,
        concealed_names: false,
        roles: [
            "User.Read.All",
            "Organization.Read.All",
            "Domain.Read.All",
            "Group.Read.All",
            "Device.Read.All",
            "DeviceManagementManagedDevices.Read.All",
            "AuditLog.Read.All",
            "Reports.Read.All",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Config::default()
    }
}

async fn ask(sim: &Sim, query: &str) -> Answer {
    let uri = format!("http://graph-sim.localhost/_control/truth?{query}");
    send(sim, Request::get(uri).body(Body::empty()).unwrap()).await
}

async fn truth(sim: &Sim, query: &str) -> Vec<Value> {
    let answer = ask(sim, query).await;
    assert_eq!(answer.status, 200, "{query}");
    let lines = answer.body.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
}

#[tokio::test]
async fn each_kind_is_what_is_answered() {
    let sim = Sim::new(config(1_300));
    sim.advance(3);
    let client = Client::of(&sim, 1).await;
    for (kind, path) in [
        ("users", format!("/users?$top=999&$select={SELECT}")),
        ("groups", "/groups?$top=999&$select=id,displayName,assignedLicenses".to_owned()),
        ("devices", "/devices?$top=999&$select=id,displayName,isManaged".to_owned()),
        ("managedDevices", "/deviceManagement/managedDevices?$select=id,deviceName,userId".to_owned()),
        ("detectedApps", "/deviceManagement/detectedApps?$top=500".to_owned()),
        ("deletedUsers", "/directory/deletedItems/microsoft.graph.user?$select=id,userPrincipalName,deletedDateTime".to_owned()),
        ("deletedGroups", "/directory/deletedItems/microsoft.graph.group?$select=id,deletedDateTime".to_owned()),
        ("domains", "/domains?$select=id,isVerified".to_owned()),
    ] {
        let told = by_id(truth(&sim, &format!("tenant=1&kind={kind}")).await);
        let (read, _) = client.pages(&path).await;
        let read = by_id(read);
        assert!(!read.is_empty(), "{kind}");
        assert_eq!(read.len(), told.len(), "{kind}");
        for (id, object) in read {
            for (name, value) in object.as_object().unwrap() {
                let known = told[&id].get(name).unwrap_or(&Value::Null);
                let empty = value.as_array().is_some_and(Vec::is_empty) && known.is_null();
                assert!(known == value || empty, "{kind} {name}: {known} {value}");
            }
        }
    }
    let signs = by_id(truth(&sim, "tenant=1&kind=signIns").await);
    let (read, _) = client
        .pages("/users?$select=id,signInActivity&$top=500")
        .await;
    assert_eq!(read.len(), signs.len());
    for user in read {
        let told = &signs[user["id"].as_str().unwrap()]["signInActivity"];
        assert_eq!(user.get("signInActivity").unwrap_or(&Value::Null), told);
    }
    let report = truth(&sim, "tenant=1&kind=getTeamsUserActivityUserDetail").await;
    let path = "/reports/getTeamsUserActivityUserDetail(period='D180')?$format=application/json";
    assert_eq!(report, client.pages(path).await.0);
    assert!(!truth(&sim, "kind=mailboxPurposes").await.is_empty());
}

#[tokio::test]
async fn licences_and_members_add_up() {
    let sim = Sim::new(config(500));
    sim.advance(2);
    let client = Client::of(&sim, 0).await;
    let mut units: BTreeMap<String, u64> = BTreeMap::new();
    for line in truth(&sim, "tenant=0&kind=licences").await {
        *units
            .entry(line["skuId"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    for sku in truth(&sim, "tenant=0&kind=subscribedSkus").await {
        let held = units
            .get(sku["skuId"].as_str().unwrap())
            .copied()
            .unwrap_or(0);
        assert_eq!(sku["consumedUnits"].as_u64(), Some(held));
    }
    let members = truth(&sim, "tenant=0&kind=members").await;
    let id = &members[0]["groupId"];
    let told = members.iter().filter(|m| m["groupId"] == *id).count();
    let path = format!("/groups/{}/members?$select=id", id.as_str().unwrap());
    assert_eq!(client.pages(&path).await.0.len(), told);
}

#[tokio::test]
async fn earlier_days_stay_known() {
    let sim = Sim::new(config(200));
    let before = truth(&sim, "kind=users").await;
    sim.storm(0, Storm::Merger { users: 40 });
    assert_eq!(truth(&sim, "kind=users").await.len(), 240);
    assert_eq!(truth(&sim, "kind=users&day=0").await, before);
    assert_eq!(ask(&sim, "kind=users&day=2").await.status, 400);
    assert_eq!(ask(&sim, "kind=nothing").await.status, 404);
    assert_eq!(ask(&sim, "kind=users&tenant=9").await.status, 404);
}

#[tokio::test]
async fn replays_change_nothing_for_who_takes_the_last() {
    let client = Client::new(Config {
        delta_replays: true,
        ..config(2_000)
    })
    .await;
    let start = format!("/users/delta?$select={SELECT}&$deltatoken=latest");
    let (_, link) = client.pages(&start).await;
    client.sim.advance(6);
    let hint = [("prefer", "odata.maxpagesize=7")];
    let first = client.get_with(&link.clone().unwrap(), &hint).await;
    assert_eq!(first.status, 200);
    let (named, _) = client.pages(&link.unwrap()).await;
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for user in &named {
        *times
            .entry(user["id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    assert!(times.values().any(|n| *n > 1), "some came twice");
    client.sim.replay_delta(false);
    let truth = client.truth();
    for user in named {
        let known = truth.get(user["id"].as_str().unwrap());
        assert_eq!(known.is_none(), user["@removed"].is_object());
    }
}

/// The simulator's own list of dependencies names no crate of the product.
#[test]
fn nothing_of_the_product_is_used() {
    let manifest = include_str!("../Cargo.toml");
    let product = [
        "leastwise",
        "collector",
        "normalizer",
        "exporter",
        "token-broker",
        "proto",
        "catalog",
        "runtime",
        "bus",
    ];
    for line in manifest.lines().skip_while(|l| *l != "[dependencies]") {
        let name = line.split(['.', ' ', '=']).next().unwrap_or("");
        assert!(!product.contains(&name), "{line}");
        assert!(!line.contains("path"), "{line}");
    }
}
