//! The ledger.

use crate::watch::rule::{Alert, Severity, grew};
use crate::watch::trial::{fires, quiet};

const STAGE: &str = "normalizer";
const TENANT: &str = "leastwise-tenant?var-tenant={{ $labels.tenant }}";

pub fn alerts() -> Vec<Alert> {
    vec![
        Alert {
            name: "LeastwiseConservationBroken",
            severity: Severity::Page,
            stage: STAGE,
            expression: "sum by (instance, dataset) (leastwise_objects_sealed_total)\n!= sum by (instance, dataset) (leastwise_objects_settled_total)\nor sum by (instance, dataset) (leastwise_objects_sealed_total) > 0\nunless sum by (instance, dataset) (leastwise_objects_settled_total)".into(),
            wait: "15s",
            summary: "normalizer: {{ $labels.instance }} has lost objects of {{ $labels.dataset }}, of whichever tenant",
            description: "Seals name {{ $value }} objects, and not as many were settled: a mistake of the program.",
            board: "leastwise-overview",
            trials: vec![
                fires(
                    "45s",
                    "instance=\"a\",dataset=\"users\"",
                    &[
                        ("leastwise_objects_sealed_total{instance=\"a\",dataset=\"users\"}", "100x9"),
                        ("leastwise_objects_settled_total{instance=\"a\",dataset=\"users\",outcome=\"applied\"}", "99x9"),
                    ],
                ),
                fires(
                    "45s",
                    "instance=\"a\",dataset=\"users\"",
                    &[("leastwise_objects_sealed_total{instance=\"a\",dataset=\"users\"}", "100x9")],
                ),
                quiet(
                    "45s",
                    &[
                        ("leastwise_objects_sealed_total{instance=\"a\",dataset=\"users\"}", "0+100x9"),
                        ("leastwise_objects_settled_total{instance=\"a\",dataset=\"users\",outcome=\"applied\"}", "0+99x9"),
                        ("leastwise_objects_settled_total{instance=\"a\",dataset=\"users\",outcome=\"set_aside\"}", "0+1x9"),
                        ("leastwise_objects_sealed_total{instance=\"a\",dataset=\"groups\"}", "0x9"),
                    ],
                ),
            ],
        },
        Alert {
            name: "LeastwiseRemovalsHeld",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "max by (tenant) (leastwise_tenant_held) > 0".into(),
            wait: "0s",
            summary: "normalizer: removals of tenant {{ $labels.tenant }} are held until somebody decides",
            description: "{{ $value }} records would go, which is suspiciously many.",
            board: TENANT,
            trials: vec![
                fires("15s", "tenant=\"t\"", &[("leastwise_tenant_held{tenant=\"t\"}", "40x9")]),
                quiet("15s", &[("leastwise_tenant_held{tenant=\"t\"}", "0x9")]),
            ],
        },
        Alert {
            name: "LeastwiseApplyFailing",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (tenant, code) (leastwise_apply_failing) > 0".into(),
            wait: "15s",
            summary: "normalizer: runs of tenant {{ $labels.tenant }} can't be applied ({{ $labels.code }})",
            description: "The ledger refuses them; value {{ $value }}. LW-5001: its database failed, for example on a full disk.",
            board: TENANT,
            trials: vec![
                fires(
                    "45s",
                    "tenant=\"t\",code=\"LW-5001\"",
                    &[("leastwise_apply_failing{tenant=\"t\",code=\"LW-5001\"}", "_ 1x9")],
                ),
                quiet("45s", &[("leastwise_apply_failing{tenant=\"t\",code=\"LW-5001\"}", "1 stale")]),
            ],
        },
        Alert {
            name: "LeastwiseTenantStuck",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (tenant) (leastwise_tenant_pending_seconds) > 600".into(),
            wait: "0s",
            summary: "normalizer: what was read of tenant {{ $labels.tenant }} does not get into the ledger",
            description: "The oldest sealed run has waited for {{ $value | humanizeDuration }}.",
            board: TENANT,
            trials: vec![
                fires("15s", "tenant=\"t\"", &[("leastwise_tenant_pending_seconds{tenant=\"t\"}", "601x9")]),
                quiet("15s", &[("leastwise_tenant_pending_seconds{tenant=\"t\"}", "599x9")]),
            ],
        },
        Alert {
            name: "LeastwisePagesUnusable",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "sum by (dataset) (increase(leastwise_pages_taken_total{gap=\"true\"}[1h])) > 3".into(),
            wait: "30m",
            summary: "normalizer: pages of {{ $labels.dataset }} can't be used again and again, of whichever tenant",
            description: "{{ $value | humanize }} pages in an hour became gaps; their runs remove nothing and are read again.",
            board: "leastwise-stage",
            trials: vec![
                fires("1h", "dataset=\"users\"", &[("leastwise_pages_taken_total{gap=\"true\",dataset=\"users\"}", "0+1x60")]),
                quiet("1h", &[("leastwise_pages_taken_total{gap=\"true\",dataset=\"users\"}", "0x25 2x35")]),
            ],
        },
        Alert {
            name: "LeastwiseNotReconciled",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "min_over_time(max(leastwise_positions_unreconciled)[3h:5m]) > 0".into(),
            wait: "0s",
            summary: "normalizer: Microsoft counts other than the ledger, for hours; the log (LW-5091) names tenant and product",
            description: "{{ $value }} licence positions have a residual that is not explained.",
            board: "leastwise-stage",
            trials: vec![
                fires("4h", "", &[("leastwise_positions_unreconciled{instance=\"a\"}", "2x240")]),
                quiet("4h", &[("leastwise_positions_unreconciled{instance=\"a\"}", "2x170 0x5 2x65")]),
            ],
        },
        Alert {
            name: "LeastwiseUnfamiliar",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: grew("leastwise_objects_unfamiliar_total{what=~\"value|missing\"}", "dataset, what, name"),
            wait: "0s",
            summary: "normalizer: Graph sends something in {{ $labels.dataset }} that this release doesn't know ({{ $labels.what }} {{ $labels.name }}), of whichever tenant",
            description: "{{ $value | humanize }} objects in five minutes. They were taken all the same; findings may rest on them.",
            board: "leastwise-stage",
            trials: vec![
                fires(
                    "45s",
                    "dataset=\"users\",what=\"value\",name=\"state=New\"",
                    &[("leastwise_objects_unfamiliar_total{dataset=\"users\",what=\"value\",name=\"state=New\"}", "_ 1x9")],
                ),
                quiet("45s", &[("leastwise_objects_unfamiliar_total{dataset=\"users\",what=\"property\",name=\"x\"}", "_ 1x9")]),
            ],
        },
    ]
}
