//! The token-broker as a process: each kind of credential through success and failure, and everything that it wrote.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKeyChain};
use proto::admin::v1::{
    AddCredentialRequest, DropCredentialRequest, FileContent, KillRequest, PreflightRequest,
    PutTenantRequest, RemoveTenantRequest, ReviveRequest, TokenBrokerStatusRequest,
};
use proto::token::v1::{GetTokenRequest, ListTenantsRequest};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use servers::SoftHsm;
use tests::broker::{KEK, TokenBroker};
use tests::process::{Ended, Simulator};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::LOUDEST;
use super::scan::Canaries;

const WEBHOOK: &str = "webhook-canary-5e0c9a7f3b1d4c6e8f2a";
const PASSWORD: &str = "pfx canary \"open\" ~sesame~ 81d7";
const WRONG: &str = "wrong-canary~8Q~never.a.secret.of.anybody";
const OTHER_KEY: &str = include_str!("../../graph-sim/data/keys/issuer-1.pem");
const PIN: &str = "pin-canary-4711-right";
const WRONG_PIN: &str = "pin-canary-0815-wrong";
const REASON: &str = "a reason as any other";
const NEW_KEK: &str = "dGhlIG5leHQga2V5IG9mIGEgc3RvcmUsIDMyIGxldHQ=";

/// All that callers, operators and receivers were told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Told {
    fn note(&self, what: impl std::fmt::Debug) {
        let mut all = self.0.lock().unwrap();
        all.extend(format!("{what:?}\n").into_bytes());
    }

    /// A webhook's receiver.
    async fn take(State(this): State<Told>, headers: HeaderMap, body: Bytes) {
        this.note(headers);
        this.0.lock().unwrap().extend(&body);
    }
}

/// Names and contents.
type Files<'a> = &'a [(&'a str, &'a [u8])];

fn files(all: Files<'_>) -> HashMap<String, FileContent> {
    let content = |bytes: &[u8]| FileContent {
        content: bytes.to_vec(),
    };
    let all = all
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), content(bytes)));
    all.collect()
}

/// As a company's tool exports it.
fn pfx(pem: &str) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    let leaf = Certificate::from_der(&certificate).unwrap();
    let chain = PrivateKeyChain::new(key.secret_der(), b"1", vec![leaf]);
    let mut store = KeyStore::new();
    store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(PASSWORD).write().unwrap()
}

/// What a person's sign-in with a device code gives.
async fn sign_in(sim: &Simulator) -> (String, Value) {
    let all: Value = serde_json::from_str(&sim.control("GET", "entra?tenant=0", "")).unwrap();
    let apps = all["applications"].as_array().unwrap();
    let public = apps.iter().find(|a| a["public"] == true).unwrap();
    let client = public["clientId"].as_str().unwrap().to_owned();
    let base = format!("{}/{}/oauth2/v2.0", sim.text("authority"), sim.text("id"));
    let post = async |path: &str, form: String| -> Value {
        let request = http::Request::post(format!("{base}/{path}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .unwrap();
        let client = runtime::http::direct().unwrap();
        let answer = client.oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap()
    };
    let scope = "https://graph.microsoft.com/.default%20offline_access";
    let begun = post("devicecode", format!("client_id={client}&scope={scope}")).await;
    let decision = json!({ "userCode": begun["user_code"] }).to_string();
    sim.control("POST", "device", &decision);
    let code = begun["device_code"].as_str().unwrap();
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let form = format!("grant_type={grant}&client_id={client}&device_code={code}");
    (client, post("token", form).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_broker_writes_no_secret() {
    let (first, second) = (Simulator::start(5, 1), Simulator::start(5, 2));
    let mut canaries = Canaries::default();
    let told = Told::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/hook", post(Told::take))
        .with_state(told.clone());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });

    // The configuration's tenant: everything wrong before what is right.
    let pem = first.text("certificate").to_owned();
    let module = SoftHsm::module().unwrap();
    let device = |pin: &str| {
        format!(
            "[[tenants.credentials]]\nkind = 'pkcs11'\ncertificate_file = 'app.pem'\nmodule = '{}'\n\
             token = 'leastwise'\nkey = 'app'\npin_file = '{pin}'\n",
            module.display()
        )
    };
    let mut broker = TokenBroker::new(&format!(
        "[webhook]\nurl = 'http://{hook}/hook'\nsecret_file = 'webhook'\n[[tenants]]\n{}\
         [[tenants.credentials]]\nkind = 'client_secret'\nfile = 'wrong'\n{}{}\
         [[tenants.credentials]]\nkind = 'certificate'\ncertificate_file = 'app.pem'\n",
        TokenBroker::section(&first),
        device("wrong-pin"),
        device("pin"),
    ));
    for (name, content) in [
        ("webhook", WEBHOOK),
        ("wrong", WRONG),
        ("wrong-pin", WRONG_PIN),
        ("pin", PIN),
        ("app.pem", &pem),
    ] {
        broker.write(name, content);
    }
    let hsm = SoftHsm::new(&broker.path("operator")).unwrap();
    hsm.token("leastwise", PIN).unwrap();
    let own = pem[pem.find("-----BEGIN PRIVATE KEY").unwrap()..].to_owned();
    broker.write("own.key", &own);
    hsm.import(
        "leastwise",
        PIN,
        &broker.path("operator/own.key"),
        "app",
        "0a01",
    )
    .unwrap();
    let environment = [
        (LOUDEST.0, Path::new(LOUDEST.1)),
        ("SOFTHSM2_CONF", hsm.config()),
    ];

    let other = second.text("certificate").to_owned();
    for (name, secret) in [
        ("the webhook's secret", WEBHOOK),
        ("the password of a PKCS#12 file", PASSWORD),
        ("a wrong secret", WRONG),
        ("a PIN", PIN),
        ("a wrong PIN", WRONG_PIN),
        ("the store's key", KEK),
        ("the store's next key", NEW_KEK),
        ("a client secret", second.text("clientSecret")),
    ] {
        canaries.text(name, secret);
    }
    for key in [KEK, NEW_KEK] {
        canaries.bytes("a key of the store", &STANDARD.decode(key).unwrap());
    }
    canaries.key("a certificate's key", &pem);
    canaries.key("another certificate's key", &other);
    canaries.key("a key of another certificate", OTHER_KEY);
    let federated = sim_token(&second);
    canaries.text("a federated token", &federated);
    let (public, signed_in) = sign_in(&second).await;
    let of_person = |name: &str| signed_in[name].as_str().unwrap().to_owned();
    let (refresh, imported) = (of_person("refresh_token"), of_person("access_token"));
    canaries.text("a refresh token", &refresh);
    canaries.text("an imported token", &imported);

    for arguments in [&["--check-config"][..], &["--dump-config"]] {
        let mut command = broker.command(arguments);
        command.envs(environment);
        let ended: Ended = command.output().unwrap().into();
        told.note(&ended);
    }
    broker.start(&environment);
    let (mut admin, mut tokens) = (broker.admin(REASON), broker.tokens("collector"));
    for name in ["token-broker", "collector", "operator"] {
        let key = std::fs::read_to_string(broker.path(&format!("operator/pki/{name}.key")));
        canaries.key("a key for TLS", &key.unwrap());
    }
    let ask = |sim: &Simulator, refused: bool| GetTokenRequest {
        tenant_id: sim.text("id").to_owned(),
        dataset: "users".to_owned(),
        refused,
        ..GetTokenRequest::default()
    };
    let answer = tokens.get_token(ask(&first, false)).await.unwrap();
    let token = answer.into_inner().access_token;
    canaries.text("an access token", &token);

    // The store's: each kind, once refused and once taken.
    let kinds: [(&str, Files<'_>, bool); 8] = [
        (
            "kind = 'client_secret'\nfile = 's'",
            &[("s", WRONG.as_bytes())],
            false,
        ),
        (
            "kind = 'client_secret'\nfile = 's'",
            &[("s", second.text("clientSecret").as_bytes())],
            true,
        ),
        (
            "kind = 'certificate'\ncertificate_file = 'p'\nkey_file = 'k'",
            &[("p", other.as_bytes()), ("k", OTHER_KEY.as_bytes())],
            false,
        ),
        (
            "kind = 'certificate'\ncertificate_file = 'p'",
            &[("p", other.as_bytes())],
            true,
        ),
        (
            "kind = 'certificate'\ncertificate_file = 'x'\npassword_file = 'w'",
            &[("x", &pfx(&other)), ("w", WRONG.as_bytes())],
            false,
        ),
        (
            "kind = 'certificate'\ncertificate_file = 'x'\npassword_file = 'w'",
            &[("x", &pfx(&other)), ("w", PASSWORD.as_bytes())],
            true,
        ),
        (
            "kind = 'federated_token'\ntoken_file = 'f'",
            &[("f", imported.as_bytes())],
            false,
        ),
        (
            "kind = 'federated_token'\ntoken_file = 'f'",
            &[("f", federated.as_bytes())],
            true,
        ),
    ];
    let id = second.text("id").to_owned();
    let mut stored = false;
    for (credential, contents, right) in kinds {
        let result = match stored {
            false => {
                let section = TokenBroker::section(&second) + "[[credentials]]\n" + credential;
                let put = PutTenantRequest {
                    section,
                    files: files(contents),
                };
                told.note(&put);
                admin.put_tenant(put).await.map(|a| told.note(a))
            }
            true => {
                let add = AddCredentialRequest {
                    tenant_id: id.clone(),
                    app: String::new(),
                    section: credential.to_owned(),
                    files: files(contents),
                };
                told.note(&add);
                admin.add_credential(add).await.map(|a| told.note(a))
            }
        };
        assert_eq!(result.is_ok(), right, "{credential}: {result:?}");
        stored |= right;
        told.note(result);
        for refused in [false, true] {
            let answer = tokens.get_token(ask(&second, refused)).await;
            // Its Debug form is ours to keep clean, too.
            told.note(&answer);
            if let Ok(answer) = answer {
                canaries.text("an access token", &answer.into_inner().access_token);
            }
        }
    }
    let dropped = admin.drop_credential(DropCredentialRequest {
        tenant_id: id.clone(),
        app: String::new(),
        position: 0,
    });
    told.note(dropped.await.unwrap());

    // A crash, and another key of the store.
    broker.kill();
    broker.write("old", KEK);
    broker.write("kek", NEW_KEK);
    let text = std::fs::read_to_string(broker.path("operator/broker.toml")).unwrap();
    let text = text.replace(
        "key_file = 'kek'",
        "key_file = 'kek', old_key_files = ['old']",
    );
    broker.write("broker.toml", &text);
    broker.start(&environment);
    told.note(tokens.get_token(ask(&second, true)).await.map(|_| ()));

    // The ways of before.
    let person = |kind: &str| {
        let section = TokenBroker::section(&second).replace(second.text("clientId"), &public);
        section
            + &format!("[[credentials]]\nkind = '{kind}'\ntoken_file = 't'\nuntil = '2999-12-31'")
    };
    for (kind, token, right) in [
        ("refresh_token", WRONG, false),
        ("refresh_token", &refresh, true),
        ("imported_token", WRONG, false),
        ("imported_token", &imported, true),
    ] {
        let put = admin.put_tenant(PutTenantRequest {
            section: person(kind),
            files: files(&[("t", token.as_bytes())]),
        });
        let put = put.await;
        assert_eq!(put.is_ok(), right, "{kind}: {put:?}");
        told.note(put);
        let answer = tokens.get_token(ask(&second, true)).await;
        told.note(answer.map(|_| ()));
    }

    // What operators do besides, and who has no right to.
    let tenant_id = id.clone();
    told.note(
        admin
            .preflight(PreflightRequest { tenant_id })
            .await
            .unwrap(),
    );
    told.note(admin.status(TokenBrokerStatusRequest {}).await.unwrap());
    let everybody = true;
    let tenant_id = String::new();
    told.note(
        admin
            .kill(KillRequest {
                tenant_id,
                everybody,
            })
            .await
            .unwrap(),
    );
    told.note(tokens.get_token(ask(&first, true)).await.unwrap_err());
    let tenant_id = String::new();
    told.note(
        admin
            .revive(ReviveRequest {
                tenant_id,
                everybody,
            })
            .await
            .unwrap(),
    );
    let mut stranger = broker.tokens("stranger");
    told.note(stranger.get_token(ask(&first, false)).await.unwrap_err());
    told.note(
        tokens
            .list_tenants(ListTenantsRequest::default())
            .await
            .unwrap(),
    );
    let roles = r#"{"roles":["User.Read.All","Mail.Read"]}"#;
    first.control("POST", "consent", roles);
    told.note(tokens.get_token(ask(&first, true)).await.unwrap_err());
    let tenant_id = id.clone();
    told.note(
        admin
            .remove_tenant(RemoveTenantRequest { tenant_id })
            .await
            .unwrap(),
    );
    told.note(broker.page("/metrics").unwrap());
    assert_eq!(broker.end(), Some(0));

    let key = std::fs::read(broker.path("written/audit/checkpoint.key")).unwrap();
    canaries.bytes("the audit log's key", &key[key.len() - 48..]);
    let mut scanner = canaries.scanner();
    scanner.look("what was told", &told.0.lock().unwrap());
    let but = [broker.path("written/audit/checkpoint.key")];
    scanner.look_below(&broker.path("written"), &but);
    assert!(scanner.found.is_empty(), "{:#?}", scanner.found);

    // It was loud, everything happened, and all of it was looked at.
    let log = broker.log();
    let events = String::from_utf8_lossy(&told.0.lock().unwrap()).into_owned();
    for seen in ["\"TRACE\"", "LW-2039", "LW-2021", REASON] {
        assert!(log.contains(seen), "{seen} is missing in the log");
    }
    for seen in [
        "leastwise.excess.refused",
        "AADSTS7000215",
        "LW-2015",
        "LW-2062",
    ] {
        assert!(events.contains(seen), "{seen} was not told");
    }
    assert!(scanner.bytes > 200_000, "{}", scanner.bytes);
}

/// A token of an issuer that the application trusts.
fn sim_token(sim: &Simulator) -> String {
    let all: Value = serde_json::from_str(&sim.control("GET", "entra?tenant=0", "")).unwrap();
    let trust = &all["applications"][0]["federated"][0];
    let body = json!({ "subject": trust["subject"] }).to_string();
    let minted: Value = serde_json::from_str(&sim.control("POST", "assertion", &body)).unwrap();
    minted["assertion"].as_str().unwrap().to_owned()
}

/// The search bites where it matters: an operator who writes a secret where a reason belongs has it in the audit log,
/// and it is found there, in the log and in nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_writes_into_a_reason_is_found() {
    let mut broker = TokenBroker::new("");
    broker.start(&[]);
    let mut canaries = Canaries::default();
    canaries.text("a secret", WRONG);
    let request = KillRequest {
        tenant_id: String::new(),
        everybody: true,
    };
    broker.admin(WRONG).kill(request).await.unwrap();
    assert_eq!(broker.end(), Some(0));
    let mut scanner = canaries.scanner();
    scanner.look_below(&broker.path("written"), &[]);
    let places: Vec<&str> = scanner
        .found
        .iter()
        .map(|f| f.rsplit('/').next().unwrap())
        .collect();
    assert!(places.contains(&"log"), "{places:?}");
    assert!(places.iter().any(|p| p.starts_with("audit-")), "{places:?}");
    assert!(
        places.iter().any(|p| p.starts_with("store.db")),
        "{places:?}"
    );
}
