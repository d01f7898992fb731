//! What an access token says of itself, and whether that is what was asked for.
//!
//! Source: "Access token claims reference" of the Microsoft identity platform. Tokens for Graph are opaque to everybody
//! else by contract: what can't be read is no error, and what is read is believed for reports and refusals only.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::error::Error;
use crate::jwt;
use crate::registry::App;

/// In `wids` of every app-only token; no directory role.
const NO_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";

/// Claims of an access token for Graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Granted {
    /// Application permissions.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// Directory roles, by template id.
    #[serde(default)]
    wids: BTreeSet<String>,
    /// Delegated permissions; absent in a token of an app.
    #[serde(default)]
    scp: Option<String>,
    #[serde(default)]
    tid: String,
    #[serde(default)]
    appid: String,
    /// Object id of the service principal.
    #[serde(default)]
    pub oid: String,
    /// The token's id, as the tenant's sign-in log names it.
    #[serde(default)]
    pub uti: String,
}

impl Granted {
    /// What a token says; none where it can't be read.
    pub(crate) fn of(token: &SecretString) -> Option<Self> {
        jwt::claims(token.expose_secret())
    }

    /// Directory roles that the app holds.
    pub(crate) fn directory_roles(&self) -> impl Iterator<Item = &str> + Clone {
        self.wids
            .iter()
            .map(String::as_str)
            .filter(|id| *id != NO_ROLE)
    }

    /// Permissions and directory roles.
    pub(crate) fn powers(&self) -> impl Iterator<Item = &str> + Clone {
        let roles = self.roles.iter().map(String::as_str);
        roles.chain(self.directory_roles())
    }

    /// Whether it is a token of this app in this tenant.
    pub(crate) fn check(&self, app: &App) -> Result<(), Error> {
        let other = |what: String| Error::OtherToken {
            tenant: app.tenant,
            app: app.name.clone(),
            what,
        };
        let tenant = app.tenant.to_string();
        if !self.tid.eq_ignore_ascii_case(&tenant) {
            return Err(other(format!("is of tenant {:.36}", self.tid)));
        }
        if !self.appid.eq_ignore_ascii_case(&app.client_id) {
            return Err(other(format!("is of application {:.36}", self.appid)));
        }
        if self.scp.is_some() {
            return Err(other("is a person's, not an application's".to_owned()));
        }
        Ok(())
    }
}
