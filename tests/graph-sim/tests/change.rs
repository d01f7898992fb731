//! Delta, late replicas and batches.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeMap;
use std::time::Duration;

use graph_sim::Config;
use serde_json::{Value, json};
use support::{Client, SELECT, by_id};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 11,
        ..Config::default()
    }
}

fn latest() -> String {
    format!("/users/delta?$select={SELECT}&$deltatoken=latest")
}

#[tokio::test]
async fn delta_names_what_it_tracks_and_nothing_else() {
    let client = Client::new(config(3_000)).await;
    let (nothing, link) = client.pages(&latest()).await;
    assert!(nothing.is_empty());
    let before = client.truth();
    client.sim.advance(5);
    let after = client.truth();
    let (named, next) = client.pages(&link.unwrap()).await;
    let named = by_id(named);
    assert!(named.len() > 20);
    let tracked = |user: Option<&Value>| {
        let mut user = user.cloned();
        user.as_mut()
            .and_then(Value::as_object_mut)
            .map(|u| u.remove("licenseAssignmentStates"));
        user
    };
    let mut silent = 0;
    for id in before.keys().chain(after.keys()) {
        let differs = tracked(before.get(id)) != tracked(after.get(id));
        if differs {
            assert!(named.contains_key(id), "{id} has changed");
        }
        silent +=
            usize::from(!differs && before.get(id) != after.get(id) && !named.contains_key(id));
    }
    assert!(silent > 0, "some only changed how they hold a licence");
    let (mut gone, mut new) = (0, 0);
    for (id, object) in &named {
        match after.get(id) {
            None => {
                assert_eq!(object["@removed"]["reason"], "changed");
                gone += 1;
            }
            Some(truth) => {
                for (name, value) in object.as_object().unwrap() {
                    assert_eq!(value, &truth[name], "{name}");
                    assert_ne!(name, "licenseAssignmentStates");
                }
                new += usize::from(!before.contains_key(id));
            }
        }
    }
    assert!(gone >= 5 && new >= 5);
    let (again, _) = client.pages(&next.unwrap()).await;
    assert!(again.is_empty());
}

#[tokio::test]
async fn a_first_round_is_everything() {
    let client = Client::new(config(450)).await;
    client.sim.advance(1);
    let (users, link) = client.pages("/users/delta?$select=id,department").await;
    assert_eq!(by_id(users).len(), client.truth().len());
    client.sim.advance(4);
    let (named, _) = client.pages(&link.unwrap()).await;
    let truth = client.truth();
    assert!(named.iter().all(|u| u["@removed"].is_object()
        || u["department"] == truth[u["id"].as_str().unwrap()]["department"]));
}

#[tokio::test]
async fn minimal_rounds_hold_only_what_changed() {
    let client = Client::new(config(2_000)).await;
    let (_, link) = client.pages(&latest()).await;
    client.sim.advance(1);
    let page = client
        .get_with(&link.unwrap(), &[("Prefer", "return=minimal")])
        .await;
    assert_eq!(page.headers["preference-applied"], "return=minimal");
    let page = page.json();
    let disabled = page["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|u| u["accountEnabled"] == false && u["mail"].is_null());
    assert!(disabled.is_some_and(|u| u.as_object().unwrap().len() == 2));
}

#[tokio::test]
async fn old_tokens_are_forgotten() {
    let client = Client::new(config(300)).await;
    let (_, link) = client.pages(&latest()).await;
    let link = link.unwrap();
    client.sim.advance(7);
    assert_eq!(client.get(&link).await.status, 200);
    client.sim.advance(1);
    let answer = client.get(&link).await;
    assert_eq!(
        (answer.status, answer.code()),
        (400, "syncStateNotFound".into())
    );
    let (_, fresh) = client.pages(&latest()).await;
    client.sim.tick(Duration::from_secs(8 * 86_400));
    let client = Client::of(&client.sim, 0).await;
    assert_eq!(
        client.get(&fresh.unwrap()).await.code(),
        "syncStateNotFound"
    );
}

#[tokio::test]
async fn late_replicas_forget_nothing_for_ever() {
    let client = Client::new(Config {
        lag: Some(Duration::from_secs(600)),
        ..config(1_000)
    })
    .await;
    let (_, link) = client.pages(&latest()).await;
    let before = client.truth();
    client.sim.advance(1);
    let truth = client.truth();
    let new = truth.keys().find(|id| !before.contains_key(*id)).unwrap();
    let gone = before.keys().find(|id| !truth.contains_key(*id)).unwrap();
    let (mut missing, mut found, mut ghosts) = (0, 0, 0);
    for _ in 0..40 {
        match client.get(&format!("/users/{new}")).await.status {
            404 => missing += 1,
            _ => found += 1,
        }
        ghosts += usize::from(client.get(&format!("/users/{gone}")).await.status == 200);
    }
    assert!(
        missing > 5 && found > 5 && ghosts > 5,
        "{missing} {found} {ghosts}"
    );
    // However late the rounds are, following the links names everything in the end.
    let (mut link, mut named) = (link.unwrap(), BTreeMap::new());
    for _ in 0..3 {
        let (users, next) = client.pages(&link).await;
        named.extend(by_id(users));
        link = next.unwrap();
    }
    client.sim.tick(Duration::from_secs(600));
    let (users, _) = client.pages(&link).await;
    named.extend(by_id(users));
    assert!(named.contains_key(new) && named[gone]["@removed"].is_object());
    let (users, _) = client
        .pages(&format!("/users?$select={SELECT}&$top=999"))
        .await;
    assert_eq!(by_id(users), truth);
}

#[tokio::test]
async fn a_batch_answers_each_request_in_another_order() {
    let client = Client::new(config(600)).await;
    let truth = client.truth();
    let ids: Vec<_> = truth.keys().collect();
    let mut requests: Vec<_> = (0..17)
        .map(|n| {
            let list: Vec<_> = ids[n * 15..n * 15 + 15].iter().map(|id| format!("'{id}'")).collect();
            json!({"id": n.to_string(), "method": "GET", "url": format!("/users?$select={SELECT}&$filter=id in ({})", list.join(","))})
        })
        .collect();
    requests.push(json!({"id": "count", "method": "GET", "url": "/users/$count", "headers": {"ConsistencyLevel": "eventual"}}));
    requests.push(json!({"id": "gone", "method": "GET", "url": "/users/00000000-0000-4000-8000-000000000000"}));
    requests.push(
        json!({"id": "after", "method": "GET", "url": "organization", "dependsOn": ["gone"]}),
    );
    let answer = client.batch(&json!({ "requests": requests })).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let parts = answer["responses"].as_array().unwrap();
    let order: Vec<_> = parts.iter().map(|p| p["id"].as_str().unwrap()).collect();
    assert_ne!(
        order,
        requests
            .iter()
            .map(|r| r["id"].as_str().unwrap())
            .collect::<Vec<_>>()
    );
    let part = |id: &str| parts.iter().find(|p| p["id"] == id).unwrap();
    let mut found = Vec::new();
    for n in 0..17 {
        assert_eq!(part(&n.to_string())["status"], 200);
        found.extend(
            part(&n.to_string())["body"]["value"]
                .as_array()
                .unwrap()
                .iter()
                .cloned(),
        );
    }
    assert_eq!(
        by_id(found),
        truth
            .iter()
            .take(255)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    );
    assert_eq!(part("count")["body"], 600);
    assert_eq!(
        (&part("gone")["status"], &part("after")["status"]),
        (&json!(404), &json!(424))
    );
    assert_eq!(
        part("gone")["body"]["error"]["code"],
        "Request_ResourceNotFound"
    );
    assert!(part("gone")["headers"]["request-id"].is_string());
    assert_eq!(client.sim.log().iter().filter(|e| e.batched).count(), 19);

    requests.push(json!({"id": "more", "method": "GET", "url": "/users"}));
    assert_eq!(
        client.batch(&json!({ "requests": requests })).await.status,
        400
    );
    let twice = json!({"requests": [{"id": "1", "method": "GET", "url": "/users"}, {"id": "1", "method": "GET", "url": "/users"}]});
    for bad in [
        twice,
        json!({}),
        json!({"requests": [{"id": "1", "method": "GET", "url": ""}]}),
    ] {
        assert_eq!(client.batch(&bad).await.status, 400);
    }
}
