//! Client assertions signed with a certificate: what is taken, and what is refused with which number.

use std::time::Duration;

use graph_sim::{Config, Sim, TenantInfo};
use serde_json::{Value, json};

use super::http::{shown, text};
use super::sign::{Certificate, claims};
use crate::support::{Answer, ask_token};

/// A client of the first tenant.
struct Signer {
    sim: Sim,
    info: TenantInfo,
    certificate: Certificate,
    now: u64,
}

/// A change of claims or of the header; null takes a part out.
fn changed(mut from: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        match value.is_null() {
            true => {
                from.as_object_mut().unwrap().remove(name);
            }
            false => from[name] = value.clone(),
        }
    }
    from
}

impl Signer {
    async fn new(config: Config) -> Self {
        let sim = Sim::new(config);
        let info = sim.tenants()[0].clone();
        let certificate = Certificate::read(info.certificate);
        let secret = [
            ("grant_type", "client_credentials"),
            ("client_id", info.client_id.as_str()),
            ("client_secret", info.client_secret.as_str()),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let token = ask_token(&sim, &info.id, &secret).await.json();
        // The time that the simulation has.
        let now = claims(token["access_token"].as_str().unwrap())["iat"]
            .as_u64()
            .unwrap()
            + 300;
        Self {
            sim,
            info,
            certificate,
            now,
        }
    }

    fn endpoint(&self) -> String {
        format!(
            "http://graph-sim.localhost/{}/oauth2/v2.0/token",
            self.info.id
        )
    }

    fn claims(&self) -> Value {
        json!({
            "aud": self.endpoint(), "iss": self.info.client_id, "sub": self.info.client_id, "jti": "1",
            "nbf": self.now, "iat": self.now, "exp": self.now + 300,
        })
    }

    async fn ask(&self, assertion: &str) -> Answer {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", self.info.client_id.as_str()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        ask_token(&self.sim, &self.info.id, &fields).await
    }

    /// Asks with a changed assertion.
    async fn with(&self, header: Value, change: Value) -> Answer {
        let header = changed(self.certificate.header(), &header);
        let assertion = self
            .certificate
            .sign(&header, &changed(self.claims(), &change));
        self.ask(&assertion).await
    }
}

/// Section 1.3: what Entra takes, the habits of Microsoft's libraries among it.
#[tokio::test]
async fn what_libraries_send_is_taken() {
    let signer = Signer::new(Config::default()).await;
    let (sha1, sha256) = (signer.certificate.sha1(), signer.certificate.sha256());
    let padded = |text: &str| format!("{}=", text.replace('-', "+").replace('_', "/"));
    let id = &signer.info.id;
    for (what, header, change) in [
        ("as the page shows it", json!({}), json!({})),
        (
            "RS256 with SHA-1",
            json!({ "alg": "RS256", "x5t": sha1, "x5t#S256": null }),
            json!({}),
        ),
        ("RS256 with SHA-256", json!({ "alg": "RS256" }), json!({})),
        (
            "standard base64",
            json!({ "x5t#S256": padded(&sha256) }),
            json!({}),
        ),
        (
            "kid only",
            json!({ "alg": "RS256", "kid": sha1, "x5t#S256": null }),
            json!({}),
        ),
        (
            "dates as texts",
            json!({}),
            json!({ "nbf": signer.now.to_string(), "exp": (signer.now + 60).to_string() }),
        ),
        (
            "dates with fractions, no nbf",
            json!({}),
            json!({ "nbf": null, "exp": signer.now as f64 + 60.5 }),
        ),
        ("an hour", json!({}), json!({ "exp": signer.now + 3_600 })),
        (
            "a clock that is fast",
            json!({}),
            json!({ "nbf": signer.now + 240 }),
        ),
        (
            "a clock that is slow",
            json!({}),
            json!({ "nbf": signer.now - 540, "exp": signer.now - 240 }),
        ),
        (
            "the issuer's name",
            json!({}),
            json!({ "aud": format!("http://graph-sim.localhost/{id}/v2.0") }),
        ),
        (
            "the real endpoint",
            json!({}),
            json!({ "aud": format!("https://login.microsoftonline.com/{id}/oauth2/v2.0/token") }),
        ),
        (
            "the domain",
            json!({}),
            json!({ "aud": "http://graph-sim.localhost/contoso1.onmicrosoft.com/oauth2/v2.0/token" }),
        ),
        ("no jti", json!({}), json!({ "jti": null })),
        ("one more time", json!({}), json!({})),
    ] {
        let answer = signer.with(header, change).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.json());
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&token)["appidacr"], "2", "{what}");
    }
}

/// Sections 1.3 and 2.2: each of the refusals, with its number.
#[tokio::test]
async fn what_is_wrong_is_refused_with_its_number() {
    let signer = Signer::new(Config {
        tenants: 2,
        ..Config::default()
    })
    .await;
    let sha1 = signer.certificate.sha1();
    let hex: String = sha1.bytes().map(|b| format!("{b:02x}")).collect();
    let other = signer.sim.tenants()[1].clone();
    for (fact, header, change, error, code) in [
        (
            "1.3 Encoding trap: hexadecimal thumbprint",
            json!({ "x5t#S256": hex }),
            json!({}),
            "invalid_client",
            700_027,
        ),
        (
            "1.3 x5t is SHA-1, never SHA-256",
            json!({ "x5t": signer.certificate.sha256(), "x5t#S256": null }),
            json!({}),
            "invalid_client",
            700_027,
        ),
        (
            "2.2 700027: certificate of nobody",
            json!({ "x5t#S256": "AAAA" }),
            json!({}),
            "invalid_client",
            700_027,
        ),
        (
            "1.3 PSS trap: the header says another algorithm",
            json!({ "alg": "ES256" }),
            json!({}),
            "invalid_client",
            5_002_730,
        ),
        (
            "2.2 50027: not signed",
            json!({ "alg": "none" }),
            json!({}),
            "invalid_request",
            50_027,
        ),
        (
            "2.2 50027: no thumbprint",
            json!({ "x5t#S256": null }),
            json!({}),
            "invalid_request",
            50_027,
        ),
        (
            "2.2 50027: no end",
            json!({}),
            json!({ "exp": null }),
            "invalid_request",
            50_027,
        ),
        (
            "2.2 700024: over",
            json!({}),
            json!({ "nbf": signer.now - 1_200, "exp": signer.now - 600 }),
            "invalid_client",
            700_024,
        ),
        (
            "2.2 700024: still to come",
            json!({}),
            json!({ "nbf": signer.now + 600, "exp": signer.now + 900 }),
            "invalid_client",
            700_024,
        ),
        (
            "1.3 iss, sub: another application",
            json!({}),
            json!({ "iss": other.client_id, "sub": other.client_id }),
            "invalid_client",
            700_021,
        ),
        (
            "1.3 iss, sub: not the same",
            json!({}),
            json!({ "iss": other.client_id }),
            "invalid_client",
            50_048,
        ),
        (
            "2.2 700023: another tenant's endpoint",
            json!({}),
            json!({ "aud": format!("http://graph-sim.localhost/{}/oauth2/v2.0/token", other.id) }),
            "invalid_client",
            700_023,
        ),
        (
            "2.2 700023: another host",
            json!({}),
            json!({ "aud": "https://login.example.org" }),
            "invalid_client",
            700_023,
        ),
        (
            "2.2 700023: no audience",
            json!({}),
            json!({ "aud": null }),
            "invalid_client",
            700_023,
        ),
    ] {
        let answer = signer.with(header, change).await;
        let body = answer.json();
        assert_eq!(
            (&body["error"], &body["error_codes"]),
            (&json!(error), &json!([code])),
            "{fact}: {body}"
        );
        let status = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!(answer.status, status, "{fact}");
    }
    // The certificate of the other tenant's application, signed well.
    let theirs = Certificate::read(other.certificate);
    let assertion = theirs.sign(&theirs.header(), &signer.claims());
    assert_eq!(
        signer.ask(&assertion).await.json()["error_codes"],
        json!([700_027])
    );
    // The right thumbprint, and another key.
    let assertion = theirs.sign(&signer.certificate.header(), &signer.claims());
    assert_eq!(
        signer.ask(&assertion).await.json()["error_codes"],
        json!([700_027])
    );
    for garbage in ["x", "a.b.c", "..", "e30.e30."] {
        assert_eq!(
            signer.ask(garbage).await.json()["error_codes"],
            json!([50_027]),
            "{garbage}"
        );
    }
}

/// Section 1.3: what strict servers want besides, for clients that promise it.
#[tokio::test]
async fn strict_servers_refuse_more() {
    let signer = Signer::new(Config {
        strict_assertions: true,
        ..Config::default()
    })
    .await;
    let padded = format!("{}=", signer.certificate.sha256());
    for (what, header, change, code) in [
        ("used twice", json!({}), json!({}), 50_027),
        ("no name", json!({}), json!({ "jti": null }), 50_027),
        (
            "an hour",
            json!({}),
            json!({ "exp": signer.now + 3_600, "jti": "2" }),
            700_024,
        ),
        (
            "dates as texts",
            json!({}),
            json!({ "exp": (signer.now + 60).to_string(), "jti": "3" }),
            50_027,
        ),
        (
            "padding",
            json!({ "x5t#S256": padded }),
            json!({ "jti": "4" }),
            700_027,
        ),
    ] {
        // The first one is good, and then it was used.
        let first = signer.with(json!({}), json!({})).await;
        assert!(first.status == 200 || what != "used twice");
        let answer = signer.with(header, change).await;
        assert_eq!(answer.json()["error_codes"], json!([code]), "{what}");
    }
}

/// Another certificate that is good in the year 2027.
fn of_2027() -> String {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
    let key = key.unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.not_before = rcgen::date_time_ymd(2027, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 12, 31);
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

/// An administrator adds a certificate beside the first one; it counts for as long as it is good.
#[tokio::test]
async fn a_certificate_that_is_added_counts_until_its_last_day() {
    let december = 1_827_619_200;
    let mut signer = Signer::new(Config {
        start: Some(december),
        ..Config::default()
    })
    .await;
    assert_eq!(signer.now, december);
    let pem = of_2027();
    signer.certificate = Certificate::read(&pem);
    let none = json!({});
    let unknown = signer.with(none.clone(), none.clone()).await.json();
    assert_eq!(unknown["error_codes"], json!([700_027]));
    assert!(signer.sim.upload_certificate(0, 0, "x").is_err());
    assert!(signer.sim.upload_certificate(1, 0, &pem).is_err());
    signer.sim.upload_certificate(0, 0, &pem).unwrap();
    assert_eq!(signer.with(none.clone(), none.clone()).await.status, 200);
    let all = shown(&signer.sim, 0).await["applications"][0]["certificates"].clone();
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert!(!text(&all[1]["pem"]).contains("PRIVATE"));
    // Into the next year.
    let days = Duration::from_secs(60 * 86_400);
    signer.sim.tick(days);
    signer.now += days.as_secs();
    let over = signer.with(none.clone(), none).await.json();
    assert_eq!(over["error_codes"], json!([1_000_502]));
}
