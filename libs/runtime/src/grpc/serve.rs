//! Serving gRPC by TCP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::door;
use super::guard::Guard;
use super::{Access, Journal};
use crate::error::{Chain, Exit, Problem};
use crate::tls::{self, Identity, Reloading};

/// What streams that never end by themselves get to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);
/// Peers that are gone without a word, and those that no longer read, are noticed after the sum of both.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(20);
/// Calls that one connection may have under way; more wait at the caller's side.
const CALLS: u32 = 128;
/// Bytes of a call's headers, names included (RFC 9113, section 6.5.2).
const HEADERS: u32 = 16 << 10;

/// `[grpc]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Address and port. Without a section `[tls]` only this machine's loopback.
    pub listen: SocketAddr,
    /// Without TLS: who every peer is taken for. For tests on one machine; nobody otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext_peer: Option<Identity>,
}

impl Listen {
    /// Checks what types can't say.
    ///
    /// # Errors
    /// `LW-1011` for plain text on a network.
    pub fn check(&self, tls: Option<&tls::Config>) -> Result<(), Problem> {
        if tls.is_none() && !self.listen.ip().is_loopback() {
            return Err(Problem::new(
                "LW-1011",
                format!("grpc.listen = \"{}\" without TLS.", self.listen),
                "add a section [tls]; plain text is accepted on this machine's loopback only",
            )
            .exit(Exit::Usage));
        }
        if tls.is_some() && self.plaintext_peer.is_some() {
            return Err(Problem::new(
                "LW-1011",
                "grpc.plaintext_peer beside a section [tls].",
                "take one of the two out",
            )
            .exit(Exit::Usage));
        }
        Ok(())
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    mode: Mode,
}

/// How peers are known.
#[derive(Clone)]
pub(super) enum Mode {
    /// By their certificates. Answers may wait for the journal, if there is one.
    Tls(Arc<Reloading<ServerConfig>>, Option<Arc<dyn Journal>>),
    Plain(Option<Identity>),
}

impl Server {
    /// Listens; answers nobody yet.
    ///
    /// # Errors
    /// `LW-1010` when the certificates can't be used, `LW-1011` for plain text on a network, `LW-4094` when the
    /// address can't be had.
    pub async fn bind(config: &Listen, tls: Option<&tls::Config>) -> Result<Server, Problem> {
        config.check(tls)?;
        let mode = match tls {
            Some(files) => Mode::Tls(Arc::new(tls::server(files.clone())?), None),
            None => Mode::Plain(config.plaintext_peer.clone()),
        };
        let listener = listen(config.listen).await?;
        Ok(Server { listener, mode })
    }

    /// Services may have answers [held back](super::Hold) until this has done something; with TLS, that is.
    #[must_use]
    pub fn with_journal(mut self, journal: Arc<dyn Journal>) -> Server {
        if let Mode::Tls(_, used) = &mut self.mode {
            *used = Some(journal);
        }
        self
    }

    /// The address, with the port that the system chose where none was named.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`; then what is being answered is finished, streams for two seconds.
    ///
    /// # Errors
    /// `LW-4095` when serving ends by itself.
    pub async fn serve(
        self,
        routes: Routes,
        access: Access,
        stop: CancellationToken,
    ) -> Result<(), Problem> {
        if let Ok(address) = self.address() {
            let tls = matches!(self.mode, Mode::Tls(..));
            tracing::info!(%address, tls, "gRPC is served");
        }
        let (ready, incoming) = mpsc::channel(16);
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(PING))
            .http2_keepalive_timeout(Some(PONG))
            .max_concurrent_streams(CALLS)
            .http2_max_header_list_size(HEADERS)
            .layer(Guard::new(access))
            .add_routes(routes)
            .serve_with_incoming_shutdown(
                ReceiverStream::new(incoming),
                stop.clone().cancelled_owned(),
            );
        let accepting = door::accept(self.listener, self.mode, ready);
        let bounded = async {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            served = served => served.map_err(|e| {
                let what = format!("the gRPC server ended: {}.", Chain(&e));
                Problem::new("LW-4095", what, "start again; report it")
            }),
            () = accepting, if !stop.is_cancelled() => Ok(()),
            () = bounded => Ok(()),
        }
    }
}

/// Listens on an address.
///
/// # Errors
/// `LW-4094` when it can't be had.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|e| {
        Problem::new(
            "LW-4094",
            format!("nobody can be served on {address}: {e}."),
            "see who uses the port, or name another in `listen`",
        )
        .exit(Exit::Busy)
    })
}
