//! Reading Graph.

use crate::watch::rule::{Alert, Severity};
use crate::watch::trial::{fires, quiet};

const STAGE: &str = "collector";
const TENANT: &str = "leastwise-tenant?var-tenant={{ $labels.tenant }}";

pub fn alerts() -> Vec<Alert> {
    vec![
        Alert {
            name: "LeastwiseDatasetFailing",
            severity: Severity::Ticket,
            stage: STAGE,
            // Tokens have an alert of their own, and so have limits and a network that fails.
            expression: "max by (tenant, dataset, code) (leastwise_dataset_failing_seconds{code!~\"LW-2.*|LW-3001|LW-3002|LW-3012\"}) >= 0".into(),
            wait: "15s",
            summary: "collector: {{ $labels.dataset }} of tenant {{ $labels.tenant }} can't be read ({{ $labels.code }})",
            description: "It was read last {{ $value | humanizeDuration }} ago. LW-3003 and LW-3016: a permission or a licence was taken away.",
            board: TENANT,
            trials: vec![
                fires(
                    "45s",
                    "tenant=\"t\",dataset=\"users\",code=\"LW-3003\"",
                    &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-3003\"}", "_ 60+15x9")],
                ),
                quiet("45s", &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-2001\"}", "60+15x9")]),
                quiet("45s", &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-3003\"}", "60 stale")]),
            ],
        },
        Alert {
            name: "LeastwiseThrottled",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "max by (tenant, dataset, code) (leastwise_dataset_failing_seconds{code=~\"LW-3002|LW-3012\"}) >= 0".into(),
            wait: "15s",
            summary: "collector: Graph throttles {{ $labels.dataset }} of tenant {{ $labels.tenant }} ({{ $labels.code }})",
            description: "A run gave up because of it, and the dataset was read last {{ $value | humanizeDuration }} ago. It goes on by itself.",
            board: "leastwise-throttling",
            trials: vec![
                fires(
                    "45s",
                    "tenant=\"t\",dataset=\"users\",code=\"LW-3002\"",
                    &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-3002\"}", "_ 60+15x9")],
                ),
                quiet("45s", &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-3003\"}", "60+15x9")]),
            ],
        },
        Alert {
            name: "LeastwiseBudgetExhausted",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "sum by (dataset) (rate(leastwise_graph_requests_total{http_response_status_code=\"429\"}[1m]))\n/ sum by (dataset) (rate(leastwise_graph_requests_total[1m])) > 0.2\nand sum by (dataset) (increase(leastwise_graph_requests_total{http_response_status_code=\"429\"}[1m])) > 5".into(),
            wait: "0s",
            summary: "collector: Graph refuses requests for {{ $labels.dataset }}{{ range query \"topk(3, max by (tenant) (leastwise_tenant_stale_seconds))\" }}, tenant {{ .Labels.tenant }} waits{{ end }}",
            description: "{{ $value | humanizePercentage }} of requests are refused: something else uses up what Graph allows the tenant or the app.",
            board: "leastwise-throttling",
            trials: vec![
                fires(
                    "1m",
                    "dataset=\"users\"",
                    &[
                        ("leastwise_graph_requests_total{dataset=\"users\",http_response_status_code=\"429\"}", "0+10x9"),
                        ("leastwise_graph_requests_total{dataset=\"users\",http_response_status_code=\"200\"}", "0+20x9"),
                    ],
                ),
                quiet(
                    "1m",
                    &[
                        ("leastwise_graph_requests_total{dataset=\"users\",http_response_status_code=\"429\"}", "0+10x9"),
                        ("leastwise_graph_requests_total{dataset=\"users\",http_response_status_code=\"200\"}", "0+900x9"),
                    ],
                ),
                quiet(
                    "1m",
                    &[
                        ("leastwise_graph_requests_total{dataset=\"users\",http_response_status_code=\"429\"}", "0 1 2 3x9"),
                        ("leastwise_graph_requests_total{dataset=\"users\",http_response_status_code=\"200\"}", "0x9"),
                    ],
                ),
            ],
        },
        Alert {
            name: "LeastwiseGraphUnreachable",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (tenant, dataset) (leastwise_dataset_failing_seconds{code=\"LW-3001\"}) >= 0".into(),
            wait: "30s",
            summary: "collector: Graph can't be reached for {{ $labels.dataset }} of tenant {{ $labels.tenant }}",
            description: "It was read last {{ $value | humanizeDuration }} ago (LW-3001).",
            board: TENANT,
            trials: vec![
                fires(
                    "1m",
                    "tenant=\"t\",dataset=\"users\"",
                    &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-3001\"}", "60+15x9")],
                ),
                quiet("1m", &[("leastwise_dataset_failing_seconds{tenant=\"t\",dataset=\"users\",code=\"LW-3001\"}", "60 stale _ 75 stale")]),
            ],
        },
        Alert {
            name: "LeastwiseTenantLate",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (tenant) (leastwise_tenant_lateness_seconds) > 900".into(),
            wait: "0s",
            summary: "collector: tenant {{ $labels.tenant }} waits for its turn",
            description: "A dataset of it has been due for {{ $value | humanizeDuration }}: no collector takes it, or one that holds it is stuck.",
            board: TENANT,
            trials: vec![
                fires("15s", "tenant=\"t\"", &[("leastwise_tenant_lateness_seconds{tenant=\"t\"}", "901x9")]),
                quiet("15s", &[("leastwise_tenant_lateness_seconds{tenant=\"t\"}", "899x9")]),
            ],
        },
        Alert {
            name: "LeastwiseVerdictMissing",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (tenant) (leastwise_tenant_verdict_wait_seconds) > 900".into(),
            wait: "0s",
            summary: "collector: a run of tenant {{ $labels.tenant }} has no verdict",
            description: "The oldest seal has waited for {{ $value | humanizeDuration }}; the normalizer has not applied it, or its verdict does not come back.",
            board: TENANT,
            trials: vec![
                fires("15s", "tenant=\"t\"", &[("leastwise_tenant_verdict_wait_seconds{tenant=\"t\"}", "901x9")]),
                quiet("15s", &[("leastwise_tenant_verdict_wait_seconds{tenant=\"t\"}", "60x9")]),
            ],
        },
        Alert {
            name: "LeastwiseTooFewCollectors",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "max(leastwise_schedule_latest_seconds) > 1800 and max(deriv(leastwise_schedule_latest_seconds[15m])) > 0".into(),
            wait: "15m",
            summary: "collector: tenants wait longer and longer for their turn",
            description: "The longest wait is {{ $value | humanizeDuration }} and grows: too few collectors, or too many tenants for them.",
            board: "leastwise-stage",
            trials: vec![
                fires("40m", "", &[("leastwise_schedule_latest_seconds{instance=\"a\"}", "1800+60x50")]),
                quiet("40m", &[("leastwise_schedule_latest_seconds{instance=\"a\"}", "4000-60x50")]),
            ],
        },
        Alert {
            name: "LeastwiseLeaseChurn",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "sum(increase(leastwise_lease_changes_total{change=~\"taken_over|lost\"}[15m])) > 10\nand sum(increase(leastwise_lease_changes_total{change=~\"taken_over|lost\"}[15m]))\n> 0.2 * sum(increase(leastwise_lease_changes_total[15m]))".into(),
            wait: "0s",
            summary: "collector: leases on tenants change hands without a restart",
            description: "{{ $value | humanize }} leases were taken over or lost in 15 minutes: processes stall, or can't reach their database in time.",
            board: "leastwise-stage",
            trials: vec![
                fires(
                    "15m",
                    "",
                    &[
                        ("leastwise_lease_changes_total{change=\"taken_over\"}", "0+1x80"),
                        ("leastwise_lease_changes_total{change=\"taken\"}", "0+2x80"),
                    ],
                ),
                quiet(
                    "15m",
                    &[
                        ("leastwise_lease_changes_total{change=\"taken_over\"}", "0x20 4x60"),
                        ("leastwise_lease_changes_total{change=\"taken\"}", "0+2x80"),
                    ],
                ),
            ],
        },
    ]
}
