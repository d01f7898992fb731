//! The four golden signals of each stage: traffic, errors, latency, saturation.

use super::{percentile, rate, share_without};
use crate::watch::panel::Panel;

/// A stage in a row of four panels.
pub struct Golden {
    /// Its name, for people.
    pub name: &'static str,
    /// Traffic, errors, latency, saturation.
    pub panels: [Panel; 4],
}

/// In the order in which a page takes them.
pub fn all() -> [Golden; 4] {
    [token_broker(), collector(), normalizer(), exporter()]
}

fn token_broker() -> Golden {
    let panels = [
        Panel::graph(
            "Tokens handed out",
            "By outcome: issued, or the code of the refusal.",
        )
        .query(
            rate("leastwise_token_requests_total", "", "outcome"),
            "{{outcome}}",
        )
        .unit("reqps"),
        Panel::graph(
            "Token requests refused",
            "The share of requests that got no token.",
        )
        .query(
            share_without("leastwise_token_requests_total", "outcome=\"issued\""),
            "refused",
        )
        .unit("percentunit")
        .red_from(0.05),
        Panel::graph(
            "Entra ID's time",
            "How long Entra ID takes; 99 of 100 requests.",
        )
        .query(
            percentile(0.99, "leastwise_entra_duration_seconds", "", "outcome"),
            "{{outcome}}",
        )
        .unit("s"),
        Panel::graph(
            "Callers who wait",
            "Tokens that somebody waited for, a second, and callers who joined them.",
        )
        .query(
            rate("leastwise_token_fetches_total", "", "reason"),
            "{{reason}}",
        )
        .unit("reqps"),
    ];
    quarter("Token-broker", panels)
}

fn collector() -> Golden {
    let panels = [
        Panel::graph(
            "Objects published",
            "Objects on pages that the queue has confirmed, by dataset.",
        )
        .query(
            rate("leastwise_objects_published_total", "", "dataset"),
            "{{dataset}}",
        )
        .unit("cps"),
        Panel::graph(
            "Graph's refusals",
            "The share of Graph's answers that are no success, by status.",
        )
        .query(
            share_without(
                "leastwise_graph_requests_total",
                "http_response_status_code=~\"2..\"",
            ),
            "not 2xx",
        )
        .query(
            rate(
                "leastwise_graph_requests_total",
                "",
                "http_response_status_code",
            ),
            "{{http_response_status_code}} a second",
        )
        .unit("short"),
        Panel::graph(
            "Graph's time",
            "How long requests take until the head of the answer; 99 of 100.",
        )
        .query(
            percentile(
                0.99,
                "http_client_request_duration_seconds",
                "service=\"collector\"",
                "http_request_method",
            ),
            "{{http_request_method}}",
        )
        .unit("s")
        .traced("var-service=collector&"),
        Panel::graph(
            "Waiting for a turn",
            "How long the dataset waits that waits longest: too few collectors where it grows.",
        )
        .query("max(leastwise_schedule_latest_seconds)", "longest wait")
        .unit("s")
        .red_from(1_800.0),
    ];
    quarter("Collector", panels)
}

fn normalizer() -> Golden {
    let panels = [
        Panel::graph(
            "Objects settled",
            "What became of objects of closed runs, a second.",
        )
        .query(
            rate("leastwise_objects_settled_total", "", "outcome"),
            "{{outcome}}",
        )
        .unit("cps"),
        Panel::graph(
            "Objects not taken",
            "The share of objects that are set aside, left out or in a gap.",
        )
        .query(
            share_without(
                "leastwise_objects_settled_total",
                "outcome!~\"set_aside|left_out|gap\"",
            ),
            "not taken",
        )
        .unit("percentunit")
        .red_from(0.01),
        Panel::graph(
            "Time for a message",
            "How long a message is worked on; 99 of 100, by queue.",
        )
        .query(
            percentile(
                0.99,
                "messaging_process_duration_seconds",
                "service=\"normalizer\"",
                "messaging_destination_name",
            ),
            "{{messaging_destination_name}}",
        )
        .unit("s")
        .traced("var-service=normalizer&"),
        Panel::graph(
            "Waiting to be applied",
            "Age of the oldest seal that is not applied yet, of the tenants where it is highest.",
        )
        .query(
            "topk(5, max by (tenant) (leastwise_tenant_pending_seconds))",
            "{{tenant}}",
        )
        .unit("s")
        .red_from(600.0),
    ];
    quarter("Normalizer", panels)
}

fn exporter() -> Golden {
    let panels = [
        Panel::graph(
            "Records delivered",
            "Written to or removed from sinks, by kind of sink.",
        )
        .query(
            rate("leastwise_records_delivered_total", "", "sink"),
            "{{sink}}",
        )
        .unit("cps"),
        Panel::graph(
            "Sinks that fail",
            "Tenants of which the last push failed, by sink and code.",
        )
        .query(
            "max by (sink, code) (leastwise_sink_failing)",
            "{{sink}} {{code}}",
        )
        .red_from(1.0),
        Panel::graph("Lag", "Age of the oldest change that a sink lacks.")
            .query("max by (sink) (leastwise_sink_lag_seconds)", "{{sink}}")
            .unit("s")
            .red_from(900.0)
            .traced("var-service=exporter&"),
        Panel::graph("Tenants behind", "Tenants of which a sink lacks something.")
            .query("max by (sink) (leastwise_sink_tenants_behind)", "{{sink}}"),
    ];
    quarter("Exporter", panels)
}

fn quarter(name: &'static str, panels: [Panel; 4]) -> Golden {
    Golden {
        name,
        panels: panels.map(|panel| panel.width(6)),
    }
}
