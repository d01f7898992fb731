//! The sinks: what each lacks, whether it works, what it refuses.

use super::{percentile, rate};
use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    let of = |series: &str, by: &str| format!("max by ({by}) ({series}{{sink=~\"$sink\"}})");
    let chosen = "sink=~\"$sink\"";
    Board::new(
        "leastwise-sinks",
        "Leastwise: sinks",
        "What each sink lacks, whether it works, what it refuses.",
    )
    .choose("sink", "leastwise_sink_lag_seconds")
    .row("State")
    .panels([
        Panel::table("Failing", "Tenants of which the last push failed, by code.")
            .query(of("leastwise_sink_failing", "sink, code"), ""),
        Panel::table(
            "Left alone",
            "0: it works; 1: it is tried; 2: it failed and is left alone.",
        )
        .query(of("leastwise_sink_breaker", "sink"), ""),
        Panel::table(
            "Credentials",
            "Days until they end, where `expires` says when.",
        )
        .query(of("leastwise_sink_credential_left_days", "sink"), "")
        .unit("d"),
    ])
    .row("Lag")
    .panels([
        Panel::graph(
            "Oldest change",
            "Age of the oldest change that a sink lacks of any tenant.",
        )
        .query(of("leastwise_sink_lag_seconds", "sink"), "{{sink}}")
        .unit("s")
        .red_from(900.0)
        .traced("var-service=exporter&"),
        Panel::graph("Tenants behind", "Tenants of which it lacks something.")
            .query(of("leastwise_sink_tenants_behind", "sink"), "{{sink}}"),
        Panel::table(
            "Worst tenants",
            "Seconds since the oldest change that a sink lacks of a tenant.",
        )
        .query(of("leastwise_tenant_sink_lag_seconds", "tenant, sink"), "")
        .unit("s"),
    ])
    .row("Deliveries")
    .panels([
        Panel::graph(
            "Records delivered",
            "Written to or removed from sinks a second; here by kind of sink.",
        )
        .query(
            rate("leastwise_records_delivered_total", "", "sink"),
            "{{sink}}",
        )
        .unit("cps"),
        Panel::graph("Pushes", "To sinks behind HTTP a second, by outcome.")
            .query(
                rate(
                    "leastwise_sink_push_duration_seconds_count",
                    chosen,
                    "sink, outcome",
                ),
                "{{sink}} {{outcome}}",
            )
            .unit("reqps")
            .traced("var-service=exporter&"),
        Panel::graph("Pushes' time", "99 of 100.")
            .query(
                percentile(0.99, "leastwise_sink_push_duration_seconds", chosen, "sink"),
                "{{sink}}",
            )
            .unit("s"),
        Panel::table(
            "Rejected",
            "Records that a sink refused or that can't be told to it, since the process started.",
        )
        .query(
            "sum by (sink, reason) (leastwise_sink_rejects_total{sink=~\"$sink\"})",
            "",
        ),
        Panel::graph(
            "Records",
            "Of sinks that are sent changes: delivered, lacking and rejected are all there are.",
        )
        .query(
            of("leastwise_sink_records", "sink, state"),
            "{{sink}} {{state}}",
        ),
        Panel::graph(
            "Requests",
            "HTTP requests to sinks a second, by host and status.",
        )
        .query(
            rate(
                "http_client_request_duration_seconds_count",
                "service=\"exporter\"",
                "server_address, http_response_status_code, error_type",
            ),
            "{{server_address}} {{http_response_status_code}} {{error_type}}",
        )
        .unit("reqps"),
    ])
}
