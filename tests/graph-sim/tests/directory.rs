//! Domains, deleted objects and the licences of one user.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeSet;

use graph_sim::{Config, Storm};
use support::{Client, by_id};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 41,
        roles: [
            "User.Read.All",
            "Group.Read.All",
            "Organization.Read.All",
            "Domain.Read.All",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Config::default()
    }
}

#[tokio::test]
async fn domains_agree_with_the_organization() {
    let client = Client::new(config(5)).await;
    let domains = client.get("/domains").await.json();
    let domains = by_id(domains["value"].as_array().unwrap().clone());
    let organization = client.get("/organization").await.json();
    let verified = organization["value"][0]["verifiedDomains"]
        .as_array()
        .unwrap();
    for domain in verified {
        let known = &domains[domain["name"].as_str().unwrap()];
        assert_eq!(known["isDefault"], domain["isDefault"]);
        assert_eq!(known["authenticationType"], domain["type"]);
    }
    assert_eq!(verified.len() + 1, domains.len(), "one is not verified");
    let name = verified[0]["name"].as_str().unwrap();
    let one = client
        .get(&format!("/domains/{name}?$select=id,isVerified"))
        .await
        .json();
    assert_eq!(
        (&one["id"], &one["isVerified"]),
        (&name.into(), &true.into())
    );
    assert_eq!(client.get("/domains/nowhere.example").await.status, 404);
}

#[tokio::test]
async fn deleted_users_can_be_read_until_they_are_forgotten() {
    let client = Client::new(config(600)).await;
    let path =
        "/directory/deletedItems/microsoft.graph.user?$select=id,userPrincipalName,deletedDateTime";
    let (first, _) = client.pages(&format!("{path}&$top=2")).await;
    assert!(first.len() >= 3, "some were deleted before");
    let before = client.truth();
    client.sim.storm(0, Storm::Deletion { users: 120 });
    let after = client.truth();
    let gone = before.keys().filter(|id| !after.contains_key(*id));
    let gone: BTreeSet<_> = gone.cloned().collect();
    let (deleted, _) = client.pages(path).await;
    let deleted = by_id(deleted);
    for id in &gone {
        let freed = format!(
            "{}{}",
            id.replace('-', ""),
            before[id]["userPrincipalName"].as_str().unwrap()
        );
        assert_eq!(deleted[id]["userPrincipalName"], freed.as_str());
        assert_eq!(deleted[id]["deletedDateTime"], "2026-11-02T08:20:00Z");
    }
    let id = gone.iter().next().unwrap();
    let one = client
        .get(&format!("/directory/deletedItems/{id}"))
        .await
        .json();
    assert_eq!(one["@odata.type"], "#microsoft.graph.user");
    assert_eq!(client.get(&format!("/users/{id}")).await.status, 404);
    let count = client
        .get_with(
            "/directory/deletedItems/microsoft.graph.user/$count",
            &[("consistencylevel", "eventual")],
        )
        .await;
    assert_eq!(count.body, deleted.len().to_string().into_bytes());
    client.sim.advance(30);
    assert_eq!(
        client
            .get(&format!("/directory/deletedItems/{id}"))
            .await
            .status,
        404
    );
    assert_eq!(client.get("/directory/deletedItems").await.status, 400);
}

#[tokio::test]
async fn deleted_groups_are_microsoft_365_groups() {
    let client = Client::new(config(2_000)).await;
    client.sim.advance(20);
    let (deleted, _) = client
        .pages(
            "/directory/deletedItems/microsoft.graph.group?$select=id,groupTypes,deletedDateTime",
        )
        .await;
    assert!(!deleted.is_empty());
    for group in &deleted {
        assert_eq!(group["groupTypes"][0], "Unified");
        assert!(group["deletedDateTime"].is_string());
        let id = group["id"].as_str().unwrap();
        assert_eq!(client.get(&format!("/groups/{id}")).await.status, 404);
    }
}

#[tokio::test]
async fn licence_details_are_those_that_are_assigned() {
    let client = Client::new(config(60)).await;
    let mut disabled = 0;
    for (id, user) in client.truth() {
        let details = client
            .get(&format!("/users/{id}/licenseDetails"))
            .await
            .json();
        let details = details["value"].as_array().unwrap();
        let licences = user["assignedLicenses"].as_array().unwrap();
        assert_eq!(details.len(), licences.len());
        for (detail, licence) in details.iter().zip(licences) {
            assert_eq!(detail["skuId"], licence["skuId"]);
            let off: BTreeSet<_> = detail["servicePlans"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|p| p["provisioningStatus"] == "Disabled")
                .map(|p| p["servicePlanId"].as_str().unwrap())
                .collect();
            let plans = licence["disabledPlans"].as_array().unwrap();
            assert_eq!(off, plans.iter().map(|p| p.as_str().unwrap()).collect());
            disabled += off.len();
        }
    }
    assert!(disabled > 0);
}

#[tokio::test]
async fn people_have_managers_up_to_the_top() {
    let client = Client::new(config(500)).await;
    client.sim.advance(3);
    let path = "/users?$expand=manager($select=id,displayName)&$select=id,department";
    let users = by_id(client.pages(path).await.0);
    let mut top = 0;
    for (id, user) in &users {
        let employed = user["department"].is_string();
        assert!(employed || user.get("manager").is_none());
        top += usize::from(employed && user.get("manager").is_none());
        // Every chain ends.
        let (mut at, mut steps) = (id.as_str(), 0);
        while let Some(above) = users[at].get("manager") {
            assert_eq!(above.as_object().unwrap().len(), 3);
            at = above["id"].as_str().unwrap();
            steps += 1;
            assert!(steps < 9);
        }
        if steps == 1 {
            let single = client
                .get(&format!("/users/{id}/manager?$select=id"))
                .await
                .json();
            assert_eq!(single["id"], at);
            let one = client
                .get(&format!("/users/{id}?$expand=manager"))
                .await
                .json();
            assert_eq!(one["manager"]["id"], at);
        }
    }
    assert!((1..9).contains(&top), "{top}");
    let guest = users
        .iter()
        .find(|(_, u)| u["department"].is_null())
        .unwrap()
        .0;
    assert_eq!(
        client.get(&format!("/users/{guest}/manager")).await.status,
        404
    );
}

#[tokio::test]
async fn stock_is_read_one_by_one_too() {
    let client = Client::new(config(50)).await;
    for set in ["subscribedSkus", "directory/subscriptions"] {
        let all = client.get(&format!("/{set}")).await.json();
        let first = &all["value"][2];
        let id = first["id"].as_str().unwrap();
        let one = client.get(&format!("/{set}/{id}")).await.json();
        assert_eq!(one["skuPartNumber"], first["skuPartNumber"]);
        let gone = client
            .get(&format!("/{set}/00000000-0000-4000-8000-000000000000"))
            .await;
        assert_eq!(gone.status, 404);
        if let Some(commerce) = first["commerceSubscriptionId"].as_str() {
            let path = format!("/{set}(commerceSubscriptionId='{commerce}')?$select=id");
            assert_eq!(client.get(&path).await.json()["id"], id);
        }
    }
}
