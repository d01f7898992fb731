//! RabbitMQ and PostgreSQL, as the services see them, and messages that nobody can use.

use crate::watch::rule::{Alert, Severity, grew};
use crate::watch::trial::{fires, quiet};

pub fn alerts() -> Vec<Alert> {
    vec![
        Alert {
            name: "LeastwiseQueueDown",
            severity: Severity::Page,
            stage: "queue",
            expression: "min by (service, instance, check) (leastwise_ready{check=~\"queue|consumers\"}) == 0".into(),
            wait: "15s",
            summary: "queue: {{ $labels.service }} {{ $labels.instance }} has no use of RabbitMQ ({{ $labels.check }}), for every tenant",
            description: "leastwise_ready is {{ $value }}; its /readyz says why. Nothing is lost; it goes on by itself.",
            board: "leastwise-dependencies",
            trials: vec![
                fires(
                    "45s",
                    "service=\"collector\",instance=\"a\",check=\"queue\"",
                    &[("leastwise_ready{service=\"collector\",instance=\"a\",check=\"queue\"}", "1 0x9")],
                ),
                quiet("45s", &[("leastwise_ready{service=\"collector\",instance=\"a\",check=\"queue\"}", "1 0 1x9")]),
            ],
        },
        Alert {
            name: "LeastwiseDatabaseDown",
            severity: Severity::Page,
            stage: "database",
            expression: "min by (service, instance) (leastwise_ready{check=\"database\"}) == 0".into(),
            wait: "15s",
            summary: "database: {{ $labels.service }} {{ $labels.instance }} can't use PostgreSQL, for every tenant",
            description: "leastwise_ready is {{ $value }}; its /readyz says why. Nothing is lost; it goes on by itself.",
            board: "leastwise-dependencies",
            trials: vec![
                fires(
                    "45s",
                    "service=\"normalizer\",instance=\"a\"",
                    &[("leastwise_ready{service=\"normalizer\",instance=\"a\",check=\"database\"}", "1 0x9")],
                ),
                quiet("45s", &[("leastwise_ready{service=\"normalizer\",instance=\"a\",check=\"database\"}", "1x9")]),
            ],
        },
        Alert {
            name: "LeastwiseDeadLetters",
            severity: Severity::Ticket,
            stage: "queue",
            expression: grew("leastwise_messages_dead_total", "queue, readable"),
            wait: "0s",
            summary: "queue: a message of {{ $labels.queue }} could not be handled (readable: {{ $labels.readable }}); the normalizer's log names its tenant",
            description: "{{ $value | humanize }} dead letters in five minutes. A readable one becomes a gap, and its run is read again.",
            board: "leastwise-dependencies",
            trials: vec![
                fires(
                    "45s",
                    "queue=\"page.full\",readable=\"true\"",
                    &[("leastwise_messages_dead_total{queue=\"page.full\",readable=\"true\"}", "_ _ 1x9")],
                ),
                fires(
                    "10m",
                    "queue=\"page.full\",readable=\"true\"",
                    &[("leastwise_messages_dead_total{queue=\"page.full\",readable=\"true\"}", "4x36 5x20")],
                ),
                quiet("10m", &[("leastwise_messages_dead_total{queue=\"page.full\",readable=\"true\"}", "4x60")]),
            ],
        },
        Alert {
            name: "LeastwiseMessagesRetried",
            severity: Severity::Page,
            stage: "queue",
            expression: "sum by (service, messaging_destination_name) (increase(messaging_process_duration_seconds_count{error_type!=\"\"}[5m])) > 3".into(),
            wait: "0s",
            summary: "queue: {{ $labels.service }} can't handle messages of {{ $labels.messaging_destination_name }} and tries them again and again; its log names the tenant",
            description: "{{ $value | humanize }} tries in five minutes came to nothing.",
            board: "leastwise-stage?var-service={{ $labels.service }}",
            trials: vec![
                fires(
                    "2m",
                    "service=\"normalizer\",messaging_destination_name=\"seal\"",
                    &[("messaging_process_duration_seconds_count{service=\"normalizer\",messaging_destination_name=\"seal\",error_type=\"again\"}", "0+1x20")],
                ),
                quiet(
                    "2m",
                    &[
                        ("messaging_process_duration_seconds_count{service=\"normalizer\",messaging_destination_name=\"seal\"}", "0+9x20"),
                        ("messaging_process_duration_seconds_count{service=\"normalizer\",messaging_destination_name=\"seal\",error_type=\"again\"}", "0 1x20"),
                    ],
                ),
            ],
        },
        Alert {
            name: "LeastwiseMessagesForged",
            severity: Severity::Page,
            stage: "queue",
            expression: grew("leastwise_messages_refused_total{reason!=\"rejected\"}", "queue, reason"),
            wait: "0s",
            summary: "queue: {{ $labels.queue }} had a message that no service has sealed for it ({{ $labels.reason }}), whichever tenant it names",
            description: "{{ $value | humanize }} in five minutes (LW-2050): a wrong key file, or somebody writes to RabbitMQ.",
            board: "leastwise-dependencies",
            trials: vec![
                fires(
                    "45s",
                    "queue=\"seal\",reason=\"unknown-key\"",
                    &[("leastwise_messages_refused_total{queue=\"seal\",reason=\"unknown-key\"}", "_ 1x9")],
                ),
                quiet("45s", &[("leastwise_messages_refused_total{queue=\"seal\",reason=\"rejected\"}", "_ 1x9")]),
            ],
        },
    ]
}
