//! In front of every service: who calls, whether they may, the trace they belong to, the count, and the audit.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::access::Access;
use super::peer::reason;
use super::peer::{Act, Peer};
use crate::error::Problem;
use crate::{metrics, trace};

/// How long a request may take to come; it is there at once, or somebody holds it back.
const REQUEST: Duration = Duration::from_secs(10);
/// Bytes of a request: identifiers and names, and for an act also the files of a tenant's credentials.
const LOOK: usize = 16 << 10;
const ACT: usize = 1 << 20;

/// A request with all that belongs to it: nothing of it is waited for once a service has it.
async fn whole(request: Request<Body>, longest: usize) -> Result<Request<Body>, Status> {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(axum::body::Body::new(body), longest);
    let late = || Status::deadline_exceeded("the request did not come within 10 s");
    let read = tokio::time::timeout(REQUEST, read).await;
    let bytes = read.map_err(|_| late())?.map_err(|_| {
        Status::resource_exhausted(format!(
            "the request was cut off, or is larger than {longest} bytes"
        ))
    })?;
    let body = Body::new(axum::body::Body::from(bytes));
    Ok(Request::from_parts(parts, body))
}

/// See the [module](self).
#[derive(Clone)]
pub struct Guard(Arc<Access>);

impl Guard {
    pub fn new(access: Access) -> Self {
        Guard(Arc::new(access))
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            access: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service with the guard in front.
#[derive(Clone)]
pub struct Guarded<S> {
    access: Arc<Access>,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = request.uri().path();
        // Names from outside are bounded: a label for each path that somebody tries would never end.
        let method = self.access.method(path).unwrap_or("/_OTHER");
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.unwrap_or_default();
        // Only operators give reasons: reading one costs a copy of all headers.
        let permitted = self.access.permits(path, &peer);
        let reason = match &permitted {
            Ok(rule) if !rule.is_act() => String::new(),
            _ => reason(&MetadataMap::from_headers(request.headers().clone())),
        };
        let rule = match permitted {
            Ok(rule) if rule.needs_reason() && reason.is_empty() => {
                Err(Status::failed_precondition(
                    Problem::new(
                        "LW-2022",
                        format!("{path} needs a reason, for the audit."),
                        "say why with --reason",
                    )
                    .to_string(),
                ))
            }
            Ok(rule) => Ok(rule),
            Err(why) => Err(Status::permission_denied(
                Problem::new(
                    "LW-2021",
                    format!("{path} is not permitted: {why}."),
                    "add the identity to `callers` or [admin] of the service's configuration",
                )
                .to_string(),
            )),
        };
        let who = move || {
            peer.identity
                .as_ref()
                .map_or("nobody", |i| i.as_str())
                .to_owned()
        };
        let rule = match rule {
            Ok(rule) => rule,
            Err(status) => {
                metrics::calls::served(method, status.code(), Duration::ZERO);
                tracing::warn!(target: "audit", who = who(), act = method, why = reason, outcome = "denied", result = status.message());
                return Box::pin(std::future::ready(Ok(status.into_http())));
            }
        };
        let act = rule.is_act().then(Act::default);
        if let Some(act) = &act {
            request.extensions_mut().insert(act.clone());
        }
        let span = trace::served(method);
        trace::child_of(&span, trace::extract(request.headers()));
        // The one that is ready is the one that was polled.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let longest = if rule.is_act() { ACT } else { LOOK };
        let began = Instant::now();
        let answering = async move {
            let request = match whole(request, longest).await {
                Ok(request) => request,
                Err(status) => {
                    metrics::calls::served(method, status.code(), began.elapsed());
                    return Ok(status.into_http());
                }
            };
            let response = inner.call(request).await?;
            let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |s| s.code());
            metrics::calls::served(method, code, began.elapsed());
            trace::ended(
                &Span::current(),
                (code != Code::Ok).then(|| format!("{code:?}")).as_deref(),
            );
            if let Some(act) = act {
                let outcome = format!("{code:?}");
                tracing::info!(target: "audit", who = who(), act = method, why = reason, outcome, result = act.result());
            }
            Ok(response)
        };
        Box::pin(answering.instrument(span))
    }
}
