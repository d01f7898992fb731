//! The tenants and how to get a token for each.

mod app;
mod cloud;
mod exception;
mod population;
mod tenant;

use std::path::Path;

use runtime::Problem;
use runtime::error::Exit;
use serde::{Deserialize, Serialize};

pub use app::AppConfig;
pub use cloud::Cloud;
pub(crate) use cloud::loopback;
pub use exception::Exception;
pub use population::Population;
pub use tenant::TenantConfig;

use crate::credential::CredentialConfig;
use crate::files::Files;

/// The tenant registry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Every tenant that is worked for.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
}

impl Config {
    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        self.tenants.iter_mut().for_each(|t| t.resolve(base));
    }

    /// Looks at each credential once, for a start and for `--check-config`: files that can be read, certificates that
    /// are valid and belong to their keys. A running broker does without: one tenant's missing file must not keep the
    /// tokens of all others.
    ///
    /// # Errors
    /// `LW-2013` and following, naming the tenant, the app and the file.
    pub fn check_credentials(&self, now: u64) -> Result<(), Problem> {
        for tenant in self.tenants.iter().filter(|t| !t.removed) {
            for app in tenant.all_apps() {
                for credential in app.all_credentials() {
                    let files = Files::default();
                    let inspected = credential.inspect(&files, now).and_then(|()| {
                        credential.ends_in_time(&files, tenant.longest_credential_days, now)
                    });
                    inspected.map_err(|e| {
                        let e = e.of(tenant.id, &app.name).problem();
                        Problem::new(e.code, e.what, e.remedy).exit(Exit::Usage)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Checks what a type can't say.
    ///
    /// # Errors
    /// `LW-1003` naming the tenant, the key and what to do.
    pub fn check(&self) -> Result<(), Problem> {
        let mut ids = std::collections::HashSet::new();
        for tenant in &self.tenants {
            if !ids.insert(tenant.id) {
                return wrong(
                    format!("tenant {} is listed twice.", tenant.id),
                    "remove one of the two [[tenants]]",
                );
            }
            tenant.check()?;
            let mut credentials = tenant.all_credentials().into_iter();
            if credentials.any(|c| matches!(c, CredentialConfig::RefreshToken { .. })) {
                return wrong(
                    format!(
                        "tenant {} has a refresh token, which changes with each use.",
                        tenant.id
                    ),
                    "put the tenant into the store instead: leastwise tenants add",
                );
            }
        }
        Ok(())
    }
}

fn wrong(what: String, remedy: &str) -> Result<(), Problem> {
    Err(Problem::new("LW-1003", what, remedy).exit(Exit::Usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Problem> {
        let text = format!("[[tenants]]\nid = '11111111-2222-3333-4444-555555555555'\n{text}");
        let config: Config =
            runtime::config::parse(&text, "test", std::collections::HashMap::new())?;
        config.check()?;
        Ok(config)
    }

    fn with_secret(extra: &str) -> Result<Config, Problem> {
        read(&format!(
            "client_id = 'c'\nclient_secret_file = 's'\n{extra}"
        ))
    }

    fn refused(result: Result<Config, Problem>, told: &str) {
        let e = result.unwrap_err().to_string();
        assert!(e.contains(told), "{e}");
    }

    #[test]
    fn defaults_are_the_worldwide_cloud_and_every_default_dataset() {
        let config = with_secret("").unwrap();
        let tenant = &config.tenants[0];
        assert_eq!(tenant.graph(), "https://graph.microsoft.com");
        assert_eq!(tenant.authority(), "https://login.microsoftonline.com");
        assert_eq!(tenant.dataset_names().len(), catalog::defaults().count());
        assert_eq!(tenant.all_apps()[0].all_credentials().len(), 1);
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        with_secret("graph = 'http://127.0.0.1:1'").unwrap();
        with_secret("graph = 'http://[::1]:1'").unwrap();
        refused(
            with_secret("graph = 'http://graph.microsoft.com'"),
            "not https",
        );
    }

    #[test]
    fn credentials_go_to_the_clouds_own_hosts_only() {
        refused(
            with_secret("authority = 'https://login.example.org'"),
            "no host of its cloud",
        );
        refused(
            with_secret("graph = 'https://graph.microsoft.us'"),
            "no host of its cloud",
        );
        let gcc_high = with_secret("cloud = 'us-gov-l4'").unwrap();
        assert_eq!(gcc_high.tenants[0].graph(), "https://graph.microsoft.us");
        with_secret("cloud = 'custom'\nauthority = 'https://a.example.org'\ngraph = 'https://g.example.org'").unwrap();
        refused(
            with_secret("cloud = 'custom'\ngraph = 'https://g.example.org'"),
            "needs authority",
        );
    }

    #[test]
    fn unknown_datasets_are_named() {
        refused(with_secret("datasets = ['userz']"), "`userz`");
    }

    #[test]
    fn a_population_that_is_wrong_is_told() {
        let of = |datasets: &str, lists: &str| {
            with_secret(&format!("{datasets}\n[tenants.population]\n{lists}"))
        };
        let config = of("", "usage_locations = ['de']\ndomains = ['Contoso.DE']").unwrap();
        let told = config.tenants[0].population.as_ref().unwrap().message();
        assert_eq!(told.usage_locations, ["DE"]);
        assert_eq!(told.domains, ["contoso.de"]);
        for (lists, told) in [
            ("country = ['DE']", "`country`"),
            ("countries = 'DE'", "countries"),
            ("", "no list"),
            ("countries = []", "population.countries is empty"),
            (
                "countries = ['Germany', '']",
                "value 2 of population.countries",
            ),
            (
                "usage_locations = ['Germany']",
                "value 1 of population.usage_locations",
            ),
            ("domains = ['@contoso.de']", "value 1 of population.domains"),
            (
                "domains = ['*.contoso.de']",
                "value 1 of population.domains",
            ),
            ("groups = ['Sales']", "the dataset `groupMembers`"),
        ] {
            refused(of("", lists), told);
        }
        let members = "datasets = ['users', 'groupMembers']";
        refused(
            of(members, "groups = ['Sales']"),
            "value 1 of population.groups",
        );
        let group = "groups = ['11111111-2222-3333-4444-55555555555A']";
        let config = of(members, group).unwrap();
        let told = config.tenants[0].population.as_ref().unwrap().message();
        assert_eq!(told.groups, ["11111111-2222-3333-4444-55555555555a"]);
        refused(
            of("datasets = ['organization']", "countries = ['X']"),
            "`users`",
        );
    }

    #[test]
    fn an_app_has_an_id_a_name_and_a_credential() {
        refused(read("client_secret_file = 's'"), "no client_id");
        refused(read(""), "no app registration");
        refused(read("client_id = 'c'"), "no credential");
        let app = "[[tenants.apps]]\nname = 'core'\nclient_id = 'c'\nclient_secret_file = 's'\n";
        read(app).unwrap();
        refused(read(&format!("{app}{app}")), "two apps named `core`");
        refused(
            read(&format!("client_id = 'c'\nclient_secret_file = 's'\n{app}")),
            "[[tenants.apps]]",
        );
        read("removed = true").unwrap();
    }

    #[test]
    fn what_changes_with_each_use_is_kept_in_the_store() {
        let person = "kind = 'refresh_token'\ntoken_file = 't'\nuntil = '2027-01-31'";
        refused(
            read(&format!(
                "client_id = 'c'\n[[tenants.credentials]]\n{person}"
            )),
            "leastwise tenants add",
        );
    }

    #[test]
    fn a_credential_of_each_kind_can_be_written_down() {
        for credential in [
            "kind = 'client_secret'\nfile = 's'",
            "kind = 'certificate'\ncertificate_file = 'app.pem'",
            "kind = 'certificate'\ncertificate_file = 'app.pfx'\npassword_file = 'p'\nalgorithm = 'RS256'",
            "kind = 'federated_token'\ntoken_file = 't'",
            "kind = 'managed_identity'\nsource = 'imds'",
            "kind = 'imported_token'\ntoken_file = 't'\nuntil = '2027-01-31'",
            "kind = 'federated_managed_identity'\nsource = 'app_service'\nidentity_client_id = 'i'",
        ] {
            let text = format!("client_id = 'c'\n[[tenants.credentials]]\n{credential}");
            read(&text).unwrap_or_else(|e| panic!("{credential}: {e}"));
        }
        refused(
            read(
                "client_id = 'c'\n[[tenants.credentials]]\nkind = 'certificate'\ncertificate_flie = 'x'",
            ),
            "certificate_flie",
        );
    }
}
