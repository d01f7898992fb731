//! What filters, orders and searches find, against the truth; and links that fit their query only.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Client, by_id};
use graph_sim::Config;
use serde_json::Value;

const EVENTUAL: &[(&str, &str)] = &[("ConsistencyLevel", "eventual")];
const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

/// All users that a query names, read in small pages with the headers on each.
async fn found(client: &Client, query: &str, headers: &[(&str, &str)]) -> Vec<Value> {
    let mut next = format!("/users?{query}&$top=150").replace(' ', "%20");
    let mut users = Vec::new();
    loop {
        let mut page = client.get_with(&next, headers).await.json();
        let values = page["value"].as_array_mut();
        users.append(values.unwrap_or_else(|| panic!("{next}")));
        match page["@odata.nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return users,
        }
    }
}

fn text<'a>(user: &'a Value, name: &str) -> &'a str {
    user[name].as_str().unwrap_or("")
}

#[tokio::test]
async fn filters_find_what_is_so() {
    let client = Client::new(Config {
        users: 1_200,
        seed: 3,
        roles: vec!["User.Read.All".to_owned(), "AuditLog.Read.All".to_owned()],
        ..Config::default()
    })
    .await;
    client.sim.advance(4);
    let truth = client.truth();
    type Test = fn(&Value) -> bool;
    let plain: &[(&str, Test)] = &[
        ("accountEnabled eq false", |u| u["accountEnabled"] == false),
        ("userType eq 'guest'", |u| u["userType"] == "Guest"),
        ("userType eq null", |u| u["userType"].is_null()),
        ("department in ('Sales','Finance')", |u| {
            ["Sales", "Finance"].contains(&text(u, "department"))
        }),
        (
            "startsWith(displayName,'an') and accountEnabled eq true",
            |u| {
                text(u, "displayName").to_lowercase().starts_with("an")
                    && u["accountEnabled"] == true
            },
        ),
        ("displayName ge 'm' and displayName lt 'P'", |u| {
            let name = text(u, "displayName").to_lowercase();
            name.as_str() >= "m" && name.as_str() < "p"
        }),
        ("createdDateTime ge 2024-01-01T00:00:00Z", |u| {
            text(u, "createdDateTime") >= "2024-01-01T00:00:00Z"
        }),
        ("onPremisesSyncEnabled eq true", |u| {
            u["onPremisesSyncEnabled"] == true
        }),
        (
            "usageLocation eq 'DE' or usageLocation eq 'FR' or usageLocation eq null",
            |u| ["DE", "FR", ""].contains(&text(u, "usageLocation")),
        ),
        (
            "signInActivity/lastSignInDateTime le 1999-01-01T00:00:00Z",
            |_| false,
        ),
    ];
    let advanced: &[(&str, Test)] = &[
        ("accountEnabled ne true", |u| u["accountEnabled"] == false),
        ("not(startsWith(mail,'a'))", |u| {
            !text(u, "mail").starts_with('a')
        }),
        ("endsWith(mail,'onmicrosoft.com')", |u| {
            text(u, "mail").ends_with("onmicrosoft.com")
        }),
        ("assignedLicenses/$count eq 0", |u| {
            u["assignedLicenses"].as_array().unwrap().is_empty()
        }),
        (
            "assignedLicenses/any(x:x/skuId eq 05E9A617-0261-4CEE-BB44-138D3EF5D965)",
            |u| {
                let held = u["assignedLicenses"].as_array().unwrap();
                held.iter().any(|l| l["skuId"] == E3)
            },
        ),
    ];
    for (filters, headers, more) in [(plain, &[][..], ""), (advanced, EVENTUAL, "&$count=true")] {
        for (filter, test) in filters {
            let expected: BTreeMap<_, _> = truth.iter().filter(|(_, u)| test(u)).collect();
            let query = format!("$select=id&$filter={filter}{more}");
            let ids = by_id(found(&client, &query, headers).await);
            assert!(ids.keys().eq(expected.into_keys()), "{filter}");
            if !headers.is_empty() {
                let uri = format!("/users/$count?$filter={filter}").replace(' ', "%20");
                let count = client.get_with(&uri, headers).await.body;
                assert_eq!(String::from_utf8(count).unwrap(), ids.len().to_string());
            }
        }
    }
}

#[tokio::test]
async fn ranges_of_addresses_hold_everybody_once() {
    let client = Client::new(Config {
        users: 900,
        seed: 8,
        ..Config::default()
    })
    .await;
    client.sim.advance(6);
    let cuts = ["", "c", "f", "k", "p", "svc", "u"];
    let mut all = Vec::new();
    for (n, low) in cuts.iter().enumerate() {
        let mut range = format!("userPrincipalName ge '{low}'");
        if let Some(high) = cuts.get(n + 1) {
            range.push_str(&format!(" and userPrincipalName lt '{high}'"));
        }
        let part = found(
            &client,
            &format!("$select=id,userPrincipalName&$filter={range}"),
            &[],
        )
        .await;
        assert!(part.iter().all(|u| text(u, "userPrincipalName") >= *low));
        all.extend(part);
    }
    assert!(by_id(all).keys().eq(client.truth().keys()));
}

#[tokio::test]
async fn orders_and_searches() {
    let client = Client::new(Config {
        users: 700,
        seed: 2,
        ..Config::default()
    })
    .await;
    for (order, name, descending) in [
        ("displayName", "displayName", false),
        ("userPrincipalName desc", "userPrincipalName", true),
    ] {
        let users = found(&client, &format!("$select=id,{name}&$orderby={order}"), &[]).await;
        let names: Vec<_> = users.iter().map(|u| text(u, name).to_lowercase()).collect();
        let sorted = names.is_sorted_by(|a, b| if descending { a >= b } else { a <= b });
        assert!(sorted && names.len() == 700, "{order}");
        assert_eq!(by_id(users).len(), 700);
    }
    let search = "$select=id,displayName&$search=%22displayName:bö%22";
    let users = by_id(found(&client, &search.replace('ö', "%C3%B6"), EVENTUAL).await);
    let hit = |u: &&Value| {
        text(u, "displayName")
            .split(' ')
            .any(|w| w.to_lowercase().starts_with("bö"))
    };
    assert_eq!(users.len(), client.truth().values().filter(hit).count());
    assert!(!users.is_empty() && users.len() < 700);
    let both = found(
        &client,
        "$count=true&$select=id,accountEnabled,surname&$orderby=surname&$filter=accountEnabled eq false",
        EVENTUAL,
    )
    .await;
    assert!(!both.is_empty() && both.iter().all(|u| u["accountEnabled"] == false));
}

#[tokio::test]
async fn links_fit_their_query_and_get_old() {
    let client = Client::new(Config {
        users: 800,
        page_token_life: Some(Duration::from_secs(600)),
        ..Config::default()
    })
    .await;
    let expired = |answer: crate::support::Answer| {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "Directory_ExpiredPageToken")
        );
    };
    let link = |page: Value| page["@odata.nextLink"].as_str().unwrap().to_owned();
    // The header has to come again with each page.
    let first = "/users?$filter=accountEnabled%20ne%20false&$count=true&$top=50";
    let next = link(client.get_with(first, EVENTUAL).await.json());
    assert_eq!(client.get_with(&next, EVENTUAL).await.status, 200);
    expired(
        client
            .get_with(&next.replace("%20ne%20", "%20eq%20"), EVENTUAL)
            .await,
    );
    assert_eq!(client.get(&next).await.code(), "Request_UnsupportedQuery");
    // A filter on licences loses its place without the header.
    let licences = format!("/users?$filter=assignedLicenses/any(x:x/skuId%20eq%20{E3})&$top=50");
    expired(client.get(&link(client.get(&licences).await.json())).await);
    let advanced = format!("{licences}&$count=true");
    let next = link(client.get_with(&advanced, EVENTUAL).await.json());
    assert_eq!(client.get_with(&next, EVENTUAL).await.status, 200);
    // After its time a link is no good.
    let next = link(client.get("/users?$top=50").await.json());
    client.sim.tick(Duration::from_secs(600));
    assert_eq!(client.get(&next).await.status, 200);
    client.sim.tick(Duration::from_secs(1));
    expired(client.get(&next).await);
}
