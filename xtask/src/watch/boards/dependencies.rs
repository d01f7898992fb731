//! RabbitMQ and PostgreSQL as seen by us: whether they are there, how long they take, what they refuse.

use super::{percentile, rate};
use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    let ready = |checks: &str| {
        format!("min by (service, instance, check) (leastwise_ready{{check=~\"{checks}\"}})")
    };
    Board::new(
        "leastwise-dependencies",
        "Leastwise: RabbitMQ and PostgreSQL, as seen by us",
        "Whether they are there, how long they take, what they refuse. Their own dashboards say why.",
    )
    .row("RabbitMQ")
    .panels([
        Panel::graph("There", "1 where a process has its queues and consumers.")
            .query(ready("queue|consumers"), "{{service}} {{instance}} {{check}}")
            .width(6),
        Panel::graph("Sent", "Messages handed to a queue a second, and why it didn't take them.")
            .query(rate("messaging_client_sent_messages_total", "", "messaging_destination_name, error_type"), "{{messaging_destination_name}} {{error_type}}")
            .unit("cps")
            .width(6),
        Panel::graph("Confirmed within", "From handing a message over until the queue has confirmed it; 99 of 100.")
            .query(percentile(0.99, "messaging_client_operation_duration_seconds", "", "messaging_destination_name"), "{{messaging_destination_name}}")
            .unit("s")
            .width(6)
            .traced(""),
        Panel::graph("Taken", "Messages that queues handed out a second, those that come again included.")
            .query(rate("messaging_client_consumed_messages_total", "", "messaging_destination_name"), "{{messaging_destination_name}}")
            .unit("cps")
            .width(6),
        Panel::table("Dead letters", "Taken since the process started, by the queue that they come from; a readable one becomes a gap and is read again.")
            .query("sum by (queue, readable) (leastwise_messages_dead_total)", "")
            .width(12),
        Panel::table("Refused", "Messages that can never be handled, since the process started; any reason but `rejected` is worth an alarm.")
            .query("sum by (queue, reason) (leastwise_messages_refused_total)", "")
            .width(12),
    ])
    .row("PostgreSQL")
    .panels([
        Panel::graph("There", "1 where a process reaches its database.")
            .query(ready("database"), "{{service}} {{instance}}"),
        Panel::graph("Transactions", "A second, by how they end.")
            .query(rate("db_client_operation_duration_seconds_count", "", "service, db_operation_name, error_type"), "{{service}} {{db_operation_name}} {{error_type}}")
            .unit("cps"),
        Panel::graph("Transactions' time", "99 of 100.")
            .query(percentile(0.99, "db_client_operation_duration_seconds", "", "service, db_operation_name"), "{{service}} {{db_operation_name}}")
            .unit("s")
            .traced(""),
    ])
    .row("Connections")
    .panels([
        Panel::graph("All checks", "1 where a process has what it needs.")
            .query("min by (service, instance, check) (leastwise_ready)", "{{service}} {{instance}} {{check}}")
            .width(12),
        Panel::graph("Spans", "Sent by OTLP a second, and lost because the receiver didn't take them.")
            .query(rate("leastwise_telemetry_spans_total", "", "service, outcome"), "{{service}} {{outcome}}")
            .unit("cps")
            .width(12),
        Panel::table("Handshakes refused", "By why, since the process started: somebody without a valid certificate, or one has expired.")
            .query("sum by (service, error_type) (leastwise_tls_handshake_failures_total)", "")
            .width(12),
    ])
}
