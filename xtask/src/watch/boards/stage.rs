//! One stage: its golden signals, its processes, and what it can't work on.

use super::{golden, percentile, rate};
use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    let board = Board::new(
        "leastwise-stage",
        "Leastwise: stages",
        "Each stage of the pipeline: its golden signals, its processes, and what it can't work on.",
    )
    .choose("service", "leastwise_ready");
    let of = "service=~\"$service\"";
    let board = board.row("Processes").panels([
        Panel::graph(
            "Ready",
            "1 where everything that the process needs is there.",
        )
        .query(
            format!("min by (service, instance) (leastwise_ready{{{of}}})"),
            "{{service}} {{instance}}",
        )
        .width(6),
        Panel::graph("CPU", "Of each process, in cores.")
            .query(
                rate("process_cpu_time_seconds_total", of, "service, instance"),
                "{{service}} {{instance}}",
            )
            .width(6),
        Panel::graph("Memory", "Resident memory of each process.")
            .query(
                format!("max by (service, instance) (process_memory_usage_bytes{{{of}}})"),
                "{{service}} {{instance}}",
            )
            .unit("bytes")
            .width(6),
        Panel::graph("gRPC calls", "Calls answered a second, by status.")
            .query(
                rate(
                    "rpc_server_call_duration_seconds_count",
                    of,
                    "service, rpc_response_status_code",
                ),
                "{{service}} {{rpc_response_status_code}}",
            )
            .unit("reqps")
            .width(6),
    ]);
    let board = board.row("Messages").panels([
        Panel::graph(
            "Taken",
            "Messages that queues handed out a second, those that come again included.",
        )
        .query(
            rate(
                "messaging_client_consumed_messages_total",
                of,
                "messaging_destination_name",
            ),
            "{{messaging_destination_name}}",
        )
        .unit("cps"),
        Panel::graph(
            "Worked on",
            "How long a message is worked on; 99 of 100, by queue and how it ends.",
        )
        .query(
            percentile(
                0.99,
                "messaging_process_duration_seconds",
                of,
                "messaging_destination_name, error_type",
            ),
            "{{messaging_destination_name}} {{error_type}}",
        )
        .unit("s")
        .traced("var-service=${service}&"),
        Panel::graph("gRPC calls' time", "99 of 100, by method.")
            .query(
                percentile(0.99, "rpc_server_call_duration_seconds", of, "rpc_method"),
                "{{rpc_method}}",
            )
            .unit("s"),
    ]);
    let board = golden::all().into_iter().fold(board, |board, stage| {
        board.row(stage.name).panels(stage.panels)
    });
    board.row("Runs").panels([
        Panel::graph(
            "Runs sealed",
            "Runs read to their end a second, by dataset.",
        )
        .query(
            rate("leastwise_runs_sealed_total", "", "dataset"),
            "{{dataset}}",
        )
        .unit("cps")
        .width(6),
        Panel::graph(
            "Runs closed",
            "Runs closed in the ledger a second, by outcome.",
        )
        .query(
            rate("leastwise_runs_closed_total", "", "outcome"),
            "{{outcome}}",
        )
        .unit("cps")
        .width(6),
        Panel::graph(
            "Verdicts",
            "Verdicts that the queue has confirmed, a second.",
        )
        .query(
            rate("leastwise_verdicts_published_total", "", "dataset"),
            "{{dataset}}",
        )
        .unit("cps")
        .width(6),
        Panel::graph(
            "Pages",
            "Pages published and taken a second; those with a gap can't be used.",
        )
        .query(
            "sum(rate(leastwise_pages_published_total[$__rate_interval]))",
            "published",
        )
        .query(
            rate("leastwise_pages_taken_total", "", "gap"),
            "taken, gap {{gap}}",
        )
        .unit("cps")
        .width(6),
        Panel::graph(
            "Lateness",
            "How long after its cadence a dataset's run begins; 99 of 100.",
        )
        .query(
            percentile(0.99, "leastwise_schedule_lateness_seconds", "", "dataset"),
            "{{dataset}}",
        )
        .unit("s")
        .width(6),
        Panel::graph("Leases", "Leases on tenants that changed hands a second.")
            .query(
                rate("leastwise_lease_changes_total", "", "change"),
                "{{change}}",
            )
            .unit("cps")
            .width(6),
        Panel::graph("Removals held", "Of the tenants with the most.")
            .query("max by (tenant) (leastwise_tenant_held)", "{{tenant}}")
            .width(6)
            .red_from(1.0),
        Panel::stat(
            "Not reconciled",
            "Licence positions whose residual is not explained.",
        )
        .query("max(leastwise_positions_unreconciled)", "")
        .red_from(1.0),
    ])
}
