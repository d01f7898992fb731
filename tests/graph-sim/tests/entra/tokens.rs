//! Tokens, the keys that they are signed with, and the documents that say where those are.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Consent, Principal, Sim};
use serde_json::{Value, json};

use super::sign::{base64url, claims, unbase64};
use crate::support::{Answer, Client, ask_token, send};

const GRAPH: &str = "https://graph.microsoft.com";

async fn get(sim: &Sim, path: &str) -> Answer {
    let uri = format!("http://graph-sim.localhost{path}");
    send(sim, Request::get(uri).body(Body::empty()).unwrap()).await
}

async fn token(sim: &Sim, more: &[(&str, &str)]) -> Value {
    let info = &sim.tenants()[0];
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", info.client_id.as_str()),
        ("client_secret", info.client_secret.as_str()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    fields.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
    fields.extend_from_slice(more);
    ask_token(sim, &info.id, &fields).await.json()
}

/// Whether a published key signed this; with `hashed` the header is the one that Graph looks at.
fn is_signed(token: &str, keys: &Value, hashed: bool) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&unbase64(head)).unwrap();
    let kid = header["kid"].clone();
    let head = match hashed {
        true => {
            let nonce = header["nonce"].as_str().unwrap().to_owned();
            header["nonce"] = base64url(digest(&SHA256, nonce.as_bytes()).as_ref()).into();
            base64url(header.to_string().as_bytes())
        }
        false => head.to_owned(),
    };
    let key = keys["keys"].as_array().unwrap();
    let Some(key) = key.iter().find(|k| k["kid"] == kid) else {
        return false;
    };
    let part = |name: &str| unbase64(key[name].as_str().unwrap());
    let public = RsaPublicKeyComponents {
        n: part("n"),
        e: part("e"),
    };
    let text = format!("{head}.{payload}");
    public
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            text.as_bytes(),
            &unbase64(signature),
        )
        .is_ok()
}

/// Section 1.10: the claims of a token of an application for Graph, and those that it must not have.
#[tokio::test]
async fn a_token_says_what_those_for_applications_say() {
    let sim = Sim::new(Config::default());
    let info = sim.tenants()[0].clone();
    let answer = token(&sim, &[]).await;
    assert_eq!(
        (&answer["expires_in"], &answer["refresh_in"]),
        (&json!(3_599), &Value::Null)
    );
    let said = claims(answer["access_token"].as_str().unwrap());
    for (name, value) in [
        ("aud", json!(GRAPH)),
        (
            "iss",
            json!(format!("https://sts.windows.net/{}/", info.id)),
        ),
        (
            "idp",
            json!(format!("https://sts.windows.net/{}/", info.id)),
        ),
        ("tid", json!(info.id)),
        ("appid", json!(info.client_id)),
        ("appidacr", json!("1")),
        ("idtyp", json!("app")),
        ("ver", json!("1.0")),
        ("roles", json!(["User.Read.All", "Organization.Read.All"])),
        ("wids", json!(["0997a1d0-0d1d-4acb-b408-d5ca73121e90"])),
        ("sub", said["oid"].clone()),
        ("scp", Value::Null),
        ("xms_cc", Value::Null),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    for name in ["aio", "app_displayname", "oid", "rh", "uti", "xms_tdbr"] {
        assert!(said[name].as_str().is_some_and(|s| !s.is_empty()), "{name}");
    }
    // Section 1.8: dated back by five minutes, so that the dates promise more than `expires_in` says.
    let date = |name: &str| said[name].as_u64().unwrap();
    assert_eq!(date("exp") - date("iat"), 3_900);
    assert_eq!(date("nbf"), date("iat"));
    assert!(said["xms_tcdt"].is_u64());
}

/// Section 11, 2: a token comes without any permission, and then it opens nothing.
#[tokio::test]
async fn a_token_without_permissions_is_given_all_the_same() {
    let sim = Sim::new(Config {
        roles: vec![],
        ..Config::default()
    });
    let client = Client::of(&sim, 0).await;
    assert_eq!(claims(&client.token)["roles"], Value::Null);
    assert_eq!(client.get("/users").await.status, 403);
}

/// Section 1.2: a client that takes claims challenges says so in the request, and gets a token that lives for a day.
#[tokio::test]
async fn a_capable_client_gets_a_long_token() {
    let sim = Sim::new(Config::default());
    let capable = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let answer = token(&sim, &[("claims", capable)]).await;
    assert_eq!(
        claims(answer["access_token"].as_str().unwrap())["xms_cc"],
        json!(["cp1"])
    );
    assert!(answer["expires_in"].as_u64().unwrap() > 2 * 3_600);
    assert!(answer["refresh_in"].as_u64() < answer["expires_in"].as_u64());
    let broken = token(&sim, &[("claims", "{")]).await;
    assert_eq!(broken["error_codes"], json!([9_002_313]));
}

/// Section 1.10: Graph's tokens are signed with a header that is not the one in them; all others as RFC 7515 says.
#[tokio::test]
async fn the_published_keys_sign() {
    let sim = Sim::new(Config::default());
    let info = sim.tenants()[0].clone();
    let path = format!("/{}/v2.0/.well-known/openid-configuration", info.id);
    let document = get(&sim, &path).await.json();
    assert_eq!(
        document["token_endpoint"],
        format!("http://graph-sim.localhost/{}/oauth2/v2.0/token", info.id)
    );
    assert_eq!(
        document["issuer"],
        format!("http://graph-sim.localhost/{}/v2.0", info.id)
    );
    let place = document["jwks_uri"].as_str().unwrap();
    let place = place.strip_prefix("http://graph-sim.localhost").unwrap();
    let keys = get(&sim, place).await.json();
    let answer = token(&sim, &[]).await;
    let graphs = answer["access_token"].as_str().unwrap();
    assert!(is_signed(graphs, &keys, true) && !is_signed(graphs, &keys, false));
    let own = Client::of(&sim, 0).await.token;
    assert!(is_signed(&own, &keys, false));
}

/// A key that is published late, one that goes, and tokens in between.
#[tokio::test]
async fn keys_roll() {
    let sim = Sim::new(Config::default());
    let old = Client::of(&sim, 0).await;
    let path = format!("/{}/discovery/v2.0/keys", sim.tenants()[0].id);
    let roll = Request::post("http://graph-sim.localhost/_control/keys?keep=600");
    let rolled = send(&sim, roll.body(Body::empty()).unwrap()).await;
    assert_eq!(rolled.status, 204);
    let new = Client::of(&sim, 0).await;
    let both = get(&sim, &path).await.json();
    assert_eq!(both["keys"].as_array().unwrap().len(), 2);
    for client in [&old, &new] {
        assert!(is_signed(&client.token, &both, false));
        assert_eq!(client.get("/users?$top=1").await.status, 200);
    }
    sim.tick(Duration::from_secs(600));
    let one = get(&sim, &path).await.json();
    assert_eq!(one["keys"].as_array().unwrap().len(), 1);
    assert!(!is_signed(&old.token, &one, false) && is_signed(&new.token, &one, false));
    assert_eq!(old.get("/users?$top=1").await.status, 401);
    assert_eq!(new.get("/users?$top=1").await.status, 200);
}

/// Section 1.1: what clients ask before they ask for a token.
#[tokio::test]
async fn clients_find_the_endpoints() {
    let sim = Sim::new(Config::default());
    let common = get(&sim, "/common/v2.0/.well-known/openid-configuration")
        .await
        .json();
    assert_eq!(
        common["issuer"],
        "http://graph-sim.localhost/{tenantid}/v2.0"
    );
    // A domain's document names the id.
    let domain = get(
        &sim,
        "/contoso1.onmicrosoft.com/v2.0/.well-known/openid-configuration",
    )
    .await;
    let id = &sim.tenants()[0].id;
    assert!(
        domain.json()["token_endpoint"]
            .as_str()
            .unwrap()
            .contains(id.as_str())
    );
    for (host, status) in [
        ("login.microsoftonline.com", 200),
        ("login.windows.net", 200),
        ("graph-sim.localhost", 200),
        ("login.example.org", 400),
    ] {
        let endpoint = format!("https%3A%2F%2F{host}%2Fcommon%2Foauth2%2Fv2.0%2Fauthorize");
        let path =
            format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={endpoint}");
        let answer = get(&sim, &path).await;
        assert_eq!(answer.status, status, "{host}");
        let body = answer.json();
        match status {
            200 => assert!(
                body["tenant_discovery_endpoint"].is_string()
                    && body["metadata"][0]["aliases"].is_array()
            ),
            _ => assert_eq!(
                (&body["error"], &body["error_codes"]),
                (&json!("invalid_instance"), &json!([50_049]))
            ),
        }
    }
    for path in [
        "/nobody.example/v2.0/.well-known/openid-configuration",
        "/nobody.example/discovery/v2.0/keys",
    ] {
        assert_eq!(get(&sim, path).await.json()["error_codes"], json!([90_002]));
    }
}

#[tokio::test]
async fn a_token_shows_directory_roles_and_a_service_principal_that_was_made_anew() {
    let sim = Sim::new(Config {
        users: 5,
        ..Config::default()
    });
    let shown = async || {
        let answer = token(&sim, &[]).await;
        claims(answer["access_token"].as_str().unwrap())
    };
    let before = shown().await;
    assert_eq!(before["wids"].as_array().unwrap().len(), 1);
    let admin = "62e90394-69f5-4237-9190-012177145e10";
    let change = |change| assert!(sim.consent(0, 0, change));
    change(Consent {
        directory_roles: Some(vec![admin.to_owned()]),
        principal: Some(Principal::Missing),
        ..Consent::default()
    });
    change(Consent {
        principal: Some(Principal::Enabled),
        ..Consent::default()
    });
    let now = shown().await;
    assert_eq!(now["wids"][1], admin);
    assert_ne!(now["oid"], before["oid"]);
    assert_eq!(now["oid"], now["sub"]);
}
