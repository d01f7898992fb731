//! What an administrator did to an application since the start: consent, its service principal, revoked sessions.

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::apps::{self, App, Certificate, MAIN};
use super::refusal::Refusal;
use super::state::lock;
use crate::guid::{self, Kind};
use crate::sim::Sim;
use crate::tenant::Identity;

/// Numbers of service principals that were made anew lie above those of all others.
const ANEW: u64 = 10_000;

/// Whether the tenant has a service principal of an application, and whether that may sign in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Principal {
    /// It may.
    #[default]
    Enabled,
    /// An administrator switched sign-in off.
    Disabled,
    /// Somebody deleted it.
    Missing,
}

/// What is to change in an application's standing; what is not named stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Consent {
    /// Whether an administrator's consent is there.
    pub granted: Option<bool>,
    /// The permissions that are granted, in place of those of the settings.
    pub roles: Option<Vec<String>>,
    /// The service principal. One that was missing comes back as another one, with an id of its own.
    pub principal: Option<Principal>,
    /// Directory roles that the service principal holds, by template id; they stand in tokens.
    pub directory_roles: Option<Vec<String>>,
    /// Whether whoever is asked for consent next declines.
    pub declines: Option<bool>,
}

/// How an application stands in a tenant.
#[derive(Clone, Default)]
pub(crate) struct Standing {
    revoked: bool,
    roles: Option<Vec<String>>,
    pub(crate) principal: Principal,
    /// How often the service principal was made anew.
    made: u64,
    pub(crate) directory_roles: Vec<String>,
    pub(crate) declines: bool,
    /// Tokens must not be valid from before this time; only of clients that take claims challenges.
    pub(crate) not_before: Option<u64>,
    /// Certificates that were added.
    pub(crate) certificates: Vec<Certificate>,
}

/// Those that are not as at the start, by tenant and application.
#[derive(Default)]
pub(crate) struct Standings(Mutex<HashMap<(usize, usize), Standing>>);

impl Standings {
    pub(crate) fn of(&self, tenant: usize, app: usize) -> Standing {
        lock(&self.0)
            .get(&(tenant, app))
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn change(&self, tenant: usize, app: usize, change: impl FnOnce(&mut Standing)) {
        change(lock(&self.0).entry((tenant, app)).or_default());
    }
}

impl Standing {
    /// The id of an application's service principal, which is another one each time it is made.
    pub(crate) fn principal_id(&self, who: &Identity, app: &App) -> String {
        match self.made {
            0 => app.principal.clone(),
            made => {
                let number = app.index as u64 + made * ANEW;
                guid::text(guid::of(who.key, Kind::Principal, number))
            }
        }
    }

    /// Refuses a sign-in that the service principal doesn't allow.
    pub(crate) fn check(&self, who: &Identity, app: &App) -> Result<(), Refusal> {
        let client = &app.client;
        match self.principal {
            Principal::Enabled => Ok(()),
            Principal::Disabled => Err(Refusal::new(
                400,
                "unauthorized_client",
                7_000_112,
                format!("Application '{client}'({}) is disabled.", app.name),
            )),
            Principal::Missing => Err(Refusal::client(
                7_000_229,
                format!(
                    "The client application '{client}' is missing service principal in the tenant '{}'. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
                    who.id
                ),
            )),
        }
    }
}

impl Sim {
    /// Changes how an application of a tenant stands: consent, permissions, service principal. Both are positions; false
    /// if there is no such tenant or application. Tokens that were given before stay as they are.
    pub fn consent(&self, tenant: usize, app: usize, change: Consent) -> bool {
        if tenant >= self.tenants().len() || app >= apps::COUNT {
            return false;
        }
        self.entra().standings.change(tenant, app, |standing| {
            if let Some(granted) = change.granted {
                standing.revoked = !granted;
            }
            if change.roles.is_some() {
                standing.roles = change.roles;
            }
            if let Some(principal) = change.principal {
                let anew =
                    standing.principal == Principal::Missing && principal != standing.principal;
                standing.made += u64::from(anew);
                standing.principal = principal;
            }
            if let Some(roles) = change.directory_roles {
                standing.directory_roles = roles;
            }
            standing.declines = change.declines.unwrap_or(standing.declines);
        });
        true
    }

    /// Revokes the tokens that an application of a tenant got so far (both are positions): Graph challenges those of
    /// clients that said `cp1`; the others live on, as in reality. False if there is no such tenant or application.
    pub fn revoke(&self, tenant: usize, app: usize) -> bool {
        if tenant >= self.tenants().len() || app >= apps::COUNT {
            return false;
        }
        let from = super::token::start(self.unix()) + 1;
        self.entra()
            .standings
            .change(tenant, app, |standing| standing.not_before = Some(from));
        true
    }

    /// The permissions of an application: those of the settings, of which the second one has the first only.
    pub(crate) fn app_roles(&self, tenant: usize, app: usize) -> Vec<String> {
        let standing = self.entra().standings.of(tenant, app);
        if standing.revoked {
            return Vec::new();
        }
        let mut roles = standing.roles.unwrap_or_else(|| self.roles(tenant));
        if app == MAIN + 1 {
            roles.truncate(1);
        }
        roles
    }
}
