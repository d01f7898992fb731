//! Device codes, refresh tokens, consent: where somebody has to act.

use std::time::Duration;

use graph_sim::{Config, Sim};
use serde_json::{Value, json};

use super::http::{control, get, post, shown, text};
use super::sign::claims;
use crate::support::{Client, ask_token};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE: &str = "https://graph.microsoft.com/User.Read.All offline_access openid";

/// A public client of the first tenant.
struct Device {
    sim: Sim,
    id: String,
    client: String,
}

impl Device {
    async fn new() -> Self {
        let sim = Sim::new(Config::default());
        let client = text(&shown(&sim, 0).await["applications"][4]["clientId"]);
        let id = sim.tenants()[0].id.clone();
        Self { sim, id, client }
    }

    async fn begin(&self) -> Value {
        let path = format!("/{}/oauth2/v2.0/devicecode", self.id);
        let fields = [("client_id", self.client.as_str()), ("scope", SCOPE)];
        post(&self.sim, &path, &fields).await.json()
    }

    async fn poll(&self, begun: &Value) -> Value {
        self.sim.tick(Duration::from_secs(30));
        self.poll_at_once(begun).await
    }

    async fn poll_at_once(&self, begun: &Value) -> Value {
        let code = text(&begun["device_code"]);
        let fields = [
            ("grant_type", DEVICE),
            ("client_id", self.client.as_str()),
            ("device_code", code.as_str()),
        ];
        ask_token(&self.sim, &self.id, &fields).await.json()
    }

    /// Tokens of somebody who signed in.
    async fn sign_in(&self) -> Value {
        let begun = self.begin().await;
        control(
            &self.sim,
            "device",
            json!({ "userCode": begun["user_code"] }),
        )
        .await;
        self.poll(&begun).await
    }

    async fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Value {
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", self.client.as_str()),
            ("refresh_token", token),
        ];
        fields.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
        fields.extend_from_slice(more);
        ask_token(&self.sim, &self.id, &fields).await.json()
    }
}

/// Section 1.6: the states of a device code.
#[tokio::test]
async fn a_device_waits_for_somebody() {
    let device = Device::new().await;
    let begun = device.begin().await;
    assert_eq!(
        (&begun["expires_in"], &begun["interval"]),
        (&json!(900), &json!(5))
    );
    assert!(begun["verification_uri_complete"].is_null());
    assert!(text(&begun["message"]).contains(&text(&begun["user_code"])));
    let page = text(&begun["verification_uri"]);
    let page = get(&device.sim, page.strip_prefix(super::http::BASE).unwrap()).await;
    assert!(
        page.status == 200
            && String::from_utf8(page.body)
                .unwrap()
                .contains("/_control/device")
    );
    assert_eq!(device.poll(&begun).await["error"], "authorization_pending");
    assert_eq!(device.poll_at_once(&begun).await["error"], "slow_down");
    control(
        &device.sim,
        "device",
        json!({ "userCode": begun["user_code"] }),
    )
    .await;
    let tokens = device.poll(&begun).await;
    let said = claims(&text(&tokens["access_token"]));
    assert_eq!(
        (&said["idtyp"], &said["scp"], &said["appidacr"]),
        (&json!("user"), &json!("User.Read.All"), &json!("0"))
    );
    assert!(said["roles"].is_null() && said["upn"].is_string());
    assert_eq!(claims(&text(&tokens["id_token"]))["aud"], device.client);
    // A code is good once.
    assert_eq!(device.poll(&begun).await["error"], "bad_verification_code");
    let declined = device.begin().await;
    control(
        &device.sim,
        "device",
        json!({ "userCode": declined["user_code"], "approve": false }),
    )
    .await;
    assert_eq!(
        device.poll(&declined).await["error"],
        "authorization_declined"
    );
    let late = device.begin().await;
    device.sim.tick(Duration::from_secs(900));
    assert_eq!(device.poll(&late).await["error"], "expired_token");
    assert_eq!(
        device.poll(&json!({ "device_code": "x" })).await["error"],
        "bad_verification_code"
    );
    // With a token of a person Graph opens what that person allowed.
    let client = Client {
        sim: device.sim.clone(),
        tenant: 0,
        token: text(&device.sign_in().await["access_token"]),
    };
    assert_eq!(client.get("/users?$top=1").await.status, 200);
    assert_eq!(client.get("/organization").await.status, 200);
    assert_eq!(client.get("/subscribedSkus").await.status, 403);
}

/// Section 1.6: a new refresh token each time, and the old one lives on; the signs of a dead one.
#[tokio::test]
async fn refresh_tokens_rotate_and_die() {
    let device = Device::new().await;
    let first = device.sign_in().await;
    let old = text(&first["refresh_token"]);
    let next = device.refresh(&old, &[]).await;
    assert_ne!(text(&next["refresh_token"]), old);
    assert!(next["access_token"].is_string());
    assert!(device.refresh(&old, &[]).await["access_token"].is_string());
    let main = device.sim.tenants()[0].client_id.clone();
    let secret = device.sim.tenants()[0].client_secret.clone();
    for (fact, more, error, code, suberror) in [
        (
            "1.6 belongs to another client",
            vec![
                ("client_id", main.as_str()),
                ("client_secret", secret.as_str()),
            ],
            "invalid_grant",
            70_000,
            json!("client_mismatch"),
        ),
        (
            "2.2 9002313",
            vec![("refresh_token", "1.Axxxx")],
            "invalid_grant",
            9_002_313,
            Value::Null,
        ),
        (
            "2.2 65001",
            vec![("scope", "https://graph.microsoft.com/Mail.Read")],
            "invalid_grant",
            65_001,
            json!("consent_required"),
        ),
        (
            "2.2 70011",
            vec![("scope", "https://other.example/x")],
            "invalid_scope",
            70_011,
            Value::Null,
        ),
        (
            "2.2 700025",
            vec![("client_secret", "x")],
            "invalid_client",
            700_025,
            Value::Null,
        ),
    ] {
        let body = device.refresh(&old, &more).await;
        assert_eq!(
            (&body["error"], &body["error_codes"], &body["suberror"]),
            (&json!(error), &json!([code]), &suberror),
            "{fact}"
        );
    }
    let user = text(&claims(&text(&first["access_token"]))["oid"]);
    let reader = json!(["4a5d8f65-41da-4de4-8968-e035b65339cf"]);
    control(
        &device.sim,
        &format!("directory-roles?user={user}"),
        reader.clone(),
    )
    .await;
    let directed = device.refresh(&old, &[]).await;
    let held = claims(&text(&directed["access_token"]))["wids"].clone();
    assert_eq!((held.as_array().unwrap().len(), &held[1]), (2, &reader[0]));
    control(&device.sim, "refresh-tokens?once=true", json!({})).await;
    let next = text(&device.refresh(&old, &[]).await["refresh_token"]);
    assert_eq!(
        device.refresh(&old, &[]).await["error_codes"],
        json!([70_000])
    );
    assert!(device.refresh(&next, &[]).await["access_token"].is_string());
    control(&device.sim, "refresh-tokens?once=false", json!({})).await;
    control(&device.sim, &format!("revoke?user={user}"), json!({})).await;
    let dead = device.refresh(&old, &[]).await;
    assert_eq!(
        (&dead["error_codes"], &dead["suberror"]),
        (&json!([50_173]), &json!("bad_token"))
    );
    let again = text(&device.sign_in().await["refresh_token"]);
    device.sim.tick(Duration::from_secs(91 * 86_400));
    assert_eq!(
        device.refresh(&again, &[]).await["error_codes"],
        json!([700_082])
    );
}

async fn token(sim: &Sim, more: &[(&str, &str)]) -> Value {
    let info = &sim.tenants()[0];
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", info.client_id.as_str()),
        ("client_secret", info.client_secret.as_str()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    fields.extend_from_slice(more);
    ask_token(sim, &info.id, &fields).await.json()
}

fn client(sim: &Sim, token: &Value) -> Client {
    Client {
        sim: sim.clone(),
        tenant: 0,
        token: text(&token["access_token"]),
    }
}

/// Sections 1.2 and 1.7: consent that goes shows in the next token, and an administrator gives it back.
#[tokio::test]
async fn consent_goes_and_comes() {
    let sim = Sim::new(Config::default());
    let before = client(&sim, &token(&sim, &[]).await);
    control(&sim, "consent", json!({ "granted": false })).await;
    let without = token(&sim, &[]).await;
    assert!(claims(&text(&without["access_token"]))["roles"].is_null());
    assert_eq!(
        before.get("/users?$top=1").await.status,
        200,
        "roles are stamped"
    );
    assert_eq!(client(&sim, &without).get("/users").await.status, 403);
    let info = sim.tenants()[0].clone();
    let page = |back: &str| {
        format!(
            "/{}/adminconsent?client_id={}&state=a%20b&redirect_uri={back}",
            info.id, info.client_id
        )
    };
    control(&sim, "consent", json!({ "declines": true })).await;
    let declined = get(&sim, &page("http://localhost:1/back")).await;
    let place = declined.headers["location"].to_str().unwrap().to_owned();
    assert!(
        declined.status == 302
            && place.contains("error=access_denied")
            && place.contains("AADSTS65004"),
        "{place}"
    );
    let agreed = get(&sim, &page("http://localhost:1/back?x=y")).await;
    let place = agreed.headers["location"].to_str().unwrap();
    let wanted = format!(
        "http://localhost:1/back?x=y&admin_consent=True&tenant={}&state=a%20b",
        info.id
    );
    assert_eq!((agreed.status, place), (302, wanted.as_str()));
    assert!(claims(&text(&token(&sim, &[]).await["access_token"]))["roles"].is_array());
    let refused = get(&sim, &page("https://elsewhere.example/")).await;
    assert_eq!(refused.json()["error_codes"], json!([50_011]));
    let scoped = page("http://localhost:1/").replace("/adminconsent", "/v2.0/adminconsent");
    assert_eq!(
        get(
            &sim,
            &format!("{scoped}&scope=https://graph.microsoft.com/.default")
        )
        .await
        .status,
        302
    );
}

/// Section 2.2: a service principal that was switched off or deleted.
#[tokio::test]
async fn a_service_principal_goes() {
    let sim = Sim::new(Config::default());
    let before = client(&sim, &token(&sim, &[]).await);
    control(&sim, "consent", json!({ "principal": "disabled" })).await;
    let refused = token(&sim, &[]).await;
    assert_eq!(
        (&refused["error"], &refused["error_codes"]),
        (&json!("unauthorized_client"), &json!([7_000_112]))
    );
    control(&sim, "consent", json!({ "principal": "missing" })).await;
    let refused = token(&sim, &[]).await;
    assert_eq!(
        (&refused["error"], &refused["error_codes"]),
        (&json!("invalid_client"), &json!([7_000_229]))
    );
    let gone = before.get("/users").await;
    assert_eq!(
        (gone.status, gone.code().as_str()),
        (401, "Authorization_IdentityNotFound")
    );
}

/// Section 1.11: a challenge, for those who said that they take one; the token that answers it is good.
#[tokio::test]
async fn a_revoked_token_is_challenged() {
    let sim = Sim::new(Config::default());
    let capable = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let plain = client(&sim, &token(&sim, &[]).await);
    let long = client(&sim, &token(&sim, &[("claims", capable)]).await);
    control(&sim, "revoke", json!({})).await;
    assert_eq!(plain.get("/users?$top=1").await.status, 200);
    let answer = long.get("/users?$top=1").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "InvalidAuthenticationToken")
    );
    let header = answer.headers["www-authenticate"].to_str().unwrap();
    assert!(header.contains("error=\"insufficient_claims\""), "{header}");
    let claims = header
        .split("claims=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let mut claims: Value = serde_json::from_slice(&super::sign::unbase64(claims)).unwrap();
    claims["access_token"]["xms_cc"] = json!({ "values": ["cp1"] });
    let fresh = client(&sim, &token(&sim, &[("claims", &claims.to_string())]).await);
    assert_eq!(fresh.get("/users?$top=1").await.status, 200);
    assert_eq!(
        long.get("/users?$top=1").await.status,
        401,
        "the old one stays revoked"
    );
    // And on request, without a reason.
    control(&sim, "trouble", json!({ "kind": "challenge", "times": 1 })).await;
    assert_eq!(fresh.get("/users?$top=1").await.status, 401);
    assert_eq!(fresh.get("/users?$top=1").await.status, 200);
    assert_eq!(plain.get("/users?$top=1").await.status, 200);
}
