//! Serving gRPC by TCP: handshakes beside each other, none of which can end or stop the server.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::server::Connected;

use super::gather::Gather;
use super::guard::Guard;
use super::{Access, Peer};
use crate::error::{Chain, Exit, Problem};
use crate::metrics;
use crate::tls::{self, Identity, Reloading};

/// A handshake takes milliseconds; whoever needs longer has no good intentions or no good network.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at a time; more wait in the system's queue.
const HANDSHAKES: usize = 256;
/// What streams that never end by themselves get to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);
/// Peers that are gone without a word.
const PING: Duration = Duration::from_secs(20);

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

#[derive(Clone)]
enum Mode {
    Tls(Arc<Reloading<ServerConfig>>),
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
            Some(files) => Mode::Tls(Arc::new(tls::server(files.clone())?)),
            None => Mode::Plain(config.plaintext_peer.clone()),
        };
        let listener = listen(config.listen).await?;
        Ok(Server { listener, mode })
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
            let tls = matches!(self.mode, Mode::Tls(_));
            tracing::info!(%address, tls, "gRPC is served");
        }
        let (ready, incoming) = mpsc::channel(16);
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(PING))
            .layer(Guard::new(access))
            .add_routes(routes)
            .serve_with_incoming_shutdown(
                ReceiverStream::new(incoming),
                stop.clone().cancelled_owned(),
            );
        let accepting = accept(self.listener, self.mode, ready);
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

/// Accepts for ever.
async fn accept(listener: TcpListener, mode: Mode, ready: mpsc::Sender<io::Result<Connection>>) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = handshakes.join_next() => {}
            accepted = listener.accept(), if handshakes.len() < HANDSHAKES => match accepted {
                Ok((stream, from)) => {
                    let (mode, ready) = (mode.clone(), ready.clone());
                    handshakes.spawn(async move {
                        if let Some(connection) = handshake(stream, from, &mode).await {
                            // Err: the server has stopped.
                            let _ = ready.send(Ok(connection)).await;
                        }
                    });
                }
                Err(e) => {
                    // Out of file descriptors, most likely: at once it would be the same.
                    tracing::warn!(error = %e, "a connection can't be accepted");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }
}

async fn handshake(stream: TcpStream, from: SocketAddr, mode: &Mode) -> Option<Connection> {
    // Err: the peer is gone already, which shows soon enough.
    let _ = stream.set_nodelay(true);
    let tls = match mode {
        Mode::Plain(peer) => {
            return Some(Connection {
                io: Stream::Plain(stream),
                peer: Peer(peer.clone()),
            });
        }
        Mode::Tls(tls) => tls,
    };
    let shaken = TlsAcceptor::from(tls.current()).accept(stream);
    let refused = |reason: String, kind: &'static str| {
        metrics::handshake_failed(kind);
        tracing::warn!(%from, code = "LW-2020", reason, "a connection was refused");
        None
    };
    match tokio::time::timeout(HANDSHAKE, shaken).await {
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().and_then(|c| c.first());
            match certificate.map(|c| Identity::of_certificate(c)) {
                Some(Ok(identity)) => Some(Connection {
                    io: Stream::Tls(Box::new(Gather::new(stream))),
                    peer: Peer(Some(identity)),
                }),
                // The verifier has looked already.
                _ => refused("no identity".to_owned(), "certificate"),
            }
        }
        // Somebody only looked whether the port is open.
        Ok(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => None,
        Ok(Err(e)) => {
            let kind = match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
                Some(
                    rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented,
                ) => "certificate",
                Some(rustls::Error::AlertReceived(_)) => "refused by peer",
                _ => "protocol",
            };
            refused(Chain(&e).to_string(), kind)
        }
        Err(_) => refused("the handshake took too long".to_owned(), "timeout"),
    }
}

/// A connection whose peer is known.
struct Connection {
    io: Stream,
    peer: Peer,
}

enum Stream {
    Tls(Box<Gather<TlsStream<TcpStream>>>),
    Plain(TcpStream),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Stream::Tls(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Plain(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Stream::Tls(s) => Pin::new(s).poll_write(cx, buf),
            Stream::Plain(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Stream::Tls(s) => Pin::new(s).poll_flush(cx),
            Stream::Plain(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Stream::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Plain(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
