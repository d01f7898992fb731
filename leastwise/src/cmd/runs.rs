//! `leastwise runs`: readings of datasets, and removals that are held.

mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    ApproveRequest, ListRunsRequest, MakeDueRequest, RejectRequest, Run, ShowRunRequest,
};
use proto::ids::TenantId;
use runtime::Problem;
use runtime::clock::rfc3339;

use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::{Services, refused, who};
use crate::output::{self, Column, thousands};

/// Readings of datasets, and removals that are held.
#[derive(Args)]
pub struct Runs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// The newest runs, newest first.
    List {
        #[command(flatten)]
        output: Output,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only runs of this tenant (directory id).
        tenant: Option<TenantId>,
        /// Only runs of which removals are held.
        #[arg(long)]
        held: bool,
    },
    /// All that is known of a run: its pages, times and counts, why it is not complete, what it set aside, and which
    /// removals it holds and why.
    Show {
        /// The run's number, as `runs list` shows it.
        run: u64,
        #[command(flatten)]
        output: Output,
        /// How many held removals are shown.
        #[arg(long, default_value_t = 100)]
        most_held: u32,
    },
    /// Let the held removals of a run go ahead: each object is asked for once more, and removed if Graph says that it
    /// is gone.
    Approve(Decision),
    /// Drop the held removals of a run; the next full run looks at them anew.
    Reject(Decision),
    /// Read datasets again now, without waiting any longer for runs that do not get into the ledger: their pages were
    /// lost, say.
    Again(Again),
}

impl Act {
    fn why(&self) -> &str {
        match self {
            Act::List { .. } | Act::Show { .. } => "",
            Act::Approve(decision) | Act::Reject(decision) => &decision.why,
            Act::Again(again) => &again.why,
        }
    }
}

#[derive(Args)]
struct Decision {
    /// The run's number, as `runs list` shows it.
    run: u64,
    /// Why, for the record.
    #[arg(long, visible_alias = "reason", default_value = "")]
    why: String,
}

#[derive(Args)]
struct Again {
    /// The tenants' directory (tenant) ids.
    #[arg(required_unless_present = "all")]
    tenants: Vec<TenantId>,
    /// All tenants.
    #[arg(long, conflicts_with = "tenants")]
    all: bool,
    /// Only this dataset; may be given more than once.
    #[arg(long)]
    dataset: Vec<String>,
    /// Everything, not only what changed.
    #[arg(long)]
    full: bool,
    /// Why, for the record.
    #[arg(long, visible_alias = "reason", default_value = "")]
    why: String,
}

const COLUMNS: [Column<Run>; 12] = [
    Column {
        title: "Run",
        numeric: true,
        cell: |r| r.run.to_string(),
    },
    Column {
        title: "Tenant",
        numeric: false,
        cell: |r| r.tenant_id.clone(),
    },
    Column {
        title: "Dataset",
        numeric: false,
        cell: |r| r.dataset.clone(),
    },
    Column {
        title: "Mode",
        numeric: false,
        cell: |r| r.mode.clone(),
    },
    Column {
        title: "Closed",
        numeric: false,
        cell: |r| rfc3339(r.closed_at),
    },
    Column {
        title: "Pages",
        numeric: true,
        cell: |r| thousands(r.pages),
    },
    Column {
        title: "Fetched",
        numeric: true,
        cell: |r| thousands(r.fetched),
    },
    Column {
        title: "Changed",
        numeric: true,
        cell: |r| thousands(r.changed),
    },
    Column {
        title: "Removed",
        numeric: true,
        cell: |r| thousands(r.removed),
    },
    Column {
        title: "Held",
        numeric: true,
        cell: |r| thousands(r.held),
    },
    Column {
        title: "Unfamiliar",
        numeric: true,
        cell: |r| thousands(r.unfamiliar.len() as u64),
    },
    Column {
        title: "State",
        numeric: false,
        cell: |r| if r.complete { "complete" } else { "incomplete" }.into(),
    },
];

impl Runs {
    /// Lists or decides.
    ///
    /// # Errors
    /// When the services can't be reached or refuse.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let services = Services::find(&config, self.act.why()).await?;
        let done = self.act(&services).await;
        services.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn act(self, services: &Services) -> Result<(), Problem> {
        let mut client = NormalizerAdminClient::new(services.clients().normalizer.clone());
        let next = match services {
            Services::Remote(_) => "They are asked for now.",
            Services::Here(_) => "They are asked for by the next `leastwise sync`.",
        };
        match self.act {
            Act::List {
                output,
                limit,
                tenant,
                held,
            } => {
                let request = ListRunsRequest {
                    limit,
                    tenant_id: tenant.map(|t| t.to_string()).unwrap_or_default(),
                    held,
                };
                let listed = client.list_runs(request).await.map_err(refused)?;
                output::print(&listed.into_inner().runs, &COLUMNS, output.output)
            }
            Act::Show {
                run,
                output,
                most_held,
            } => {
                let request = ShowRunRequest { run, most_held };
                let shown = client.show_run(request).await.map_err(refused)?;
                let runs = shown.into_inner().runs;
                if output.output != Format::Table {
                    return output::print(&runs, &[], output.output);
                }
                let pages: Vec<String> = runs.iter().map(show::page).collect();
                output::write(&pages.join("\n"))
            }
            Act::Approve(Decision { run, why }) => {
                let request = ApproveRequest {
                    run,
                    who: who(),
                    why,
                };
                let answer = client.approve(request).await.map_err(refused)?.into_inner();
                output::write(&format!(
                    "{} removals are approved. {next}\n",
                    answer.released
                ))
            }
            Act::Reject(Decision { run, why }) => {
                let answer = client
                    .reject(RejectRequest {
                        run,
                        who: who(),
                        why,
                    })
                    .await
                    .map_err(refused)?
                    .into_inner();
                output::write(&format!("{} held removals are dropped.\n", answer.dropped))
            }
            Act::Again(again) => {
                let mut collector = CollectorAdminClient::new(services.clients().collector.clone());
                let request = MakeDueRequest {
                    tenant_ids: again.tenants.iter().map(ToString::to_string).collect(),
                    datasets: again.dataset,
                    full: again.full,
                    give_up: true,
                };
                let answer = collector.make_due(request).await.map_err(refused)?;
                let when = match services {
                    Services::Remote(_) => "now",
                    Services::Here(_) => "by the next `leastwise sync`",
                };
                output::write(&format!(
                    "{} datasets are read again {when}.\n",
                    answer.into_inner().datasets
                ))
            }
        }
    }
}
