//! `leastwise sinks rejects`: records that sinks refused.

use clap::{Args, Subcommand};
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::admin::v1::{ListRejectsRequest, SinkReject};
use runtime::Problem;
use runtime::clock::rfc3339;
use runtime::grpc::Channel;

use crate::cli::{Format, Output};
use crate::connect::refused;
use crate::output::{self, Column, printable, thousands};

/// Records that sinks refused, with their keys and reasons, never their content. A record that changes is sent again by
/// itself.
#[derive(Args)]
pub struct Rejects {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// The newest ones, newest first.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
        /// How many.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// All that is known of those of one record.
    Show {
        /// The record's key, as `rejects list` shows it.
        key: String,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Send the current states of these records again.
    Replay {
        #[command(flatten)]
        which: Which,
        /// Only the record with this key.
        #[arg(long)]
        key: Option<String>,
        /// Why, for the record.
        #[arg(long, visible_alias = "reason", default_value = "")]
        why: String,
    },
}

#[derive(Args)]
struct Which {
    /// Only of this sink.
    #[arg(long)]
    sink: Option<String>,
    /// Only of this tenant.
    #[arg(long, value_name = "GUID")]
    tenant: Option<String>,
    /// Only of this kind of record.
    #[arg(long)]
    kind: Option<String>,
}

impl Which {
    fn request(self, key: Option<String>, limit: u32) -> ListRejectsRequest {
        ListRejectsRequest {
            sink: self.sink.unwrap_or_default(),
            tenant_id: self.tenant.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
            key: key.unwrap_or_default(),
            limit,
        }
    }
}

const COLUMNS: [Column<SinkReject>; 7] = [
    Column {
        title: "Sink",
        numeric: false,
        cell: |r| r.sink.clone(),
    },
    Column {
        title: "Tenant",
        numeric: false,
        cell: |r| r.tenant_id.clone(),
    },
    Column {
        title: "Kind",
        numeric: false,
        cell: |r| r.kind.clone(),
    },
    Column {
        title: "Key",
        numeric: false,
        cell: |r| r.key.clone(),
    },
    Column {
        title: "Refused",
        numeric: false,
        cell: |r| rfc3339(r.at),
    },
    Column {
        title: "Tries",
        numeric: true,
        cell: |r| thousands(r.tries),
    },
    Column {
        title: "Reason",
        numeric: false,
        cell: |r| r.reason.clone(),
    },
];

impl Rejects {
    /// Why somebody acts.
    pub(super) fn why(&self) -> &str {
        match &self.act {
            Act::Replay { why, .. } => why,
            Act::List { .. } | Act::Show { .. } => "",
        }
    }

    pub(super) async fn act(
        self,
        mut client: ExporterAdminClient<Channel>,
        when: &str,
    ) -> Result<(), Problem> {
        match self.act {
            Act::List {
                which,
                output,
                limit,
            } => {
                let rejects = listed(&mut client, which.request(None, limit)).await?;
                output::print(&rejects, &COLUMNS, output.output)
            }
            Act::Show { key, which, output } => {
                let rejects = listed(&mut client, which.request(Some(key), 0)).await?;
                match output.output {
                    Format::Table => rejects.iter().try_for_each(|r| output::write(&told(r))),
                    format => output::print(&rejects, &COLUMNS, format),
                }
            }
            Act::Replay { which, key, .. } => {
                let replayed = client.replay_rejects(which.request(key, 0)).await;
                let n = replayed.map_err(refused)?.into_inner().rejects;
                output::write(&format!("{n} records are sent again {when}.\n"))
            }
        }
    }
}

async fn listed(
    client: &mut ExporterAdminClient<Channel>,
    request: ListRejectsRequest,
) -> Result<Vec<SinkReject>, Problem> {
    let listed = client.list_rejects(request).await.map_err(refused)?;
    Ok(listed.into_inner().rejects)
}

fn told(r: &SinkReject) -> String {
    let replay = match r.replay {
        true => "It is about to be sent again.",
        false => "It is sent again when it changes, or by `leastwise sinks rejects replay`.",
    };
    format!(
        "The sink {} refused {} {} of {}\nin the state of {}, {} times, the last time at {}:\n{}\n{replay}\n\n",
        printable(&r.sink),
        printable(&r.kind),
        printable(&r.key),
        r.tenant_id,
        rfc3339(r.closing),
        thousands(r.tries),
        rfc3339(r.at),
        printable(&r.reason),
    )
}
