//! Groups, who is in them, what they license, and their delta.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::Config;
use serde_json::Value;
use support::{Client, by_id};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 23,
        roles: ["User.Read.All", "Group.Read.All", "Device.Read.All"]
            .map(str::to_owned)
            .to_vec(),
        ..Config::default()
    }
}

const GROUPS: &str = "/groups?$select=id,displayName,groupTypes,mail,mailEnabled,securityEnabled,membershipRule,onPremisesSyncEnabled,resourceProvisioningOptions,assignedLicenses,licenseProcessingState&$top=999";

fn ids(objects: &[Value]) -> BTreeSet<String> {
    let id = |o: &Value| o["id"].as_str().unwrap().to_owned();
    objects.iter().map(id).collect()
}

/// The users of each licensing group, and those whom it fails, as the users themselves say.
fn licensed(client: &Client) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let mut groups: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for (id, user) in client.truth() {
        for state in user["licenseAssignmentStates"].as_array().unwrap() {
            if let Some(group) = state["assignedByGroup"].as_str() {
                let entry = groups.entry(group.to_owned()).or_default();
                entry.0.insert(id.clone());
                if matches!(state["state"].as_str(), Some("Error" | "ActiveWithError")) {
                    entry.1.insert(id.clone());
                }
            }
        }
    }
    groups
}

#[tokio::test]
async fn licensing_groups_and_users_agree_in_both_directions() {
    let client = Client::new(config(1_500)).await;
    client.sim.advance(6);
    let (groups, _) = client.pages(GROUPS).await;
    let groups = by_id(groups);
    let licensed = licensed(&client);
    let users = client.truth();
    let mut empty = 0;
    for (id, group) in &groups {
        let licences = group["assignedLicenses"].as_array().unwrap();
        if licences.is_empty() {
            assert!(!licensed.contains_key(id), "{}", group["displayName"]);
            assert!(group["licenseProcessingState"].is_null());
            continue;
        }
        assert_eq!(
            group["licenseProcessingState"]["state"],
            "ProcessingComplete"
        );
        let (members, _) = client
            .pages(&format!(
                "/groups/{id}/members/microsoft.graph.user?$select=id&$top=200"
            ))
            .await;
        let nobody = Default::default();
        let (of_users, failing) = licensed.get(id).unwrap_or(&nobody);
        assert_eq!(&ids(&members), of_users, "{}", group["displayName"]);
        empty += usize::from(members.is_empty());
        let (errors, _) = client
            .pages(&format!("/groups/{id}/membersWithLicenseErrors?$select=id"))
            .await;
        assert_eq!(&ids(&errors), failing);
        for user in of_users {
            for state in users[user]["licenseAssignmentStates"].as_array().unwrap() {
                if state["assignedByGroup"] == id.as_str() {
                    assert_eq!(state["skuId"], licences[0]["skuId"]);
                    assert_eq!(state["disabledPlans"], licences[0]["disabledPlans"]);
                }
            }
        }
    }
    assert!(licensed.keys().all(|id| groups.contains_key(id)));
    assert!(empty > 0, "a group that licenses nobody");
    let (failing, _) = client
        .pages("/groups?$filter=hasMembersWithLicenseErrors%20eq%20true&$select=id")
        .await;
    let expected = licensed.iter().filter(|(_, (_, f))| !f.is_empty());
    assert_eq!(ids(&failing), expected.map(|(id, _)| id.clone()).collect());
}

#[tokio::test]
async fn groups_are_of_every_kind() {
    let client = Client::new(config(600)).await;
    let (groups, _) = client.pages(GROUPS).await;
    let has = |what: &dyn Fn(&Value) -> bool| groups.iter().any(what);
    assert!(has(&|g| g["groupTypes"] == serde_json::json!(["Unified"])));
    assert!(has(&|g| g["groupTypes"]
        == serde_json::json!(["DynamicMembership"])
        && g["membershipRule"].is_string()));
    assert!(has(&|g| g["onPremisesSyncEnabled"] == true));
    assert!(has(
        &|g| g["mailEnabled"] == true && g["securityEnabled"] == true
    ));
    assert!(has(
        &|g| g["mailEnabled"] == true && g["securityEnabled"] == false
    ));
    assert!(has(
        &|g| g["resourceProvisioningOptions"] == serde_json::json!(["Team"])
    ));
    let count = client
        .get_with("/groups/$count", &[("consistencylevel", "eventual")])
        .await;
    assert_eq!(count.body, groups.len().to_string().into_bytes());
    let (few, _) = client.pages("/groups?$select=id&$top=7").await;
    assert_eq!(ids(&few), ids(&groups));
    let plain = client.get("/groups?$top=1").await.json();
    assert!(plain["value"][0].get("assignedLicenses").is_none());
    assert!(plain["value"][0].get("securityIdentifier").is_some());
    let id = groups[3]["id"].as_str().unwrap();
    let one = client.get(&format!("/groups/{id}")).await.json();
    assert_eq!(one["displayName"], groups[3]["displayName"]);
    let (owners, _) = client.pages(&format!("/groups/{id}/owners")).await;
    assert!(owners.is_empty(), "licensing groups have none");
    let id = groups[groups.len() - 3]["id"].as_str().unwrap();
    let (owners, _) = client.pages(&format!("/groups/{id}/owners")).await;
    let (members, _) = client.pages(&format!("/groups/{id}/members")).await;
    assert!(owners.len() <= 2 && owners.iter().all(|o| members.contains(o)));
    let gone = client
        .get("/groups/00000000-0000-4000-8000-000000000000/members")
        .await;
    assert_eq!(gone.code(), "Request_ResourceNotFound");
}

#[tokio::test]
async fn transitive_members_include_those_of_the_groups_inside() {
    let client = Client::new(config(400)).await;
    let (groups, _) = client.pages(GROUPS).await;
    let company = groups
        .iter()
        .find(|g| g["displayName"] == "Contoso Group")
        .unwrap();
    let id = company["id"].as_str().unwrap();
    let (direct, _) = client.pages(&format!("/groups/{id}/members")).await;
    assert_eq!(direct.len(), 10);
    assert!(
        direct
            .iter()
            .all(|m| m["@odata.type"] == "#microsoft.graph.group")
    );
    let (all, _) = client
        .pages(&format!(
            "/groups/{id}/transitiveMembers?$select=id,department&$top=50"
        ))
        .await;
    let employed = client
        .truth()
        .values()
        .filter(|u| u["department"].is_string())
        .count();
    assert_eq!(all.len(), direct.len() + employed);
    let users = all
        .iter()
        .filter(|m| m["@odata.type"] == "#microsoft.graph.user");
    assert!(users.into_iter().all(|u| u["department"].is_string()));
    let count = client
        .get_with(
            &format!("/groups/{id}/transitiveMembers/microsoft.graph.user/$count"),
            &[("consistencylevel", "eventual")],
        )
        .await;
    assert_eq!(count.body, employed.to_string().into_bytes());
}

/// Members by group as a reader of delta has them.
type Book = BTreeMap<String, (Value, BTreeSet<String>)>;

fn apply(book: &mut Book, objects: Vec<Value>) {
    for mut object in objects {
        let id = object["id"].as_str().unwrap().to_owned();
        if object["@removed"].is_object() {
            book.remove(&id);
            continue;
        }
        let members = object.as_object_mut().unwrap().remove("members@delta");
        let entry = book.entry(id).or_default();
        entry.0 = object;
        for member in members.iter().flat_map(|m| m.as_array().unwrap()) {
            let id = member["id"].as_str().unwrap().to_owned();
            if member["@removed"]["reason"] == "deleted" {
                assert!(entry.1.remove(&id), "{id} was no member");
            } else {
                entry.1.insert(id);
            }
        }
    }
}

#[tokio::test]
async fn delta_keeps_groups_and_members_right() {
    let client = Client::new(config(900)).await;
    let (objects, link) = client
        .pages("/groups/delta?$select=displayName,members")
        .await;
    let mut book = Book::new();
    let repeated = objects.len();
    apply(&mut book, objects);
    assert!(repeated > book.len(), "large groups go over several pages");
    let mut link = link.unwrap();
    let mut gone = 0;
    let mut ever: BTreeSet<String> = client.truth().into_keys().collect();
    for _ in 0..9 {
        client.sim.advance(4);
        ever.extend(client.truth().into_keys());
        let (objects, next) = client.pages(&link).await;
        gone += objects.iter().filter(|o| o["@removed"].is_object()).count();
        apply(&mut book, objects);
        link = next.unwrap();
        let (groups, _) = client
            .pages("/groups?$select=id,displayName&$top=999")
            .await;
        let groups = by_id(groups);
        assert_eq!(
            ids(&groups.values().cloned().collect::<Vec<_>>()),
            book.keys().cloned().collect()
        );
        for (id, (object, _)) in &book {
            assert_eq!(object["displayName"], groups[id]["displayName"]);
        }
    }
    assert!(gone > 0);
    let alive = client.truth();
    let (devices, _) = client
        .pages("/devices?$select=id&$filter=startsWith(displayName,'SHARED')")
        .await;
    let (shared, mut computers) = (ids(&devices), 0);
    for (id, (_, members)) in &book {
        let (now, _) = client
            .pages(&format!("/groups/{id}/members?$select=id&$top=999"))
            .await;
        let now = ids(&now);
        assert!(now.is_subset(members), "{id}");
        // Deleted users stay in the book until they are deleted for good.
        let more = members.difference(&now);
        assert!(
            more.into_iter()
                .all(|m| ever.contains(m) && !alive.contains_key(m)),
            "{id}"
        );
        computers += usize::from(now.iter().any(|m| shared.contains(m)));
    }
    assert_eq!(computers, 1, "one group has computers in it");
    let (nothing, _) = client.pages(&link).await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn an_old_token_is_answered_as_configured() {
    for gone in [false, true] {
        let client = Client::new(Config {
            delta_gone: gone,
            ..config(50)
        })
        .await;
        for set in ["groups", "users"] {
            let (_, link) = client
                .pages(&format!("/{set}/delta?$select=id&$deltatoken=latest"))
                .await;
            client.sim.advance(8);
            let answer = client.get(&link.unwrap()).await;
            if gone {
                assert_eq!(
                    (answer.status, answer.code()),
                    (410, "resyncRequired".into())
                );
                let fresh = answer.headers["location"].to_str().unwrap();
                assert_eq!(client.get(fresh).await.status, 200);
                assert!(fresh.ends_with("/delta?$deltatoken="));
            } else {
                assert_eq!(
                    (answer.status, answer.code()),
                    (400, "syncStateNotFound".into())
                );
            }
        }
    }
}

#[tokio::test]
async fn reading_groups_takes_its_permission() {
    let client = Client::new(Config::default()).await;
    for path in ["/groups", "/groups/delta", "/groups/x/members"] {
        assert_eq!(client.get(path).await.code(), "Authorization_RequestDenied");
    }
    let members = Client::new(Config {
        roles: vec!["GroupMember.Read.All".to_owned()],
        ..Config::default()
    })
    .await;
    assert_eq!(members.get("/groups").await.status, 200);
    let id = members.get("/groups?$top=1").await.json()["value"][0]["id"].clone();
    let path = format!("/groups/{}/membersWithLicenseErrors", id.as_str().unwrap());
    assert_eq!(members.get(&path).await.status, 403);
}
