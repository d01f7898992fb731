//! `leastwise sinks`: what brings the inventory into other systems.

mod rejects;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::admin::v1::{
    ListSinksRequest, ResyncSinkRequest, SinkChanges, SinkSummary, TestSinkRequest,
};
use runtime::Problem;
use runtime::grpc::Channel;

use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::{Services, refused};
use crate::output::{self, Column, thousands};

/// What brings the inventory into other systems: whether it works, what it would be sent, what it refused.
#[derive(Args)]
pub struct Sinks {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Every sink: whether it works and what it lacks.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Reach a sink with its credentials and say what it would be sent now, changing nothing.
    Test {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Have a sink get everything anew: what differs is written, what the inventory lacks is removed. For a sink that was
    /// restored or changed by somebody else.
    Resync {
        #[command(flatten)]
        which: Which,
        /// Why, for the record.
        #[arg(long, visible_alias = "reason", default_value = "")]
        why: String,
    },
    /// Records that a sink refused.
    Rejects(rejects::Rejects),
}

#[derive(Args)]
struct Which {
    /// The sink's name, as `sinks list` shows it.
    sink: String,
    /// Only this tenant.
    #[arg(long, value_name = "GUID")]
    tenant: Option<String>,
}

const COLUMNS: [Column<SinkSummary>; 10] = [
    Column {
        title: "Sink",
        numeric: false,
        cell: |s| s.sink.clone(),
    },
    Column {
        title: "Kind",
        numeric: false,
        cell: |s| s.kind.clone(),
    },
    Column {
        title: "Where",
        numeric: false,
        cell: |s| s.location.clone(),
    },
    Column {
        title: "Breaker",
        numeric: false,
        cell: |s| s.breaker.clone(),
    },
    Column {
        title: "Delivered",
        numeric: true,
        cell: |s| format!("{}/{}", s.delivered, s.tenants),
    },
    Column {
        title: "Behind (s)",
        numeric: true,
        cell: |s| thousands(s.lag_seconds),
    },
    Column {
        title: "Lacks",
        numeric: true,
        cell: |s| thousands(s.lag_records),
    },
    Column {
        title: "Rejects",
        numeric: true,
        cell: |s| thousands(s.rejects),
    },
    Column {
        title: "Credentials (d)",
        numeric: true,
        cell: |s| s.credential_days.map_or(String::new(), |d| d.to_string()),
    },
    Column {
        title: "Problem",
        numeric: false,
        cell: |s| s.problem.clone(),
    },
];

const CHANGES: [Column<SinkChanges>; 7] = [
    Column {
        title: "Tenant",
        numeric: false,
        cell: |c| c.tenant_id.clone(),
    },
    Column {
        title: "Kind",
        numeric: false,
        cell: |c| c.kind.clone(),
    },
    Column {
        title: "Written",
        numeric: true,
        cell: |c| thousands(c.written),
    },
    Column {
        title: "Removed",
        numeric: true,
        cell: |c| thousands(c.removed),
    },
    Column {
        title: "Unchanged",
        numeric: true,
        cell: |c| thousands(c.unchanged),
    },
    Column {
        title: "Unfit",
        numeric: true,
        cell: |c| thousands(c.unfit),
    },
    Column {
        title: "First keys",
        numeric: false,
        cell: |c| c.keys.join(" "),
    },
];

impl Sinks {
    /// Lists, tests or has delivered anew.
    ///
    /// # Errors
    /// When the services can't be reached or refuse.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let why = match &self.act {
            Act::Resync { why, .. } => why.as_str(),
            Act::Rejects(rejects) => rejects.why(),
            Act::List { .. } | Act::Test { .. } => "",
        };
        let services = Services::find(&config, why).await?;
        let done = self.act(&services).await;
        services.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn act(self, services: &Services) -> Result<(), Problem> {
        let mut client = ExporterAdminClient::new(services.clients().exporter.clone());
        match self.act {
            Act::List { output } => {
                let listed = client.list_sinks(ListSinksRequest {}).await;
                let sinks = listed.map_err(refused)?.into_inner().sinks;
                output::print(&sinks, &COLUMNS, output.output)
            }
            Act::Test { which, output } => test(client, which, output.output).await,
            Act::Resync { which, .. } => {
                let request = ResyncSinkRequest {
                    sink: which.sink.clone(),
                    tenant_ids: which.tenant.into_iter().collect(),
                };
                let tenants = client.resync_sink(request).await.map_err(refused)?;
                let (n, sink) = (tenants.into_inner().tenants, which.sink);
                output::write(&format!(
                    "{sink} gets {n} tenants anew {}.\n",
                    when(services)
                ))
            }
            Act::Rejects(rejects) => rejects.act(client, when(services)).await,
        }
    }
}

async fn test(
    mut client: ExporterAdminClient<Channel>,
    which: Which,
    format: Format,
) -> Result<(), Problem> {
    let request = TestSinkRequest {
        sink: which.sink.clone(),
        tenant_id: which.tenant.unwrap_or_default(),
    };
    let tested = client.test_sink(request).await.map_err(refused)?;
    let tested = tested.into_inner();
    if let Some(problem) = Problem::told(&tested.problem) {
        return Err(problem);
    }
    output::print(&tested.changes, &CHANGES, format)?;
    if format != Format::Table {
        return Ok(());
    }
    let sink = &which.sink;
    let mut text = match tested.changes.is_empty() {
        true => format!("{sink} can be used and lacks nothing.\n"),
        false => format!("{sink} can be used. Nothing was changed.\n"),
    };
    if tested.changes.iter().any(|c| c.whole) {
        text.push_str(
            "Everything is compared anew: records that the inventory lacks are removed too.\n",
        );
    }
    output::write(&text)
}

fn when(services: &Services) -> &'static str {
    match services {
        Services::Remote(_) => "now",
        Services::Here(_) => "by the next `leastwise sync`",
    }
}
