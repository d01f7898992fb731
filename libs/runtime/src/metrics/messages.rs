//! What goes through the queue.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::instrument::instruments;
use crate::trace::semconv::{
    ERROR_TYPE, MESSAGING_DESTINATION, MESSAGING_OPERATION, MESSAGING_SYSTEM, PROCESS, RABBITMQ,
    SEND,
};

/// As the conventions say, and up to the pages that take longest.
const BOUNDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 60.0,
];

instruments! {
    SENT: Counter = "messaging.client.sent.messages", "{message}",
        [MESSAGING_SYSTEM, MESSAGING_OPERATION, MESSAGING_DESTINATION, ERROR_TYPE],
        "Messages handed to the queue; with `error.type` where it didn't take them.";
    CONSUMED: Counter = "messaging.client.consumed.messages", "{message}",
        [MESSAGING_SYSTEM, MESSAGING_OPERATION, MESSAGING_DESTINATION, ERROR_TYPE],
        "Messages that the queue handed out, those that come again included.";
    SENDING: Histogram = "messaging.client.operation.duration", "s",
        [MESSAGING_SYSTEM, MESSAGING_OPERATION, MESSAGING_DESTINATION, ERROR_TYPE],
        "How long it takes from handing a message over until the queue has confirmed it.", BOUNDS;
    PROCESSING: Histogram = "messaging.process.duration", "s",
        [MESSAGING_SYSTEM, MESSAGING_OPERATION, MESSAGING_DESTINATION, ERROR_TYPE],
        "How long a message is worked on; with `error.type` where it has to be worked on again.", BOUNDS;
    REFUSED: Counter = "leastwise.messages.refused", "{message}", ["queue", "reason"],
        "Messages that can never be handled: `rejected` by a handler, else not what a service has sealed for that queue (`LW-2050`). They go to `dead`.";
    DEAD: Counter = "leastwise.messages.dead", "{message}", ["queue", "readable"],
        "Dead letters taken, by the queue that they come from; one that is readable becomes a gap and is read again.";
}

fn labels(operation: &'static str, queue: &str, failed: Option<&'static str>) -> Vec<KeyValue> {
    let mut labels = vec![
        KeyValue::new(MESSAGING_SYSTEM, RABBITMQ),
        KeyValue::new(MESSAGING_OPERATION, operation),
        KeyValue::new(MESSAGING_DESTINATION, queue.to_owned()),
    ];
    labels.extend(failed.map(|why| KeyValue::new(ERROR_TYPE, why)));
    labels
}

/// A message was handed to a queue, and confirmed after so long, or not for one of few reasons.
pub fn sent(queue: &str, took: Duration, failed: Option<&'static str>) {
    let labels = labels(SEND, queue, failed);
    SENT.add(1, &labels);
    SENDING.took(took, &labels);
}

/// A message was worked on for so long; to no end where it failed for one of few reasons.
pub fn processed(queue: &str, took: Duration, failed: Option<&'static str>) {
    CONSUMED.add(1, &labels(PROCESS, queue, None));
    PROCESSING.took(took, &labels(PROCESS, queue, failed));
}

/// A message of the queue can never be handled, for one of a bounded number of reasons.
pub fn refused(queue: &str, reason: &'static str) {
    let labels = [
        KeyValue::new("queue", queue.to_owned()),
        KeyValue::new("reason", reason),
    ];
    REFUSED.add(1, &labels);
}

/// A dead letter of this queue was taken.
pub fn dead(queue: &str, readable: bool) {
    let labels = [
        KeyValue::new("queue", queue.to_owned()),
        KeyValue::new("readable", readable),
    ];
    DEAD.add(1, &labels);
}
