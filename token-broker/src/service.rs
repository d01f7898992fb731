//! The gRPC service: who asks for what, and whether they get it.

use std::sync::Arc;

use proto::ids::TenantId;
use proto::token::v1::token_service_server::{TokenService, TokenServiceServer};
use proto::token::v1::{
    GetTokenRequest, GetTokenResponse, ListTenantsRequest, ListTenantsResponse, TenantState,
};
use runtime::{Clock, Problem};
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use crate::cache::{Cache, Rejected, Token};
use crate::config::{Config, TenantConfig};
use crate::entra::Entra;
use crate::error::Error;
use crate::issue::Issuer;
use crate::registry::{Registry, Tenant};

/// What the broker works with.
pub struct Deps {
    /// Reaches Entra ID.
    pub http: runtime::http::Client,
    /// Reaches the platform's own endpoints, which are not behind a proxy.
    pub direct: runtime::http::Client,
    /// The time.
    pub clock: Clock,
}

/// Hands out tokens.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    cache: Cache,
}

impl Broker {
    /// Checks the registry.
    ///
    /// # Errors
    /// `LW-1003` when the registry is wrong.
    pub fn new(config: Config, deps: Deps) -> Result<Self, Problem> {
        config.check()?;
        let registry = Arc::new(Registry::new(config));
        let Deps {
            http,
            direct,
            clock,
        } = deps;
        let entra = Entra::new(http, direct, clock.clone());
        let issuer = Issuer::new(entra, Arc::clone(&registry));
        Ok(Broker(Arc::new(Inner {
            cache: Cache::new(clock, issuer.request()),
            registry,
        })))
    }

    /// The gRPC service.
    pub fn tokens(&self) -> TokenServiceServer<Broker> {
        TokenServiceServer::new(self.clone())
    }

    fn tenant(&self, id: &str) -> Result<&Arc<Tenant>, Status> {
        let id: TenantId = id
            .parse()
            .map_err(|e: proto::ids::IdError| Status::invalid_argument(e.to_string()))?;
        let known = self.0.registry.get(id).filter(|t| !t.config.removed);
        known.ok_or_else(|| Error::UnknownTenant(id).status())
    }

    async fn issue(
        &self,
        tenant: &Tenant,
        dataset: &str,
        rejected: &Rejected,
    ) -> Result<(Arc<Token>, std::time::Duration), Arc<Error>> {
        let app = tenant.narrowest(dataset, &self.0.cache).await?;
        self.0.cache.get(app, rejected).await
    }
}

#[tonic::async_trait]
impl TokenService for Broker {
    async fn get_token(
        &self,
        request: Request<GetTokenRequest>,
    ) -> Result<Response<GetTokenResponse>, Status> {
        let request = request.into_inner();
        let tenant = self.tenant(&request.tenant_id)?;
        let id = tenant.config.id;
        if !tenant.config.dataset_names().contains(&request.dataset) {
            return Err(Error::DatasetNotEnabled {
                tenant: id,
                dataset: request.dataset,
            }
            .status());
        }
        let hash = &request.rejected_token_sha256;
        let rejected = Rejected {
            any: request.refused || !hash.is_empty() || !request.claims.is_empty(),
            hash: hash[..].try_into().ok(),
            claims: Some(request.claims).filter(|c| !c.is_empty()),
        };
        match self.issue(tenant, &request.dataset, &rejected).await {
            Ok((token, use_for)) => {
                runtime::metrics::token_requested("issued");
                let uti = token.granted.as_ref().map_or("", |g| &g.uti);
                tracing::info!(tenant = %id, dataset = request.dataset, uti, "token issued");
                Ok(Response::new(GetTokenResponse {
                    access_token: token.secret.expose_secret().to_owned(),
                    use_for_seconds: u32::try_from(use_for.as_secs()).unwrap_or(0).max(1),
                }))
            }
            Err(e) => {
                runtime::metrics::token_requested(&e.problem().code);
                tracing::warn!(tenant = %id, dataset = request.dataset, error = %runtime::error::Chain(&*e), "token not issued");
                Err(e.status())
            }
        }
    }

    async fn list_tenants(
        &self,
        _: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        let tenants = self.0.registry.all();
        let tenants = tenants.into_iter().map(|t| describe(&t.config)).collect();
        Ok(Response::new(ListTenantsResponse { tenants }))
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
    }
}
