//! The processes themselves, and what watches them.

use crate::watch::rule::{Alert, Severity, grew};
use crate::watch::trial::{fires, quiet};

pub fn alerts() -> Vec<Alert> {
    let services = ["token-broker", "collector", "normalizer", "exporter"];
    let absent = services.map(|s| {
        format!("or sum by (service) (absent(up{{job=\"leastwise\",service=\"{s}\"}})) - 1")
    });
    vec![
        Alert {
            name: "LeastwiseServiceDown",
            severity: Severity::Page,
            stage: "processes",
            expression: format!("sum by (service) (up{{job=\"leastwise\"}}) == 0\n{}", absent.join("\n")),
            wait: "15s",
            summary: "processes: no {{ $labels.service }} runs, for any tenant",
            description: "{{ $value }} processes of the service answer to Prometheus.",
            board: "leastwise-stage?var-service={{ $labels.service }}",
            trials: vec![
                fires(
                    "45s",
                    "service=\"exporter\"",
                    &[
                        ("up{job=\"leastwise\",service=\"token-broker\",instance=\"a\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"collector\",instance=\"b\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"normalizer\",instance=\"c\"}", "1x9"),
                    ],
                ),
                fires(
                    "45s",
                    "service=\"collector\"",
                    &[
                        ("up{job=\"leastwise\",service=\"token-broker\",instance=\"a\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"collector\",instance=\"b\"}", "1 0x9"),
                        ("up{job=\"leastwise\",service=\"normalizer\",instance=\"c\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"exporter\",instance=\"d\"}", "1x9"),
                    ],
                ),
                quiet(
                    "45s",
                    &[
                        ("up{job=\"leastwise\",service=\"token-broker\",instance=\"a\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"collector\",instance=\"b\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"collector\",instance=\"e\"}", "0x9"),
                        ("up{job=\"leastwise\",service=\"normalizer\",instance=\"c\"}", "1x9"),
                        ("up{job=\"leastwise\",service=\"exporter\",instance=\"d\"}", "1x9"),
                    ],
                ),
            ],
        },
        Alert {
            name: "LeastwiseTargetDown",
            severity: Severity::Ticket,
            stage: "processes",
            expression: "up{job=\"leastwise\"} == 0".into(),
            wait: "30s",
            summary: "processes: {{ $labels.service }} {{ $labels.instance }} doesn't answer to Prometheus, so nothing is known of its tenants",
            description: "up is {{ $value }}: the process is gone or hangs, or its page can't be reached.",
            board: "leastwise-stage?var-service={{ $labels.service }}",
            trials: vec![
                fires(
                    "1m",
                    "job=\"leastwise\",service=\"collector\",instance=\"a\"",
                    &[("up{job=\"leastwise\",service=\"collector\",instance=\"a\"}", "1 0x9")],
                ),
                quiet("1m", &[("up{job=\"leastwise\",service=\"collector\",instance=\"a\"}", "1 0 1x9")]),
            ],
        },
        Alert {
            name: "LeastwiseNotReady",
            severity: Severity::Page,
            stage: "processes",
            expression: "min by (service, instance, check) (leastwise_ready{check!~\"queue|consumers|database\"}) == 0".into(),
            wait: "30s",
            summary: "processes: {{ $labels.service }} {{ $labels.instance }} lacks {{ $labels.check }}, for every tenant",
            description: "leastwise_ready is {{ $value }}; its /readyz says why.",
            board: "leastwise-stage?var-service={{ $labels.service }}",
            trials: vec![
                fires(
                    "1m",
                    "service=\"collector\",instance=\"a\",check=\"token-broker\"",
                    &[("leastwise_ready{service=\"collector\",instance=\"a\",check=\"token-broker\"}", "1 0x9")],
                ),
                quiet("1m", &[("leastwise_ready{service=\"collector\",instance=\"a\",check=\"database\"}", "1 0x9")]),
            ],
        },
        Alert {
            name: "LeastwiseCallsDenied",
            severity: Severity::Ticket,
            stage: "processes",
            expression: grew("rpc_server_call_duration_seconds_count{rpc_response_status_code=\"PERMISSION_DENIED\"}", "service, rpc_method"),
            wait: "0s",
            summary: "processes: {{ $labels.service }} has denied somebody {{ $labels.rpc_method }}; its log names who, and for which tenant",
            description: "{{ $value | humanize }} calls in five minutes (LW-2021, LW-2036).",
            board: "leastwise-stage?var-service={{ $labels.service }}",
            trials: vec![
                fires(
                    "45s",
                    "service=\"token-broker\",rpc_method=\"m\"",
                    &[("rpc_server_call_duration_seconds_count{service=\"token-broker\",rpc_method=\"m\",rpc_response_status_code=\"PERMISSION_DENIED\"}", "_ 1x9")],
                ),
                quiet(
                    "45s",
                    &[("rpc_server_call_duration_seconds_count{service=\"token-broker\",rpc_method=\"m\",rpc_response_status_code=\"OK\"}", "_ 1x9")],
                ),
            ],
        },
        Alert {
            name: "LeastwiseTelemetryLosing",
            severity: Severity::Ticket,
            stage: "processes",
            expression: grew("leastwise_telemetry_spans_total{outcome=\"lost\"}", "service"),
            wait: "0s",
            summary: "processes: traces of {{ $labels.service }} are lost, of whichever tenant",
            description: "{{ $value | humanize }} spans in five minutes: the receiver of OTLP didn't take them.",
            board: "leastwise-dependencies",
            trials: vec![
                fires("45s", "service=\"collector\"", &[("leastwise_telemetry_spans_total{service=\"collector\",outcome=\"lost\"}", "_ 9x9")]),
                quiet("45s", &[("leastwise_telemetry_spans_total{service=\"collector\",outcome=\"sent\"}", "_ 9x9")]),
            ],
        },
        Alert {
            name: "LeastwiseHandshakesFailing",
            severity: Severity::Ticket,
            stage: "processes",
            expression: grew("leastwise_tls_handshake_failures_total", "service, error_type"),
            wait: "0s",
            summary: "processes: {{ $labels.service }} refuses connections ({{ $labels.error_type }}); its log has the address",
            description: "{{ $value | humanize }} in five minutes (LW-2020): no valid certificate, or one has expired.",
            board: "leastwise-dependencies",
            trials: vec![
                fires(
                    "45s",
                    "service=\"normalizer\",error_type=\"expired\"",
                    &[("leastwise_tls_handshake_failures_total{service=\"normalizer\",error_type=\"expired\"}", "_ 1x9")],
                ),
                quiet("10m", &[("leastwise_tls_handshake_failures_total{service=\"normalizer\",error_type=\"expired\"}", "1x60")]),
            ],
        },
    ]
}
