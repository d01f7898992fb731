//! What the simulator tells of the requests it got, and that equal seeds give equal answers byte for byte.

use crate::support::{Client, SELECT, send};
use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Sim, Trouble, TroubleKind};
use serde_json::{Value, json};

async fn control(sim: &Sim, method: &str, path: &str) -> crate::support::Answer {
    let uri = format!("http://graph-sim.localhost/_control/{path}");
    let request = Request::builder().method(method).uri(uri);
    send(sim, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn requests_are_summed_up() {
    let sim = Sim::new(Config {
        users: 250,
        tenants: 2,
        log_capacity: 3,
        roles_of: [(1, vec!["LicenseAssignment.Read.All".to_owned()])].into(),
        ..Config::default()
    });
    let (client, other) = (Client::of(&sim, 0).await, Client::of(&sim, 1).await);
    let (users, _) = client.pages("/users?$select=id&$top=100").await;
    let id = users[0]["id"].as_str().unwrap().to_owned();
    client.get(&format!("/users/{id}")).await;
    let part = |id: &str, method: &str, url: &str| json!({"id": id, "method": method, "url": url});
    let parts = [
        part("1", "GET", "/organization"),
        part("2", "DELETE", &format!("/users/{id}")),
    ];
    client.batch(&json!({ "requests": parts })).await;
    other.get("/subscribedSkus").await;
    assert_eq!(other.get("/users").await.status, 403);

    let summary = control(&sim, "GET", "log/summary").await.json();
    let sums = |path: &str| summary["paths"][path].clone();
    // One answer to the second tenant is a refusal; the batch's parts count each, beside the batch itself.
    let mut users = sums("/users");
    let bytes = users.as_object_mut().unwrap().remove("bytes");
    assert!(bytes.unwrap().as_u64() > Some(250 * 36));
    let of_users = json!({
        "requests": 4, "batched": 0, "pages": 3, "objects": 250, "units": 3, "throttled": 0, "failed": 1
    });
    assert_eq!(users, of_users);
    assert_eq!(sums("/organization")["batched"], 1);
    assert_eq!(sums("/users/{id}")["requests"], 2);
    assert_eq!(sums("/$batch")["requests"], 1);
    assert_eq!(sums("/{id}/oauth2/v2.0/token")["requests"], 2);
    assert_eq!(summary["writeAttempts"], json!({"DELETE /users/{id}": 1}));
    assert_eq!(
        summary["roles"]["LicenseAssignment.Read.All"],
        json!({"/subscribedSkus": 1, "/users": 1})
    );
    assert_eq!(summary["roles"].as_object().unwrap().len(), 2);
    assert_eq!(
        (&summary["requests"], &summary["peakInFlight"]),
        (&json!(11), &json!(1))
    );
    let log = sim.log();
    assert_eq!(log.len(), 3);
    assert_eq!(*log[2].roles, ["LicenseAssignment.Read.All".to_owned()]);

    assert_eq!(control(&sim, "DELETE", "log").await.status, 204);
    assert_eq!((sim.log().len(), sim.summary().requests), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_peak_in_flight_is_known() {
    let client = Client::new(Config::default()).await;
    client
        .sim
        .trouble(Trouble {
            p50: Some(500.0),
            p99: Some(500.0),
            ..Trouble::new(TroubleKind::Latency)
        })
        .unwrap();
    let get = || client.get("/organization");
    let answers = tokio::join!(get(), get(), get(), get());
    assert_eq!(answers.3.status, 200);
    let summary = client.sim.summary();
    assert_eq!((summary.peak_in_flight, summary.in_flight), (4, 0));
}

#[tokio::test]
async fn equal_seeds_give_equal_bytes() {
    let bodies = async |seed| {
        let client = Client::new(Config {
            users: 1_500,
            seed,
            ..Config::default()
        })
        .await;
        client.sim.advance(3);
        let mut bodies = Vec::new();
        for start in [
            format!("/users?$select={SELECT}&$top=999"),
            "/users?$filter=startsWith(displayName,'a')".to_owned(),
            "/users?$orderby=displayName&$top=50".to_owned(),
            "/users/delta?$select=id,displayName".to_owned(),
            "/subscribedSkus".to_owned(),
            "/directory/subscriptions".to_owned(),
            "/organization".to_owned(),
        ] {
            let mut next = start;
            loop {
                let answer = client.get(&next).await;
                let page: Value = answer.json();
                assert_eq!(answer.status, 200, "{next}");
                bodies.push(answer.body);
                match page["@odata.nextLink"].as_str() {
                    Some(link) => next = link.to_owned(),
                    None => break,
                }
            }
        }
        client.sim.truth_users(0, |user| bodies.push(user.to_vec()));
        bodies
    };
    let one = bodies(4).await;
    assert!(one == bodies(4).await);
    let other = bodies(5).await;
    assert!(one.iter().zip(&other).all(|(a, b)| a != b));
}
