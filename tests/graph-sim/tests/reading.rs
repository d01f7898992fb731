//! Lists, pages, ids, counts and stock.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::Config;
use support::{Client, SELECT, by_id};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 5,
        ..Config::default()
    }
}

#[tokio::test]
async fn pages_hold_every_user_once_and_are_the_truth() {
    let client = Client::new(config(2_345)).await;
    client.sim.advance(3);
    let (users, _) = client
        .pages(&format!("/users?$select={SELECT}&$top=999"))
        .await;
    assert_eq!(by_id(users), client.truth());
    let (few, _) = client.pages("/users?$select=id&$top=7").await;
    assert_eq!(few.len(), client.truth().len());
    let firsts: BTreeSet<_> = client
        .sim
        .log()
        .into_iter()
        .filter(|e| e.query.contains("$top=7"))
        .map(|e| e.first)
        .collect();
    assert_eq!(firsts.len(), few.len().div_ceil(7));
}

#[tokio::test]
async fn links_are_absolute_and_opaque() {
    let client = Client::new(config(250)).await;
    let page = client.get("/users?$select=id,mail").await.json();
    assert_eq!(page["value"].as_array().unwrap().len(), 100);
    let link = page["@odata.nextLink"].as_str().unwrap();
    assert!(
        link.starts_with(
            "http://graph-sim.localhost/v1.0/users?$select=id,mail&$top=100&$skiptoken="
        ),
        "{link}"
    );
    let broken = client
        .get(&link.replace("$skiptoken=", "$skiptoken=x"))
        .await;
    assert_eq!(
        (broken.status, broken.code()),
        (400, "Directory_ExpiredPageToken".into())
    );
    let log = client.sim.log();
    assert!(
        log.iter()
            .any(|e| e.query.ends_with("$skiptoken=…") && e.status == 400)
    );
    let answer = client
        .get_with(link, &[("host", "other.example:99")])
        .await
        .json();
    assert!(
        answer["@odata.nextLink"]
            .as_str()
            .unwrap()
            .starts_with("http://other.example:99/v1.0/users?")
    );
}

#[tokio::test]
async fn defaults_and_nulls_are_as_graph_has_them() {
    let client = Client::new(config(300)).await;
    let page = client.get("/users?$top=1").await.json();
    let mut names: Vec<_> = page["value"][0]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    names.sort();
    assert_eq!(
        names.join(","),
        "businessPhones,displayName,givenName,id,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,surname,userPrincipalName"
    );
    let (users, _) = client
        .pages("/users?$select=mail,onPremisesSyncEnabled,aboutMe2".trim_end_matches(",aboutMe2"))
        .await;
    assert!(
        users
            .iter()
            .any(|u| u["onPremisesSyncEnabled"].is_null() && u.as_object().unwrap().len() == 2)
    );
}

#[tokio::test]
async fn users_are_found_by_id() {
    let client = Client::new(config(400)).await;
    let truth = client.truth();
    let ids: Vec<_> = truth.keys().take(15).map(|id| format!("'{id}'")).collect();
    let filter = format!(
        "/users?$select={SELECT}&$filter=id%20in%20({})",
        ids.join(",")
    );
    let (found, _) = client.pages(&filter).await;
    assert_eq!(
        by_id(found),
        truth
            .clone()
            .into_iter()
            .take(15)
            .collect::<BTreeMap<_, _>>()
    );
    let (in_steps, _) = client.pages(&format!("{filter}&$top=4")).await;
    assert_eq!(in_steps.len(), 15);
    let many = format!(
        "/users?$filter=id+in+({},'00000000-0000-4000-8000-000000000000')",
        ids.join(",")
    );
    let refused = client.get(&many).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("operators: 16. Max allowed: 15")
    );
    let advanced = client
        .get_with(
            &format!("{many}&$count=true"),
            &[("consistencylevel", "eventual")],
        )
        .await
        .json();
    assert_eq!(advanced["@odata.count"], 15);

    let id = truth.keys().next().unwrap();
    let mut one = client
        .get(&format!("/users/{id}?$select={SELECT}"))
        .await
        .json();
    assert!(
        one.as_object_mut()
            .unwrap()
            .remove("@odata.context")
            .is_some()
    );
    assert_eq!(&one, &truth[id]);
    for unknown in ["00000000-0000-4000-8000-000000000000", "nobody@contoso.com"] {
        let answer = client.get(&format!("/users/{unknown}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (404, "Request_ResourceNotFound".into())
        );
    }
}

#[tokio::test]
async fn counting_wants_the_header() {
    let client = Client::new(config(123)).await;
    let eventual = [("ConsistencyLevel", "eventual")];
    let count = client.get_with("/users/$count", &eventual).await;
    assert_eq!(
        (
            count.body.as_slice(),
            count.headers["content-type"].to_str().unwrap()
        ),
        (&b"123"[..], "text/plain")
    );
    assert_eq!(
        client.get("/users/$count").await.code(),
        "Request_BadRequest"
    );
    let json = [
        ("ConsistencyLevel", "eventual"),
        ("accept", "application/json"),
    ];
    assert_eq!(client.get_with("/users/$count", &json).await.status, 415);
    let page = client
        .get_with("/users?$count=true&$top=100", &eventual)
        .await
        .json();
    assert_eq!(page["@odata.count"], 123);
    let next = client
        .get_with(page["@odata.nextLink"].as_str().unwrap(), &eventual)
        .await
        .json();
    assert!(next["@odata.count"].is_null() && next["value"].as_array().unwrap().len() == 23);
    assert!(client.get("/users?$count=true").await.json()["@odata.count"].is_null());
}

#[tokio::test]
async fn consumed_units_are_the_users_that_hold_a_sku() {
    let client = Client::new(config(4_000)).await;
    for _ in 0..4 {
        let mut held: BTreeMap<String, u64> = BTreeMap::new();
        let (mut paths, mut assigned) = (0, 0);
        for user in client.truth().values() {
            let states = user["licenseAssignmentStates"].as_array().unwrap();
            paths += states.len();
            let gives = |sku: &str| {
                states.iter().any(|s| {
                    s["skuId"] == sku
                        && matches!(s["state"].as_str(), Some("Active" | "ActiveWithError"))
                })
            };
            for licence in user["assignedLicenses"].as_array().unwrap() {
                let sku = licence["skuId"].as_str().unwrap();
                assert!(
                    gives(sku)
                        || !states.iter().any(|s| s["skuId"] == sku)
                        || sku.starts_with("f30db892")
                );
                *held.entry(sku.to_owned()).or_default() += 1;
                assigned += 1;
            }
        }
        assert!(assigned < paths);
        let subscriptions = client.get("/directory/subscriptions").await.json();
        for sku in client.get("/subscribedSkus").await.json()["value"]
            .as_array()
            .unwrap()
        {
            let id = sku["skuId"].as_str().unwrap();
            assert_eq!(
                sku["consumedUnits"].as_u64(),
                Some(held.get(id).copied().unwrap_or(0)),
                "{}",
                sku["skuPartNumber"]
            );
            let ids = sku["subscriptionIds"].as_array().unwrap();
            for (status, name) in [
                ("Enabled", "enabled"),
                ("Warning", "warning"),
                ("Suspended", "suspended"),
                ("LockedOut", "lockedOut"),
            ] {
                let parts = subscriptions["value"].as_array().unwrap().iter();
                let sum: u64 = parts
                    .filter(|s| {
                        ids.contains(&s["commerceSubscriptionId"])
                            && s["skuId"] == id
                            && s["status"] == status
                    })
                    .map(|s| s["totalLicenses"].as_u64().unwrap())
                    .sum();
                assert_eq!(sku["prepaidUnits"][name].as_u64(), Some(sum));
            }
        }
        client.sim.advance(1);
    }
}

#[tokio::test]
async fn the_organization_is_the_tenant() {
    let client = Client::new(config(1)).await;
    let answer = client
        .get("/organization?$select=id,tenantType")
        .await
        .json();
    assert_eq!(
        answer["value"][0]["id"],
        client.sim.tenants()[0].id.as_str()
    );
    assert_eq!(answer["value"][0].as_object().unwrap().len(), 2);
    assert_eq!(
        client.get("/organization?$select=nonsense").await.status,
        400
    );
}

#[tokio::test]
async fn equal_seeds_give_equal_worlds_and_tenants_differ() {
    let config = Config {
        tenants: 2,
        ..config(300)
    };
    let (one, two) = (Client::new(config.clone()).await, Client::new(config).await);
    one.sim.advance(2);
    two.sim.advance(1);
    two.sim.advance(1);
    assert_eq!(one.truth(), two.truth());
    assert_eq!(
        one.sim.tenants()[1].client_secret,
        two.sim.tenants()[1].client_secret
    );
    let other = Client::of(&one.sim, 1).await;
    let here = one.truth();
    assert!(other.truth().keys().all(|id| !here.contains_key(id)));
    let (page, _) = other.pages("/users?$select=id").await;
    assert_eq!(page.len(), other.truth().len());
}
