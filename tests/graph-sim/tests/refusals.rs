//! Wrong secrets, wrong tokens, wrong queries, and faults on request.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Fault, Sim};
use support::{Client, ask_token, send};

#[tokio::test]
async fn entra_refuses_in_its_own_words() {
    let sim = Sim::new(Config::default());
    let info = sim.tenants()[0].clone();
    let good = [
        ("grant_type", "client_credentials"),
        ("client_id", info.client_id.as_str()),
        ("client_secret", info.client_secret.as_str()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let with = |name: &str, value: &'static str| {
        good.map(|(n, v)| if n == name { (n, value) } else { (n, v) })
    };
    let nobody = "11111111-2222-4333-8444-555555555555";
    for (tenant, fields, status, error, code) in [
        (
            info.id.as_str(),
            with("client_secret", "wrong"),
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            info.id.as_str(),
            with("client_secret", ""),
            401,
            "invalid_client",
            7_000_218,
        ),
        (
            info.id.as_str(),
            with("client_id", nobody),
            400,
            "unauthorized_client",
            700_016,
        ),
        (nobody, good, 400, "invalid_request", 90_002),
        (
            info.id.as_str(),
            with("grant_type", ""),
            400,
            "invalid_request",
            900_144,
        ),
        (
            info.id.as_str(),
            with("scope", ""),
            400,
            "invalid_request",
            900_144,
        ),
        (
            info.id.as_str(),
            with("scope", "https://graph.microsoft.com/User.Read.All"),
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            info.id.as_str(),
            with("scope", "https://other.example/.default"),
            400,
            "invalid_resource",
            500_011,
        ),
    ] {
        let answer = ask_token(&sim, tenant, &fields).await;
        let body = answer.json();
        assert_eq!(
            (
                answer.status,
                body["error"].as_str(),
                body["error_codes"][0].as_u64()
            ),
            (status, Some(error), Some(code))
        );
        assert!(
            body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{code}: "))
        );
        for field in ["timestamp", "trace_id", "correlation_id"] {
            assert!(body[field].is_string());
        }
    }
    let token = ask_token(&sim, &info.id, &good).await.json();
    assert_eq!(
        (token["expires_in"].as_u64(), token["token_type"].as_str()),
        (Some(3_599), Some("Bearer"))
    );
    assert_eq!(
        token["access_token"].as_str().unwrap().split('.').count(),
        3
    );
    assert!(
        sim.log()
            .iter()
            .all(|e| !format!("{e:?}").contains(&info.client_secret))
    );
}

#[tokio::test]
async fn graph_refuses_tokens_that_are_not_good() {
    let mut client = Client::new(Config::default()).await;
    assert_eq!(client.get("/users").await.status, 200);
    client.sim.tick(Duration::from_secs(3_700));
    let late = client
        .get_with("/users", &[("client-request-id", "mine")])
        .await;
    assert_eq!(
        (late.status, late.code()),
        (401, "InvalidAuthenticationToken".into())
    );
    assert_eq!(
        late.json()["error"]["innerError"]["client-request-id"],
        "mine"
    );
    assert!(
        late.headers.contains_key("request-id") && late.headers.contains_key("www-authenticate")
    );
    assert!(
        late.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("expired")
    );
    for token in ["", "x", "a.b.c", "..", "ü.ü.ü"] {
        client.token = token.to_owned();
        let request = Request::get("http://graph-sim.localhost/v1.0/users");
        let answer = match axum::http::HeaderValue::from_str(&format!("Bearer {token}")) {
            Ok(value) => {
                send(
                    &client.sim,
                    request
                        .header("authorization", value)
                        .body(Body::empty())
                        .unwrap(),
                )
                .await
            }
            Err(_) => continue,
        };
        assert_eq!(
            (answer.status, answer.code()),
            (401, "InvalidAuthenticationToken".into()),
            "{token}"
        );
    }
    let stranger = Client::new(Config {
        seed: 99,
        ..Config::default()
    })
    .await;
    client.token = stranger.token;
    assert_eq!(client.get("/users").await.status, 401);
}

#[tokio::test]
async fn roles_decide() {
    let roles = vec!["LicenseAssignment.Read.All".to_owned()];
    let sim = Sim::new(Config {
        tenants: 2,
        roles_of: [(1, roles)].into(),
        ..Config::default()
    });
    let client = Client::of(&sim, 1).await;
    assert_eq!(client.get("/subscribedSkus").await.status, 200);
    for path in [
        "/users",
        "/users/delta",
        "/organization",
        "/directory/subscriptions",
    ] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "Authorization_RequestDenied".into()),
            "{path}"
        );
    }
    let other = Client::of(&sim, 0).await;
    assert_eq!(
        other.get("/users?$select=id,signInActivity").await.status,
        403
    );
}

#[tokio::test]
async fn faults_hit_the_next_matching_requests() {
    let client = Client::new(Config::default()).await;
    let control = |method: &str, path: &str, body: &str| {
        Request::builder()
            .method(method)
            .uri(format!("http://graph-sim.localhost/_control/{path}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let armed = control(
        "POST",
        "faults",
        r#"{"status":503,"path":"/users","times":2,"retryAfter":2}"#,
    );
    assert_eq!(send(&client.sim, armed).await.status, 204);
    assert_eq!(client.get("/organization").await.status, 200);
    for _ in 0..2 {
        let answer = client.get("/users").await;
        assert_eq!(
            (
                answer.status,
                answer.headers["retry-after"].to_str().unwrap()
            ),
            (503, "2")
        );
    }
    assert_eq!(client.get("/users").await.status, 200);
    client.sim.fault(Fault {
        status: Some(429),
        path: Some("/token".into()),
        ..Fault::default()
    });
    assert_eq!(ask_token(&client.sim, "x", &[]).await.status, 429);
    assert_eq!(
        send(&client.sim, control("POST", "faults", r#"{"status":200}"#))
            .await
            .status,
        400
    );
    assert_eq!(
        send(&client.sim, control("POST", "advance?days=2", ""))
            .await
            .json()["day"],
        2
    );
    assert_eq!(
        send(&client.sim, control("POST", "tick?seconds=600", ""))
            .await
            .json()["now"],
        600
    );
    assert_eq!(
        send(&client.sim, control("GET", "stats", "")).await.json()["day"],
        2
    );
    assert!(
        send(&client.sim, control("GET", "log", ""))
            .await
            .json()
            .as_array()
            .unwrap()
            .len()
            > 4
    );
    let users = send(&client.sim, control("GET", "truth/0/users", "")).await;
    assert_eq!(
        users.body.iter().filter(|b| **b == b'\n').count(),
        client.truth().len()
    );
    let skus = send(
        &client.sim,
        control(
            "GET",
            &format!("truth/{}/subscribedSkus", client.sim.tenants()[0].id),
            "",
        ),
    )
    .await;
    assert_eq!(skus.body.iter().filter(|b| **b == b'\n').count(), 16);
    assert_eq!(
        send(&client.sim, control("GET", "truth/7/users", ""))
            .await
            .status,
        404
    );
}
