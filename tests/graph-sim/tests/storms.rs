//! Days on which a lot happens, users that are deleted and come back, and what delta says of them.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Storm};
use support::{Client, by_id, send};

const E5: &str = "06ebc4ee-1bb5-47dd-8120-11324bc54e06";

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 31,
        roles: ["User.Read.All", "Group.Read.All", "Organization.Read.All"]
            .map(str::to_owned)
            .to_vec(),
        ..Config::default()
    }
}

async fn consumed(client: &Client, sku: &str) -> u64 {
    let skus = client.get("/subscribedSkus").await.json();
    let all = skus["value"].as_array().unwrap();
    let one = all.iter().find(|s| s["skuId"] == sku).unwrap();
    one["consumedUnits"].as_u64().unwrap()
}

fn holders(client: &Client, sku: &str) -> u64 {
    let holds = |user: &&serde_json::Value| {
        let licences = user["assignedLicenses"].as_array().unwrap();
        licences.iter().any(|l| l["skuId"] == sku)
    };
    client.truth().values().filter(holds).count() as u64
}

#[tokio::test]
async fn deletion_by_mistake_is_named_and_undone() {
    let client = Client::new(config(2_000)).await;
    let before = client.truth();
    let (_, link) = client
        .pages("/users/delta?$select=id,displayName&$deltatoken=latest")
        .await;
    assert_eq!(
        client.sim.storm(0, Storm::Deletion { users: 700 }),
        Some(700)
    );
    assert_eq!(client.truth().len(), 1_300);
    let (named, link) = client.pages(&link.unwrap()).await;
    assert_eq!(named.len(), 700);
    assert!(named.iter().all(|u| u["@removed"]["reason"] == "changed"));
    assert_eq!(consumed(&client, E5).await, holders(&client, E5));
    let storm = Storm::Restoration { users: 10_000 };
    assert_eq!(client.sim.storm(0, storm), Some(700));
    assert_eq!(client.truth(), before);
    let (named, _) = client.pages(&link.unwrap()).await;
    assert_eq!(named.len(), 700);
    assert!(named.iter().all(|u| u["displayName"].is_string()));
}

#[tokio::test]
async fn after_thirty_days_deleted_is_for_good() {
    let client = Client::new(config(400)).await;
    client.sim.storm(0, Storm::Deletion { users: 50 });
    client.sim.advance(28);
    let (_, link) = client
        .pages("/users/delta?$select=id&$deltatoken=latest")
        .await;
    client.sim.advance(4);
    let (named, _) = client.pages(&link.unwrap()).await;
    let reasons = named
        .iter()
        .filter_map(|u| u["@removed"]["reason"].as_str());
    let purged = reasons.filter(|r| *r == "deleted").count();
    assert!((45..=52).contains(&purged), "{purged}");
}

#[tokio::test]
async fn a_flipped_group_gives_its_members_another_suite() {
    let client = Client::new(config(3_000)).await;
    let (_, link) = client
        .pages("/users/delta?$select=id,assignedLicenses&$deltatoken=latest")
        .await;
    let (_, groups) = client
        .pages("/groups/delta?$select=displayName,assignedLicenses&$deltatoken=latest")
        .await;
    let before = holders(&client, E5);
    let flipped = client.sim.storm(0, Storm::Flip).unwrap();
    assert!(flipped > 800, "{flipped}");
    assert!(holders(&client, E5) > before + 700);
    assert_eq!(consumed(&client, E5).await, holders(&client, E5));
    let (named, _) = client.pages(&link.unwrap()).await;
    assert!(by_id(named).len() > 700);
    let (named, _) = client.pages(&groups.unwrap()).await;
    let group = named
        .iter()
        .find(|g| g["displayName"] == "LIC-SPE_E3-All")
        .unwrap();
    assert_eq!(group["assignedLicenses"][0]["skuId"], E5);
    let id = group["id"].as_str().unwrap();
    let one = client
        .get(&format!("/groups/{id}?$select=licenseProcessingState"))
        .await
        .json();
    assert_eq!(
        one["licenseProcessingState"]["state"],
        "ProcessingInProgress"
    );
    client.sim.storm(0, Storm::Flip);
    assert_eq!(holders(&client, E5), consumed(&client, E5).await);
    assert!(holders(&client, E5) < before + 100);
}

#[tokio::test]
async fn a_merger_is_ordered_through_the_control_endpoint() {
    let client = Client::new(config(100)).await;
    let storm = |uri: &str, body: &str| {
        Request::post(format!("http://graph-sim.localhost/_control/storm{uri}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let before: BTreeSet<_> = client.truth().into_keys().collect();
    let answer = send(
        &client.sim,
        storm("?tenant=0", r#"{"kind":"merger","users":300}"#),
    )
    .await;
    assert_eq!(answer.json(), serde_json::json!({"day": 1, "users": 300}));
    let after: BTreeSet<_> = client.truth().into_keys().collect();
    assert_eq!(after.difference(&before).count(), 300);
    let unknown = send(&client.sim, storm("?tenant=5", r#"{"kind":"flip"}"#)).await;
    assert_eq!(unknown.status, 404);
    let wrong = send(&client.sim, storm("", r#"{"kind":"quake"}"#)).await;
    assert_eq!(wrong.status, 422);
}
