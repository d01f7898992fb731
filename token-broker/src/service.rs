//! The gRPC service: who asks for what, and whether they get it.

use std::sync::Arc;

use proto::ids::TenantId;
use proto::token::v1::token_service_server::{TokenService, TokenServiceServer};
use proto::token::v1::{
    GetTokenRequest, GetTokenResponse, ListTenantsRequest, ListTenantsResponse, Tenant, TenantState,
};
use runtime::{Clock, Problem};
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use crate::cache::Cache;
use crate::config::{Config, TenantConfig, base};
use crate::entra;
use crate::error::Error;

/// What the broker works with.
pub struct Deps {
    /// Reaches Entra ID.
    pub http: runtime::http::Client,
    /// The time.
    pub clock: Clock,
}

/// Hands out tokens.
#[derive(Clone)]
pub struct Broker(Arc<Inner>);

struct Inner {
    config: Config,
    deps: Deps,
    cache: Cache,
}

impl Broker {
    /// Checks the registry.
    ///
    /// # Errors
    /// `LW-1003` when the registry is wrong.
    pub fn new(config: Config, deps: Deps) -> Result<Self, Problem> {
        config.check()?;
        Ok(Broker(Arc::new(Inner {
            config,
            deps,
            cache: Cache::default(),
        })))
    }

    /// The gRPC service.
    pub fn tokens(&self) -> TokenServiceServer<Broker> {
        TokenServiceServer::new(self.clone())
    }

    fn tenant(&self, id: &str) -> Result<&TenantConfig, Status> {
        let id: TenantId = id
            .parse()
            .map_err(|e: proto::ids::IdError| Status::invalid_argument(e.to_string()))?;
        let known = self
            .0
            .config
            .tenants
            .iter()
            .find(|t| t.id == id && !t.removed);
        known.ok_or_else(|| Error::UnknownTenant(id).status())
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
        if !tenant.dataset_names().contains(&request.dataset) {
            return Err(Error::DatasetNotEnabled {
                tenant: tenant.id,
                dataset: request.dataset,
            }
            .status());
        }
        let Deps { http, clock } = &self.0.deps;
        let answer = self
            .0
            .cache
            .get(tenant.id, request.refused, clock, || {
                entra::request(http, tenant)
            })
            .await;
        match answer {
            Ok((issued, use_for)) => {
                runtime::metrics::token_requested("issued");
                tracing::info!(tenant = %tenant.id, dataset = request.dataset, "token issued");
                Ok(Response::new(GetTokenResponse {
                    access_token: issued.token.expose_secret().to_owned(),
                    use_for_seconds: u32::try_from(use_for.as_secs()).unwrap_or(0).max(1),
                }))
            }
            Err(e) => {
                runtime::metrics::token_requested(&e.problem().code);
                tracing::warn!(tenant = %tenant.id, dataset = request.dataset, error = %runtime::error::Chain(&*e), "token not issued");
                Err(Error::status(&e))
            }
        }
    }

    async fn list_tenants(
        &self,
        _: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        let mut tenants: Vec<Tenant> = self.0.config.tenants.iter().map(describe).collect();
        tenants.sort_by(|a, b| a.tenant_id.cmp(&b.tenant_id));
        Ok(Response::new(ListTenantsResponse { tenants }))
    }
}

fn describe(tenant: &TenantConfig) -> Tenant {
    let state = if tenant.removed {
        TenantState::Removed
    } else {
        TenantState::Active
    };
    Tenant {
        tenant_id: tenant.id.to_string(),
        name: tenant.name.clone().unwrap_or_else(|| tenant.id.to_string()),
        graph_base: base(&tenant.graph),
        pool: tenant.pool.to_string(),
        datasets: tenant.dataset_names(),
        state: state.into(),
    }
}
