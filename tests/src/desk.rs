//! A collector alone: over a queue in memory, with tokens from the simulator, and a reader that answers every seal as a
//! ledger would that applied everything.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use bus::memory::Memory;
use bus::{Bus, ConsumeOptions, Keys, Outcome, Topology};
use bytes::Bytes;
use collector::Collector;
use graph_sim::TenantInfo;
use proto::admin::v1::MakeDueRequest;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::message::{Body, Queue};
use proto::pages::v1::{RunClosed, RunSealed};
use proto::token::v1::token_service_server::{TokenService, TokenServiceServer};
use proto::token::v1::{
    GetTokenRequest, GetTokenResponse, ListTenantsRequest, ListTenantsResponse, Tenant, TenantState,
};
use runtime::db::{Db, Durability, Options};
use runtime::grpc::{Channel, local};
use runtime::{CancellationToken, Clock, Problem};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};
use tower::ServiceExt as _;

/// The collector's database below a directory. One that isn't kept safe is for a paused clock, which it holds meanwhile.
///
/// # Errors
/// The database's.
pub async fn database(home: &Path, durability: Durability) -> Result<Db, Problem> {
    let options = Options {
        path: home.join("collector.db"),
        durability,
        brake: matches!(durability, Durability::Normal),
    };
    Db::open(&options, &collector::MIGRATIONS).await
}

/// What a desk is made of.
pub struct Setup<'a> {
    /// The collector's settings.
    pub config: collector::Config,
    /// The tenants that it is responsible for.
    pub tenants: &'a [TenantInfo],
    /// The datasets that are read of each.
    pub datasets: &'a [&'static str],
    /// The way to the simulator.
    pub http: runtime::http::Outbound,
    /// The time.
    pub clock: Clock,
    /// The collector's database.
    pub db: Db,
    /// Whether nobody else works on it.
    pub alone: bool,
    /// Whether the pages' bodies are kept, for tests of small tenants.
    pub keep: bool,
}

/// See the [module](self).
pub struct Desk {
    /// What was published so far.
    pub published: Arc<Published>,
    admin: Channel,
    seals: mpsc::UnboundedReceiver<RunSealed>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), Problem>>,
}

/// Sums over all pages.
#[derive(Default)]
pub struct Published {
    /// Pages.
    pub pages: AtomicU64,
    /// Objects on them.
    pub objects: AtomicU64,
    /// Bytes of their bodies, compressed.
    pub bytes: AtomicU64,
    /// Seals get no verdict while this is set.
    pub silent: AtomicBool,
    kept: Option<Mutex<Vec<Vec<u8>>>>,
}

impl Published {
    /// The objects on the pages that were kept.
    pub fn objects(&self) -> Vec<serde_json::Value> {
        let kept = self.kept.as_ref().unwrap().lock().unwrap();
        let page = |body: &Vec<u8>| -> serde_json::Value {
            serde_json::from_slice(&zstd::decode_all(body.as_slice()).unwrap()).unwrap()
        };
        let objects = |body| page(body)["value"].as_array().unwrap().clone();
        kept.iter().flat_map(objects).collect()
    }
}

impl Desk {
    /// Starts it.
    pub fn start(setup: Setup<'_>) -> Desk {
        let pool = setup.config.pool.clone();
        let queues = Topology::of_pools([pool]);
        let bus = Bus::new(Arc::new(Memory::new(queues)), Keys::generate());
        let tokens = Tokens::new(&setup);
        let collector = Collector::new(
            setup.config,
            collector::Deps {
                bus: bus.clone(),
                db: setup.db,
                tokens: local(TokenServiceServer::new(tokens)),
                http: setup.http,
                clock: setup.clock,
                holder: fastrand::u128(..).to_string(),
                alone: setup.alone,
            },
        );
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let admin = local(collector.admin());
        let published = Arc::new(Published {
            kept: setup.keep.then(Mutex::default),
            ..Published::default()
        });
        let (sender, seals) = mpsc::unbounded_channel();
        let until = stop.clone();
        tasks.spawn(async move { collector.run(until).await });
        for queue in [Queue::PageFull, Queue::PageSome, Queue::Seal] {
            let (bus, until) = (bus.clone(), stop.clone());
            let (published, sender) = (Arc::clone(&published), sender.clone());
            tasks.spawn(async move {
                let answers = bus.clone();
                let take = move |received: bus::Received| {
                    let (bus, sender) = (answers.clone(), sender.clone());
                    let published = Arc::clone(&published);
                    async move { take(&bus, &published, &sender, received.body).await }
                };
                bus::consume(&bus, queue, ConsumeOptions::default(), until, take).await
            });
        }
        Desk {
            published,
            admin,
            seals,
            stop,
            tasks,
        }
    }

    /// The operator's service.
    pub fn admin(&self) -> CollectorAdminClient<Channel> {
        CollectorAdminClient::new(self.admin.clone())
    }

    /// Makes every dataset of every tenant due.
    pub async fn make_due(&self) {
        let request = MakeDueRequest::default();
        self.admin().make_due(request).await.unwrap();
    }

    /// The next seal.
    pub async fn sealed(&mut self) -> RunSealed {
        tokio::select! {
            seal = self.seals.recv() => seal.unwrap(),
            ended = self.tasks.join_next() => panic!("{ended:?}"),
        }
    }

    /// Stops it; what was read stays in the database.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

async fn take(
    bus: &Bus,
    published: &Published,
    seals: &mpsc::UnboundedSender<RunSealed>,
    body: Body,
) -> Result<Outcome, bus::PublishError> {
    match body {
        Body::Page(page) => {
            published.pages.fetch_add(1, Ordering::Relaxed);
            let objects = u64::from(page.objects);
            published.objects.fetch_add(objects, Ordering::Relaxed);
            let bytes = page.body.len() as u64;
            published.bytes.fetch_add(bytes, Ordering::Relaxed);
            if let Some(kept) = &published.kept {
                kept.lock().unwrap().push(page.body);
            }
        }
        Body::Sealed(seal) => {
            let verdict = RunClosed {
                tenant_id: seal.tenant_id.clone(),
                dataset: seal.dataset.clone(),
                run: seal.run,
                attempt: seal.attempt,
                complete: true,
                pool: seal.pool.clone(),
                applied: seal.run,
                ..RunClosed::default()
            };
            if !published.silent.load(Ordering::Relaxed) {
                bus.publish(&Body::Closed(verdict)).await?;
            }
            // Nobody waits for it any more when the desk is gone.
            let _ = seals.send(seal);
        }
        _ => {}
    }
    Ok(Outcome::Done)
}

/// A token of a simulated tenant's own app, by its client secret.
///
/// # Errors
/// When Entra ID can't be reached or refuses.
pub async fn token(http: &runtime::http::Client, tenant: &TenantInfo) -> anyhow::Result<String> {
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
        tenant.client_id,
        tenant.client_secret.replace('~', "%7E"),
        tenant.graph
    );
    let endpoint = format!("{}/{}/oauth2/v2.0/token", tenant.authority, tenant.id);
    let request = http::Request::post(endpoint)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))?;
    let answer = http.clone().oneshot(request).await;
    let answer = answer.map_err(anyhow::Error::from_boxed)?;
    let json: serde_json::Value = serde_json::from_slice(answer.body())?;
    let token = json["access_token"].as_str();
    token.map(str::to_owned).context("Entra ID refuses")
}

/// Tokens of the simulated tenants.
struct Tokens {
    http: runtime::http::Client,
    list: Vec<Tenant>,
    apps: BTreeMap<String, TenantInfo>,
}

impl Tokens {
    fn new(setup: &Setup<'_>) -> Self {
        let tenant = |t: &TenantInfo| Tenant {
            tenant_id: t.id.clone(),
            name: t.id.clone(),
            graph_base: t.graph.clone(),
            pool: setup.config.pool.to_string(),
            datasets: setup.datasets.iter().map(|&d| d.to_owned()).collect(),
            state: TenantState::Active.into(),
            population: None,
        };
        Tokens {
            http: setup.http.whole(),
            list: setup.tenants.iter().map(tenant).collect(),
            apps: setup
                .tenants
                .iter()
                .map(|t| (t.id.clone(), t.clone()))
                .collect(),
        }
    }
}

#[tonic::async_trait]
impl TokenService for Tokens {
    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        let tenant = &self.apps[&request.into_inner().tenant_id];
        let token = token(&self.http, tenant).await;
        let token = token.map_err(|e| Status::unavailable(e.to_string()))?;
        Ok(Response::new(GetTokenResponse {
            access_token: token,
            use_for_seconds: 300,
        }))
    }

    async fn list_tenants(
        &self,
        _: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        Ok(Response::new(ListTenantsResponse {
            tenants: self.list.clone(),
            next_page_token: String::new(),
        }))
    }
}
