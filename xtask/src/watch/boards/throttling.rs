//! What Graph allows, and what is used of it.

use super::{percentile, rate};
use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    Board::new(
        "leastwise-throttling",
        "Leastwise: Graph and throttling",
        "What Graph allows, what is used of it, and who has to wait.",
    )
    .row("Refused")
    .panels([
        Panel::graph(
            "Throttled",
            "Answers a second that refused because a budget was used up, by Graph's limit.",
        )
        .query(
            rate("leastwise_graph_throttled_total", "", "bucket"),
            "{{bucket}}",
        )
        .unit("reqps")
        .traced("var-service=collector&"),
        Panel::graph("Asked again", "By why.")
            .query(
                rate("leastwise_graph_retries_total", "", "reason"),
                "{{reason}}",
            )
            .unit("reqps"),
        Panel::graph("Answers", "By status.")
            .query(
                rate(
                    "leastwise_graph_requests_total",
                    "",
                    "http_response_status_code",
                ),
                "{{http_response_status_code}}",
            )
            .unit("reqps"),
    ])
    .row("Waiting")
    .panels([
        Panel::graph(
            "Waits for a budget",
            "99 of 100. Minutes that don't end: something else uses up the tenant's limits.",
        )
        .query(
            percentile(0.99, "leastwise_graph_wait_duration_seconds", "", "bucket"),
            "{{bucket}}",
        )
        .unit("s")
        .red_from(60.0),
        Panel::graph(
            "Budget used",
            "The used share when a request goes; half of the requests, and 95 of 100.",
        )
        .query(
            percentile(0.5, "leastwise_graph_budget_used_ratio", "", "bucket"),
            "{{bucket}} half",
        )
        .query(
            percentile(0.95, "leastwise_graph_budget_used_ratio", "", "bucket"),
            "{{bucket}} 95 of 100",
        )
        .unit("percentunit"),
        Panel::table(
            "Tenants that fail",
            "Datasets that failed last, with the problem's code, in seconds since they succeeded.",
        )
        .query(
            "max by (tenant, dataset, code) (leastwise_dataset_failing_seconds)",
            "",
        ),
    ])
    .row("What it costs")
    .panels([
        Panel::graph("Requests", "By dataset; a batch is one.")
            .query(
                rate("leastwise_graph_requests_total", "", "dataset"),
                "{{dataset}}",
            )
            .unit("reqps")
            .width(6),
        Panel::graph(
            "Resource units",
            "That Graph says requests have cost, by dataset.",
        )
        .query(
            rate("leastwise_graph_units_total", "", "dataset"),
            "{{dataset}}",
        )
        .unit("cps")
        .width(6),
        Panel::graph("Received", "Decompressed, by dataset.")
            .query(
                rate("leastwise_graph_received_bytes_total", "", "dataset"),
                "{{dataset}}",
            )
            .unit("Bps")
            .width(6),
        Panel::graph(
            "Left out",
            "Datasets that tenants don't let be read, by code.",
        )
        .query(
            rate("leastwise_dataset_skips_total", "", "dataset, code"),
            "{{dataset}} {{code}}",
        )
        .unit("cps")
        .width(6),
    ])
}
