//! `leastwise status`: what each service is doing.

use std::process::ExitCode;

use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    CollectorStatus, DatasetStatus, ExporterStatus, ExporterStatusRequest, NormalizerStatus,
    NormalizerStatusRequest, SinkStatus, WatchRequest,
};
use runtime::Problem;
use runtime::clock::rfc3339;
use serde::Serialize;

use crate::cli::Format;
use crate::config::Source;
use crate::connect::{Clients, Services, refused};
use crate::output::{self, Column};

#[derive(Serialize)]
struct Whole {
    running: bool,
    collector: CollectorStatus,
    normalizer: NormalizerStatus,
    exporter: ExporterStatus,
}

/// Prints the state of every service.
pub async fn run(source: &Source, format: Format) -> Result<ExitCode, Problem> {
    let config = source.load()?;
    let services = Services::find(&config, "").await?;
    let running = matches!(services, Services::Remote(_));
    let state = read(services.clients(), running).await;
    services.close().await;
    let state = state?;
    match format {
        Format::Json => {
            output::write(&(serde_json::to_string_pretty(&state).unwrap_or_default() + "\n"))?
        }
        Format::Csv => output::print(&state.collector.datasets, &DATASETS, format)?,
        Format::Table => table(&state)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(clients: &Clients, running: bool) -> Result<Whole, Problem> {
    let mut states = CollectorAdminClient::new(clients.collector.clone())
        .watch(WatchRequest {})
        .await
        .map_err(refused)?
        .into_inner();
    let collector = states.message().await.map_err(refused)?.unwrap_or_default();
    let normalizer = NormalizerAdminClient::new(clients.normalizer.clone())
        .status(NormalizerStatusRequest {})
        .await
        .map_err(refused)?
        .into_inner();
    let exporter = ExporterAdminClient::new(clients.exporter.clone())
        .status(ExporterStatusRequest {})
        .await
        .map_err(refused)?
        .into_inner();
    Ok(Whole {
        running,
        collector,
        normalizer,
        exporter,
    })
}

const DATASETS: [Column<DatasetStatus>; 6] = [
    Column {
        title: "Tenant",
        numeric: false,
        cell: |d| d.tenant_id.clone(),
    },
    Column {
        title: "Dataset",
        numeric: false,
        cell: |d| d.dataset.clone(),
    },
    Column {
        title: "Phase",
        numeric: false,
        cell: |d| d.phase.clone(),
    },
    Column {
        title: "Last run",
        numeric: false,
        cell: |d| {
            if d.run == 0 {
                "never".into()
            } else {
                rfc3339(d.run)
            }
        },
    },
    Column {
        title: "Ids waiting",
        numeric: true,
        cell: |d| d.waiting_ids.to_string(),
    },
    Column {
        title: "Problem",
        numeric: false,
        cell: |d| d.problem.clone(),
    },
];

const SINKS: [Column<SinkStatus>; 5] = [
    Column {
        title: "Sink",
        numeric: false,
        cell: |s| s.sink.clone(),
    },
    Column {
        title: "Tenant",
        numeric: false,
        cell: |s| s.tenant_id.clone(),
    },
    Column {
        title: "State",
        numeric: false,
        cell: |s| if s.delivered { "up to date" } else { "behind" }.into(),
    },
    Column {
        title: "Location",
        numeric: false,
        cell: |s| s.location.clone(),
    },
    Column {
        title: "Problem",
        numeric: false,
        cell: |s| s.problem.clone(),
    },
];

fn table(state: &Whole) -> Result<(), Problem> {
    let n = &state.normalizer;
    let running = if state.running {
        "Running."
    } else {
        "Not running: this is the state at rest."
    };
    output::write(&format!("{running}\n\n"))?;
    output::print(&state.collector.datasets, &DATASETS, Format::Table)?;
    for paused in &state.collector.paused {
        output::write(&format!(
            "Paused: tenant {} since {}, by {} ({})\n",
            paused.tenant_id,
            rfc3339(paused.since),
            paused.who,
            paused.why
        ))?;
    }
    output::write(&format!(
        "\nLedger: {} pages and {} seals wait, {} removals are held, {} objects are set aside.\n",
        n.waiting_pages, n.waiting_seals, n.held, n.set_aside
    ))?;
    for count in &n.records {
        output::write(&format!("  {} {}\n", count.live, count.kind))?;
    }
    output::write("\n")?;
    if state.running {
        output::print(&state.exporter.sinks, &SINKS, Format::Table)
    } else {
        output::write("Sinks are looked at by `leastwise sync` and `leastwise run`.\n")
    }
}
