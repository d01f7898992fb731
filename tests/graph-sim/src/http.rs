//! HTTP around it: a router that tests call in process, and a server.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, Uri, header, request::Parts};
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::config::DEFAULT_BASE;
use crate::control;
use crate::deliver;
use crate::download;
use crate::entra;
use crate::graph::{self, Asked, Request, Seen};
use crate::headers;
use crate::reply::{Failure, Reply};
use crate::sim::Sim;

/// Graph takes 4 MB in a request; so do we.
const BODY: usize = 4 << 20;

impl Sim {
    /// The simulator as a service: Graph, the token endpoint and the control endpoints on one address.
    pub fn router(&self) -> Router {
        Router::new()
            .nest("/_control", control::router())
            .route("/data/download/{token}", get(download::serve))
            .fallback(any(handle))
            .with_state(self.clone())
    }

    /// Serves connections until `stop` is ready.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        // Answers are written in one piece; waiting for more would only make them late.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, self.router())
            .with_graceful_shutdown(stop)
            .await
    }
}

async fn handle(State(sim): State<Sim>, request: axum::extract::Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let seq = sim.next_seq();
    let _flight = sim.flight();
    let path = parts.uri.path();
    let wait = sim.faults().delay(path).max(sim.troubles().latency(path));
    if wait > 0 {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let Ok(body) = to_bytes(body, BODY).await else {
        let ids = sim.ids(seq, None);
        let failure = Failure::new(413, "Request_BadRequest", "Request too large.");
        return deliver::response(headers::common(failure.reply(&ids), &ids), false);
    };
    let gzip = sim.config().gzip && deliver::accepts_gzip(&parts.headers);
    // A page takes milliseconds of computing: not on the threads that serve connections.
    let work = tokio::task::spawn_blocking(move || {
        let mut reply = answer(&sim, &parts, &body, seq);
        // Entra stands behind other gateways.
        if reply.status == 200 && parts.uri.path().starts_with("/v1.0/") {
            reply.delivery = sim.troubles().delivery(parts.uri.path(), gzip);
        }
        sim.pass_time(seq);
        deliver::response(reply, gzip)
    });
    match work.await {
        Ok(response) => response,
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn answer(sim: &Sim, parts: &Parts, body: &[u8], seq: u64) -> Reply {
    let base = base(sim, &parts.uri, &parts.headers);
    let path = parts.uri.path();
    let mut asked = Asked::default();
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            asked.header(name.as_str(), value);
        }
    }
    let authorization = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let mut request = Request {
        seq,
        method: parts.method.as_str(),
        path,
        query: parts.uri.query().unwrap_or(""),
        body,
        base: &base,
        token: authorization.strip_prefix("Bearer ").unwrap_or("").trim(),
        asked,
        batched: false,
    };
    match path.strip_prefix("/v1.0") {
        Some(below) if below.is_empty() || below.starts_with('/') => {
            request.path = below;
            graph::answer(sim, &request).0
        }
        _ if let Some(reply) = entra::answer(sim, &request, &parts.headers) => reply,
        _ => {
            let ids = sim.ids(seq, request.asked.client_request_id.as_deref());
            let reply = Failure::new(
                400,
                "BadRequest",
                "Invalid version: the simulator has v1.0 only.",
            )
            .reply(&ids);
            let reply = headers::common(reply, &ids);
            sim.note(&request, &Seen::default(), &reply);
            reply
        }
    }
}

/// The base of links: configured, or the address that was asked.
pub(crate) fn base(sim: &Sim, uri: &Uri, headers: &HeaderMap) -> String {
    if let Some(base) = sim.configured_base() {
        return base.trim_end_matches('/').to_owned();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or_else(|| uri.authority().map(|a| a.as_str()));
    host.map_or_else(|| DEFAULT_BASE.to_owned(), |host| format!("http://{host}"))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
