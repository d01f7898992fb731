//! The tenants of this pool, as the token-broker lists them.

use std::collections::BTreeMap;

use proto::ids::{Pool, TenantId};
use proto::token::v1::token_service_client::TokenServiceClient;
use proto::token::v1::{ListTenantsRequest, TenantState};
use runtime::Problem;
use runtime::grpc::Channel;

/// A tenant to work for.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Root of Graph in the tenant's cloud.
    pub graph_base: String,
    /// Enabled datasets that this release knows, in the catalog's order.
    pub datasets: Vec<&'static catalog::Declaration>,
    /// Taken out: its records are to be removed.
    pub removed: bool,
}

/// Asks the token-broker.
pub async fn list(tokens: &Channel, pool: &Pool) -> Result<BTreeMap<TenantId, Tenant>, Problem> {
    let answer = TokenServiceClient::new(tokens.clone())
        .list_tenants(ListTenantsRequest {})
        .await
        .map_err(|s| {
            Problem::new(
                "LW-2014",
                format!("the token-broker lists no tenants: {}.", s.message()),
                "see that it runs",
            )
        })?;
    let mut tenants = BTreeMap::new();
    for tenant in answer
        .into_inner()
        .tenants
        .into_iter()
        .filter(|t| t.pool == pool.as_str())
    {
        let removed = tenant.state() == TenantState::Removed;
        let Ok(id) = tenant.tenant_id.parse::<TenantId>() else {
            continue;
        };
        let datasets = catalog::ALL
            .into_iter()
            .filter(|d| tenant.datasets.iter().any(|n| n == d.name))
            .collect();
        tenants.insert(
            id,
            Tenant {
                graph_base: tenant.graph_base,
                datasets,
                removed,
            },
        );
    }
    Ok(tenants)
}
