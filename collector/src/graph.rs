//! Requests to Microsoft Graph: token, retries, throttling, and links that lead nowhere else.

mod download;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use catalog::{Clouds, Declaration};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use proto::ids::{Dataset, TenantId};
use runtime::grpc::Channel;
use runtime::http::BoxError;
use runtime::retry::Backoff;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::graph_error::{GraphError, classify};
use crate::page;
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
    streaming: runtime::http::Streaming,
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
        http: runtime::http::Streaming,
        tokens: Channel,
        base: String,
        tenant: TenantId,
        dataset: Dataset,
    ) -> Self {
        Graph {
            http: runtime::http::whole(http.clone()),
            streaming: http,
            tokens: Tokens::new(tokens, tenant, dataset.clone()),
            base,
            tenant,
            dataset,
            requests: AtomicU32::new(0),
        }
    }

    /// Whether the tenant's cloud has a dataset.
    ///
    /// # Errors
    /// When it doesn't.
    pub fn has(&self, dataset: &Declaration) -> Result<(), GraphError> {
        match dataset.clouds == Clouds::Global && is_national(&self.base) {
            true => Err(GraphError::NotInCloud {
                base: self.base.clone(),
            }),
            false => Ok(()),
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

    /// Number of objects in a collection. Source: Graph, "Advanced query capabilities": plain text, and counted by an
    /// index that may be behind.
    pub async fn count(&self, collection: &str) -> Result<u64, GraphError> {
        let path = format!("v1.0/{collection}/$count");
        let reply = self.send(Method::GET, &path, Bytes::new()).await?;
        let text = std::str::from_utf8(&reply.body).unwrap_or_default();
        let digits = text.trim_start_matches('\u{feff}').trim();
        let count = digits.parse();
        count.map_err(|_| page::answer(&path, "not a number"))
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
        let mut tries = Tries::default();
        let asked = self.ask(&self.http, &mut tries, &method, path, &body);
        let answer = asked.await?;
        let (status, request_id) = (answer.status().as_u16(), request_id(answer.headers()));
        match status {
            200..=299 => Ok(Reply {
                body: answer.into_body(),
                request_id,
            }),
            300..=399 => Err(page::answer(
                path,
                "a redirect, and no token is sent elsewhere",
            )),
            _ => Err(classify(path, status, answer.body(), &request_id)),
        }
    }

    /// Asks until the answer is one, or enough was tried.
    async fn ask<B: Send>(
        &self,
        client: &BoxCloneSyncService<Request<Bytes>, Response<B>, BoxError>,
        tries: &mut Tries,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Response<B>, GraphError> {
        loop {
            let token = self.tokens.get().await?;
            let request = self.request(method, path, body, &token)?;
            match client.clone().oneshot(request).await {
                Ok(answer) => {
                    let seen = (answer.status(), answer.headers());
                    if !self.again(tries, path, &token, seen).await? {
                        return Ok(answer);
                    }
                }
                Err(e) => self.failed(tries, path, e).await?,
            }
        }
    }

    /// Waits after a failure of the network.
    async fn failed(
        &self,
        tries: &mut Tries,
        path: &str,
        source: BoxError,
    ) -> Result<(), GraphError> {
        if let Some(large) = source.downcast_ref::<runtime::http::TooLarge>() {
            return Err(page::answer(path, &large.to_string()));
        }
        if tries.network + 1 >= NETWORK_TRIES {
            return Err(self.cut(source));
        }
        tokio::time::sleep(NETWORK.delay(tries.network, fastrand::f64())).await;
        tries.network += 1;
        Ok(())
    }

    /// That the way to Graph failed.
    pub fn cut(&self, source: BoxError) -> GraphError {
        GraphError::Unreachable {
            base: self.base.clone(),
            source,
        }
    }

    /// Whether an answer is none yet: then what it asks for, a new token or a pause, is done.
    async fn again(
        &self,
        tries: &mut Tries,
        path: &str,
        token: &Token,
        (status, headers): (StatusCode, &HeaderMap),
    ) -> Result<bool, GraphError> {
        let status = status.as_u16();
        runtime::metrics::graph_answered(self.dataset.as_str(), status);
        match status {
            401 if !tries.renewed => {
                tries.renewed = true;
                self.tokens.refused(token, headers).await?;
                Ok(true)
            }
            // A gateway's page is no answer of Graph's, whatever its status says.
            200..=299 | 403 | 404 if is_html(headers) => {
                if tries.network + 1 >= NETWORK_TRIES {
                    return Err(page::answer(path, "an HTML page, of a gateway most likely"));
                }
                tokio::time::sleep(NETWORK.delay(tries.network, fastrand::f64())).await;
                tries.network += 1;
                Ok(true)
            }
            429 | 500 | 502..=504 | 509 if tries.busy < BUSY_TRIES => {
                let wait = retry_after(headers)
                    .unwrap_or(Duration::ZERO)
                    .max(BUSY.delay(tries.busy, fastrand::f64()));
                if wait > LONGEST_WAIT {
                    let path = path.split('?').next().unwrap_or_default().to_owned();
                    return Err(GraphError::Busy { status, path });
                }
                tracing::info!(tenant = %self.tenant, dataset = %self.dataset, status, wait_ms = wait.as_millis(), "Graph asks to wait");
                tokio::time::sleep(wait).await;
                tries.busy += 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
        token: &Token,
    ) -> Result<Request<Bytes>, GraphError> {
        let counts = path.ends_with("/$count");
        let accept = if counts {
            "text/plain"
        } else {
            "application/json"
        };
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}/{path}", self.base))
            .header(AUTHORIZATION, &token.bearer)
            .header(ACCEPT, accept)
            // Named in Graph's answer and in Microsoft's logs, for a support case.
            .header("client-request-id", uuid::Uuid::new_v4().to_string())
            // A background reader is the first that should wait.
            .header("x-ms-throttle-priority", "low");
        if counts {
            request = request.header("ConsistencyLevel", "eventual");
        }
        if *method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        request.body(body.clone()).map_err(|e| self.cut(e.into()))
    }
}

/// Source: Graph, "National cloud deployments". A host that is none of them is taken for the worldwide one.
fn is_national(base: &str) -> bool {
    const NATIONAL: [&str; 3] = [
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
        "https://microsoftgraph.chinacloudapi.cn",
    ];
    let base = base.trim_end_matches('/').to_ascii_lowercase();
    NATIONAL.contains(&base.as_str())
}

/// What was tried for one request.
#[derive(Default)]
struct Tries {
    network: u32,
    busy: u32,
    renewed: bool,
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

fn request_id(headers: &HeaderMap) -> String {
    let value = headers.get("request-id").and_then(|v| v.to_str().ok());
    value.unwrap_or_default().chars().take(64).collect()
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_clouds_are_known_by_their_roots() {
        assert!(is_national("https://graph.microsoft.us"));
        assert!(is_national("https://MicrosoftGraph.chinacloudapi.cn/"));
        assert!(!is_national("https://graph.microsoft.com"));
        assert!(!is_national("http://127.0.0.1:8080"));
    }
}
