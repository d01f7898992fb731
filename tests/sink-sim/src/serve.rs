//! Connections, and what faults do to them.

use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::fault::Fault;
use crate::message::{Reply, Request};
use crate::sim::{Shared, Vendor};

pub(crate) type Acceptor = tokio_rustls::TlsAcceptor;

/// What a server shows over TLS, in PEM files.
pub struct Tls {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The private key of `certificate`.
    pub key: PathBuf,
}

pub(crate) fn acceptor(tls: &Tls) -> Result<Acceptor> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("read {}", tls.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .with_context(|| format!("read {}", tls.key.display()))?;
    // Named here, so that nobody else's choice of a provider for the whole process matters.
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Acceptor::from(Arc::new(config)))
}

/// Serves until `stopped` is ready; then all connections end, also those that hang.
pub(crate) async fn run<V: Vendor>(
    listener: std::net::TcpListener,
    tls: Option<Acceptor>,
    shared: Arc<Shared<V>>,
    mut stopped: oneshot::Receiver<()>,
) {
    // It fails only outside a runtime.
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Ok((stream, _)) = listener.accept() => {
                stream.set_nodelay(true).ok();
                let (tls, shared) = (tls.clone(), shared.clone());
                connections.spawn(async move {
                    match tls {
                        None => connection(stream, shared).await,
                        // Whoever doesn't trust the certificate hangs up, and says so on its own side.
                        Some(tls) => if let Ok(stream) = tls.accept(stream).await {
                            connection(stream, shared).await;
                        },
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<V: Vendor>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared<V>>,
) {
    let service = tower::service_fn(move |request| exchange(request, shared.clone()));
    auto::Builder::new(TokioExecutor::new())
        .http1_only()
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await
        // The other side has gone, or a fault has cut it off.
        .ok();
}

/// The connection ends without an answer.
#[derive(Debug)]
struct CutOff;

impl std::fmt::Display for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for CutOff {}

async fn exchange<V, B>(
    request: http::Request<B>,
    shared: Arc<Shared<V>>,
) -> Result<Response<Full<Bytes>>, CutOff>
where
    V: Vendor,
    B: http_body::Body,
{
    let (head, body) = request.into_parts();
    // A request that breaks off has not come.
    let body = body.collect().await.map_err(|_| CutOff)?.to_bytes();
    let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let request = Request {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: query
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect(),
        headers: head.headers,
        body,
    };
    let (number, fault) = shared.receive(request.clone());
    let answer = || shared.answer(number, &request);
    let reply = decide(fault, answer, &shared).await?;
    shared.answered(number, &reply);
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

async fn decide<V: Vendor>(
    fault: Option<Fault>,
    answer: impl Fn() -> Reply,
    shared: &Shared<V>,
) -> Result<Reply, CutOff> {
    let Some(fault) = fault else {
        return Ok(answer());
    };
    Ok(match fault {
        Fault::Status {
            status,
            retry_after,
        } => {
            let reply = shared.refusal(status);
            match retry_after {
                Some(when) => reply.header("retry-after", &when),
                None => reply,
            }
        }
        Fault::Answer {
            status,
            content_type,
            body,
        } => {
            let mut reply = Reply::empty(status).header("content-type", content_type);
            reply.body = body.into();
            reply
        }
        Fault::Redirect(to) => Reply::empty(307).header("location", &to),
        Fault::Unauthorized => shared.refusal(401),
        Fault::Hang => never(pending().await),
        Fault::HangAfter => {
            answer();
            never(pending().await)
        }
        Fault::Cut => return Err(CutOff),
        Fault::CutAfter => {
            answer();
            return Err(CutOff);
        }
        Fault::Slow(time) => {
            let reply = answer();
            tokio::time::sleep(time).await;
            reply
        }
    })
}

fn never(nothing: Infallible) -> Reply {
    match nothing {}
}
