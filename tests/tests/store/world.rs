//! A broker over a store, before a simulated tenant.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use graph_sim::{Config, Sim};
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{
    FileContent, KillRequest, PutTenantRequest, RemoveTenantRequest, TokenBrokerStatus,
    TokenBrokerStatusRequest,
};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::Clock;
use runtime::db::{Db, Durability, Options};
use runtime::grpc::Channel;
use tests::network::{BASE, Network};
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps, Store, store};

pub struct World {
    pub home: tempfile::TempDir,
    pub sim: Sim,
    pub network: Network,
    pub clock: Clock,
}

/// A broker over the world's store.
pub struct Life {
    pub broker: Broker,
    pub admin: TokenBrokerAdminClient<Channel>,
    pub tokens: TokenServiceClient<Channel>,
    pub id: String,
}

impl World {
    pub fn new() -> Self {
        let sim = Sim::new(Config {
            users: 10,
            base: Some(BASE.to_owned()),
            ..Config::default()
        });
        let world = World {
            home: tempfile::tempdir().unwrap(),
            network: Network::new(sim.clone()),
            clock: Clock::system(),
            sim,
        };
        world.key("key", 1);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A key file whose key is this byte, 32 times.
    pub fn key(&self, name: &str, byte: u8) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
        std::fs::write(self.path(name), text).unwrap();
    }

    pub async fn db(&self) -> Db {
        let options = Options {
            path: self.path("store.db"),
            durability: Durability::Full,
            brake: false,
        };
        Db::open(&options, &store::MIGRATIONS).await.unwrap()
    }

    /// What a start of the process does.
    pub async fn start(&self, old_keys: &[&str]) -> Result<Life, runtime::Problem> {
        self.start_over(self.db().await, old_keys).await
    }

    /// The same over another database.
    pub async fn start_over(&self, db: Db, old_keys: &[&str]) -> Result<Life, runtime::Problem> {
        let config = store::Config {
            key_file: self.path("key"),
            old_key_files: old_keys.iter().map(|name| self.path(name)).collect(),
            file: Some(self.path("store.db")),
            db: None,
        };
        let clock = self.clock.clone();
        let audit = tempfile::tempdir_in(&self.home).unwrap().keep();
        let deps = Deps {
            http: self.network.client(),
            direct: self.network.client(),
            policy_file: None,
            events: token_broker::event::Events::logged(clock.clone()),
            store: Some(Store::new(db, &config, clock.clone())?),
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

    /// Asks a control endpoint of the simulator.
    pub async fn control(&self, path: &str, body: serde_json::Value) {
        let path = format!("_control/{path}");
        self.send(&path, "application/json", body.to_string()).await;
    }

    /// Every byte below the world's directory.
    pub fn written(&self) -> String {
        fn all(path: &Path, into: &mut Vec<u8>) {
            for entry in std::fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => all(&path, into),
                    // A database's files for a while are gone by now.
                    false => into.extend(std::fs::read(path).unwrap_or_default()),
                }
            }
        }
        let mut bytes = Vec::new();
        all(self.home.path(), &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The section of the simulated tenant, with one credential.
    pub fn section(&self, credential: &str) -> String {
        let tenant = &self.sim.tenants()[0];
        format!(
            "id = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{}'\n[[credentials]]\n{credential}",
            tenant.id, tenant.client_id
        )
    }

    pub fn secret(&self) -> (String, HashMap<String, FileContent>) {
        let section = self.section(SECRET);
        (
            section,
            files(&[("secret", &self.sim.tenants()[0].client_secret)]),
        )
    }
}

pub const SECRET: &str = "kind = 'client_secret'\nfile = 'secret'";
pub const CERTIFICATE: &str = "kind = 'certificate'\ncertificate_file = 'app.pem'";

pub fn files(all: &[(&str, &str)]) -> HashMap<String, FileContent> {
    let content = |text: &str| FileContent {
        content: text.as_bytes().to_vec(),
    };
    all.iter()
        .map(|(name, text)| ((*name).to_owned(), content(text)))
        .collect()
}

impl Life {
    pub async fn put(
        &mut self,
        section: String,
        files: HashMap<String, FileContent>,
    ) -> Result<(), tonic::Status> {
        let request = PutTenantRequest { section, files };
        self.admin.put_tenant(request).await.map(drop)
    }

    pub async fn token(&mut self) -> Result<(), tonic::Status> {
        self.get(false).await
    }

    /// One that nobody had before: Graph has refused the last one.
    pub async fn new_token(&mut self) -> Result<(), tonic::Status> {
        self.get(true).await
    }

    async fn get(&mut self, refused: bool) -> Result<(), tonic::Status> {
        let request = GetTokenRequest {
            tenant_id: self.id.clone(),
            dataset: "users".to_owned(),
            refused,
            ..GetTokenRequest::default()
        };
        self.tokens.get_token(request).await.map(drop)
    }

    pub async fn status(&mut self) -> TokenBrokerStatus {
        let request = TokenBrokerStatusRequest {};
        self.admin.status(request).await.unwrap().into_inner()
    }

    pub async fn remove(&mut self) {
        let request = RemoveTenantRequest {
            tenant_id: self.id.clone(),
        };
        self.admin.remove_tenant(request).await.unwrap();
    }

    pub async fn kinds(&mut self) -> Vec<String> {
        let tenant = self.status().await.tenants.remove(0);
        let app = tenant.apps.into_iter().next();
        let credentials = app.into_iter().flat_map(|a| a.credentials);
        credentials.map(|c| c.kind).collect()
    }

    pub async fn kill(&mut self, tenant: &str) {
        let request = KillRequest {
            tenant_id: tenant.to_owned(),
            everybody: tenant.is_empty(),
        };
        self.admin.kill(request).await.unwrap();
    }
}
