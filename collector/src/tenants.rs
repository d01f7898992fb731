//! The tenants of this pool, as the token-broker lists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::ids::{Pool, TenantId};
use proto::token::v1::token_service_client::TokenServiceClient;
use proto::token::v1::{ListTenantsRequest, TenantState};
use runtime::Problem;
use runtime::grpc::Channel;

use crate::population::Population;

/// A tenant to work for.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Root of Graph in the tenant's cloud.
    pub graph_base: String,
    /// Enabled datasets that this release knows, in the catalog's order.
    pub datasets: Vec<&'static catalog::Declaration>,
    /// The part of its people that is read; everybody when absent.
    pub population: Option<Arc<Population>>,
    /// Taken out: its records are to be removed.
    pub removed: bool,
}

/// Tenants of one answer of the token-broker.
const PAGE: u32 = 1_000;

/// Asks the token-broker.
pub async fn list(tokens: &Channel, pool: &Pool) -> Result<BTreeMap<TenantId, Tenant>, Problem> {
    let mut broker = TokenServiceClient::new(tokens.clone());
    let mut tenants = BTreeMap::new();
    let mut request = ListTenantsRequest {
        pool: pool.to_string(),
        page_size: PAGE,
        page_token: String::new(),
    };
    loop {
        let answer = broker.list_tenants(request.clone()).await.map_err(|s| {
            Problem::new(
                "LW-2014",
                format!("the token-broker lists no tenants: {}.", s.message()),
                "see that it runs",
            )
        })?;
        let answer = answer.into_inner();
        tenants.extend(answer.tenants.into_iter().filter_map(|t| of_pool(t, pool)));
        if answer.next_page_token.is_empty() {
            return Ok(tenants);
        }
        request.page_token = answer.next_page_token;
    }
}

/// Of a tenant of the pool; an older token-broker lists others too.
fn of_pool(tenant: proto::token::v1::Tenant, pool: &Pool) -> Option<(TenantId, Tenant)> {
    if tenant.pool != pool.as_str() {
        return None;
    }
    let removed = tenant.state() == TenantState::Removed;
    let id = tenant.tenant_id.parse::<TenantId>().ok()?;
    let known = |d: &&catalog::Declaration| tenant.datasets.iter().any(|n| n == d.name);
    let datasets = catalog::ALL.into_iter().filter(known).collect();
    let graph_base = tenant.graph_base;
    let population = tenant.population.map(|p| Arc::new(Population::new(p)));
    Some((
        id,
        Tenant {
            graph_base,
            datasets,
            population,
            removed,
        },
    ))
}
