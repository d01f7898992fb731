//! Names by OpenTelemetry's semantic conventions 1.42 (messaging and RPC are still in development there, so they stand
//! here once).

/// Handing a message to the queue.
pub const SEND: &str = "send";
/// Working on a message.
pub const PROCESS: &str = "process";
/// `messaging.system`.
pub const RABBITMQ: &str = "rabbitmq";
/// Which sort of queue.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// What is done with a message: [`SEND`], [`PROCESS`].
pub const MESSAGING_OPERATION: &str = "messaging.operation.name";
/// The queue.
pub const MESSAGING_DESTINATION: &str = "messaging.destination.name";
/// `rpc.system.name`.
pub const GRPC: &str = "grpc";
/// Which sort of calls.
pub const RPC_SYSTEM: &str = "rpc.system.name";
/// `package.Service/Method`.
pub const RPC_METHOD: &str = "rpc.method";
/// The gRPC status of a call, by name.
pub const RPC_STATUS: &str = "rpc.response.status_code";
/// Which sort of database.
pub const DB_SYSTEM: &str = "db.system.name";
/// What a database did.
pub const DB_OPERATION: &str = "db.operation.name";
/// The method of an HTTP request.
pub const HTTP_METHOD: &str = "http.request.method";
/// The status of its answer.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The host that is asked.
pub const SERVER_ADDRESS: &str = "server.address";
/// Why something failed, from a short list.
pub const ERROR_TYPE: &str = "error.type";

/// The name of a span about messages: `{operation} {destination}`.
pub fn name(operation: &str, destination: &str) -> String {
    format!("{operation} {destination}")
}
