//! What the token endpoint refuses, a line of facts each; and errors on request.

use std::time::Duration;

use graph_sim::{Config, Fault, Sim};
use serde_json::{Value, json};

use super::http::{control, get, post, shown, text};
use crate::support::{Answer, ask_token};

const NOBODY: &str = "11111111-2222-4333-8444-555555555555";
const GRAPH: &str = "https://graph.microsoft.com/.default";

/// Changes of a good request of the first application; an empty value takes a field out.
async fn with(sim: &Sim, tenant: &str, more: &[(&str, &str)]) -> Answer {
    let info = &sim.tenants()[0];
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", info.client_id.as_str()),
        ("client_secret", info.client_secret.as_str()),
        ("scope", GRAPH),
    ];
    fields.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
    fields.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    ask_token(sim, tenant, &fields).await
}

/// Sections 1.1, 1.2 and 2.2.
#[tokio::test]
async fn each_refusal_has_its_number() {
    let sim = Sim::new(Config {
        tenants: 2,
        ..Config::default()
    });
    let apps = shown(&sim, 0).await["applications"].clone();
    let of = |app: usize, name: &str| text(&apps[app][name]);
    let secret = |app: usize, n: usize| text(&apps[app]["secrets"][n]["text"]);
    let id = sim.tenants()[0].id.clone();
    let other = sim.tenants()[1].clone();
    let (public, ended, ended_secret) = (of(4, "clientId"), of(2, "clientId"), secret(2, 1));
    let secret_id = text(&apps[0]["secrets"][0]["keyId"]);
    for (fact, tenant, more, status, error, code) in [
        ("2.2 90002", NOBODY, vec![], 400, "invalid_request", 90_002),
        (
            "2.2 9001023",
            "common",
            vec![],
            400,
            "invalid_request",
            9_001_023,
        ),
        (
            "2.2 9001023",
            "consumers",
            vec![],
            400,
            "invalid_request",
            9_001_023,
        ),
        (
            "2.2 50059",
            "organizations",
            vec![],
            400,
            "invalid_request",
            50_059,
        ),
        (
            "2.2 900144: grant",
            &id,
            vec![("grant_type", "")],
            400,
            "invalid_request",
            900_144,
        ),
        (
            "2.2 900144: client",
            &id,
            vec![("client_id", "")],
            400,
            "invalid_request",
            900_144,
        ),
        (
            "2.2 900144: scope",
            &id,
            vec![("scope", "")],
            400,
            "invalid_request",
            900_144,
        ),
        (
            "2.1 unsupported_grant_type",
            &id,
            vec![("grant_type", "password")],
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (
            "2.2 700016",
            &id,
            vec![("client_id", NOBODY)],
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            "2.2 700016: another tenant's",
            &id,
            vec![("client_id", &other.client_id)],
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            "2.2 7000215",
            &id,
            vec![("client_secret", "wrong")],
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            "2.2 7000215: the secret's id",
            &id,
            vec![("client_secret", &secret_id)],
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            "2.2 7000215: another app's",
            &id,
            vec![("client_secret", &other.client_secret)],
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            "2.2 7000218",
            &id,
            vec![("client_secret", "")],
            401,
            "invalid_client",
            7_000_218,
        ),
        (
            "2.2 7000222",
            &id,
            vec![("client_id", &ended), ("client_secret", &ended_secret)],
            401,
            "invalid_client",
            7_000_222,
        ),
        (
            "2.2 700025",
            &id,
            vec![("client_id", &public)],
            401,
            "invalid_client",
            700_025,
        ),
        (
            "1.2 no public client",
            &id,
            vec![("client_id", &public), ("client_secret", "")],
            400,
            "unauthorized_client",
            700_025,
        ),
        (
            "2.2 1002012",
            &id,
            vec![("scope", "https://graph.microsoft.com/User.Read.All")],
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            "2.2 70011: two resources",
            &id,
            vec![(
                "scope",
                "https://graph.microsoft.com/.default https://manage.office.com/.default",
            )],
            400,
            "invalid_scope",
            70_011,
        ),
        (
            "2.2 500011",
            &id,
            vec![("scope", "https://other.example/.default")],
            400,
            "invalid_resource",
            500_011,
        ),
        (
            "2.2 9002313: claims",
            &id,
            vec![("claims", "no JSON")],
            400,
            "invalid_request",
            9_002_313,
        ),
        (
            "1.2 assertion type",
            &id,
            vec![
                ("client_assertion", "a.b.c"),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-pop",
                ),
            ],
            400,
            "invalid_request",
            90_023,
        ),
        (
            "1.2 assertion type missing",
            &id,
            vec![("client_assertion", "a.b.c")],
            400,
            "invalid_request",
            900_144,
        ),
        (
            "2.2 50027",
            &id,
            vec![
                ("client_assertion", "a.b.c"),
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ),
            ],
            400,
            "invalid_request",
            50_027,
        ),
        (
            "1.6 refresh token",
            &id,
            vec![("grant_type", "refresh_token")],
            400,
            "invalid_request",
            900_144,
        ),
        (
            "1.6 device code",
            &id,
            vec![("grant_type", "device_code")],
            400,
            "invalid_request",
            900_144,
        ),
    ] {
        let answer = with(&sim, tenant, &more).await;
        let body = answer.json();
        assert_eq!(
            (answer.status, &body["error"], &body["error_codes"]),
            (status, &json!(error), &json!([code])),
            "{fact}: {body}"
        );
        let description = text(&body["error_description"]);
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{fact}"
        );
        assert!(description.contains("Trace ID: ") && description.contains("\r\n"));
        assert_eq!(
            body["error_uri"],
            format!("https://login.microsoftonline.com/error?code={code}")
        );
        assert!(answer.headers.contains_key("x-ms-request-id"));
    }
}

/// Section 1.1: Basic is one of the three ways, with both parts encoded first.
#[tokio::test]
async fn a_secret_may_come_as_basic() {
    let sim = Sim::new(Config::default());
    let info = sim.tenants()[0].clone();
    let encoded = info.client_secret.replace('~', "%7E");
    let both = super::sign::base64url(format!("{}:{encoded}", info.client_id).as_bytes());
    let request = axum::http::Request::post(format!(
        "http://graph-sim.localhost/{}/oauth2/v2.0/token",
        info.id
    ))
    .header("authorization", format!("Basic {both}"))
    .body(axum::body::Body::from(crate::support::form(&[
        ("grant_type", "client_credentials"),
        ("scope", GRAPH),
    ])));
    assert_eq!(
        crate::support::send(&sim, request.unwrap()).await.status,
        200
    );
}

/// More than one application, and credentials that end.
#[tokio::test]
async fn credentials_end_in_their_time() {
    let sim = Sim::new(Config::default());
    let apps = shown(&sim, 0).await["applications"].clone();
    let id = sim.tenants()[0].id.clone();
    let ask = async |app: usize, secret: usize| {
        let (client, secret) = (
            text(&apps[app]["clientId"]),
            text(&apps[app]["secrets"][secret]["text"]),
        );
        let answer = with(
            &sim,
            &id,
            &[("client_id", &client), ("client_secret", &secret)],
        )
        .await
        .json();
        answer["error_codes"][0].as_u64()
    };
    assert_eq!((ask(2, 0).await, ask(2, 1).await), (None, Some(7_000_222)));
    assert_eq!((ask(3, 0).await, ask(3, 1).await), (None, None));
    sim.tick(Duration::from_secs(7 * 86_400));
    assert_eq!((ask(2, 0).await, ask(3, 0).await), (Some(7_000_222), None));
    sim.tick(Duration::from_secs(24 * 86_400));
    assert_eq!(
        (ask(3, 0).await, ask(3, 1).await, ask(0, 0).await),
        (Some(7_000_222), None, None)
    );
    let fewer = text(&apps[1]["clientId"]);
    let secret = text(&apps[1]["secrets"][0]["text"]);
    let token = with(
        &sim,
        &id,
        &[("client_id", &fewer), ("client_secret", &secret)],
    )
    .await
    .json();
    assert_eq!(
        super::sign::claims(&text(&token["access_token"]))["roles"],
        json!(["User.Read.All"])
    );
}

/// Sections 0.5 and 2.1: plain text where something before Entra answers, and each of the classes of errors.
#[tokio::test]
async fn errors_come_on_request() {
    let sim = Sim::new(Config::default());
    let id = sim.tenants()[0].id.clone();
    let token = Some("/oauth2/v2.0/token".to_owned());
    sim.fault(Fault {
        status: Some(429),
        path: token.clone(),
        retry_after: Some(60),
        ..Fault::default()
    });
    let throttled = with(&sim, &id, &[]).await;
    assert_eq!(
        (throttled.status, throttled.body.as_slice()),
        (429, &b"Too Many Requests"[..])
    );
    assert_eq!(throttled.headers["retry-after"], "60");
    assert_eq!(throttled.headers["content-type"], "text/plain");
    for (code, status, error, suberror) in [
        (7_000_222, 401, "invalid_client", Value::Null),
        (53_003, 400, "invalid_grant", Value::Null),
        (90_033, 503, "temporarily_unavailable", Value::Null),
        (50_196, 400, "invalid_grant", Value::Null),
        (50_076, 400, "invalid_grant", json!("basic_action")),
        (65_001, 400, "invalid_grant", json!("consent_required")),
        (50_058, 400, "login_required", Value::Null),
        (50_000, 500, "server_error", Value::Null),
    ] {
        control(
            &sim,
            "trouble",
            json!({ "kind": "aadsts", "code": code, "times": 1 }),
        )
        .await;
        let answer = with(&sim, &id, &[]).await;
        let body = answer.json();
        assert_eq!(
            (
                answer.status,
                &body["error"],
                &body["error_codes"],
                &body["suberror"]
            ),
            (status, &json!(error), &json!([code]), &suberror)
        );
    }
    assert_eq!(with(&sim, &id, &[]).await.status, 200);
    sim.fault(Fault {
        code: Some("AADSTS90055".to_owned()),
        status: Some(429),
        path: token,
        ..Fault::default()
    });
    assert_eq!(
        with(&sim, &id, &[]).await.json()["error_codes"],
        json!([90_055])
    );
    // Trouble with Graph's paths leaves sign-ins alone; by its own path it meets them.
    control(&sim, "trouble", json!({ "kind": "status", "status": 503 })).await;
    assert_eq!(with(&sim, &id, &[]).await.status, 200);
    control(
        &sim,
        "trouble",
        json!({ "kind": "status", "status": 502, "path": "/oauth2/v2.0/token" }),
    )
    .await;
    assert_eq!(with(&sim, &id, &[]).await.status, 502);
}

/// Section 1.1: other methods, other paths.
#[tokio::test]
async fn endpoints_take_their_method_only() {
    let sim = Sim::new(Config::default());
    let id = sim.tenants()[0].id.clone();
    let got = get(&sim, &format!("/{id}/oauth2/v2.0/token")).await;
    assert_eq!(
        (got.status, &got.json()["error_codes"]),
        (405, &json!([900_561]))
    );
    let posted = post(&sim, &format!("/{id}/discovery/v2.0/keys"), &[]).await;
    assert_eq!(
        (posted.status, &posted.json()["error_codes"]),
        (405, &json!([900_561]))
    );
    let unknown = get(&sim, "/_control/entra?tenant=7").await;
    assert_eq!(unknown.status, 404);
}

/// Sections 0.5 and 2.3: a client that asks again and again is shut out for a minute, others are not.
#[tokio::test]
async fn loops_are_stopped() {
    let sim = Sim::new(Config {
        token_requests: Some(3),
        tenants: 2,
        ..Config::default()
    });
    let id = sim.tenants()[0].id.clone();
    let wrong = [("client_secret", "wrong")];
    for _ in 0..3 {
        assert_eq!(with(&sim, &id, &wrong).await.status, 401);
    }
    let stopped = with(&sim, &id, &[]).await;
    assert_eq!(
        (stopped.status, stopped.body.as_slice()),
        (429, &b"Too Many Requests"[..])
    );
    assert_eq!(stopped.headers["retry-after"], "60");
    crate::support::Client::of(&sim, 1).await;
    sim.tick(Duration::from_secs(59));
    assert_eq!(with(&sim, &id, &[]).await.status, 429);
    sim.tick(Duration::from_secs(1));
    assert_eq!(with(&sim, &id, &[]).await.status, 200);
    for _ in 0..10 {
        sim.tick(Duration::from_secs(5));
        assert_eq!(with(&sim, &id, &[]).await.status, 200);
    }
}
