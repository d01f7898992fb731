//! Calls between processes: gRPC, HTTP, databases; and the process itself.

use std::time::Duration;

use opentelemetry::KeyValue;

#[cfg(feature = "server")]
use super::instrument::Instrument;
use super::instrument::instruments;
use crate::trace::semconv::{
    DB_OPERATION, DB_SYSTEM, ERROR_TYPE, HTTP_METHOD, HTTP_STATUS, RPC_METHOD, RPC_STATUS,
    RPC_SYSTEM, SERVER_ADDRESS,
};

/// As the conventions say of HTTP and databases, up to the longest time-outs.
const BOUNDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 60.0,
];

instruments! {
    SERVED: Histogram = "rpc.server.call.duration", "s", [RPC_SYSTEM, RPC_METHOD, RPC_STATUS],
        "How long gRPC calls take to be answered. Many of `PERMISSION_DENIED`: somebody known who may not; the log names who.", BOUNDS;
    HANDSHAKES: Counter = "leastwise.tls.handshake.failures", "{connection}", [ERROR_TYPE],
        "Connections refused before a call: somebody without a valid certificate, or one has expired; the log has address and reason (`LW-2020`).";
    HTTP: Histogram = "http.client.request.duration", "s", [HTTP_METHOD, HTTP_STATUS, SERVER_ADDRESS, ERROR_TYPE],
        "How long requests to Microsoft and to sinks take until the head of the answer.", BOUNDS;
    DB: Histogram = "db.client.operation.duration", "s", [DB_SYSTEM, DB_OPERATION, ERROR_TYPE],
        "How long transactions of the service's own database take, by how they end: `COMMIT` or `ROLLBACK`.", BOUNDS;
    SPANS: Counter = "leastwise.telemetry.spans", "{span}", ["outcome"],
        "Spans for the receiver of OTLP: `sent`, `lost` (it didn't take them).";
    CPU: Counter = "process.cpu.time", "s", [], "CPU time of this process.";
    MEMORY: Gauge = "process.memory.usage", "By", [], "Resident memory of this process.";
    READY: Table = "leastwise.ready", "{check}", ["check"],
        "1 where something that the process needs is there, 0 where not; `/readyz` says why.";
}

/// A gRPC call was answered after so long. `path` must be one of a bounded number.
#[cfg(feature = "server")]
pub(crate) fn served(path: &'static str, code: tonic::Code, took: Duration) {
    let labels = [
        KeyValue::new(RPC_SYSTEM, crate::trace::semconv::GRPC),
        KeyValue::new(RPC_METHOD, path.trim_start_matches('/')),
        KeyValue::new(RPC_STATUS, status(code)),
    ];
    SERVED.took(took, &labels);
}

/// As gRPC spells it (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
#[cfg(feature = "server")]
fn status(code: tonic::Code) -> &'static str {
    use tonic::Code;

    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A connection was refused before a call.
#[cfg(feature = "server")]
pub(crate) fn handshake_failed(kind: &'static str) {
    HANDSHAKES.add(1, &[KeyValue::new(ERROR_TYPE, kind)]);
}

/// A request was answered with this status after so long, or not at all. `server` must be one of a bounded number.
pub(crate) fn asked(method: &http::Method, server: &str, status: Option<u16>, took: Duration) {
    let mut labels = vec![
        KeyValue::new(HTTP_METHOD, method.as_str().to_owned()),
        KeyValue::new(SERVER_ADDRESS, server.to_owned()),
    ];
    labels.extend(status.map(|s| KeyValue::new(HTTP_STATUS, i64::from(s))));
    match status {
        Some(status) if status < 400 => {}
        Some(status) => labels.push(KeyValue::new(ERROR_TYPE, status.to_string())),
        None => labels.push(KeyValue::new(ERROR_TYPE, "connection")),
    }
    HTTP.took(took, &labels);
}

/// A transaction ended so after so long.
#[cfg(feature = "db")]
pub(crate) fn transaction(system: &'static str, end: &'static str, failed: bool, took: Duration) {
    let mut labels = vec![
        KeyValue::new(DB_SYSTEM, system),
        KeyValue::new(DB_OPERATION, end),
    ];
    if failed {
        labels.push(KeyValue::new(ERROR_TYPE, "refused"));
    }
    DB.took(took, &labels);
}

/// Spans were sent, or lost.
#[cfg(feature = "server")]
pub(crate) fn spans_sent(spans: u64, lost: bool) {
    let outcome = if lost { "lost" } else { "sent" };
    SPANS.add(spans, &[KeyValue::new("outcome", outcome)]);
}

/// The process's CPU time, which is observed.
#[cfg(feature = "server")]
pub(crate) fn cpu() -> &'static Instrument {
    CPU.declared()
}

/// The process's memory, which is observed.
#[cfg(feature = "server")]
pub(crate) fn memory() -> &'static Instrument {
    MEMORY.declared()
}

/// What the process needs, and whether it is there.
#[cfg(feature = "server")]
pub(crate) fn ready(checks: impl IntoIterator<Item = (String, bool)>) {
    let row = |(check, there)| {
        (
            vec![KeyValue::new("check", check)],
            f64::from(u8::from(there)),
        )
    };
    READY.put(checks.into_iter().map(row).collect());
}
