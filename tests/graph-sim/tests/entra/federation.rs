//! Federated credentials and managed identities: no secret at all.

use std::time::Duration;

use graph_sim::{Config, Sim};
use serde_json::{Value, json};

use super::http::{BASE, control, get, get_with, shown, text};
use super::sign::claims;
use crate::support::{Answer, ask_token};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn ask(sim: &Sim, client: &str, assertion: &str) -> Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    ask_token(sim, &sim.tenants()[0].id, &fields).await
}

async fn mint(sim: &Sim, how: Value) -> String {
    text(&control(sim, "assertion", how).await.json()["assertion"])
}

/// Section 1.4: issuer, subject and audience match as they are.
#[tokio::test]
async fn assertions_of_another_issuer_are_taken_or_refused_by_part() {
    let sim = Sim::new(Config::default());
    let client = sim.tenants()[0].client_id.clone();
    let good = mint(&sim, json!({})).await;
    let answer = ask(&sim, &client, &good).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let said = claims(&text(&answer.json()["access_token"]));
    assert_eq!(said["appidacr"], "2");
    // Section 1.3: reused, as the libraries do.
    assert_eq!(ask(&sim, &client, &good).await.status, 200);
    let subject = text(&claims(&good)["sub"]);
    let issuer = format!("{BASE}/_issuer");
    for (fact, how, error, code) in [
        (
            "2.2 700211: slash",
            json!({ "issuer": format!("{issuer}/") }),
            "invalid_client",
            700_211,
        ),
        (
            "2.2 700211: another",
            json!({ "issuer": "https://token.example" }),
            "invalid_client",
            700_211,
        ),
        (
            "2.2 700213: another",
            json!({ "subject": "repo:a/b:ref:refs/heads/main" }),
            "invalid_client",
            700_213,
        ),
        (
            "2.2 7002138: case",
            json!({ "subject": subject.to_uppercase() }),
            "invalid_client",
            7_002_138,
        ),
        (
            "2.2 700212: audience",
            json!({ "audience": "api://other" }),
            "invalid_client",
            700_212,
        ),
        (
            "2.2 700212: of another cloud",
            json!({ "audience": "api://AzureADTokenExchangeChina" }),
            "invalid_client",
            700_212,
        ),
        (
            "2.2 700024: stale file",
            json!({ "lifetime": -600 }),
            "invalid_client",
            700_024,
        ),
        (
            "2.2 900384: stale keys",
            json!({ "unpublished": true }),
            "invalid_client",
            900_384,
        ),
    ] {
        let answer = ask(&sim, &client, &mint(&sim, how).await).await;
        let body = answer.json();
        assert_eq!(
            (&body["error"], &body["error_codes"]),
            (&json!(error), &json!([code])),
            "{fact}"
        );
        assert_eq!(answer.status, 401, "{fact}");
    }
    // An application that trusts nobody.
    let other = text(&shown(&sim, 0).await["applications"][1]["clientId"]);
    let answer = ask(&sim, &other, &good).await;
    assert_eq!(
        (answer.status, &answer.json()["error_codes"]),
        (400, &json!([70_021]))
    );
    sim.reach_issuer(false);
    assert_eq!(
        ask(&sim, &client, &good).await.json()["error_codes"],
        json!([90_061])
    );
}

/// Section 1.4: the issuer publishes its document and its keys.
#[tokio::test]
async fn the_issuer_is_one() {
    let sim = Sim::new(Config::default());
    let document = get(&sim, "/_issuer/.well-known/openid-configuration")
        .await
        .json();
    let place = text(&document["jwks_uri"]);
    let keys = get(&sim, place.strip_prefix(BASE).unwrap()).await.json();
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    assert_eq!(shown(&sim, 0).await["issuer"], document["issuer"]);
}

/// Section 1.4: an issuer's new key counts at once, and the one before until it is no longer published.
#[tokio::test]
async fn the_issuers_keys_roll() {
    let sim = Sim::new(Config::default());
    let client = sim.tenants()[0].client_id.clone();
    let before = mint(&sim, json!({})).await;
    sim.roll_issuer_keys(Duration::from_secs(600));
    let after = mint(&sim, json!({})).await;
    for assertion in [&before, &after] {
        assert_eq!(ask(&sim, &client, assertion).await.status, 200);
    }
    sim.tick(Duration::from_secs(600));
    let refused = ask(&sim, &client, &before).await.json();
    assert_eq!(refused["error_codes"], json!([900_384]));
    assert_eq!(ask(&sim, &client, &after).await.status, 200);
}

/// Section 1.5: IMDS answers with texts, keeps its token, and says what is wrong in its own way.
#[tokio::test]
async fn a_machine_gives_its_processes_tokens() {
    let sim = Sim::new(Config {
        tenants: 2,
        ..Config::default()
    });
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    let with = [("metadata", "true")];
    let answer = get_with(&sim, path, &with).await.json();
    for name in [
        "expires_in",
        "expires_on",
        "not_before",
        "resource",
        "token_type",
        "refresh_token",
    ] {
        assert!(answer[name].is_string(), "{name}");
    }
    let said = claims(&text(&answer["access_token"]));
    assert_eq!(
        (&said["idtyp"], &said["appidacr"]),
        (&json!("app"), &json!("2"))
    );
    assert!(text(&said["xms_mirid"]).starts_with("/subscriptions/"));
    // A permission that is taken away stays in the token that the platform keeps: up to a day.
    control(&sim, "consent", json!({ "roles": [] })).await;
    let kept = get_with(&sim, path, &with).await.json();
    assert_eq!(kept["access_token"], answer["access_token"]);
    sim.tick(std::time::Duration::from_secs(13 * 3_600));
    let fresh = get_with(&sim, path, &with).await.json();
    assert_eq!(claims(&text(&fresh["access_token"]))["roles"], Value::Null);
    // One that is assigned, in another tenant.
    let other = shown(&sim, 1).await["managedIdentities"][0].clone();
    let one = format!("{path}&client_id={}", text(&other["clientId"]));
    let token = text(&get_with(&sim, &one, &with).await.json()["access_token"]);
    assert_eq!(claims(&token)["tid"], sim.tenants()[1].id);
    for (fact, path, headers, error) in [
        (
            "1.5 Metadata: true",
            path.to_owned(),
            vec![],
            "invalid_request",
        ),
        (
            "1.5 no proxy",
            path.to_owned(),
            vec![("metadata", "true"), ("x-forwarded-for", "10.0.0.1")],
            "invalid_request",
        ),
        (
            "1.5 resource, not scope",
            "/metadata/identity/oauth2/token?api-version=2018-02-01".to_owned(),
            with.to_vec(),
            "invalid_request",
        ),
        (
            "1.5 api-version",
            "/metadata/identity/oauth2/token?resource=https://graph.microsoft.com".to_owned(),
            with.to_vec(),
            "invalid_request",
        ),
        (
            "1.5 Identity not found",
            format!("{path}&client_id=11111111-2222-4333-8444-555555555555"),
            with.to_vec(),
            "invalid_request",
        ),
        (
            "1.5 resource",
            path.replace("graph.microsoft.com", "other.example"),
            with.to_vec(),
            "invalid_resource",
        ),
    ] {
        let answer = get_with(&sim, &path, &headers).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!(error)),
            "{fact}"
        );
    }
}

/// Section 1.5: App Service has another header, other names, and vague errors.
#[tokio::test]
async fn app_service_gives_its_processes_tokens() {
    let sim = Sim::new(Config::default());
    let all = shown(&sim, 0).await;
    let header = text(&all["identityHeader"]);
    let with = [("x-identity-header", header.as_str())];
    let graph = "resource=https://graph.microsoft.com";
    let path = format!("/msi/token?api-version=2019-08-01&{graph}");
    let answer = get_with(&sim, &path, &with).await.json();
    assert!(answer["expires_on"].is_string() && answer["expires_in"].is_null());
    let by_id = |name: &str| {
        format!(
            "{path}&{name}={}",
            text(&all["managedIdentities"][0]["resourceId"])
        )
    };
    assert_eq!(get_with(&sim, &by_id("mi_res_id"), &with).await.status, 200);
    for (fact, path, headers, status) in [
        ("1.5 X-IDENTITY-HEADER", path.clone(), vec![], 401),
        (
            "1.5 another's",
            path.clone(),
            vec![("x-identity-header", "x")],
            401,
        ),
        (
            "1.5 api-version",
            format!("/msi/token?{graph}"),
            with.to_vec(),
            400,
        ),
        (
            "1.5 vague 500",
            path.replace("graph.microsoft.com", "other.example"),
            with.to_vec(),
            500,
        ),
        (
            "1.5 not assigned",
            format!("{path}&client_id=11111111-2222-4333-8444-555555555555"),
            with.to_vec(),
            400,
        ),
    ] {
        let answer = get_with(&sim, &path, &headers).await;
        assert_eq!(answer.status, status, "{fact}");
        assert!(answer.json()["message"].is_string(), "{fact}");
    }
    // A token that was refused is named by its hash, and replaced.
    let token = text(&answer["access_token"]);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let newer = path.replace("2019-08-01", "2025-03-30");
    let same = get_with(&sim, &newer, &with).await.json();
    assert_eq!(same["access_token"], answer["access_token"]);
    let fresh = get_with(
        &sim,
        &format!("{newer}&token_sha256_to_refresh={hex}"),
        &with,
    )
    .await
    .json();
    assert_ne!(fresh["access_token"], answer["access_token"]);
}

/// Section 1.4: a managed identity's token is an assertion for the application that trusts it.
#[tokio::test]
async fn an_identity_stands_for_an_application() {
    let sim = Sim::new(Config::default());
    let info = sim.tenants()[0].clone();
    let identities = shown(&sim, 0).await["managedIdentities"].clone();
    let exchange = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://AzureADTokenExchange";
    let with = [("metadata", "true")];
    let token = async |n: usize| {
        let path = format!("{exchange}&client_id={}", text(&identities[n]["clientId"]));
        text(&get_with(&sim, &path, &with).await.json()["access_token"])
    };
    assert_eq!(
        ask(&sim, &info.client_id, &token(0).await).await.status,
        200
    );
    // The machine's own identity is another subject.
    let refused = ask(&sim, &info.client_id, &token(1).await).await.json();
    assert_eq!(refused["error_codes"], json!([700_213]));
}
