//! The token-broker as a process: its configuration, and what it is wired to.

mod audit_command;
mod reach;
mod reach_command;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::access::METHODS;
use runtime::db::Db;
use runtime::grpc::{Admin, Listen};
use runtime::http::Outbound;
use runtime::process::{Http, Process, Sections, Service, default_grace};
use runtime::tls::{self, Identity};
use runtime::{Problem, config};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

use crate::audit::{self, Audit};
use crate::event::{Events, webhook};
use crate::store;
use crate::{Broker, Config, Deps, TenantConfig};

/// The process, or a command beside it.
pub fn main() -> std::process::ExitCode {
    match std::env::args_os().nth(1) {
        Some(first) if first == "audit" => audit_command::main(),
        Some(first) if first == "reach" => reach_command::main(),
        _ => runtime::process::main::<Settings>(),
    }
}

/// The configuration of the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long what is in hand may take at the end.
    #[serde(default = "default_grace")]
    pub shutdown_grace_seconds: u64,
    /// The collectors that may ask for tokens.
    #[serde(default)]
    pub callers: Vec<Identity>,
    /// Every tenant that is worked for.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
    /// Which of them may ask for what, in a file that is read again when it changes; everything without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_file: Option<PathBuf>,
    /// Where each token and each refusal is noted.
    #[serde(default)]
    pub audit: audit::Config,
    /// Tenants that are added while it runs, and the kill switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<store::Config>,
    /// Who is told of what needs somebody, besides the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<webhook::Config>,
    /// Where collectors reach it.
    pub grpc: Listen,
    /// Certificates; without them everything is plain text on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<tls::Config>,
    /// Metrics and health.
    #[serde(default)]
    pub http: Http,
    /// Where traces and metrics are sent to.
    #[serde(default)]
    pub telemetry: runtime::telemetry::Config,
    /// How Entra ID is called.
    #[serde(default)]
    pub outbound: runtime::http::Config,
    /// Operators and their roles.
    #[serde(default)]
    pub admin: Admin,
}

impl Settings {
    fn registry(&self) -> Config {
        Config {
            tenants: self.tenants.clone(),
        }
    }
}

impl config::Settings for Settings {
    fn resolve(&mut self, base: &Path) {
        self.tenants.iter_mut().for_each(|t| t.resolve(base));
        self.audit.resolve(base);
        self.outbound.resolve(base);
        if let Some(store) = &mut self.store {
            store.resolve(base);
        }
        if let Some(file) = &mut self.policy_file {
            config::below(base, file);
        }
        if let Some(webhook) = &mut self.webhook {
            webhook.resolve(base);
        }
        self.telemetry.resolve(base);
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
    }

    fn check(&self) -> Result<Vec<String>, Problem> {
        self.registry().check()?;
        self.outbound.check()?;
        self.store.as_ref().map_or(Ok(()), store::Config::check)?;
        self.webhook
            .as_ref()
            .map_or(Ok(()), webhook::Config::check)?;
        Ok(vec![
            format!("{} tenants", self.tenants.len()),
            format!("{} callers may ask for tokens", self.callers.len()),
        ])
    }

    fn inspect(&self) -> Result<Vec<String>, Problem> {
        if let Some(file) = &self.policy_file {
            crate::policy::Policy::open(file)?;
        }
        let now = runtime::Clock::system().micros() / 1_000_000;
        self.registry().check_credentials(now)?;
        Ok(vec!["each tenant's credentials can be used".to_owned()])
    }
}

impl Service for Settings {
    const NAME: &'static str = "token-broker";
    const ABOUT: &'static str = "Holds the tenants' credentials and hands out short-lived access tokens for Microsoft Graph";

    fn sections(&self) -> Sections<'_> {
        Sections {
            http: &self.http,
            telemetry: &self.telemetry,
            grpc: &self.grpc,
            tls: self.tls.as_ref(),
            callers: &self.callers,
            admin: &self.admin,
            grace: Duration::from_secs(self.shutdown_grace_seconds),
        }
    }

    async fn migrate(&self) -> Result<(), Problem> {
        match self.store.as_ref().and_then(|s| s.db.as_ref()) {
            Some(db) => Db::migrate(db, &store::MIGRATIONS, Self::NAME).await,
            None => Ok(()),
        }
    }

    async fn run(self, process: Process) -> Result<(), Problem> {
        let store = match &self.store {
            Some(config) => Some(config.open(&process, Self::NAME).await?),
            None => None,
        };
        let audit = Audit::open(&self.audit, process.clock.clone())?;
        let http = Outbound::open(&self.outbound)?.whole();
        let clock = process.clock.clone();
        let (events, delivery) = Events::open(self.webhook.as_ref(), http.clone(), clock);
        let deps = Deps {
            http,
            events,
            direct: runtime::http::direct()?,
            audit: audit.clone(),
            policy_file: self.policy_file.clone(),
            clock: process.clock.clone(),
            store,
        };
        let broker = Broker::new(self.registry(), deps)?;
        process.eventually("store", || broker.read_store()).await?;
        let server = self.sections().server().await?;
        let server = server.with_journal(Arc::new(audit.clone()));
        let access = self.sections().access(METHODS.iter().copied());
        let routes = Routes::new(broker.tokens()).add_service(broker.admin());
        let pause = Duration::from_secs(self.audit.checkpoint_seconds.max(1));
        let notes = async {
            loop {
                tokio::time::sleep(pause).await;
                audit.checkpoint().await;
            }
        };
        let work = async {
            tokio::select! {
                served = server.serve(routes, access, process.stop) => served,
                () = notes => Ok(()),
                () = broker.follow_store() => Ok(()),
            }
        };
        match delivery {
            Some(delivery) => delivery.beside(work, self.sections().grace).await,
            None => work.await,
        }
    }
}
