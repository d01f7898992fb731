//! The tenants as the broker works with them: found by id, and their apps resolved.

use std::collections::HashMap;
use std::sync::Arc;

use proto::ids::TenantId;

use crate::config::{Config, TenantConfig};
use crate::credential::CredentialConfig;

/// Every tenant.
pub(crate) struct Registry(HashMap<TenantId, Arc<Tenant>>);

/// A tenant and its apps.
pub(crate) struct Tenant {
    pub config: TenantConfig,
    pub apps: Vec<Arc<App>>,
}

/// An app registration that reads a tenant.
pub(crate) struct App {
    pub tenant: TenantId,
    pub name: String,
    pub client_id: String,
    /// Base of the login endpoint, without trailing slash.
    pub authority: String,
    /// The resource: Graph's root, without trailing slash.
    pub graph: String,
    /// The audience of a federated credential's assertion.
    pub exchange: &'static str,
    pub credentials: Vec<CredentialConfig>,
    /// Datasets that the operator names for it; those that its permissions cover when absent.
    pub datasets: Option<Vec<String>>,
}

impl App {
    /// Whether the operator lets it read a dataset.
    pub(crate) fn may_read(&self, dataset: &str) -> bool {
        let named = self.datasets.as_ref();
        named.is_none_or(|all| all.iter().any(|d| d == dataset))
    }
}

impl Registry {
    pub(crate) fn new(config: Config) -> Self {
        let tenants = config.tenants.into_iter();
        Registry(tenants.map(|t| (t.id, Arc::new(Tenant::new(t)))).collect())
    }

    pub(crate) fn get(&self, id: TenantId) -> Option<&Arc<Tenant>> {
        self.0.get(&id)
    }

    /// Sorted by id.
    pub(crate) fn all(&self) -> Vec<&Arc<Tenant>> {
        let mut all: Vec<&Arc<Tenant>> = self.0.values().collect();
        all.sort_by_key(|t| t.config.id);
        all
    }
}

impl Tenant {
    fn new(config: TenantConfig) -> Self {
        let app = |app: crate::config::AppConfig| App {
            tenant: config.id,
            credentials: app.all_credentials(),
            name: app.name,
            client_id: app.client_id,
            authority: config.authority(),
            graph: config.graph(),
            exchange: config.cloud.exchange_audience(),
            datasets: app
                .datasets
                .map(|all| all.iter().map(ToString::to_string).collect()),
        };
        let apps = config
            .all_apps()
            .into_iter()
            .map(app)
            .map(Arc::new)
            .collect();
        Tenant { config, apps }
    }
}
