//! Tenants that are added while the token-broker runs, their sealed files, and the kill switch: through the service that
//! operators use, against an Entra ID that checks.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::path::PathBuf;

use graph_sim::{Config, Sim};
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{
    AddCredentialRequest, DropCredentialRequest, FileContent, KillRequest, PreflightRequest,
    PutTenantRequest, RemoveTenantRequest, ReviveRequest, TokenBrokerStatus,
    TokenBrokerStatusRequest,
};
use proto::token::v1::token_service_client::TokenServiceClient;
use proto::token::v1::{GetTokenRequest, ListTenantsRequest};
use runtime::Clock;
use runtime::db::{Db, Durability, Options, query};
use runtime::grpc::Channel;
use tests::network::{BASE, Network};
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps, Store, store};
use tonic::Code;

struct World {
    home: tempfile::TempDir,
    sim: Sim,
    network: Network,
}

/// A broker over the world's store.
struct Life {
    broker: Broker,
    admin: TokenBrokerAdminClient<Channel>,
    tokens: TokenServiceClient<Channel>,
    id: String,
}

impl World {
    fn new() -> Self {
        let sim = Sim::new(Config {
            users: 10,
            base: Some(BASE.to_owned()),
            ..Config::default()
        });
        let world = World {
            home: tempfile::tempdir().unwrap(),
            network: Network::new(sim.clone()),
            sim,
        };
        world.key("key", 1);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A key file whose key is this byte, 32 times.
    fn key(&self, name: &str, byte: u8) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
        std::fs::write(self.path(name), text).unwrap();
    }

    async fn db(&self) -> Db {
        let options = Options {
            path: self.path("store.db"),
            durability: Durability::Full,
            brake: false,
        };
        Db::open(&options, &store::MIGRATIONS).await.unwrap()
    }

    /// What a start of the process does.
    async fn start(&self, old_keys: &[&str]) -> Result<Life, runtime::Problem> {
        let config = store::Config {
            key_file: self.path("key"),
            old_key_files: old_keys.iter().map(|name| self.path(name)).collect(),
            file: Some(self.path("store.db")),
            db: None,
        };
        let clock = Clock::system();
        let audit = tempfile::tempdir_in(&self.home).unwrap().keep();
        let deps = Deps {
            http: self.network.client(),
            direct: self.network.client(),
            policy_file: None,
            store: Some(Store::new(self.db().await, &config, clock.clone())?),
            audit: Audit::open(&audit::Config::at(audit), clock.clone()).unwrap(),
            clock,
        };
        let broker = Broker::new(token_broker::Config::default(), deps)?;
        broker.read_store().await?;
        Ok(Life {
            admin: TokenBrokerAdminClient::new(runtime::grpc::local(broker.admin())),
            tokens: TokenServiceClient::new(runtime::grpc::local(broker.tokens())),
            id: self.sim.tenants()[0].id.clone(),
            broker,
        })
    }

    /// The section of the simulated tenant, with one credential.
    fn section(&self, credential: &str) -> String {
        let tenant = &self.sim.tenants()[0];
        format!(
            "id = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{}'\n[[credentials]]\n{credential}",
            tenant.id, tenant.client_id
        )
    }

    fn secret(&self) -> (String, HashMap<String, FileContent>) {
        let section = self.section(SECRET);
        (
            section,
            files(&[("secret", &self.sim.tenants()[0].client_secret)]),
        )
    }
}

const SECRET: &str = "kind = 'client_secret'\nfile = 'secret'";
const CERTIFICATE: &str = "kind = 'certificate'\ncertificate_file = 'app.pem'";

fn files(all: &[(&str, &str)]) -> HashMap<String, FileContent> {
    let content = |text: &str| FileContent {
        content: text.as_bytes().to_vec(),
    };
    all.iter()
        .map(|(name, text)| ((*name).to_owned(), content(text)))
        .collect()
}

impl Life {
    async fn put(
        &mut self,
        section: String,
        files: HashMap<String, FileContent>,
    ) -> Result<(), tonic::Status> {
        let request = PutTenantRequest { section, files };
        self.admin.put_tenant(request).await.map(drop)
    }

    async fn token(&mut self) -> Result<(), tonic::Status> {
        let request = GetTokenRequest {
            tenant_id: self.id.clone(),
            dataset: "users".to_owned(),
            ..GetTokenRequest::default()
        };
        self.tokens.get_token(request).await.map(drop)
    }

    async fn status(&mut self) -> TokenBrokerStatus {
        let request = TokenBrokerStatusRequest {};
        self.admin.status(request).await.unwrap().into_inner()
    }

    async fn kinds(&mut self) -> Vec<String> {
        let tenant = self.status().await.tenants.remove(0);
        let app = tenant.apps.into_iter().next();
        let credentials = app.into_iter().flat_map(|a| a.credentials);
        credentials.map(|c| c.kind).collect()
    }

    async fn kill(&mut self, tenant: &str) {
        let request = KillRequest {
            tenant_id: tenant.to_owned(),
            everybody: tenant.is_empty(),
        };
        self.admin.kill(request).await.unwrap();
    }
}

#[tokio::test]
async fn a_tenant_is_added_with_its_secret_sealed_and_survives_a_restart() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    assert_eq!(life.token().await.unwrap_err().code(), Code::NotFound);
    let (section, files) = world.secret();
    life.put(section, files).await.unwrap();
    life.token().await.unwrap();
    drop(life);

    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    assert!(life.status().await.tenants[0].stored);
    let secret = world.sim.tenants()[0].client_secret.as_bytes().to_vec();
    let written: Vec<u8> = ["store.db", "store.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(world.path(name)).unwrap_or_default())
        .collect();
    assert!(!written.windows(secret.len()).any(|w| w == secret));
    assert!(written.len() > 4_096);
}

#[tokio::test]
async fn a_credential_that_gets_no_token_is_not_stored() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let section = world.section(SECRET);
    let e = life
        .put(section.clone(), files(&[("secret", "wrong")]))
        .await
        .unwrap_err();
    assert_eq!(e.code(), Code::FailedPrecondition);
    assert!(e.message().contains("AADSTS7000215"), "{e}");
    let e = life
        .put(section.clone(), files(&[("sceret", "x")]))
        .await
        .unwrap_err();
    assert!(e.message().contains("`sceret`"), "{e}");
    let e = life.put(section, HashMap::new()).await.unwrap_err();
    assert!(e.message().contains("LW-2013"), "{e}");
    let e = life
        .put("id = 1".to_owned(), HashMap::new())
        .await
        .unwrap_err();
    assert!(
        e.code() == Code::InvalidArgument && e.message().contains("LW-1003"),
        "{e}"
    );
    assert!(life.status().await.tenants.is_empty());
}

#[tokio::test]
async fn credentials_overlap_and_the_new_one_is_tried_before_the_old_one_goes() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    let add = |life: &Life, pem: &str| AddCredentialRequest {
        tenant_id: life.id.clone(),
        app: String::new(),
        section: CERTIFICATE.to_owned(),
        files: files(&[("app.pem", pem)]),
    };
    let request = add(&life, "no certificate");
    let e = life.admin.add_credential(request).await.unwrap_err();
    assert!(e.message().contains("LW-2015"), "{e}");
    assert_eq!(life.kinds().await, ["client_secret"]);
    let request = add(&life, world.sim.tenants()[0].certificate);
    life.admin.add_credential(request).await.unwrap();
    assert_eq!(life.kinds().await, ["certificate", "client_secret"]);
    let drop = |life: &Life, position| DropCredentialRequest {
        tenant_id: life.id.clone(),
        app: "default".to_owned(),
        position,
    };
    let request = drop(&life, 2);
    let e = life.admin.drop_credential(request).await.unwrap_err();
    assert_eq!(e.code(), Code::NotFound);
    let request = drop(&life, 1);
    life.admin.drop_credential(request).await.unwrap();
    assert_eq!(life.kinds().await, ["certificate"]);
    life.token().await.unwrap();
    // The last one stays, and what the section no longer names is destroyed.
    let request = drop(&life, 0);
    let e = life.admin.drop_credential(request).await.unwrap_err();
    assert!(e.message().contains("no credential"), "{e}");
    let names: Vec<String> = {
        let mut read = world.db().await.read().await.unwrap();
        let names = query("SELECT name FROM secret").fetch_all(&mut read).await;
        names.unwrap()
    };
    assert_eq!(names, ["app.pem"]);
}

#[tokio::test]
async fn after_a_kill_no_token_is_handed_out_until_it_is_taken_back() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    life.token().await.unwrap();
    let id = life.id.clone();
    for scope in [id.as_str(), ""] {
        life.kill(scope).await;
        let e = life.token().await.unwrap_err();
        assert!(
            e.code() == Code::PermissionDenied && e.message().contains("LW-2052"),
            "{e}"
        );
        drop(life);
        life = world.start(&[]).await.unwrap();
        let requests = world.network.requests();
        assert!(life.token().await.is_err(), "it survives a restart");
        assert_eq!(world.network.requests(), requests, "Entra ID is not asked");
        assert_eq!(life.status().await.kills[0].tenant_id, scope);
        let revive = ReviveRequest {
            tenant_id: scope.to_owned(),
            everybody: scope.is_empty(),
        };
        life.admin.revive(revive.clone()).await.unwrap();
        life.token().await.unwrap();
        let e = life.admin.revive(revive).await.unwrap_err();
        assert_eq!(e.code(), Code::NotFound);
    }
    let nobody = KillRequest::default();
    let e = life.admin.kill(nobody).await.unwrap_err();
    assert_eq!(e.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_removed_tenant_is_told_to_everybody_and_its_credentials_are_destroyed() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section.clone(), secret.clone()).await.unwrap();
    let request = RemoveTenantRequest {
        tenant_id: life.id.clone(),
    };
    life.admin.remove_tenant(request).await.unwrap();
    assert_eq!(life.token().await.unwrap_err().code(), Code::NotFound);
    let listed = life
        .tokens
        .list_tenants(ListTenantsRequest::default())
        .await;
    let state = listed.unwrap().into_inner().tenants[0].state();
    assert_eq!(state, proto::token::v1::TenantState::Removed);
    let mut read = world.db().await.read().await.unwrap();
    let left: i64 = query("SELECT count(*) FROM secret")
        .fetch_one(&mut read)
        .await
        .unwrap();
    assert_eq!(left, 0);
    drop(read);
    life.put(section, secret).await.unwrap();
    life.token().await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_taken_up_while_it_runs_and_the_old_one_is_needed_no_more() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    world.key("key", 2);
    {
        // The first round looks at the key files.
        let following = life.broker.follow_store();
        tokio::pin!(following);
        let keks = async || -> Vec<String> {
            let mut read = world.db().await.read().await.unwrap();
            query("SELECT kek FROM secret")
                .fetch_all(&mut read)
                .await
                .unwrap()
        };
        let before = keks().await;
        while keks().await == before {
            tokio::select! {
                () = &mut following => {}
                () = tokio::task::yield_now() => {}
            }
        }
    }
    drop(life);
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    drop(life);
    // Without the right key nothing opens, and the message says which one is missing.
    world.key("key", 3);
    let mut life = world.start(&[]).await.unwrap();
    let e = life.token().await.unwrap_err();
    assert!(e.message().contains("LW-2013"), "{e}");
    world.key("old", 2);
    let mut life = world.start(&["old"]).await.unwrap();
    life.token().await.unwrap();
    std::fs::write(world.path("key"), "short").unwrap();
    let e = world.start(&[]).await.err().unwrap();
    assert_eq!(e.code, "LW-2050");
}

#[tokio::test]
async fn rows_that_were_exchanged_do_not_open() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let both = format!("{SECRET}\n[[credentials]]\nkind = 'client_secret'\nfile = 'other'");
    let secret = world.sim.tenants()[0].client_secret.clone();
    let contents = files(&[("secret", &secret), ("other", &secret)]);
    life.put(world.section(&both), contents).await.unwrap();
    let mut write = world.db().await.write().await.unwrap();
    query("UPDATE secret SET wrapped = (SELECT wrapped FROM secret WHERE name = 'other'), sealed = (SELECT sealed FROM secret WHERE name = 'other')")
        .execute(&mut write)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let mut life = world.start(&[]).await.unwrap();
    life.token().await.unwrap();
    let request = DropCredentialRequest {
        tenant_id: life.id.clone(),
        app: String::new(),
        position: 1,
    };
    let e = life.admin.drop_credential(request).await.unwrap_err();
    assert!(e.message().contains("LW-2013"), "{e}");
}

#[tokio::test]
async fn a_preflight_says_what_is_missing_refused_and_needless() {
    let world = World::new();
    let mut life = world.start(&[]).await.unwrap();
    let (section, secret) = world.secret();
    life.put(section, secret).await.unwrap();
    let request = PreflightRequest {
        tenant_id: life.id.clone(),
    };
    let report = life.admin.preflight(request).await.unwrap().into_inner();
    let app = &report.apps[0];
    assert!(app.problem.is_empty(), "{app:?}");
    assert_eq!(app.credential, "0 client_secret");
    assert_eq!(app.granted, ["Organization.Read.All", "User.Read.All"]);
    assert!(app.missing.is_empty() && app.refused.is_empty() && app.unused.is_empty());
}
