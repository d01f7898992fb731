//! What operators are shown: tenants, and what their apps may.

use std::sync::Arc;

use proto::admin::v1::{
    AppReport, CredentialState, MissingPermission, PreflightReport, TokenBrokerApp,
    TokenBrokerTenant,
};

use super::Admin;
use crate::cache::Rejected;
use crate::error::Error;
use crate::excess::enough;
use crate::registry::{App, Tenant};
use crate::usage::Seen;

impl Admin {
    /// What an app's token grants, held against what is needed.
    async fn report(&self, tenant: &Tenant, app: &Arc<App>, seen: &Seen) -> AppReport {
        let datasets = tenant.datasets_of(app);
        let mut report = AppReport {
            app: app.name.clone(),
            enough: enough(&datasets),
            ..AppReport::default()
        };
        let rejected = Rejected {
            any: true,
            ..Rejected::default()
        };
        let token = match self.0.0.cache.get(app, &rejected).await {
            Ok((token, _)) => token,
            Err(e) => {
                report.problem = e.problem().to_string();
                if let Error::Excess { excess, .. } = &*e {
                    report.refused.clone_from(excess);
                }
                return report;
            }
        };
        if let Some(credential) = app.credentials.get(token.credential) {
            report.credential = format!("{} {}", token.credential, credential.kind());
        }
        let Some(granted) = &token.granted else {
            return report;
        };
        let found = tenant.report(app, granted, self.0.0.clock.micros() / 1_000_000);
        let roles: Vec<&str> = granted.roles.iter().map(String::as_str).collect();
        report.unused = seen.unused(&roles, &datasets);
        report.unused.retain(|role| !found.unneeded.contains(role));
        report.granted = granted.powers().map(ToOwned::to_owned).collect();
        report.refused = found.refused;
        report.tolerated = found.tolerated;
        report.unneeded = found.unneeded;
        let missing = found.missing.into_iter();
        report.missing = missing
            .map(|(dataset, permission)| MissingPermission {
                dataset: dataset.to_owned(),
                permission: permission.to_owned(),
            })
            .collect();
        report
    }

    /// Of every app.
    pub(super) async fn reports(&self, tenant: &Tenant) -> PreflightReport {
        let now = self.0.0.clock.micros();
        let seen = self.0.0.usage.of(tenant.config.id, now);
        let mut apps = Vec::new();
        for app in &tenant.apps {
            apps.push(self.report(tenant, app, &seen).await);
        }
        PreflightReport {
            apps,
            asked_since_day: seen.since,
        }
    }
}

pub(super) fn describe(tenant: &Tenant) -> TokenBrokerTenant {
    let config = &tenant.config;
    let exceptions = config.exceptions.iter();
    TokenBrokerTenant {
        tenant_id: config.id.to_string(),
        name: config.name.clone().unwrap_or_else(|| config.id.to_string()),
        pool: config.pool.to_string(),
        stored: tenant.stored,
        removed: config.removed,
        apps: tenant.apps.iter().map(|app| describe_app(app)).collect(),
        exceptions: exceptions
            .map(|e| format!("{} until {} ({})", e.role, e.until, e.reason))
            .collect(),
    }
}

fn describe_app(app: &App) -> TokenBrokerApp {
    let credentials = app.credentials.iter();
    TokenBrokerApp {
        name: app.name.clone(),
        client_id: app.client_id.clone(),
        credentials: credentials
            .map(|c| CredentialState {
                kind: c.kind().to_owned(),
                ends_at: c.ends(&app.files).unwrap_or(0),
                legacy: c.is_legacy(),
            })
            .collect(),
    }
}
