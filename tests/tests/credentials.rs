//! Every kind of credential gets a token, from an Entra ID that checks it; and what is wrong with one is said.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use graph_sim::{Config, Sim};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::Clock;
use serde_json::{Value, json};
use tests::network::{BASE, Network};
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps};
use tower::ServiceExt as _;

/// A simulated tenant, and a broker that is configured as its operator would.
struct World {
    home: tempfile::TempDir,
    sim: Sim,
    network: Network,
    clock: Clock,
}

impl World {
    fn new() -> Self {
        let sim = Sim::new(Config {
            users: 10,
            base: Some(BASE.to_owned()),
            strict_assertions: true,
            ..Config::default()
        });
        World {
            home: tempfile::tempdir().unwrap(),
            network: Network::new(sim.clone()),
            clock: Clock::system(),
            sim,
        }
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{BASE}/_control/{path}"))
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let answer = self.network.client().oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    /// An application of the tenant, by its position.
    async fn app(&self, position: usize) -> Value {
        let all = self.control("GET", "entra?tenant=0", json!({})).await;
        all["applications"][position].clone()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn broker(&self, rest: &str) -> Result<Broker, runtime::Problem> {
        let tenant = &self.sim.tenants()[0].id;
        let text =
            format!("[[tenants]]\nid = '{tenant}'\nauthority = '{BASE}'\ngraph = '{BASE}'\n{rest}");
        let mut config: token_broker::Config =
            runtime::config::parse(&text, "test", std::collections::HashMap::new())?;
        config.resolve(self.home.path());
        let deps = Deps {
            http: self.network.client(),
            direct: self.network.client(),
            policy_file: None,
            store: None,
            events: token_broker::event::Events::logged(self.clock.clone()),
            audit: Audit::open(
                &audit::Config::at(tempfile::tempdir_in(&self.home).unwrap().keep()),
                self.clock.clone(),
            )
            .unwrap(),
            clock: self.clock.clone(),
        };
        Broker::new(config, deps)
    }

    /// What the broker answers for a dataset: the token's claims, or the message.
    async fn ask(&self, broker: &Broker, dataset: &str) -> Result<Value, String> {
        let mut client = TokenServiceClient::new(runtime::grpc::local(broker.tokens()));
        let request = GetTokenRequest {
            tenant_id: self.sim.tenants()[0].id.clone(),
            dataset: dataset.to_owned(),
            ..Default::default()
        };
        let answer = client
            .get_token(request)
            .await
            .map_err(|e| e.message().to_owned())?;
        let token = answer.into_inner().access_token;
        assert_eq!(self.users(&token).await, 200, "Graph takes the token");
        Ok(claims(&token))
    }

    async fn users(&self, token: &str) -> u16 {
        let request = http::Request::get(format!("{BASE}/v1.0/users?$top=1"))
            .header("authorization", format!("Bearer {token}"))
            .body(Bytes::new())
            .unwrap();
        self.network
            .client()
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// With one credential of the main application.
    async fn with(&self, credential: &str) -> Result<Value, String> {
        let client = &self.sim.tenants()[0].client_id;
        let broker = self.broker(&format!(
            "client_id = '{client}'\n[[tenants.credentials]]\n{credential}"
        ));
        self.ask(&broker.map_err(|e| e.to_string())?, "users").await
    }

    async fn refused(&self, credential: &str, told: &[&str]) {
        let message = self.with(credential).await.unwrap_err();
        for part in told {
            assert!(message.contains(part), "{message}\nlacks {part}");
        }
    }
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    let json = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(part)
        .unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn part_of(pem: &str, label: &str) -> String {
    let (begin, end) = (format!("-----BEGIN {label}"), "-----END ");
    let from = pem.find(&begin).unwrap();
    let until = pem[from..].find(end).unwrap() + from;
    let line = pem[until..].find('\n').map_or(pem.len(), |n| until + n + 1);
    pem[from..line].to_owned()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn a_secret_and_a_certificate_get_a_token_and_the_token_says_which() {
    let world = World::new();
    let tenant = world.sim.tenants()[0].clone();
    world.file("secret", &tenant.client_secret);
    let claims = world
        .with("kind = 'client_secret'\nfile = 'secret'")
        .await
        .unwrap();
    assert_eq!(claims["appidacr"], "1");

    // Twice, because an assertion is good for one request.
    world.file("app.pem", tenant.certificate);
    for _ in 0..2 {
        let claims = world
            .with("kind = 'certificate'\ncertificate_file = 'app.pem'")
            .await
            .unwrap();
        assert_eq!(claims["appidacr"], "2");
    }
    let legacy = "kind = 'certificate'\ncertificate_file = 'app.pem'\nalgorithm = 'RS256'";
    world.with(legacy).await.unwrap();

    world.file("cert.pem", &part_of(tenant.certificate, "CERTIFICATE"));
    let label = if tenant.certificate.contains("BEGIN RSA") {
        "RSA PRIVATE KEY"
    } else {
        "PRIVATE KEY"
    };
    world.file("key.pem", &part_of(tenant.certificate, label));
    world
        .with("kind = 'certificate'\ncertificate_file = 'cert.pem'\nkey_file = 'key.pem'")
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_before_entra_is_asked() {
    let world = World::new();
    let tenant = world.sim.tenants()[0].clone();
    let before = world.network.requests();
    world.file("cert.pem", &part_of(tenant.certificate, "CERTIFICATE"));
    let cert = "kind = 'certificate'\ncertificate_file = 'cert.pem'";
    world.refused(cert, &["LW-2015", "no private key"]).await;
    let other = world.app(3).await["certificates"][1]["pem"]
        .as_str()
        .unwrap()
        .to_owned();
    world.file("other.pem", &other);
    world
        .refused(
            &format!("{cert}\nkey_file = 'other.pem'"),
            &["LW-2015", "does not belong to its private key"],
        )
        .await;
    world
        .refused(&format!("{cert}\nkey_file = 'none'"), &["LW-2013", "none"])
        .await;
    world.file("cert.pem", "-----BEGIN NONSENSE-----\n");
    world.refused(cert, &["LW-2015", "no certificate"]).await;
    let expired = world.app(2).await["certificates"][0]["pem"]
        .as_str()
        .unwrap()
        .to_owned();
    world.file("cert.pem", &expired);
    world.refused(cert, &["LW-2016", "expired on"]).await;
    // Two of them were questions to the simulator's control.
    assert_eq!(world.network.requests(), before + 2);
}

#[tokio::test]
async fn a_secret_that_is_refused_says_why_and_the_next_credential_serves() {
    let world = World::new();
    let tenant = world.sim.tenants()[0].clone();
    let secret = "kind = 'client_secret'\nfile = 'secret'";
    world.file("secret", "11111111-2222-3333-4444-555555555555");
    world.refused(secret, &["LW-2001", "a secret's id"]).await;
    world.file("secret", "wrong");
    world
        .refused(secret, &["LW-2001", "AADSTS7000215", "correlation id"])
        .await;
    world.file("app.pem", tenant.certificate);
    let both = format!(
        "{secret}\n[[tenants.credentials]]\nkind = 'certificate'\ncertificate_file = 'app.pem'"
    );
    assert_eq!(world.with(&both).await.unwrap()["appidacr"], "2");
}

#[tokio::test]
async fn a_federated_token_is_read_on_every_use_and_a_stale_one_is_said() {
    let world = World::new();
    let trust = world.app(0).await["federated"][0].clone();
    let mint = |world: &World, extra: Value| {
        let mut body = json!({"subject": trust["subject"]});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let world = World {
            home: tempfile::tempdir().unwrap(),
            sim: world.sim.clone(),
            network: world.network.clone(),
            clock: world.clock.clone(),
        };
        async move {
            let minted = world.control("POST", "assertion", body).await;
            minted["assertion"].as_str().unwrap().to_owned()
        }
    };
    let federated = "kind = 'federated_token'\ntoken_file = 'token'";
    world
        .refused(
            federated,
            &["LW-2013", &shown(&world.home.path().join("token"))],
        )
        .await;
    world.file("token", "no jwt");
    world.refused(federated, &["LW-2015"]).await;
    let good = mint(&world, json!({})).await;
    world.file("token", &format!("{good}\n"));
    assert_eq!(world.with(federated).await.unwrap()["appidacr"], "2");
    let other = mint(
        &world,
        json!({"subject": "system:serviceaccount:other:other"}),
    )
    .await;
    world.file("token", &other);
    world.refused(federated, &["LW-2024", "subject"]).await;
}

#[tokio::test]
async fn managed_identities_need_no_secret() {
    let world = World::new();
    let entra = world.control("GET", "entra?tenant=0", json!({})).await;
    let identity = entra["managedIdentities"][0]["clientId"].as_str().unwrap();
    // Trusted by the main application as a federated credential.
    let trusted = format!(
        "kind = 'federated_managed_identity'\nsource = 'imds'\nendpoint = '{BASE}'\nidentity_client_id = '{identity}'"
    );
    assert_eq!(world.with(&trusted).await.unwrap()["appidacr"], "2");
    // With permissions of its own.
    let broker = world
        .broker(&format!(
            "client_id = '{identity}'\n[[tenants.credentials]]\nkind = 'managed_identity'\nsource = 'imds'\nendpoint = '{BASE}'\nidentity_client_id = '{identity}'"
        ))
        .unwrap();
    assert_eq!(
        world.ask(&broker, "users").await.unwrap()["appid"],
        identity
    );
    let unknown = "kind = 'managed_identity'\nsource = 'imds'\nendpoint = '".to_owned()
        + BASE
        + "'\nidentity_client_id = 'x'";
    world
        .refused(&unknown, &["LW-2017", "identity_client_id"])
        .await;
}

#[tokio::test]
async fn a_dataset_is_read_with_the_app_that_may_least() {
    let world = World::new();
    let (main, users) = (world.app(0).await, world.app(1).await);
    world.file("main", main["secrets"][0]["text"].as_str().unwrap());
    world.file("users", users["secrets"][0]["text"].as_str().unwrap());
    let id = |app: &Value| app["clientId"].as_str().unwrap().to_owned();
    let broker = world
        .broker(&format!(
            "[[tenants.apps]]\nname = 'all'\nclient_id = '{}'\nclient_secret_file = 'main'\n\
             [[tenants.apps]]\nname = 'users'\nclient_id = '{}'\nclient_secret_file = 'users'\n",
            id(&main),
            id(&users)
        ))
        .unwrap();
    assert_eq!(
        world.ask(&broker, "users").await.unwrap()["appid"],
        id(&users)
    );
    assert_eq!(
        world.ask(&broker, "subscriptions").await.unwrap()["appid"],
        id(&main)
    );
}

#[tokio::test]
async fn an_app_that_may_more_than_needed_gets_no_token_unless_an_exception_says_so() {
    let world = World::new();
    let tenant = world.sim.tenants()[0].clone();
    let roles = json!({"roles": ["User.Read.All", "Organization.Read.All", "Directory.Read.All", "Mail.ReadWrite"]});
    world.control("POST", "consent?tenant=0&app=0", roles).await;
    world.file("secret", &tenant.client_secret);
    let secret = "kind = 'client_secret'\nfile = 'secret'";
    world
        .refused(secret, &["LW-2030", "Directory.Read.All, Mail.ReadWrite"])
        .await;
    let exception = |role: &str, until: &str| {
        format!(
            "\n[[tenants.exceptions]]\nrole = '{role}'\nreason = 'migration'\nuntil = '{until}'"
        )
    };
    let past = format!(
        "{secret}{}{}",
        exception("Directory.Read.All", "2020-01-01"),
        exception("Mail.ReadWrite", "2999-12-31")
    );
    world
        .refused(&past, &["LW-2030", "needs: Directory.Read.All."])
        .await;
    let both = format!(
        "{secret}{}{}",
        exception("Directory.Read.All", "2999-12-31"),
        exception("Mail.ReadWrite", "2999-12-31")
    );
    world.with(&both).await.unwrap();
}
