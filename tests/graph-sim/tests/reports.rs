//! Usage reports: how they are fetched, what they hold, and whose names they show.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use graph_sim::Config;
use serde_json::Value;
use support::{Answer, Client, send};

fn config(users: u32) -> Config {
    Config {
        users,
        seed: 61,
        concealed_names: false,
        roles: [
            "User.Read.All",
            "Reports.Read.All",
            "ReportSettings.Read.All",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Config::default()
    }
}

/// A fetch of an address, without the token for Graph.
async fn fetch(client: &Client, url: &str) -> Answer {
    send(&client.sim, Request::get(url).body(Body::empty()).unwrap()).await
}

/// A report by its function: the header and the rows.
async fn csv(client: &Client, function: &str) -> (String, Vec<Vec<String>>) {
    let answer = client.get(&format!("/reports/{function}")).await;
    let body = if answer.status == 302 {
        fetch(client, answer.headers["location"].to_str().unwrap())
            .await
            .body
    } else {
        assert_eq!(answer.status, 200, "{function}");
        answer.body
    };
    let text = String::from_utf8(body).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap();
    let mut lines = text.split_terminator("\r\n");
    let header = lines.next().unwrap().to_owned();
    (header, lines.map(cells).collect())
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cells.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

const FUNCTIONS: [&str; 20] = [
    "getOffice365ActivationsUserDetail",
    "getOffice365ActivationCounts",
    "getOffice365ActivationsUserCounts",
    "getM365AppUserDetail(period='D7')",
    "getM365AppUserCounts(period='D7')",
    "getOffice365ActiveUserDetail(period='D30')",
    "getOffice365ActiveUserCounts(period='D30')",
    "getOffice365ServicesUserCounts(period='D90')",
    "getTeamsUserActivityUserDetail(period='D180')",
    "getTeamsDeviceUsageUserDetail(period='D7')",
    "getEmailActivityUserDetail(period='D7')",
    "getEmailAppUsageUserDetail(period='D7')",
    "getMailboxUsageDetail(period='D7')",
    "getOneDriveActivityUserDetail(period='D7')",
    "getOneDriveUsageAccountDetail(period='D7')",
    "getSharePointActivityUserDetail(period='D7')",
    "getYammerActivityUserDetail(period='D7')",
    "getMicrosoft365CopilotUsageUserDetail(period='D30')",
    "getMicrosoft365CopilotUserCountSummary(period='D7')",
    "getMicrosoft365CopilotUserCountTrend(period='D7')",
];

#[tokio::test]
async fn every_report_is_a_table_of_its_header() {
    let client = Client::new(config(700)).await;
    client.sim.advance(5);
    for function in FUNCTIONS {
        let (header, rows) = csv(&client, function).await;
        let columns = header.split(',').count();
        assert!(!rows.is_empty(), "{function}");
        for row in &rows {
            assert_eq!(row.len(), columns, "{function}: {row:?}");
            assert_eq!(row[0], "2026-11-04", "two days behind");
        }
    }
    let (_, copilot) = csv(&client, FUNCTIONS[17]).await;
    let new = client
        .get("/copilot/reports/getMicrosoft365CopilotUsageUserDetail(period='D30')")
        .await;
    assert_eq!((new.status, copilot.is_empty()), (200, false));
}

#[tokio::test]
async fn a_link_works_for_a_while_and_without_a_token() {
    let client = Client::new(config(50)).await;
    let path = "/reports/getEmailActivityUserDetail(period='D7')";
    let answer = client.get(path).await;
    assert_eq!((answer.status, answer.body.len()), (302, 0));
    let link = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(client.get(&link).await.status, 401, "with a token");
    assert_eq!(fetch(&client, &link).await.status, 200);
    assert_eq!(
        fetch(&client, &link.replace("download/", "download/x"))
            .await
            .status,
        403
    );
    client.sim.tick(Duration::from_secs(301));
    assert_eq!(fetch(&client, &link).await.status, 403);
}

#[tokio::test]
async fn names_are_concealed_unless_somebody_reveals_them() {
    let client = Client::new(Config {
        concealed_names: true,
        ..config(80)
    })
    .await;
    let settings = client.get("/admin/reportSettings").await.json();
    assert_eq!(settings["displayConcealedNames"], true);
    let truth = client.truth();
    let names: BTreeSet<&str> = truth
        .values()
        .map(|u| u["userPrincipalName"].as_str().unwrap())
        .collect();
    let (_, hidden) = csv(&client, "getTeamsUserActivityUserDetail(period='D7')").await;
    for row in &hidden {
        assert_eq!(row[1], "00000000-0000-0000-0000-000000000000");
        assert!(
            row[2].len() == 32
                && row[2]
                    .chars()
                    .all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
        );
    }
    let (_, accounts) = csv(&client, "getOneDriveUsageAccountDetail(period='D7')").await;
    assert!(
        accounts
            .iter()
            .all(|r| r[2].is_empty() && r[3].len() == 32 && r[10].len() == 32)
    );
    let shown = Request::post("http://graph-sim.localhost/_control/reports?concealed=false");
    send(&client.sim, shown.body(Body::empty()).unwrap()).await;
    let (_, rows) = csv(&client, "getTeamsUserActivityUserDetail(period='D7')").await;
    assert!(
        rows.iter()
            .all(|r| names.contains(r[2].as_str()) && truth.contains_key(&r[1]))
    );
    let counts = |rows: &[Vec<String>]| rows.iter().map(|r| r[7..].to_vec()).collect::<Vec<_>>();
    let same = |a: &[Vec<String>], b: &[Vec<String>]| {
        counts(a)
            .iter()
            .zip(counts(b))
            .all(|(a, b)| a[..18] == b[..18])
    };
    assert!(same(&hidden, &rows), "numbers stay real");
    assert_eq!(
        client.get("/admin/reportSettings").await.json()["displayConcealedNames"],
        false
    );
}

#[tokio::test]
async fn the_active_users_are_those_with_licences() {
    let client = Client::new(config(500)).await;
    client.sim.advance(3);
    let (header, rows) = csv(&client, "getOffice365ActiveUserDetail(period='D180')").await;
    let at = |name: &str| header.split(',').position(|c| c == name).unwrap();
    let rows: BTreeMap<&str, &Vec<String>> = rows.iter().map(|r| (r[1].as_str(), r)).collect();
    let mut products = BTreeSet::new();
    for user in client.truth().values() {
        let row = rows.get(user["userPrincipalName"].as_str().unwrap());
        let held = user["assignedLicenses"].as_array().unwrap();
        if held.is_empty() {
            continue;
        }
        let row = row.unwrap();
        let cell = &row[at("Assigned Products")];
        // A plus between spaces belongs to a name.
        let names = cell.replace(" + ", " & ");
        assert_eq!(names.split('+').count(), held.len(), "{cell}");
        products.extend(names.split('+').map(str::to_owned));
        assert_eq!(row[at("Is Deleted")], "False");
        let licensed = row[at("Has Exchange License")] == "True";
        assert!(!licensed || !row[at("Exchange License Assign Date")].is_empty());
        assert!(licensed || row[at("Exchange Last Activity Date")].is_empty());
    }
    assert!(products.contains("MICROSOFT 365 E3"));
    assert!(rows.values().any(|r| r[at("Is Deleted")] == "True"));
    assert!(
        rows.values()
            .any(|r| r[at("Has Teams License")] == "False"
                && r[at("Has Exchange License")] == "True")
    );
    let (_, counts) = csv(&client, "getOffice365ServicesUserCounts(period='D180')").await;
    let number = |n: usize| counts[0][n].parse::<usize>().unwrap();
    let licensed = rows
        .values()
        .filter(|r| r[at("Has Exchange License")] == "True")
        .count();
    assert_eq!(number(1) + number(2), licensed);
}

#[tokio::test]
async fn a_report_of_one_day_names_who_was_active_then() {
    let client = Client::new(config(300)).await;
    client.sim.advance(4);
    let (_, rows) = csv(&client, "getEmailActivityUserDetail(date=2026-11-03)").await;
    assert!(!rows.is_empty() && rows.iter().all(|r| r[5] == "2026-11-03"));
    for wrong in [
        "getEmailActivityUserDetail(date=2026-01-01)",
        "getEmailActivityUserDetail(period='D8')",
        "getEmailActivityUserDetail",
        "getMailboxUsageDetail(date=2026-11-03)",
        "getNothing(period='D7')",
    ] {
        assert_eq!(
            client.get(&format!("/reports/{wrong}")).await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn json_comes_in_pages_where_graph_has_it() {
    let client = Client::new(config(900)).await;
    let path = "/reports/getM365AppUserDetail(period='D7')?$format=application/json";
    let first = client.get(path).await.json();
    assert_eq!(first["value"].as_array().unwrap().len(), 200);
    let (users, _) = client.pages(path).await;
    let (header, rows) = csv(&client, "getM365AppUserDetail(period='D7')").await;
    assert_eq!(users.len(), rows.len());
    for (user, row) in users.iter().zip(&rows) {
        assert_eq!(user["userPrincipalName"], row[1].as_str());
        let detail = &user["details"][0];
        assert_eq!(detail["reportPeriod"], 7);
        assert_eq!(
            detail["wordWindows"],
            row[header
                .split(',')
                .position(|c| c == "Word (Windows)")
                .unwrap()]
                == "Yes"
        );
    }
    let activations = client
        .get("/reports/getOffice365ActivationsUserDetail?$format=application/json")
        .await
        .json();
    assert!(activations["value"][0]["userActivationCounts"][0]["ios"].is_u64());
    let teams = client
        .get("/reports/getTeamsUserActivityUserDetail(period='D7')?$format=application/json")
        .await
        .json();
    assert!(teams["value"][0]["assignedProducts"].is_array());
    let counts = client
        .get("/reports/getOffice365ActivationCounts?$format=application/json")
        .await
        .json();
    assert!(counts["value"].as_array().unwrap().len() >= 3);
    let other = client
        .get("/reports/getEmailActivityUserDetail(period='D7')?$format=application/json")
        .await;
    assert_eq!(other.status, 302, "v1.0 has no JSON of this one");
}

#[tokio::test]
async fn reports_take_their_permission() {
    let client = Client::new(Config::default()).await;
    for path in [
        "/reports/getOffice365ActivationCounts",
        "/admin/reportSettings",
        "/copilot/reports/getMicrosoft365CopilotUserCountSummary(period='D7')",
    ] {
        assert_eq!(
            client.get(path).await.code(),
            "Authorization_RequestDenied",
            "{path}"
        );
    }
    let value: Value = Client::new(config(1))
        .await
        .get("/admin/reportSettings")
        .await
        .json();
    assert!(value["displayConcealedNames"].is_boolean());
}
