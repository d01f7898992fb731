//! The gRPC service: who asks for what, and whether they get it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::admin::v1::token_broker_admin_server::TokenBrokerAdminServer;
use proto::ids::TenantId;
use proto::token::v1::token_service_server::{TokenService, TokenServiceServer};
use proto::token::v1::{
    GetTokenRequest, GetTokenResponse, ListTenantsRequest, ListTenantsResponse, TenantState,
};
use runtime::grpc::{Peer, pushback};
use runtime::tls::Identity;
use runtime::{Clock, Problem};
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use crate::admin::Admin;
use crate::audit::{Audit, Credential, Event, Kind, bounded};
use crate::cache::{Cache, Rejected, Token};
use crate::config::{Config, Population, TenantConfig};
use crate::entra::Entra;
use crate::error::Error;
use crate::event::Events;
use crate::failing::Failing;
use crate::issue::Issuer;
use crate::policy::Policy;
use crate::registry::{App, Registry, Tenant};
use crate::store::Store;
use crate::usage::{self, Usage};

/// How often replicas look whether the store changed.
const LOOK: Duration = Duration::from_secs(1);

/// How often the key files are looked at, also in looks at the store.
const KEY_LOOK: Duration = Duration::from_secs(60);
const KEY_LOOKS: u64 = 60;

/// What the broker works with.
pub struct Deps {
    /// Reaches Entra ID.
    pub http: runtime::http::Client,
    /// Reaches the platform's own endpoints, which are not behind a proxy.
    pub direct: runtime::http::Client,
    /// The time.
    pub clock: Clock,
    /// Where each token and each refusal is noted.
    pub audit: Audit,
    /// Told of what needs somebody.
    pub events: Events,
    /// File of the policy: which caller gets tokens for what. Without one each caller that gets this far may ask for
    /// everything.
    pub policy_file: Option<PathBuf>,
    /// Tenants that are added while it runs, and who gets no tokens.
    pub store: Option<Store>,
}

/// Hands out tokens.
#[derive(Clone)]
pub struct Broker(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Arc<Registry>,
    pub(crate) cache: Cache,
    pub(crate) audit: Audit,
    pub(crate) events: Events,
    pub(crate) policy: Option<Policy>,
    pub(crate) clock: Clock,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) store: Option<Store>,
    pub(crate) usage: Usage,
    failing: Failing,
}

impl Broker {
    /// Checks the registry.
    ///
    /// # Errors
    /// `LW-1003` when the registry is wrong, `LW-2035` when the policy is.
    pub fn new(config: Config, deps: Deps) -> Result<Self, Problem> {
        config.check()?;
        let registry = Arc::new(Registry::new(config));
        let Deps {
            http,
            direct,
            clock,
            audit,
            events,
            policy_file,
            store,
        } = deps;
        let policy = policy_file.as_deref().map(Policy::open).transpose()?;
        let entra = Entra::new(http, direct, clock.clone(), events.clone());
        let issuer = Issuer::new(entra, Arc::clone(&registry), audit.clone(), store.clone());
        Ok(Broker(Arc::new(Inner {
            cache: Cache::new(clock.clone(), Arc::clone(&issuer).request()),
            issuer,
            store,
            usage: Usage::default(),
            failing: Failing::default(),
            policy,
            clock,
            registry,
            audit,
            events,
        })))
    }

    /// The gRPC service.
    pub fn tokens(&self) -> TokenServiceServer<Broker> {
        TokenServiceServer::new(self.clone())
    }

    /// The service for operators.
    pub fn admin(&self) -> TokenBrokerAdminServer<Admin> {
        TokenBrokerAdminServer::new(Admin(self.clone()))
    }

    /// Reads the store for the first time.
    ///
    /// # Errors
    /// `LW-2061` when it can't be read at first.
    pub async fn read_store(&self) -> Result<(), Problem> {
        let Some(store) = &self.0.store else {
            return Ok(());
        };
        self.0.usage.load(store.last_asked().await?);
        self.reload(store).await.map(drop)
    }

    /// Takes over what the store holds. Returns its number.
    pub(crate) async fn reload(&self, store: &Store) -> Result<i64, Problem> {
        let (number, contents) = store.load().await?;
        for tenant in self.0.registry.take(contents) {
            self.0.cache.forget(tenant);
        }
        Ok(number)
    }

    /// Keeps up with the store, for ever: with what other replicas write, and with its key files.
    pub async fn follow_store(&self) {
        let Some(store) = &self.0.store else {
            return std::future::pending().await;
        };
        let mut known = None;
        // One that nobody shares holds what this process put there.
        let shared = store.is_shared();
        let mut look = tokio::time::interval(if shared { LOOK } else { KEY_LOOK });
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for n in 0_u64.. {
            look.tick().await;
            let round = async {
                if !shared || n % KEY_LOOKS == 0 {
                    store.rewrap().await?;
                }
                let fresh = self.0.usage.take_fresh();
                if !fresh.is_empty() {
                    store
                        .asked(usage::day(self.0.clock.micros()), &fresh)
                        .await?;
                }
                if shared && known != Some(store.number().await?) {
                    known = Some(self.reload(store).await?);
                }
                Ok::<_, Problem>(())
            };
            if let Err(e) = round.await {
                tracing::error!(problem = %runtime::error::Chain(&e), "the store can't be followed; what is known of it stays in use");
            }
        }
    }

    pub(crate) fn tenant(&self, id: &str) -> Result<Arc<Tenant>, Status> {
        let id: TenantId = id
            .parse()
            .map_err(|e: proto::ids::IdError| Status::invalid_argument(e.to_string()))?;
        let known = self.0.registry.get(id).filter(|t| !t.config.removed);
        known.ok_or_else(|| Error::UnknownTenant(id).status())
    }

    /// The app's name, its token, and how long the caller may use it.
    async fn issue(
        &self,
        caller: Option<&Identity>,
        tenant: &Tenant,
        dataset: &str,
        rejected: &Rejected,
    ) -> Result<(Arc<App>, Arc<Token>, Duration), Arc<Error>> {
        if let Some(policy) = &self.0.policy {
            let now = self.0.clock.micros();
            let allowed = policy.allows(caller, &tenant.config, dataset, now);
            allowed.map_err(|denied| Arc::new(Error::Denied(denied)))?;
        }
        if !tenant.config.reads(dataset) {
            return Err(Arc::new(Error::DatasetNotEnabled {
                tenant: tenant.config.id,
                dataset: dataset.to_owned(),
            }));
        }
        self.living(tenant)?;
        self.0
            .usage
            .note(tenant.config.id, dataset, self.0.clock.micros());
        let app = tenant.narrowest(dataset, &self.0.cache).await?;
        let (token, use_for) = self.0.cache.get(app, rejected).await?;
        // Somebody may have said stop while Entra ID was asked.
        self.living(tenant)?;
        Ok((Arc::clone(app), token, use_for))
    }

    fn living(&self, tenant: &Tenant) -> Result<(), Arc<Error>> {
        let tenant = tenant.config.id;
        match self.0.registry.killed(tenant) {
            Some(kill) => Err(Arc::new(Error::Killed { tenant, kill })),
            None => Ok(()),
        }
    }

    pub(crate) async fn note(&self, event: &Event<'_>) -> Result<(), Status> {
        self.0
            .audit
            .note(event)
            .await
            .map_err(|e| Status::unavailable(e.to_string()))
    }
}

#[tonic::async_trait]
impl TokenService for Broker {
    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        let (_, extensions, request) = request.into_parts();
        let caller = Peer::among(&extensions);
        let asked = Event {
            caller: caller.map(Identity::as_str),
            tenant: Some(bounded(&request.tenant_id, 36)),
            dataset: Some(bounded(&request.dataset, 64)),
            ..Event::new(Kind::Denial)
        };
        let tenant = match self.tenant(&request.tenant_id) {
            Ok(tenant) => tenant,
            Err(status) => {
                let detail = Some(status.code().description());
                self.note(&Event { detail, ..asked }).await?;
                return Err(status);
            }
        };
        let hash = &request.rejected_token_sha256;
        let rejected = Rejected {
            any: request.refused || !hash.is_empty() || !request.claims.is_empty(),
            hash: hash[..].try_into().ok(),
            claims: Some(request.claims.clone()).filter(|c| !c.is_empty()),
        };
        let id = tenant.config.id;
        runtime::trace::tenant(&id);
        let issued = self.issue(caller, &tenant, &request.dataset, &rejected);
        match issued.await {
            Ok((app, token, use_for)) => {
                let uti = token.granted.as_ref().map(|g| g.uti.as_str());
                let credential = app.credentials.get(token.credential);
                let credential = credential.map(|c| Credential(token.credential, c.kind()));
                tracing::debug!(tenant = %id, dataset = request.dataset, app = app.name, uti, "token issued");
                // Before it leaves: a token that nobody can account for is not handed out.
                let event = Event {
                    kind: Kind::Issue,
                    app: Some(&app.name),
                    credential,
                    uti,
                    ..asked
                };
                match Peer::hold(&extensions).filter(|_| !self.0.audit.fails()) {
                    Some(hold) => hold.until(self.0.audit.lay(&event)),
                    None => self.note(&event).await?,
                }
                runtime::metrics::token::requested("issued".into());
                self.0
                    .failing
                    .note(id, &request.dataset, None, self.0.clock.micros());
                runtime::metrics::token::handed_out(token.left(self.0.clock.micros()));
                Ok(Response::new(GetTokenResponse {
                    access_token: token.secret.expose_secret().to_owned(),
                    use_for_seconds: u32::try_from(use_for.as_secs()).unwrap_or(0).max(1),
                }))
            }
            Err(e) => {
                let mut status = e.status();
                if let Some(wait) = e.again_in(self.0.clock.micros()) {
                    pushback::set(&mut status, wait);
                }
                self.0.events.denied(caller, id, &e);
                let code = e.problem().code;
                runtime::metrics::token::requested(code.clone());
                self.0
                    .failing
                    .note(id, &request.dataset, Some(&code), self.0.clock.micros());
                tracing::warn!(tenant = %id, dataset = request.dataset, error = %runtime::error::Chain(&*e), "token not issued");
                let detail = Some(&*code);
                self.note(&Event { detail, ..asked }).await?;
                Err(status)
            }
        }
    }

    async fn list_tenants(
        &self,
        request: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        let caller = Peer::of(&request);
        let ListTenantsRequest {
            pool,
            page_size,
            page_token,
        } = request.into_inner();
        let all = self.0.registry.all();
        let seen = all.into_iter().filter(|t| {
            let id = t.config.id.to_string();
            let policy = self.0.policy.as_ref();
            (pool.is_empty() || pool == t.config.pool.as_str())
                && id > page_token
                && policy.is_none_or(|p| p.shows(caller.as_ref(), &t.config))
        });
        let size = match page_size {
            0 => usize::MAX,
            some => usize::try_from(some).unwrap_or(usize::MAX),
        };
        let mut tenants: Vec<_> = seen
            .take(size.saturating_add(1))
            .map(|t| describe(&t.config))
            .collect();
        let more = tenants.len() > size;
        tenants.truncate(size);
        let last = tenants.last().filter(|_| more);
        let next_page_token = last.map(|t| t.tenant_id.clone()).unwrap_or_default();
        Ok(Response::new(ListTenantsResponse {
            tenants,
            next_page_token,
        }))
    }
}

fn describe(tenant: &TenantConfig) -> proto::token::v1::Tenant {
    let state = if tenant.removed {
        TenantState::Removed
    } else {
        TenantState::Active
    };
    proto::token::v1::Tenant {
        tenant_id: tenant.id.to_string(),
        name: tenant.name.clone().unwrap_or_else(|| tenant.id.to_string()),
        graph_base: tenant.graph(),
        pool: tenant.pool.to_string(),
        datasets: tenant.dataset_names(),
        state: state.into(),
        population: tenant.population.as_ref().map(Population::message),
    }
}
