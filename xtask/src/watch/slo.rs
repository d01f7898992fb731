//! What is promised over 30 days, and how fast what may fail is used up: by several windows, as Google's Site Reliability
//! Workbook has it.

use std::fmt::Write as _;

use super::rule::{self, Alert, Severity, indented};
use super::trial::{self, Trial, fires, quiet};

/// A promise.
struct Promise {
    /// In the names of its series.
    name: &'static str,
    /// The alert.
    alert: &'static str,
    stage: &'static str,
    /// The share that may fail.
    budget: f64,
    /// What fails in a window.
    share: Share,
    /// How many times faster than allowed, over which windows, for whom.
    burns: &'static [(f64, &'static str, &'static str, Severity)],
    summary: &'static str,
    description: &'static str,
    board: &'static str,
}

enum Share {
    /// The average of a share that is there at each moment.
    Average(&'static str),
    /// Of what is counted, what is not good: the counter, and what is good.
    Counted(&'static str, &'static str),
}

/// Two per cent of the budget in an hour, five in six hours; ten in a day, ten in three days.
const ALWAYS: &[(f64, &str, &str, Severity)] = &[
    (14.4, "1h", "5m", Severity::Page),
    (6.0, "6h", "30m", Severity::Page),
    (3.0, "1d", "2h", Severity::Ticket),
    (1.0, "3d", "6h", Severity::Ticket),
];
/// For what happens an hour apart: short windows would often have nothing in them.
const HOURLY: &[(f64, &str, &str, Severity)] = &[
    (3.0, "1d", "2h", Severity::Ticket),
    (1.0, "3d", "6h", Severity::Ticket),
];

const PROMISES: [Promise; 3] = [
    Promise {
        name: "freshness",
        alert: "LeastwiseFreshnessBudgetBurning",
        stage: "collector",
        budget: 0.01,
        share: Share::Average(
            "sum(max by (pool) (leastwise_tenants{state=\"stale\"}))\n/ clamp_min(sum(max by (pool, state) (leastwise_tenants{state=~\"fresh|stale\"})), 1)",
        ),
        burns: ALWAYS,
        summary: "collector: too many tenants are stale{{ range query \"topk(3, max by (tenant, dataset) (leastwise_tenant_stale_seconds))\" }}, tenant {{ .Labels.tenant }} {{ .Labels.dataset }} since {{ .Value | humanizeDuration }}{{ end }}",
        description: "{{ $value | humanizePercentage }} of tenants were stale in the long window, of whom 1 % may be over 30 days.",
        board: "leastwise-overview",
    },
    Promise {
        name: "completeness",
        alert: "LeastwiseCompletenessBudgetBurning",
        stage: "normalizer",
        budget: 0.001,
        share: Share::Counted(
            "leastwise_objects_settled_total",
            "outcome!~\"set_aside|left_out|gap\"",
        ),
        burns: HOURLY,
        summary: "normalizer: too many objects are not taken into the ledger (set aside or in a gap), of whichever tenant",
        description: "{{ $value | humanizePercentage }} of objects were not taken in the long window, of which 0.1 % may be over 30 days.",
        board: "leastwise-stage",
    },
    Promise {
        name: "delivery",
        alert: "LeastwiseDeliveryBudgetBurning",
        stage: "exporter",
        budget: 0.01,
        share: Share::Average("max by (sink) (leastwise_sink_lag_seconds) > bool 900"),
        burns: ALWAYS,
        summary: "exporter: sink {{ $labels.sink }} lags{{ range query (printf \"topk(3, max by (tenant) (leastwise_tenant_sink_lag_seconds{sink='%s'}))\" $labels.sink) }}, tenant {{ .Labels.tenant }} by {{ .Value | humanizeDuration }}{{ end }}",
        description: "For {{ $value | humanizePercentage }} of the long window it lagged by more than 15 minutes, which it may for 1 % of 30 days.",
        board: "leastwise-sinks?var-sink={{ $labels.sink }}",
    },
];

impl Promise {
    fn windows(&self) -> Vec<&'static str> {
        let mut windows = Vec::new();
        for (_, long, short, _) in self.burns {
            let new = [*short, *long].into_iter().filter(|w| !windows.contains(w));
            windows.extend(new.collect::<Vec<_>>());
        }
        windows
    }

    fn record(&self, window: &str) -> String {
        format!("leastwise:{}_errors:ratio_{window}", self.name)
    }

    fn over(&self, window: &str) -> String {
        match self.share {
            Share::Average(_) => format!(
                "avg_over_time(leastwise:{}_errors:ratio[{window}])",
                self.name
            ),
            Share::Counted(counter, good) => format!(
                "1 - sum(rate({counter}{{{good}}}[{window}])) / sum(rate({counter}[{window}]))"
            ),
        }
    }

    fn expression(&self, severity: Severity) -> String {
        let burns = self.burns.iter().filter(|(.., whose)| *whose == severity);
        let pairs = burns.map(|(factor, long, short, _)| {
            let limit = format!("{factor} * {}", self.budget);
            format!(
                "({} > {limit} and {} > {limit})",
                self.record(long),
                self.record(short)
            )
        });
        pairs.collect::<Vec<_>>().join("\nor ")
    }

    fn alerts(&self) -> Vec<Alert> {
        let has = |s: &Severity| self.burns.iter().any(|(.., whose)| whose == s);
        let severities = [Severity::Page, Severity::Ticket].into_iter().filter(has);
        severities.map(|s| self.alert(s)).collect()
    }

    fn alert(&self, severity: Severity) -> Alert {
        Alert {
            name: self.alert,
            severity,
            stage: self.stage,
            expression: self.expression(severity),
            wait: "0s",
            summary: self.summary,
            description: self.description,
            board: self.board,
            trials: tried(self.name, severity),
        }
    }
}

/// The alerts, each once for each severity that it has.
pub fn alerts() -> Vec<Alert> {
    PROMISES.iter().flat_map(Promise::alerts).collect()
}

/// The file of what is recorded for it, and of its alerts.
pub fn text() -> String {
    let mut text = rule::head();
    for promise in &PROMISES {
        _ = writeln!(
            text,
            "  - name: leastwise-{}\n    interval: 15s\n    rules:",
            promise.name
        );
        if let Share::Average(expression) = promise.share {
            let name = format!("leastwise:{}_errors:ratio", promise.name);
            text += &recorded(&name, expression);
        }
        for window in promise.windows() {
            text += &recorded(&promise.record(window), &promise.over(window));
        }
        // Behind what they read, and in its group: groups are evaluated in no order.
        text += &rule::rules(&promise.alerts());
    }
    text
}

fn recorded(name: &str, expression: &str) -> String {
    format!(
        "      - record: {name}\n        expr: |-\n{}",
        indented(expression, 10)
    )
}

/// What tries these alerts: pages in steps of five minutes, tickets, which take three days, in steps of half an hour.
pub fn trials(severity: Severity) -> String {
    let step = match severity {
        Severity::Page => "5m",
        Severity::Ticket => "30m",
    };
    let all = alerts();
    let chosen = all.iter().filter(|alert| alert.severity == severity);
    trial::of("budgets.yaml", chosen, step)
}

const FRESH: &str = "leastwise_tenants{state=\"fresh\",instance=\"a\"}";
const STALE: &str = "leastwise_tenants{state=\"stale\",instance=\"a\"}";
/// Another replica shows the same.
const AGAIN: &str = "leastwise_tenants{state=\"stale\",instance=\"b\"}";
const LAG: &str = "leastwise_sink_lag_seconds{sink=\"crm\"}";
const APPLIED: &str = "leastwise_objects_settled_total{outcome=\"applied\"}";
const ASIDE: &str = "leastwise_objects_settled_total{outcome=\"set_aside\"}";

fn tried(name: &str, severity: Severity) -> Vec<Trial> {
    match (name, severity) {
        // A fifth is stale for an hour: 20 times faster than allowed. A few of a thousand never are worth a page.
        ("freshness", Severity::Page) => vec![
            fires(
                "2h",
                "",
                &[
                    (FRESH, "100x12 80x20"),
                    (STALE, "0x12 20x20"),
                    (AGAIN, "0x12 20x20"),
                ],
            ),
            quiet("2h", &[(FRESH, "997x40"), (STALE, "3x40")]),
            quiet(
                "2h",
                &[(FRESH, "100x12 80x3 100x20"), (STALE, "0x12 20x3 0x20")],
            ),
            quiet("2h", &[(FRESH, "0x40"), (STALE, "0x40")]),
        ],
        ("freshness", Severity::Ticket) => vec![
            fires("3d", "", &[(FRESH, "98x150"), (STALE, "2x150")]),
            quiet("3d", &[(FRESH, "998x150"), (STALE, "2x150")]),
        ],
        ("delivery", Severity::Page) => vec![
            fires("3h", "sink=\"crm\"", &[(LAG, "0x12 1000x40")]),
            quiet("3h", &[(LAG, "800x60")]),
        ],
        ("delivery", Severity::Ticket) => vec![
            fires("3d", "sink=\"crm\"", &[(LAG, "0x100 1000x50")]),
            quiet("3d", &[(LAG, "5x150")]),
        ],
        _ => vec![
            fires("3d", "", &[(APPLIED, "0+990x150"), (ASIDE, "0+10x150")]),
            quiet("3d", &[(APPLIED, "0+100000x150"), (ASIDE, "0+10x150")]),
            quiet("3d", &[(APPLIED, "7x150"), (ASIDE, "7x150")]),
        ],
    }
}
