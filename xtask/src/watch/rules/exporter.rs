//! The sinks.

use crate::watch::rule::{Alert, Severity, grew};
use crate::watch::trial::{fires, quiet};

const STAGE: &str = "exporter";
const SINK: &str = "leastwise-sinks?var-sink={{ $labels.sink }}";

pub fn alerts() -> Vec<Alert> {
    vec![
        Alert {
            name: "LeastwiseSinkFailing",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (sink, code) (leastwise_sink_failing{code!=\"LW-6010\"}) > 0"
                .into(),
            wait: "15s",
            summary: "exporter: sink {{ $labels.sink }} fails ({{ $labels.code }}){{ range query (printf \"topk(3, max by (tenant) (leastwise_tenant_sink_lag_seconds{sink='%s'}))\" $labels.sink) }}, tenant {{ .Labels.tenant }} lacks changes for {{ .Value | humanizeDuration }}{{ end }}",
            description: "The last push failed for {{ $value }} tenants. Nothing is lost; it is tried again.",
            board: SINK,
            trials: vec![
                fires(
                    "45s",
                    "sink=\"crm\",code=\"LW-6040\"",
                    &[(
                        "leastwise_sink_failing{sink=\"crm\",code=\"LW-6040\"}",
                        "_ 2x9",
                    )],
                ),
                quiet(
                    "45s",
                    &[(
                        "leastwise_sink_failing{sink=\"crm\",code=\"LW-6040\"}",
                        "2 stale",
                    )],
                ),
            ],
        },
        Alert {
            name: "LeastwiseDiskFull",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (sink) (leastwise_sink_failing{code=\"LW-6010\"}) > 0".into(),
            wait: "15s",
            summary: "exporter: the disk of sink {{ $labels.sink }} is full{{ range query (printf \"topk(3, max by (tenant) (leastwise_tenant_sink_lag_seconds{sink='%s'}))\" $labels.sink) }}, tenant {{ .Labels.tenant }} lacks changes for {{ .Value | humanizeDuration }}{{ end }}",
            description: "It could not be written for {{ $value }} tenants (LW-6010). Its old content is intact.",
            board: SINK,
            trials: vec![
                fires(
                    "45s",
                    "sink=\"files\"",
                    &[(
                        "leastwise_sink_failing{sink=\"files\",code=\"LW-6010\"}",
                        "_ 1x9",
                    )],
                ),
                quiet(
                    "45s",
                    &[(
                        "leastwise_sink_failing{sink=\"files\",code=\"LW-6011\"}",
                        "_ 1x9",
                    )],
                ),
            ],
        },
        Alert {
            name: "LeastwiseSinkRejecting",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: grew("leastwise_sink_rejects_total", "sink, reason"),
            wait: "0s",
            summary: "exporter: sink {{ $labels.sink }} rejects records ({{ $labels.reason }}); `leastwise sinks rejects list` names tenant and record",
            description: "{{ $value | humanize }} records in five minutes. The others go on.",
            board: SINK,
            trials: vec![
                fires(
                    "45s",
                    "sink=\"crm\",reason=\"refused\"",
                    &[(
                        "leastwise_sink_rejects_total{sink=\"crm\",reason=\"refused\"}",
                        "_ 3x9",
                    )],
                ),
                quiet(
                    "10m",
                    &[(
                        "leastwise_sink_rejects_total{sink=\"crm\",reason=\"refused\"}",
                        "3x60",
                    )],
                ),
            ],
        },
        Alert {
            name: "LeastwiseSinkCredentialExpiring",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "min by (sink) (leastwise_sink_credential_left_days) < 14".into(),
            wait: "0s",
            summary: "exporter: the credentials of sink {{ $labels.sink }} end soon, for every tenant",
            description: "{{ $value }} days are left, as `expires` says; negative when they have ended.",
            board: SINK,
            trials: vec![
                fires(
                    "15s",
                    "sink=\"crm\"",
                    &[("leastwise_sink_credential_left_days{sink=\"crm\"}", "13x9")],
                ),
                quiet(
                    "15s",
                    &[("leastwise_sink_credential_left_days{sink=\"crm\"}", "14x9")],
                ),
            ],
        },
    ]
}
