//! The seam to gRPC: tonic's generated server is a tower service, so a server in the same process and one behind a
//! socket have one type of channel.

mod access;
#[cfg(feature = "tls")]
mod connect;
#[cfg(feature = "server")]
mod door;
#[cfg(feature = "server")]
mod gather;
#[cfg(feature = "server")]
mod guard;
mod hold;
mod peer;
pub mod pushback;
#[cfg(feature = "server")]
mod serve;

use std::convert::Infallible;
use std::path::Path;

use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use crate::error::Problem;

pub use access::{Access, Admin, Role, Rule};
#[cfg(feature = "server")]
pub(crate) use connect::transport;
#[cfg(feature = "tls")]
pub use connect::{Remote, connect};
pub use hold::{Hold, Journal};
pub use peer::{Act, Peer, reason};
#[cfg(feature = "server")]
pub(crate) use serve::listen;
#[cfg(feature = "server")]
pub use serve::{Listen, Server};

/// Metadata that says why somebody acts, UTF-8 (a key that ends in `-bin` may hold any bytes).
pub const REASON: &str = "leastwise-reason-bin";

/// A channel to a service that the configuration doesn't name: each call says so.
pub fn unnamed(key: &'static str) -> Channel {
    BoxCloneSyncService::new(tower::service_fn(
        move |_: http::Request<Body>| async move {
            let problem = Problem::new(
                "LW-4017",
                format!("the configuration doesn't say where that service is: {key} is missing."),
                "add it, as the services beside it",
            );
            Err::<http::Response<Body>, _>(Status::failed_precondition(problem.to_string()))
        },
    ))
}

/// A channel whose calls give this reason, for the audit.
pub fn with_reason(channel: Channel, reason: &str) -> Channel {
    let reason = tonic::metadata::BinaryMetadataValue::from_bytes(reason.as_bytes());
    BoxCloneSyncService::new(channel.map_request(move |request: http::Request<Body>| {
        let (mut parts, body) = request.into_parts();
        let mut metadata = tonic::metadata::MetadataMap::from_headers(parts.headers);
        metadata.insert_bin(REASON, reason.clone());
        parts.headers = metadata.into_headers();
        http::Request::from_parts(parts, body)
    }))
}

/// What generated clients are made from. The error of the transport is a status too: with a boxed error the
/// compiler can't prove that a client's future is `Send`.
pub type Channel = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// A channel to a server in this process.
pub fn local<S>(server: S) -> Channel
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(server.map_err(|never| match never {}))
}

/// A channel to a server behind a Unix socket.
///
/// # Errors
/// When nobody listens there.
pub async fn unix(path: &Path) -> Result<Channel, tonic::transport::Error> {
    let path = path.to_owned();
    let channel = tonic::transport::Endpoint::from_static("http://socket.localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                tokio::net::UnixStream::connect(path)
                    .await
                    .map(hyper_util::rt::TokioIo::new)
            }
        }))
        .await?;
    Ok(BoxCloneSyncService::new(
        channel.map_err(|e| Status::unavailable(e.to_string())),
    ))
}
