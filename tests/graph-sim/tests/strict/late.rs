//! An index that is late, and objects that change while they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::{Client, by_id};
use graph_sim::Config;

const RANGES: [&str; 3] = [
    "department lt 'f'",
    "department ge 'f' and department lt 'o'",
    "department ge 'o'",
];

async fn range(client: &Client, range: &str) -> Vec<serde_json::Value> {
    let filter = range.replace(' ', "%20");
    let query = format!("/users?$select=id&$top=100&$filter={filter}");
    client.pages(&query).await.0
}

/// The ids of those who have a department.
fn placed(client: &Client) -> BTreeSet<String> {
    let users = client.truth().into_iter();
    let placed = users.filter(|(_, u)| u["department"].is_string());
    placed.map(|(id, _)| id).collect()
}

#[tokio::test]
async fn a_filter_is_answered_from_a_late_index() {
    let client = Client::new(Config {
        users: 1_000,
        seed: 6,
        filter_lag: Some(Duration::from_secs(900)),
        ..Config::default()
    })
    .await;
    let query = "/users?$select=id,accountEnabled&$filter=accountEnabled%20eq%20true&$top=999";
    let (before, _) = client.pages(query).await;
    client.sim.tick(Duration::from_secs(2_000));
    client.sim.advance(8);
    let (late, _) = client.pages(query).await;
    let late = by_id(late);
    // Who was disabled since is found still, and shown as it is now; who joined since is not found; who left is not shown.
    assert!(late.values().any(|u| u["accountEnabled"] == false));
    let old: BTreeSet<_> = by_id(before).into_keys().collect();
    assert!(late.keys().all(|id| old.contains(id)) && late.len() < old.len());
    // Lists and reads by id are current.
    let (all, _) = client.pages("/users?$select=id&$top=999").await;
    assert!(by_id(all).keys().eq(client.truth().keys()));
    client.sim.tick(Duration::from_secs(901));
    let (now, _) = client.pages(query).await;
    let enabled = client
        .truth()
        .into_iter()
        .filter(|(_, u)| u["accountEnabled"] == true);
    assert!(
        by_id(now)
            .keys()
            .eq(enabled.collect::<BTreeMap<_, _>>().keys())
    );
}

#[tokio::test]
async fn objects_move_between_ranges_while_they_are_read() {
    let client = Client::new(Config {
        users: 3_000,
        seed: 12,
        day_every_requests: Some(2),
        ..Config::default()
    })
    .await;
    let first = placed(&client);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for part in RANGES {
        for user in range(&client, part).await {
            *seen
                .entry(user["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    assert!(client.sim.day() > 10);
    assert!(
        seen.values().any(|times| *times > 1),
        "nobody was seen twice"
    );
    // Each has a department all the time, and still was in none of the ranges.
    let last = placed(&client);
    let missed = first
        .intersection(&last)
        .filter(|id| !seen.contains_key(*id));
    assert!(missed.count() > 0, "nobody was missed");
}
