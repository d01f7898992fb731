//! In front of every service: who calls, whether they may, the trace they belong to, the count, and the audit.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::access::Access;
use super::peer::reason;
use super::peer::{Act, Peer};
use crate::error::Problem;
use crate::{metrics, trace};

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
        let method = self.access.method(path).unwrap_or("/unknown");
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.unwrap_or(Peer(None));
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
        let who = move || peer.0.as_ref().map_or("nobody", |i| i.as_str()).to_owned();
        let rule = match rule {
            Ok(rule) => rule,
            Err(status) => {
                metrics::served(method, status.code());
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
        let answering = async move {
            let response = inner.call(request).await?;
            let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |s| s.code());
            metrics::served(method, code);
            if let Some(act) = act {
                let outcome = format!("{code:?}");
                tracing::info!(target: "audit", who = who(), act = method, why = reason, outcome, result = act.result());
            }
            Ok(response)
        };
        Box::pin(answering.instrument(span))
    }
}
