//! `leastwise setaside`: objects that could not be read.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    DatasetName, ListSetAsideRequest, MakeDueRequest, ReplaySetAsideRequest, Replayed, SetAside,
    ShowSetAsideRequest,
};
use runtime::Problem;
use runtime::clock::rfc3339;

use crate::cli::{Format, Output};
use crate::config::Source;
use crate::connect::{Services, refused, who};
use crate::output::{self, Column};

/// Objects that could not be read: which, why, and whether this release can read them.
///
/// They count as seen, so nothing is removed because of them; the inventory shows their last readable state, if there is
/// one. A newer full reading of a dataset takes the place of what older ones set aside.
#[derive(Args)]
pub struct Setaside {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// The newest ones, newest first, without their content.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
        /// How many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// One of them as Graph sent it, which may be a person's data: who looks and why is noted.
    Show {
        /// Its number, as `setaside list` shows it.
        id: u64,
        /// Why, for the record.
        #[arg(long, visible_alias = "reason", default_value = "")]
        why: String,
        #[command(flatten)]
        output: Output,
    },
    /// Say which of them this release can read, and have their datasets read again in full: the ledger takes nothing but
    /// what was read.
    Replay {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
        /// How many at most, the newest first.
        #[arg(long, default_value_t = 1_000)]
        limit: u32,
        /// Only say it.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args)]
struct Which {
    /// Only of this tenant.
    #[arg(long, value_name = "GUID")]
    tenant: Option<String>,
    /// Only of this dataset.
    #[arg(long)]
    dataset: Option<String>,
    /// Only of this run.
    #[arg(long)]
    run: Option<u64>,
    /// Only the object with this key.
    #[arg(long)]
    key: Option<String>,
}

impl Which {
    fn request(self, limit: u32) -> ListSetAsideRequest {
        ListSetAsideRequest {
            tenant_id: self.tenant.unwrap_or_default().to_lowercase(),
            dataset: self.dataset.unwrap_or_default(),
            run: self.run.unwrap_or_default(),
            key: self.key.unwrap_or_default().to_lowercase(),
            limit,
        }
    }
}

const COLUMNS: [Column<SetAside>; 7] = [
    Column {
        title: "Number",
        numeric: true,
        cell: |o| o.id.to_string(),
    },
    Column {
        title: "Tenant",
        numeric: false,
        cell: |o| o.tenant_id.clone(),
    },
    Column {
        title: "Dataset",
        numeric: false,
        cell: |o| o.dataset.clone(),
    },
    Column {
        title: "Run",
        numeric: true,
        cell: |o| o.run.to_string(),
    },
    Column {
        title: "Key",
        numeric: false,
        cell: |o| o.key.clone(),
    },
    Column {
        title: "Came",
        numeric: false,
        cell: |o| rfc3339(o.at),
    },
    Column {
        title: "Reason",
        numeric: false,
        cell: |o| o.reason.clone(),
    },
];

const REPLAYED: [Column<Replayed>; 4] = [
    Column {
        title: "Number",
        numeric: true,
        cell: |r| {
            let id = r.object.as_ref().map_or(0, |o| o.id);
            id.to_string()
        },
    },
    Column {
        title: "Dataset",
        numeric: false,
        cell: |r| r.object.as_ref().map_or("", |o| &o.dataset).to_owned(),
    },
    Column {
        title: "Key",
        numeric: false,
        cell: |r| r.object.as_ref().map_or("", |o| &o.key).to_owned(),
    },
    Column {
        title: "Now",
        numeric: false,
        cell: |r| match r.readable {
            true => "readable".to_owned(),
            false => r.reason.clone(),
        },
    },
];

impl Setaside {
    /// Lists, shows or replays.
    ///
    /// # Errors
    /// When the services can't be reached or refuse.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let why = match &self.act {
            Act::Show { why, .. } => why.as_str(),
            Act::List { .. } | Act::Replay { .. } => "",
        };
        let services = Services::find(&config, why).await?;
        let done = self.act(&services).await;
        services.close().await;
        done.map(|()| ExitCode::SUCCESS)
    }

    async fn act(self, services: &Services) -> Result<(), Problem> {
        let mut client = NormalizerAdminClient::new(services.clients().normalizer.clone());
        match self.act {
            Act::List {
                which,
                output,
                limit,
            } => {
                let listed = client.list_set_aside(which.request(limit)).await;
                let objects = listed.map_err(refused)?.into_inner().objects;
                output::print(&objects, &COLUMNS, output.output)
            }
            Act::Show { id, why, output } => {
                let request = ShowSetAsideRequest {
                    id,
                    who: who(),
                    why,
                };
                let shown = client.show_set_aside(request).await.map_err(refused)?;
                let shown = shown.into_inner();
                if output.output != Format::Table {
                    return output::print(&[shown], &[], output.output);
                }
                let object = shown.object.unwrap_or_default();
                output::print(&[object], &COLUMNS, Format::Table)?;
                let now = match (shown.source.is_empty(), shown.reason_now.as_str()) {
                    (true, _) => "Its source was not kept.",
                    (false, "") => "This release can read it: `leastwise setaside replay`.",
                    (false, reason) => reason,
                };
                output::write(&format!("\n{}\n\nNow: {now}\n", pretty(&shown.source)))
            }
            Act::Replay {
                which,
                output,
                limit,
                dry_run,
            } => {
                let which = Some(which.request(limit));
                let answer = client
                    .replay_set_aside(ReplaySetAsideRequest { which })
                    .await
                    .map_err(refused)?
                    .into_inner();
                let due = match dry_run {
                    true => Vec::new(),
                    false => answer.due,
                };
                for name in &due {
                    make_due(services, name).await?;
                }
                output::print(&answer.objects, &REPLAYED, output.output)?;
                match output.output {
                    Format::Table => output::write(&summary(services, &due, dry_run)),
                    Format::Json | Format::Csv => Ok(()),
                }
            }
        }
    }
}

/// JSON writes control characters as escapes, so nothing in it steers a terminal.
fn pretty(source: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(source);
    let pretty = parsed.and_then(|value| serde_json::to_string_pretty(&value));
    pretty.unwrap_or_else(|_| output::printable(source))
}

async fn make_due(services: &Services, name: &DatasetName) -> Result<(), Problem> {
    let mut collector = CollectorAdminClient::new(services.clients().collector.clone());
    let request = MakeDueRequest {
        tenant_ids: vec![name.tenant_id.clone()],
        datasets: vec![name.dataset.clone()],
        full: true,
        give_up: false,
    };
    collector.make_due(request).await.map_err(refused)?;
    Ok(())
}

fn summary(services: &Services, due: &[DatasetName], dry_run: bool) -> String {
    let when = match services {
        Services::Remote(_) => "now",
        Services::Here(_) => "by the next `leastwise sync`",
    };
    let lines: String = due
        .iter()
        .map(|d| {
            format!(
                "{} of {} is read again in full {when}.\n",
                d.dataset, d.tenant_id
            )
        })
        .collect();
    match (lines.is_empty(), dry_run) {
        (true, false) => "Nothing is to be read again.\n".to_owned(),
        _ => lines,
    }
}
