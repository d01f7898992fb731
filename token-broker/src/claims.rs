//! What an access token says of itself, and whether that is what was asked for.
//!
//! Source: "Access token claims reference" of the Microsoft identity platform. Tokens for Graph are opaque to everybody
//! else by contract: what can't be read is no error, and what is read is believed for reports and refusals only.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::jwt;
use crate::registry::App;

/// In `wids` of every app-only token; no directory role.
const NO_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";

/// Delegated permissions that are about the sign-in.
const OF_THE_SIGN_IN: [&str; 5] = ["openid", "profile", "email", "offline_access", "User.Read"];

/// Directory roles that a person behind a token may have: those that every member has, Directory Readers and Reports
/// Reader ("Microsoft Entra built-in roles"). Whoever has more could be replaced by somebody who hasn't.
const LEAST_ROLES: [&str; 3] = [
    "b79fbf4d-3ef9-4689-8143-76b194e85509",
    "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
    "4a5d8f65-41da-4de4-8968-e035b65339cf",
];

/// Claims of an access token for Graph.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Object id of the service principal, or of the person.
    #[serde(default)]
    pub oid: String,
    /// The token's id, as the tenant's sign-in log names it.
    #[serde(default, skip_serializing)]
    pub uti: String,
}

impl Granted {
    /// What a token says; none where it can't be read.
    pub(crate) fn of(token: &SecretString) -> Option<Self> {
        let mut granted: Granted = jwt::claims(token.expose_secret())?;
        if let Some(scopes) = &granted.scp {
            let scopes = scopes.split_whitespace();
            let scopes = scopes.filter(|s| !OF_THE_SIGN_IN.contains(s));
            granted.roles = scopes.map(ToOwned::to_owned).collect();
            granted
                .wids
                .retain(|id| !LEAST_ROLES.contains(&id.as_str()));
        }
        Some(granted)
    }

    /// Directory roles that the app holds.
    pub(crate) fn directory_roles(&self) -> impl Iterator<Item = &str> + Clone {
        self.wids
            .iter()
            .map(String::as_str)
            .filter(|id| *id != NO_ROLE)
    }

    /// Whether a person stands behind it.
    pub(crate) fn is_of_a_person(&self) -> bool {
        self.scp.is_some()
    }

    /// Permissions and directory roles.
    pub(crate) fn powers(&self) -> impl Iterator<Item = &str> + Clone {
        let roles = self.roles.iter().map(String::as_str);
        roles.chain(self.directory_roles())
    }

    /// Whether it is a token of this app in this tenant, a person's only where one of its credentials is.
    pub(crate) fn check(&self, app: &App, legacy: bool) -> Result<(), Error> {
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
        if self.is_of_a_person() && !legacy {
            return Err(other("is a person's, not an application's".to_owned()));
        }
        Ok(())
    }
}
