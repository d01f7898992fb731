//! `leastwise tenants`: tenants, what their apps may, and the token-broker's store.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::token_broker_admin_client::TokenBrokerAdminClient;
use proto::admin::v1::{
    AppReport, FileContent, PauseRequest, PreflightReport, PreflightRequest, PutTenantRequest,
    RemoveTenantRequest, ResumeRequest, TokenBrokerStatusRequest, TokenBrokerTenant,
};
use runtime::Problem;
use runtime::clock::rfc3339;
use runtime::error::Exit;
use serde::de::DeserializeOwned;
use token_broker::TenantConfig;

use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::{Clients, Services, refused};
use crate::output::{self, Column};

/// Tenants, what their apps may, and which of them are in the token-broker's store.
#[derive(Args)]
pub struct Tenants {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Every tenant with its apps and credentials, and where tokens were stopped.
    List(Output),
    /// Ask for a token with each app of a tenant, and hold what it may against what is needed.
    Preflight {
        /// The directory (tenant) id.
        tenant: String,
        #[command(flatten)]
        output: Output,
    },
    /// Put a tenant into the token-broker's store, once each of its credentials got a token.
    Add {
        /// A section [[tenants]] without its header. The files that its credentials name are sealed in the store.
        #[arg(long, value_name = "TOML")]
        file: PathBuf,
        /// Why, for the audit.
        #[arg(long)]
        reason: String,
    },
    /// Read nothing of a tenant until it is resumed. What was read of a run stays and is gone on with.
    Pause {
        /// The directory (tenant) id.
        tenant: String,
        /// Why, for the audit and for whoever looks at the status.
        #[arg(long)]
        reason: String,
    },
    /// Read a paused tenant again.
    Resume {
        /// The directory (tenant) id.
        tenant: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: String,
    },
    /// Take a tenant out: its credentials are destroyed, its records go from the sinks.
    Remove {
        /// The directory (tenant) id.
        tenant: String,
        /// Why, for the audit.
        #[arg(long)]
        reason: String,
    },
}

impl Act {
    fn reason(&self) -> &str {
        match self {
            Act::List(_) | Act::Preflight { .. } => "",
            Act::Add { reason, .. }
            | Act::Pause { reason, .. }
            | Act::Resume { reason, .. }
            | Act::Remove { reason, .. } => reason,
        }
    }
}

/// A section of the configuration in a file of its own, and the content of the files that it names.
pub struct Section {
    /// The TOML text.
    pub text: String,
    /// By the names that it uses.
    pub files: HashMap<String, FileContent>,
}

impl Section {
    /// Reads it. Relative names are relative to its own directory.
    ///
    /// # Errors
    /// `LW-1001` when a file can't be read, `LW-1002` when the section has another form.
    pub fn read<T: DeserializeOwned>(
        file: &Path,
        own_files: impl Fn(&T) -> Vec<PathBuf>,
    ) -> Result<Self, Problem> {
        let unreadable = |path: &Path, e: std::io::Error| {
            Problem::new(
                "LW-1001",
                format!("{} can't be read.", path.display()),
                "check the path and who may read it",
            )
            .exit(Exit::Usage)
            .caused_by(e)
        };
        let text = std::fs::read_to_string(file).map_err(|e| unreadable(file, e))?;
        let section: T = toml::from_str(&text).map_err(|e| {
            Problem::new(
                "LW-1002",
                format!(
                    "{}: {}.",
                    file.display(),
                    runtime::config::without_values(e.message())
                ),
                "write it as in the configuration, without the section's header",
            )
            .exit(Exit::Usage)
        })?;
        let base = file.parent().unwrap_or(Path::new(""));
        let mut files = HashMap::new();
        for name in own_files(&section) {
            let path = base.join(&name);
            let content = std::fs::read(&path).map_err(|e| unreadable(&path, e))?;
            files.insert(name.to_string_lossy().into_owned(), FileContent { content });
        }
        Ok(Section { text, files })
    }
}

const COLUMNS: [Column<TokenBrokerTenant>; 5] = [
    Column {
        title: "Tenant",
        numeric: false,
        cell: |t| t.tenant_id.clone(),
    },
    Column {
        title: "Name",
        numeric: false,
        cell: |t| t.name.clone(),
    },
    Column {
        title: "Pool",
        numeric: false,
        cell: |t| t.pool.clone(),
    },
    Column {
        title: "Where",
        numeric: false,
        cell: |t| match (t.removed, t.stored) {
            (true, _) => "removed".to_owned(),
            (_, true) => "store".to_owned(),
            (_, false) => "configuration".to_owned(),
        },
    },
    Column {
        title: "Apps and credentials",
        numeric: false,
        cell: apps,
    },
];

fn apps(tenant: &TokenBrokerTenant) -> String {
    let credential = |(n, c): (usize, &proto::admin::v1::CredentialState)| {
        let end = match c.ends_at {
            0 => String::new(),
            at => format!(", ends {:.10}", rfc3339(at * 1_000_000)),
        };
        let legacy = if c.legacy { ", LEGACY" } else { "" };
        format!("{n} {}{end}{legacy}", c.kind)
    };
    let app = |app: &proto::admin::v1::TokenBrokerApp| {
        let all: Vec<_> = app.credentials.iter().enumerate().map(credential).collect();
        format!("{}: {}", app.name, all.join("; "))
    };
    let exceptions = tenant.exceptions.iter().map(|e| format!("EXCEPTION {e}"));
    let all: Vec<_> = tenant.apps.iter().map(app).chain(exceptions).collect();
    all.join(" | ")
}

impl Tenants {
    /// Shows, adds or removes.
    ///
    /// # Errors
    /// When a file can't be read, or the token-broker can't be reached or refuses.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let services = Services::find(&config, self.act.reason()).await?;
        let done = self.act.run(services.clients()).await;
        services.close().await;
        done
    }
}

impl Act {
    async fn run(self, clients: &Clients) -> Result<ExitCode, Problem> {
        let mut client = TokenBrokerAdminClient::new(clients.token_broker.clone());
        let mut collector = CollectorAdminClient::new(clients.collector.clone());
        match self {
            Act::List(output) => {
                let request = TokenBrokerStatusRequest {};
                let status = client.status(request).await.map_err(refused)?.into_inner();
                output::print(&status.tenants, &COLUMNS, output.output)?;
                if output.output == Format::Table {
                    for kill in status.kills {
                        let whom = match kill.tenant_id.is_empty() {
                            true => "ALL TENANTS".to_owned(),
                            false => format!("tenant {}", kill.tenant_id),
                        };
                        output::write(&format!(
                            "Stopped: no tokens for {whom} since {}, by {} ({})\n",
                            rfc3339(kill.since),
                            kill.who,
                            kill.why
                        ))?;
                    }
                }
                Ok(ExitCode::SUCCESS)
            }
            Act::Preflight { tenant, output } => {
                let request = PreflightRequest { tenant_id: tenant };
                let report = client.preflight(request).await.map_err(refused)?;
                show(report.into_inner(), output.output)
            }
            Act::Add { file, .. } => {
                let Section { text, files } =
                    Section::read::<TenantConfig>(&file, TenantConfig::own_files)?;
                let request = PutTenantRequest {
                    section: text,
                    files,
                };
                let put = client.put_tenant(request).await.map_err(refused)?;
                output::write("Each credential got a token. The tenant is in the store.\n")?;
                show(put.into_inner().report.unwrap_or_default(), Format::Table)
            }
            Act::Pause { tenant, .. } => {
                let request = PauseRequest { tenant_id: tenant };
                collector.pause(request).await.map_err(refused)?;
                output::write(
                    "Nothing is read of the tenant from now on; what is under way stops within seconds. \
                     `leastwise tenants resume` lets it go on.\n",
                )?;
                Ok(ExitCode::SUCCESS)
            }
            Act::Resume { tenant, .. } => {
                let request = ResumeRequest { tenant_id: tenant };
                collector.resume(request).await.map_err(refused)?;
                output::write("The tenant is read again.\n")?;
                Ok(ExitCode::SUCCESS)
            }
            Act::Remove { tenant, .. } => {
                let request = RemoveTenantRequest { tenant_id: tenant };
                client.remove_tenant(request).await.map_err(refused)?;
                output::write(
                    "The tenant is taken out: its credentials are destroyed, its records go from the sinks. Delete the app \
                     registration in the tenant too.\n",
                )?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// What each app may. Exit code 3 when something is to be done.
pub(super) fn show(report: PreflightReport, format: Format) -> Result<ExitCode, Problem> {
    match format {
        Format::Table => {
            for app in &report.apps {
                output::write(&text(app))?;
            }
        }
        other => output::print(&report.apps, &[], other)?,
    }
    let fine = |a: &AppReport| a.problem.is_empty() && a.missing.is_empty();
    Ok(match report.apps.iter().all(fine) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(Exit::Incomplete as u8),
    })
}

fn text(app: &AppReport) -> String {
    let mut text = format!("app {}\n", app.app);
    let mut line = |name: &str, values: &[String]| {
        if !values.is_empty() {
            text += &format!("  {name}: {}\n", values.join(", "));
        }
    };
    line("credential", std::slice::from_ref(&app.credential));
    line("granted", &app.granted);
    let missing = app.missing.iter();
    let missing: Vec<_> = missing
        .map(|m| format!("{} (for {})", m.permission, m.dataset))
        .collect();
    line("MISSING", &missing);
    line("REFUSED, have them removed", &app.refused);
    line("TOLERATED by an exception", &app.tolerated);
    line("not needed, could be dropped", &app.unneeded);
    if app.tolerated.len() + app.refused.len() + app.missing.len() > 0 {
        line("enough for its datasets", &app.enough);
    }
    line(
        "nothing that needs them was asked for in 30 days",
        &app.unused,
    );
    if !app.problem.is_empty() {
        line("PROBLEM", std::slice::from_ref(&app.problem));
    }
    text
}
