//! The door of a gRPC server: handshakes beside each other, none of which can end, stop or crowd out the others.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::gather::Gather;
use super::serve::Mode;
use super::{Hold, Peer};
use crate::error::Chain;
use crate::metrics;
use crate::tls::Identity;

/// A handshake takes milliseconds; whoever needs longer has no good intentions or no good network.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at a time. One more ends the oldest, for an honest one would have ended long ago.
const HANDSHAKES: usize = 256;
/// Connections of one identity, which replicas may share.
const CONNECTIONS: usize = 256;
/// What each connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Accepts for ever.
pub(super) async fn accept(
    listener: TcpListener,
    mode: Mode,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    let mut handshakes = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    let inside = Inside::default();
    loop {
        tokio::select! {
            Some(_) = handshakes.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    oldest.retain(|handshake| !handshake.is_finished());
                    if oldest.len() >= HANDSHAKES && let Some(handshake) = oldest.pop_front() {
                        metrics::calls::handshake_failed("crowded");
                        handshake.abort();
                    }
                    let (mode, ready, inside) = (mode.clone(), ready.clone(), inside.clone());
                    oldest.push_back(handshakes.spawn(async move {
                        if let Some(connection) = handshake(stream, from, &mode, &inside).await {
                            // Err: the server has stopped.
                            let _ = ready.send(Ok(connection)).await;
                        }
                    }));
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

/// Lets somebody in who says who they are and speaks HTTP/2, within [`HANDSHAKE`].
async fn handshake(
    stream: TcpStream,
    from: SocketAddr,
    mode: &Mode,
    inside: &Inside,
) -> Option<Connection> {
    let refused = |reason: String, kind: &'static str| {
        metrics::calls::handshake_failed(kind);
        tracing::warn!(%from, code = "LW-2020", reason, "a connection was refused");
        None
    };
    match tokio::time::timeout(HANDSHAKE, greet(stream, mode)).await {
        Ok(Ok((io, peer))) => match inside.enter(peer.identity.as_ref()) {
            Some(place) => Some(Connection {
                io,
                peer,
                unread: PREFACE,
                _place: place,
            }),
            None => {
                let who = peer.identity.as_ref().map_or("nobody", |i| i.as_str());
                let why = format!("{who} has {CONNECTIONS} connections already");
                refused(why, "crowded")
            }
        },
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

/// Who it is, once the first bytes of HTTP/2 are there: without these the connection would be open and idle for ever.
async fn greet(stream: TcpStream, mode: &Mode) -> io::Result<(Stream, Peer)> {
    // Err: the peer is gone already, which shows soon enough.
    let _ = stream.set_nodelay(true);
    let (mut io, peer) = match mode {
        Mode::Plain(identity) => {
            let peer = Peer {
                identity: identity.clone(),
                ..Peer::default()
            };
            (Stream::Plain(stream), peer)
        }
        Mode::Tls(tls, journal) => {
            let stream = TlsAcceptor::from(tls.current()).accept(stream).await?;
            let (_, session) = stream.get_ref();
            let certificate = session.peer_certificates().and_then(|c| c.first());
            // The verifier has looked already.
            let certificate = certificate.ok_or(rustls::Error::NoCertificatesPresented);
            let certificate = certificate.map_err(io::Error::other)?;
            let identity = Identity::of_certificate(certificate).map_err(io::Error::other)?;
            let peer = Peer {
                identity: Some(identity),
                hold: journal.clone().map(Hold::new),
            };
            let gather = Gather::new(stream, peer.hold.clone());
            (Stream::Tls(Box::new(gather)), peer)
        }
    };
    let mut first = [0; PREFACE.len()];
    io.read_exact(&mut first).await?;
    match first == PREFACE {
        true => Ok((io, peer)),
        false => Err(io::Error::other("it doesn't speak HTTP/2")),
    }
}

/// How many connections each peer has.
#[derive(Clone, Default)]
struct Inside(Arc<Mutex<HashMap<Option<Identity>, usize>>>);

/// One of them; the place is free again when this is dropped.
struct Place(Inside, Option<Identity>);

impl Inside {
    fn all(&self) -> MutexGuard<'_, HashMap<Option<Identity>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, identity: Option<&Identity>) -> Option<Place> {
        let mut all = self.all();
        let count = all.entry(identity.cloned()).or_default();
        if *count >= CONNECTIONS {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), identity.cloned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.all();
        if let Some(count) = all.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.1);
            }
        }
    }
}

/// A connection whose peer is known.
pub(super) struct Connection {
    io: Stream,
    peer: Peer,
    /// What was read already, and is to be read again.
    unread: &'static [u8],
    _place: Place,
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
        if self.unread.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buf.remaining()));
        buf.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tls(s) => Pin::new(s).poll_read(cx, buf),
            Stream::Plain(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Tls(s) => Pin::new(s).poll_write(cx, buf),
            Stream::Plain(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tls(s) => Pin::new(s).poll_flush(cx),
            Stream::Plain(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Plain(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
