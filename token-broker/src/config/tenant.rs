//! One tenant of the registry.

use std::path::{Path, PathBuf};

use proto::ids::{Dataset, Pool, TenantId};
use runtime::Problem;
use runtime::config::SecretFile;
use serde::{Deserialize, Serialize};
use url::Url;

use super::cloud::loopback;
use super::{AppConfig, Cloud, Exception, Population, wrong};
use crate::credential::CredentialConfig;

/// One tenant and the app registrations that read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Directory (tenant) id.
    pub id: TenantId,
    /// What the operator calls it; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the tenant lives.
    #[serde(default)]
    pub cloud: Cloud,
    /// Base of the login endpoint, without tenant and trailing slash; the cloud's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Url>,
    /// Root of Microsoft Graph, without version and trailing slash; the cloud's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Url>,
    /// Collectors of this pool work for the tenant.
    #[serde(default = "default_pool")]
    pub pool: Pool,
    /// Datasets to read; every one that the two default permissions cover when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datasets: Option<Vec<Dataset>>,
    /// The part of its people that is read; everybody when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population: Option<Population>,
    /// True once the tenant was taken out: its records are removed from the sinks.
    #[serde(default)]
    pub removed: bool,
    /// Application (client) id, where one app registration reads everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Of that app: file that holds its client secret, read again for each token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<SecretFile>,
    /// Of that app: other kinds of credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialConfig>,
    /// Credentials that end later than so many days from now, or whose end nobody states, are refused. Without it only
    /// certificates that end never are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_credential_days: Option<u32>,
    /// Permissions that the apps hold beyond what the enabled datasets need, and that are tolerated for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// Several app registrations, instead of the one above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apps: Vec<AppConfig>,
}

fn default_pool() -> Pool {
    "default"
        .parse()
        .unwrap_or_else(|_| unreachable!("a constant"))
}

impl TenantConfig {
    /// A tenant of the worldwide cloud that one app registration with a client secret reads.
    pub fn with_secret(
        id: TenantId,
        client_id: impl Into<String>,
        client_secret_file: impl Into<SecretFile>,
    ) -> Self {
        TenantConfig {
            id,
            name: None,
            cloud: Cloud::default(),
            authority: None,
            graph: None,
            pool: default_pool(),
            datasets: None,
            population: None,
            removed: false,
            client_id: Some(client_id.into()),
            client_secret_file: Some(client_secret_file.into()),
            credentials: Vec::new(),
            longest_credential_days: None,
            exceptions: Vec::new(),
            apps: Vec::new(),
        }
    }

    /// The enabled datasets' names.
    pub fn dataset_names(&self) -> Vec<String> {
        match &self.datasets {
            Some(named) => named.iter().map(ToString::to_string).collect(),
            None => catalog::defaults().map(|d| d.name.to_owned()).collect(),
        }
    }

    /// Whether a dataset is enabled.
    pub(crate) fn reads(&self, dataset: &str) -> bool {
        match &self.datasets {
            Some(named) => named.iter().any(|d| d.as_str() == dataset),
            None => catalog::find(dataset).is_some_and(|d| d.default),
        }
    }

    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        if let Some(file) = &mut self.client_secret_file {
            file.resolve(base);
        }
        self.credentials.iter_mut().for_each(|c| c.resolve(base));
        self.apps.iter_mut().for_each(|a| a.resolve(base));
    }

    /// Base of the login endpoint, without trailing slash.
    pub(crate) fn authority(&self) -> String {
        base(self.authority.as_ref(), self.cloud.authority())
    }

    /// Root of Microsoft Graph, without trailing slash.
    pub(crate) fn graph(&self) -> String {
        base(self.graph.as_ref(), self.cloud.graph())
    }

    /// Every app registration.
    pub(crate) fn all_apps(&self) -> Vec<AppConfig> {
        let single = self.client_id.clone().map(|client_id| AppConfig {
            name: "default".to_owned(),
            client_id,
            client_secret_file: self.client_secret_file.clone(),
            credentials: self.credentials.clone(),
            datasets: None,
        });
        single.into_iter().chain(self.apps.clone()).collect()
    }

    /// Every credential of every app.
    pub(crate) fn all_credentials(&self) -> Vec<CredentialConfig> {
        let apps = self.all_apps();
        apps.iter().flat_map(AppConfig::all_credentials).collect()
    }

    /// Its credentials' files, except those that somebody else keeps fresh.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let credentials = self.all_credentials();
        let files = credentials.iter().flat_map(CredentialConfig::own_files);
        files.map(Path::to_owned).collect()
    }

    /// The files that its credentials name.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let credentials = self.all_credentials();
        let files = credentials.iter().flat_map(CredentialConfig::files);
        files.map(Path::to_owned).collect()
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        let place = format!("tenant {}", self.id);
        self.check_hosts(&place)?;
        for name in self.dataset_names() {
            known_dataset(&place, &name)?;
        }
        if let Some(population) = &self.population {
            population.check(&place, |dataset| self.reads(dataset))?;
        }
        if self.client_id.is_none()
            && (self.client_secret_file.is_some() || !self.credentials.is_empty())
        {
            return wrong(
                format!("{place} has a credential and no client_id."),
                "add the application (client) id of the app registration",
            );
        }
        if self.client_id.is_some() && !self.apps.is_empty() {
            return wrong(
                format!("{place} has client_id and [[tenants.apps]]."),
                "move the one app into [[tenants.apps]] too",
            );
        }
        self.exceptions.iter().try_for_each(|e| e.check(&place))?;
        let apps = self.all_apps();
        if apps.is_empty() && !self.removed {
            return wrong(
                format!("{place} has no app registration."),
                "add client_id and a credential, or [[tenants.apps]]",
            );
        }
        for (n, app) in apps.iter().enumerate() {
            if apps[..n].iter().any(|a| a.name == app.name) {
                return wrong(
                    format!("{place} has two apps named `{}`.", app.name),
                    "give each app a name of its own",
                );
            }
            for dataset in app.datasets.iter().flatten() {
                known_dataset(&format!("{place}, app `{}`", app.name), dataset.as_str())?;
            }
            app.check(&place)?;
        }
        Ok(())
    }

    fn check_hosts(&self, place: &str) -> Result<(), Problem> {
        type Allows = fn(Cloud, &Url) -> bool;
        let keys: [(&str, &Option<Url>, Allows); 2] = [
            ("authority", &self.authority, Cloud::allows_authority),
            ("graph", &self.graph, Cloud::allows_graph),
        ];
        for (key, named, allows) in keys {
            let Some(url) = named else {
                if self.cloud == Cloud::Custom {
                    return wrong(
                        format!("{place}: cloud = \"custom\" needs {key}."),
                        "name both authority and graph",
                    );
                }
                continue;
            };
            if !(url.scheme() == "https" || url.scheme() == "http" && loopback(url)) {
                return wrong(
                    format!("{place}: {key} = \"{url}\" is not https."),
                    "use https://; plain http:// is accepted for this machine's loopback only",
                );
            }
            if !allows(self.cloud, url) {
                return wrong(
                    format!(
                        "{place}: {key} = \"{url}\" is no host of its cloud: credentials would go there."
                    ),
                    "correct it, set cloud (us-gov-l4, us-gov-dod, china), or cloud = \"custom\" if you answer for the host",
                );
            }
        }
        Ok(())
    }
}

fn base(named: Option<&Url>, clouds: Option<Url>) -> String {
    // A configuration that was checked has one of them.
    let url = named.cloned().or(clouds);
    url.map_or_else(String::new, |url| {
        url.as_str().trim_end_matches('/').to_owned()
    })
}

fn known_dataset(place: &str, name: &str) -> Result<(), Problem> {
    if catalog::find(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = catalog::ALL.iter().map(|d| d.name).collect();
    wrong(
        format!("{place}: there is no dataset `{name}`."),
        &format!("known datasets: {}", known.join(", ")),
    )
}
