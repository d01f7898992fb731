//! The tenants and how to get a token for each.

use std::path::Path;

use proto::ids::{Dataset, Pool, TenantId};
use runtime::Problem;
use runtime::config::SecretFile;
use runtime::error::Exit;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// The tenant registry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Every tenant that is worked for.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
}

/// One tenant and the app registration that reads it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    /// Directory (tenant) id.
    pub id: TenantId,
    /// What the operator calls it; the id when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Application (client) id of the app registration.
    pub client_id: String,
    /// File that holds the client secret; read again for each token, so that a rotation needs no restart.
    pub client_secret_file: SecretFile,
    /// Base of the login endpoint, without tenant and trailing slash.
    #[serde(default = "worldwide_authority")]
    pub authority: Url,
    /// Root of Microsoft Graph, without version and trailing slash.
    #[serde(default = "worldwide_graph")]
    pub graph: Url,
    /// Collectors of this pool work for the tenant.
    #[serde(default = "default_pool")]
    pub pool: Pool,
    /// Datasets to read; every one that the two default permissions cover when absent.
    #[serde(default)]
    pub datasets: Option<Vec<Dataset>>,
    /// True once the tenant was taken out: its records are removed from the sinks.
    #[serde(default)]
    pub removed: bool,
}

fn worldwide_authority() -> Url {
    Url::parse("https://login.microsoftonline.com").unwrap_or_else(|_| unreachable!("a constant"))
}

fn worldwide_graph() -> Url {
    Url::parse("https://graph.microsoft.com").unwrap_or_else(|_| unreachable!("a constant"))
}

fn default_pool() -> Pool {
    "default"
        .parse()
        .unwrap_or_else(|_| unreachable!("a constant"))
}

impl TenantConfig {
    /// The enabled datasets' names.
    pub fn dataset_names(&self) -> Vec<String> {
        match &self.datasets {
            Some(named) => named.iter().map(ToString::to_string).collect(),
            None => catalog::ALL.iter().map(|d| d.name.to_owned()).collect(),
        }
    }
}

/// A base URL without its trailing slash.
pub fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

impl Config {
    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        for tenant in &mut self.tenants {
            tenant.client_secret_file.resolve(base);
        }
    }

    /// Reads each secret once, for a start and for `--check-config`. A running broker does without: one tenant's
    /// missing file must not keep the tokens of all others.
    ///
    /// # Errors
    /// `LW-2013` naming the tenant and the file.
    pub fn check_secrets(&self) -> Result<(), Problem> {
        self.tenants
            .iter()
            .filter(|t| !t.removed)
            .try_for_each(|tenant| {
                tenant.client_secret_file.check().map_err(|e| {
                    let what = format!("tenant {}: {}", tenant.id, e.what);
                    Problem::new("LW-2013", what, e.remedy).exit(Exit::Usage)
                })
            })
    }

    /// Checks what a type can't say.
    ///
    /// # Errors
    /// `LW-1003` naming the tenant, the key and what to do.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |what: String, remedy: &str| {
            Err(Problem::new("LW-1003", what, remedy).exit(Exit::Usage))
        };
        for (n, tenant) in self.tenants.iter().enumerate() {
            if self.tenants[..n].iter().any(|t| t.id == tenant.id) {
                return wrong(
                    format!("tenant {} is listed twice.", tenant.id),
                    "remove one of the two [[tenants]]",
                );
            }
            for (key, url) in [("authority", &tenant.authority), ("graph", &tenant.graph)] {
                if !(url.scheme() == "https" || url.scheme() == "http" && loopback(url)) {
                    return wrong(
                        format!("tenant {}: {key} = \"{url}\" is not https.", tenant.id),
                        "use https://; plain http:// is accepted for this machine's loopback only",
                    );
                }
            }
            for name in tenant.dataset_names() {
                if catalog::find(&name).is_none() {
                    let known: Vec<&str> = catalog::ALL.iter().map(|d| d.name).collect();
                    return wrong(
                        format!("tenant {}: there is no dataset `{name}`.", tenant.id),
                        &format!("known datasets: {}", known.join(", ")),
                    );
                }
            }
        }
        Ok(())
    }
}

fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(extra: &str) -> Config {
        let text = format!(
            "[[tenants]]\nid = '11111111-2222-3333-4444-555555555555'\nclient_id = 'c'\nclient_secret_file = 's'\n{extra}"
        );
        runtime::config::parse(&text, "test", std::collections::HashMap::new()).unwrap()
    }

    #[test]
    fn defaults_are_the_worldwide_cloud_and_every_default_dataset() {
        let config = parse("");
        config.check().unwrap();
        assert_eq!(
            base(&config.tenants[0].graph),
            "https://graph.microsoft.com"
        );
        assert_eq!(config.tenants[0].dataset_names().len(), catalog::ALL.len());
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert!(parse("graph = 'http://127.0.0.1:1'").check().is_ok());
        assert!(parse("graph = 'http://[::1]:1'").check().is_ok());
        let e = parse("graph = 'http://graph.microsoft.com'")
            .check()
            .unwrap_err();
        assert!(e.to_string().contains("not https"), "{e}");
    }

    #[test]
    fn unknown_datasets_are_named() {
        assert!(
            parse("datasets = ['userz']")
                .check()
                .unwrap_err()
                .to_string()
                .contains("`userz`")
        );
    }
}
