//! Requests to Microsoft Graph: token, retries, throttling, and links that lead nowhere else.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response};
use proto::ids::{Dataset, TenantId};
use runtime::grpc::Channel;
use runtime::retry::Backoff;
use tower::ServiceExt;

use crate::graph_error::{GraphError, classify};
use crate::run::Link;
use crate::token::{Token, Tokens};

/// A network that fails is tried a few times at once; the run is tried again later anyway.
const NETWORK_TRIES: u32 = 4;
/// A tenant that is throttled is waited for longer: Graph says how long.
const BUSY_TRIES: u32 = 10;
const NETWORK: Backoff = Backoff {
    base: Duration::from_millis(400),
    max: Duration::from_secs(5),
};
const BUSY: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(120),
};
/// A longer wait than this is the schedule's business.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// One dataset of one tenant at Graph.
pub struct Graph {
    http: runtime::http::Client,
    tokens: Tokens,
    base: String,
    tenant: TenantId,
    dataset: Dataset,
    requests: AtomicU32,
}

/// A successful answer.
pub struct Reply {
    /// The body.
    pub body: Bytes,
    /// Graph's `request-id`, for a support case.
    pub request_id: String,
}

impl Graph {
    /// For one run.
    pub fn new(
        http: runtime::http::Client,
        tokens: Channel,
        base: String,
        tenant: TenantId,
        dataset: Dataset,
    ) -> Self {
        Graph {
            http,
            tokens: Tokens::new(tokens, tenant, dataset.clone()),
            base,
            tenant,
            dataset,
            requests: AtomicU32::new(0),
        }
    }

    /// Requests since the last call.
    pub fn take_requests(&self) -> u32 {
        self.requests.swap(0, Ordering::Relaxed)
    }

    /// GET of a link.
    pub async fn get(&self, link: &Link) -> Result<Reply, GraphError> {
        self.send(Method::GET, &link.0, Bytes::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<Reply, GraphError> {
        self.send(Method::POST, path, json.into()).await
    }

    /// An absolute link of Graph's, relative to the configured root.
    pub fn relative(&self, absolute: &str) -> Result<Link, GraphError> {
        let rest = absolute
            .strip_prefix(&self.base)
            .and_then(|r| r.strip_prefix('/'));
        rest.map(|r| Link(r.to_owned()))
            .ok_or_else(|| GraphError::ForeignLink {
                base: self.base.clone(),
            })
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, GraphError> {
        let (mut network, mut busy, mut renewed) = (0, 0, false);
        loop {
            let token = self.tokens.get().await?;
            let answer = match self.once(&method, path, &body, &token).await {
                Ok(answer) => answer,
                Err(GraphError::Unreachable { .. }) if network + 1 < NETWORK_TRIES => {
                    tokio::time::sleep(NETWORK.delay(network, fastrand::f64())).await;
                    network += 1;
                    continue;
                }
                Err(e) => return Err(e),
            };
            let status = answer.status().as_u16();
            let request_id = header(&answer, "request-id");
            runtime::metrics::graph_answered(self.dataset.as_str(), status);
            match status {
                200..=299 => {
                    return Ok(Reply {
                        body: answer.into_body(),
                        request_id,
                    });
                }
                401 if !renewed => {
                    renewed = true;
                    self.tokens.refused(&token, answer.headers()).await?;
                }
                429 | 500 | 502..=504 | 509 if busy < BUSY_TRIES => {
                    let wait = retry_after(&answer)
                        .unwrap_or(Duration::ZERO)
                        .max(BUSY.delay(busy, fastrand::f64()));
                    if wait > LONGEST_WAIT {
                        return Err(classify(path, status, answer.body(), &request_id));
                    }
                    tracing::info!(tenant = %self.tenant, dataset = %self.dataset, status, wait_ms = wait.as_millis(), "Graph asks to wait");
                    tokio::time::sleep(wait).await;
                    busy += 1;
                }
                _ => return Err(classify(path, status, answer.body(), &request_id)),
            }
        }
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
        token: &Token,
    ) -> Result<Response<Bytes>, GraphError> {
        let unreachable = |source| GraphError::Unreachable {
            base: self.base.clone(),
            source,
        };
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}/{path}", self.base))
            .header(AUTHORIZATION, &token.bearer)
            .header(ACCEPT, "application/json")
            // A background reader is the first that should wait.
            .header("x-ms-throttle-priority", "low");
        if *method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body.clone())
            .map_err(|e| unreachable(e.into()))?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.http
            .clone()
            .oneshot(request)
            .await
            .map_err(unreachable)
    }
}

fn header(answer: &Response<Bytes>, name: &str) -> String {
    answer
        .headers()
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .chars()
        .take(64)
        .collect()
}

fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    answer
        .headers()
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}
