//! Names by OpenTelemetry's semantic conventions (messaging is still in development there, so they stand here once).

/// Handing a message to the queue.
pub const SEND: &str = "send";
/// Working on a message.
pub const PROCESS: &str = "process";
/// `messaging.system`.
pub const RABBITMQ: &str = "rabbitmq";
/// `rpc.system`.
pub const GRPC: &str = "grpc";
/// `rpc.method` of a metric.
pub const RPC_METHOD: &str = "rpc.method";
/// `rpc.service` of a metric.
pub const RPC_SERVICE: &str = "rpc.service";
/// The gRPC status of a call, by name.
pub const RPC_STATUS: &str = "rpc.grpc.status_code";
/// Why something failed, from a short list.
pub const ERROR_TYPE: &str = "error.type";

/// The name of a span about messages: `{operation} {destination}`.
pub fn name(operation: &str, destination: &str) -> String {
    format!("{operation} {destination}")
}

/// Service and method of `/package.Service/Method`.
pub fn rpc(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}
