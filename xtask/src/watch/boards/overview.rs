//! The first look: is everything fresh, is anything lost, and which stage is it.

use super::golden;
use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    let board = Board::new(
        "leastwise-overview",
        "Leastwise: overview",
        "Is everything fresh, is anything lost, and which stage is it.",
    );
    let board = board.row("Now").panels([
        Panel::stat("Tenants fresh", "Tenants of whom every dataset is as new as its cadence promises.")
            .query("sum(max by (pool) (leastwise_tenants{state=\"fresh\"}))", ""),
        Panel::stat("Tenants stale", "Tenants of whom a dataset is older than two cadences and 15 minutes.")
            .query("sum(max by (pool) (leastwise_tenants{state=\"stale\"}))", "")
            .red_from(1.0),
        Panel::stat("Tenants paused", "Tenants that somebody has paused.")
            .query("sum(max by (pool) (leastwise_tenants{state=\"paused\"}))", ""),
        Panel::stat("Sinks behind", "Sinks that lack something for more than 15 minutes.")
            .query("sum(max by (sink) (leastwise_sink_lag_seconds) > bool 900)", "")
            .red_from(1.0),
        Panel::stat("Processes up", "Processes that answer to Prometheus, by service.")
            .query("sum by (service) (up{job=\"leastwise\"})", "{{service}}")
            .red_below(1.0),
        Panel::stat("Alerts", "Alerts that fire, by severity.")
            .query("count by (severity) (ALERTS{alertname=~\"Leastwise.*\",alertstate=\"firing\"})", "{{severity}}")
            .red_from(1.0),
        Panel::table("What fires", "Each alert with tenant and stage; its page is docs/runbook/<alert>.md.")
            .query("count by (alertname, severity, stage, tenant, sink) (ALERTS{alertname=~\"Leastwise.*\",alertstate=\"firing\"})", "")
            .width(12),
        Panel::table("Ready", "What a process needs: 1 where it is there. /readyz says why not.")
            .query("sort(min by (service, instance, check) (leastwise_ready))", "")
            .width(12),
    ]);
    let board = conservation(board);
    let board = board.row("Promises").panels([
        Panel::graph("Freshness: budget burnt", "How many times faster than allowed: 1 % of tenants may be stale over 30 days.")
            .query("leastwise:freshness_errors:ratio_1h / 0.01", "1 h")
            .query("leastwise:freshness_errors:ratio_6h / 0.01", "6 h")
            .query("leastwise:freshness_errors:ratio_3d / 0.01", "3 d")
            .red_from(1.0),
        Panel::graph("Delivery: budget burnt", "How many times faster than allowed: a sink may lag by more than 15 minutes for 1 % of 30 days.")
            .query("leastwise:delivery_errors:ratio_1h / 0.01", "{{sink}} 1 h")
            .query("leastwise:delivery_errors:ratio_6h / 0.01", "{{sink}} 6 h")
            .query("leastwise:delivery_errors:ratio_3d / 0.01", "{{sink}} 3 d")
            .red_from(1.0),
        Panel::graph("Completeness: budget burnt", "How many times faster than allowed: 0.1 % of objects may not be taken over 30 days.")
            .query("leastwise:completeness_errors:ratio_2h / 0.001", "2 h")
            .query("leastwise:completeness_errors:ratio_1d / 0.001", "1 d")
            .query("leastwise:completeness_errors:ratio_3d / 0.001", "3 d")
            .red_from(1.0),
    ]);
    golden::all().into_iter().fold(board, |board, stage| {
        board.row(stage.name).panels(stage.panels)
    })
}

/// Both sides of the law, and their difference.
pub fn conservation(board: Board) -> Board {
    board
        .row("Conservation: every object that a seal names is settled")
        .panels([
            Panel::stat(
                "Difference",
                "Objects that seals name less those that were settled: anything but 0 is a loss.",
            )
            .query(
                "sum(leastwise_objects_sealed_total) - sum(leastwise_objects_settled_total)",
                "",
            )
            .red_from(1.0),
            Panel::graph(
                "Sealed",
                "Objects of closed runs as their seals name them, a second.",
            )
            .query(
                super::rate("leastwise_objects_sealed_total", "", "dataset"),
                "{{dataset}}",
            )
            .unit("cps")
            .width(10),
            Panel::graph("Settled", "What became of them, a second.")
                .query(
                    super::rate("leastwise_objects_settled_total", "", "outcome"),
                    "{{outcome}}",
                )
                .unit("cps")
                .width(10),
        ])
}
