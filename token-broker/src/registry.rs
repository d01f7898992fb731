//! The tenants as the broker works with them: found by id, and their apps resolved.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use proto::ids::TenantId;

use crate::config::{AppConfig, Config, TenantConfig};
use crate::credential::CredentialConfig;
use crate::files::Files;
use crate::store::{Contents, Kill};

/// Every tenant: those of the configuration, and those of the store.
pub(crate) struct Registry {
    fixed: HashMap<TenantId, Arc<Tenant>>,
    stored: RwLock<Stored>,
}

#[derive(Default)]
struct Stored {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    kills: Vec<Kill>,
}

/// A tenant and its apps.
pub(crate) struct Tenant {
    pub config: TenantConfig,
    pub apps: Vec<Arc<App>>,
    /// Whether it is in the store.
    pub stored: bool,
    /// What the credentials' files are found by.
    pub files: Files,
}

/// An app registration that reads a tenant.
pub(crate) struct App {
    pub tenant: TenantId,
    pub name: String,
    /// Names its tokens: another client id, authority or resource is another app.
    pub key: Arc<str>,
    pub client_id: String,
    /// Base of the login endpoint, without trailing slash.
    pub authority: String,
    /// The resource: Graph's root, without trailing slash.
    pub graph: String,
    /// The audience of a federated credential's assertion.
    pub exchange: &'static str,
    pub credentials: Vec<CredentialConfig>,
    /// From now on a credential may be good for so many days.
    pub longest_credential_days: Option<u32>,
    /// What the credentials' files are found by.
    pub files: Files,
    /// Datasets that the operator names for it; those that its permissions cover when absent.
    pub datasets: Option<Vec<String>>,
}

impl App {
    /// Whether a person stands behind one of its credentials.
    pub(crate) fn is_legacy(&self, credential: usize) -> bool {
        self.credentials
            .get(credential)
            .is_some_and(CredentialConfig::is_legacy)
    }

    /// Whether the operator lets it read a dataset.
    pub(crate) fn may_read(&self, dataset: &str) -> bool {
        let named = self.datasets.as_ref();
        named.is_none_or(|all| all.iter().any(|d| d == dataset))
    }
}

impl Registry {
    pub(crate) fn new(config: Config) -> Self {
        let tenants = config.tenants.into_iter();
        let fixed = tenants.map(|t| (t.id, Arc::new(Tenant::new(t, Files::default(), false))));
        Registry {
            fixed: fixed.collect(),
            stored: RwLock::default(),
        }
    }

    pub(crate) fn get(&self, id: TenantId) -> Option<Arc<Tenant>> {
        if let Some(tenant) = self.fixed.get(&id) {
            return Some(Arc::clone(tenant));
        }
        self.stored().tenants.get(&id).cloned()
    }

    /// Sorted by id.
    pub(crate) fn all(&self) -> Vec<Arc<Tenant>> {
        let stored = self.stored();
        let stored = stored
            .tenants
            .values()
            .filter(|t| !self.fixed.contains_key(&t.config.id));
        let mut all: Vec<_> = self.fixed.values().chain(stored).cloned().collect();
        all.sort_by_key(|t| t.config.id);
        all
    }

    /// Why no token of a tenant may be handed out, if so.
    pub(crate) fn killed(&self, tenant: TenantId) -> Option<Kill> {
        let stored = self.stored();
        let meets = |kill: &&Kill| kill.tenant.is_none_or(|t| t == tenant);
        stored.kills.iter().find(meets).cloned()
    }

    pub(crate) fn kills(&self) -> Vec<Kill> {
        self.stored().kills.clone()
    }

    /// Takes over what the store holds now. Returns the tenants whose tokens are to be forgotten: killed, taken out or
    /// changed.
    pub(crate) fn take(&self, contents: Contents) -> HashSet<TenantId> {
        let tenants = contents.tenants.into_iter().map(|(config, files)| {
            let files = Files::sealed(Arc::new(files));
            (config.id, Arc::new(Tenant::new(config, files, true)))
        });
        let fresh = Stored {
            tenants: tenants.collect(),
            kills: contents.kills,
        };
        let mut stored = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *stored, fresh);
        drop(stored);
        let all = self.all();
        let mut gone: HashSet<TenantId> = before.tenants.into_keys().collect();
        gone.retain(|id| self.get(*id).is_none_or(|t| t.config.removed));
        gone.extend(
            all.iter()
                .map(|t| t.config.id)
                .filter(|id| self.killed(*id).is_some()),
        );
        gone
    }

    fn stored(&self) -> std::sync::RwLockReadGuard<'_, Stored> {
        self.stored.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenant {
    /// `files` finds what its credentials name.
    pub(crate) fn new(config: TenantConfig, files: Files, stored: bool) -> Self {
        let apps = config.all_apps().into_iter();
        let apps = apps.map(|app| Arc::new(App::new(&config, app, files.clone())));
        Tenant {
            apps: apps.collect(),
            config,
            stored,
            files,
        }
    }
}

impl App {
    /// The same app with only one of its credentials.
    pub(crate) fn with_only(&self, position: usize) -> App {
        let only = self.credentials.get(position);
        App {
            tenant: self.tenant,
            name: self.name.clone(),
            key: Arc::clone(&self.key),
            client_id: self.client_id.clone(),
            authority: self.authority.clone(),
            graph: self.graph.clone(),
            exchange: self.exchange,
            credentials: only.into_iter().cloned().collect(),
            longest_credential_days: self.longest_credential_days,
            files: self.files.clone(),
            datasets: self.datasets.clone(),
        }
    }

    fn new(tenant: &TenantConfig, app: AppConfig, files: Files) -> Self {
        let (authority, graph) = (tenant.authority(), tenant.graph());
        let datasets = app.datasets.as_ref();
        App {
            tenant: tenant.id,
            key: format!("{} {} {authority} {graph}", app.name, app.client_id).into(),
            credentials: app.all_credentials(),
            longest_credential_days: tenant.longest_credential_days,
            exchange: tenant.cloud.exchange_audience(),
            datasets: datasets.map(|all| all.iter().map(ToString::to_string).collect()),
            name: app.name,
            client_id: app.client_id,
            authority,
            graph,
            files,
        }
    }
}
