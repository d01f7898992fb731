//! App registrations: who a tenant knows us as.

use std::path::Path;

use proto::ids::Dataset;
use runtime::Problem;
use runtime::config::SecretFile;
use serde::{Deserialize, Serialize};

use super::wrong;
use crate::credential::CredentialConfig;

/// `[[tenants.apps]]`: one app registration of a tenant. An app's token carries all permissions of that app, so
/// there is one for each group of datasets that is equally sensitive, and a dataset is read with the one that may least.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// What the operator calls it, for example `core`.
    pub name: String,
    /// Application (client) id of the app registration.
    pub client_id: String,
    /// Short for one credential of the kind `client_secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<SecretFile>,
    /// How it proves who it is; the first one that works is used, so that a new one can be added before the old goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialConfig>,
    /// Datasets that are read with it. Without this: those that its permissions cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datasets: Option<Vec<Dataset>>,
}

impl AppConfig {
    pub(super) fn resolve(&mut self, base: &Path) {
        if let Some(file) = &mut self.client_secret_file {
            file.resolve(base);
        }
        for credential in &mut self.credentials {
            credential.resolve(base);
        }
    }

    /// Every credential, in the order in which they are tried.
    pub(crate) fn all_credentials(&self) -> Vec<CredentialConfig> {
        let short = self.client_secret_file.clone();
        let short = short.map(|file| CredentialConfig::ClientSecret {
            file,
            expires: None,
        });
        short.into_iter().chain(self.credentials.clone()).collect()
    }

    pub(super) fn check(&self, place: &str) -> Result<(), Problem> {
        let place = format!("{place}, app `{}`", self.name);
        if self.client_id.trim().is_empty() {
            return wrong(
                format!("{place}: client_id is empty."),
                "copy the application (client) id of the app registration",
            );
        }
        let credentials = self.all_credentials();
        if credentials.is_empty() {
            return wrong(
                format!("{place} has no credential."),
                "name client_secret_file, or add [[tenants.credentials]] (of an app in [[tenants.apps]]: \
                 [[tenants.apps.credentials]]) with its kind",
            );
        }
        credentials.iter().try_for_each(|c| c.check(&place))
    }
}
