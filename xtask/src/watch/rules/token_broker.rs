//! Credentials, tokens, and the log of who got them.

use crate::watch::rule::{Alert, Severity, grew};
use crate::watch::trial::{fires, quiet};

const STAGE: &str = "token-broker";

pub fn alerts() -> Vec<Alert> {
    vec![
        Alert {
            name: "LeastwiseTokenFailing",
            severity: Severity::Page,
            stage: STAGE,
            expression: "max by (tenant, code) (leastwise_token_failing) > 0".into(),
            wait: "15s",
            summary: "token-broker: no token for tenant {{ $labels.tenant }} ({{ $labels.code }})",
            description: "The last request for a token failed with {{ $labels.code }}; value {{ $value }}. Nothing new of this tenant is read until it works again.",
            board: "leastwise-tenant?var-tenant={{ $labels.tenant }}",
            trials: vec![
                fires(
                    "45s",
                    "tenant=\"t\",code=\"LW-2001\"",
                    &[("leastwise_token_failing{tenant=\"t\",dataset=\"users\",code=\"LW-2001\"}", "_ 1x9")],
                ),
                quiet("45s", &[("leastwise_token_failing{tenant=\"t\",dataset=\"users\",code=\"LW-2010\"}", "_ _ 1 stale")]),
            ],
        },
        Alert {
            name: "LeastwiseCredentialExpiring",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "min by (tenant, app) (leastwise_credential_left_days) < 14".into(),
            wait: "0s",
            summary: "token-broker: a credential of tenant {{ $labels.tenant }}, app {{ $labels.app }} ends soon",
            description: "{{ $value | humanize }} days are left; negative when it has ended.",
            board: "leastwise-tokens",
            trials: vec![
                fires("15s", "tenant=\"t\",app=\"default\"", &[("leastwise_credential_left_days{tenant=\"t\",app=\"default\"}", "13x9")]),
                quiet("15s", &[("leastwise_credential_left_days{tenant=\"t\",app=\"default\"}", "15x9")]),
            ],
        },
        Alert {
            name: "LeastwiseCredentialExpired",
            severity: Severity::Page,
            stage: STAGE,
            expression: "min by (tenant, app) (leastwise_credential_left_days) < 1".into(),
            wait: "0s",
            summary: "token-broker: a credential of tenant {{ $labels.tenant }}, app {{ $labels.app }} ends within a day or has ended",
            description: "{{ $value | humanize }} days are left; negative when it has ended.",
            board: "leastwise-tokens",
            trials: vec![
                fires("15s", "tenant=\"t\",app=\"default\"", &[("leastwise_credential_left_days{tenant=\"t\",app=\"default\"}", "-2x9")]),
                quiet("15s", &[("leastwise_credential_left_days{tenant=\"t\",app=\"default\"}", "2x9")]),
            ],
        },
        Alert {
            name: "LeastwiseDrift",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: grew("leastwise_events_total{type=~\"leastwise[.](drift|excess|token)[.].+\"}", "type"),
            wait: "0s",
            summary: "token-broker: an app of a tenant is not what it was ({{ $labels.type }}); the log and the webhook name the tenant",
            description: "Permissions, directory roles, the service principal or a token are other than expected: {{ $value | humanize }} times in five minutes.",
            board: "leastwise-tokens",
            trials: vec![
                fires(
                    "1m",
                    "type=\"leastwise.drift.permissions\"",
                    &[("leastwise_events_total{type=\"leastwise.drift.permissions\"}", "_ _ 1x9")],
                ),
                fires(
                    "10m",
                    "type=\"leastwise.excess.refused\"",
                    &[("leastwise_events_total{type=\"leastwise.excess.refused\"}", "1x30 2x20")],
                ),
                quiet("10m", &[("leastwise_events_total{type=\"leastwise.drift.permissions\"}", "3x60")]),
                quiet("1m", &[("leastwise_events_total{type=\"leastwise.credential.ends\"}", "_ _ 1x9")]),
            ],
        },
        Alert {
            name: "LeastwiseAuditFailing",
            severity: Severity::Page,
            stage: STAGE,
            expression: grew("leastwise_audit_write_duration_seconds_count{outcome=\"failed\"}", "instance"),
            wait: "0s",
            summary: "token-broker: the audit log of {{ $labels.instance }} can't be written, so no tenant gets a token",
            description: "{{ $value | humanize }} writes failed in five minutes (LW-2032).",
            board: "leastwise-tokens",
            trials: vec![
                fires(
                    "1m",
                    "instance=\"a\"",
                    &[("leastwise_audit_write_duration_seconds_count{outcome=\"failed\",instance=\"a\"}", "_ _ 1x9")],
                ),
                quiet("10m", &[("leastwise_audit_write_duration_seconds_count{outcome=\"failed\",instance=\"a\"}", "2x60")]),
                quiet("1m", &[("leastwise_audit_write_duration_seconds_count{outcome=\"written\",instance=\"a\"}", "0+9x9")]),
            ],
        },
        Alert {
            name: "LeastwiseAuditSlow",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: "histogram_quantile(0.9, sum by (instance, le) (rate(leastwise_audit_write_duration_seconds_bucket[5m]))) > 0.5".into(),
            wait: "5m",
            summary: "token-broker: the audit log of {{ $labels.instance }} is behind, and every tenant's tokens wait for it",
            description: "A tenth of the writes takes {{ $value | humanizeDuration }} and more: the disk can't keep up.",
            board: "leastwise-tokens",
            trials: vec![
                fires(
                    "12m",
                    "instance=\"a\"",
                    &[
                        ("leastwise_audit_write_duration_seconds_bucket{instance=\"a\",le=\"0.5\"}", "0x60"),
                        ("leastwise_audit_write_duration_seconds_bucket{instance=\"a\",le=\"2\"}", "0+5x60"),
                        ("leastwise_audit_write_duration_seconds_bucket{instance=\"a\",le=\"+Inf\"}", "0+5x60"),
                    ],
                ),
                quiet(
                    "12m",
                    &[
                        ("leastwise_audit_write_duration_seconds_bucket{instance=\"a\",le=\"0.5\"}", "0+5x60"),
                        ("leastwise_audit_write_duration_seconds_bucket{instance=\"a\",le=\"2\"}", "0+5x60"),
                        ("leastwise_audit_write_duration_seconds_bucket{instance=\"a\",le=\"+Inf\"}", "0+5x60"),
                    ],
                ),
            ],
        },
        Alert {
            name: "LeastwiseWebhookLosing",
            severity: Severity::Ticket,
            stage: STAGE,
            expression: grew("leastwise_webhook_deliveries_total{outcome=~\"lost|overflow\"}", "outcome"),
            wait: "0s",
            summary: "token-broker: events about tenants did not reach the webhook ({{ $labels.outcome }})",
            description: "{{ $value | humanize }} in five minutes: somebody was not told. The log has each whole (LW-2070).",
            board: "leastwise-tokens",
            trials: vec![
                fires("1m", "outcome=\"lost\"", &[("leastwise_webhook_deliveries_total{outcome=\"lost\"}", "_ 1x9")]),
                quiet("1m", &[("leastwise_webhook_deliveries_total{outcome=\"refused\"}", "_ 1x9")]),
            ],
        },
    ]
}
