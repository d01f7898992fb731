//! Requests to Microsoft Graph: token, budget, retries, and links that lead nowhere else.

mod download;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use catalog::{Bucket, Clouds, Declaration};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use proto::ids::{Dataset, TenantId};
use runtime::grpc::Channel;
use runtime::http::{BoxError, Chunks, Outbound};
use runtime::retry::Backoff;
use runtime::{metrics, trace};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tracing::Instrument as _;

use crate::graph_error::{GraphError, classify};
use crate::limit::budget::Answer;
use crate::limit::told::Told;
use crate::limit::{Gate, LONGEST_WAIT, Limiter, Pass};
use crate::page;
use crate::run::Link;
use crate::token::{Token, Tokens};

/// A network that fails is tried a few times at once; the run is tried again later anyway.
const NETWORK_TRIES: u32 = 4;
/// A tenant that is throttled is waited for longer: Graph says how long.
const BUSY_TRIES: u32 = 10;
/// A server that fails is waited for about a minute.
const FAILING_TRIES: u32 = 6;
const NETWORK: Backoff = Backoff {
    base: Duration::from_millis(400),
    max: Duration::from_secs(5),
};
const BUSY: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(120),
};
/// How long the directory makes us wait, compared with others.
const PRIORITY: (&str, &str) = ("x-ms-throttle-priority", "low");

/// One dataset of one tenant at Graph.
pub struct Graph {
    http: runtime::http::Client,
    streaming: runtime::http::Streaming,
    tokens: Tokens,
    base: String,
    tenant: TenantId,
    dataset: Dataset,
    /// The budget of single requests, and that of parts of a batch.
    gate: Option<Arc<Gate>>,
    parts: Option<Arc<Gate>>,
    declaration: &'static Declaration,
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
        http: &Outbound,
        tokens: Channel,
        base: String,
        tenant: TenantId,
        declaration: &'static Declaration,
        limiter: &Limiter,
    ) -> Self {
        let dataset = declaration.id();
        let parts = limiter.gate(declaration);
        Graph {
            http: http.whole(),
            streaming: http.streaming(),
            tokens: Tokens::new(tokens, tenant, dataset.clone()),
            base,
            tenant,
            dataset,
            // Parents, whose objects have limits of their own, are listed in the directory.
            gate: parts.clone().or_else(|| limiter.identity()),
            parts,
            declaration,
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
        Ok(self.send(&self.read(&link.0, false)).await?.0)
    }

    /// GET of a link, answered by an index that may be behind: it alone counts. Source: Graph, "Advanced query
    /// capabilities".
    pub async fn get_eventual(&self, link: &Link) -> Result<Reply, GraphError> {
        Ok(self.send(&self.read(&link.0, true)).await?.0)
    }

    fn read<'a>(&'a self, path: &'a str, eventual: bool) -> Call<'a> {
        Call {
            method: Method::GET,
            path,
            body: Bytes::new(),
            gate: self.gate.as_ref(),
            cost: self.declaration.units_of(path),
            eventual,
        }
    }

    /// Number of objects in a collection, as plain text.
    pub async fn count(&self, collection: &str) -> Result<u64, GraphError> {
        let link = Link(format!("v1.0/{collection}/$count"));
        let reply = self.get_eventual(&link).await?;
        let text = std::str::from_utf8(&reply.body).unwrap_or_default();
        let digits = text.trim_start_matches('\u{feff}').trim();
        let count = digits.parse();
        count.map_err(|_| page::answer(&link.0, "not a number"))
    }

    /// How many parts of a batch, of so many, go together.
    pub fn portion(&self, of: usize) -> usize {
        let gate = self.parts.as_ref();
        gate.map_or(of, |gate| gate.portion(self.declaration.units(), of))
    }

    /// POST of a batch of so many parts. What its parts tell of the budget is for the pass.
    pub async fn batch(
        &self,
        json: Vec<u8>,
        parts: u32,
    ) -> Result<(Reply, Option<Pass>), GraphError> {
        let call = Call {
            method: Method::POST,
            path: "v1.0/$batch",
            body: json.into(),
            gate: self.parts.as_ref(),
            cost: self.declaration.units().saturating_mul(parts),
            eventual: false,
        };
        self.send(&call).await
    }

    /// What the refusal of a part costs.
    pub fn refused(&self, parts: u32) -> Answer {
        match parts {
            0 => Answer::Served,
            parts => Answer::Refused((self.declaration.units() * parts).into()),
        }
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

    async fn send(&self, call: &Call<'_>) -> Result<(Reply, Option<Pass>), GraphError> {
        let mut tries = Tries::default();
        let (answer, pass) = self.ask(&self.http, &mut tries, call).await?;
        let (status, request_id) = (answer.status().as_u16(), request_id(answer.headers()));
        metrics::graph::received(self.dataset.as_str(), answer.body().len());
        match status {
            200..=299 => {
                let body = answer.into_body();
                Ok((Reply { body, request_id }, pass))
            }
            300..=399 => Err(page::answer(
                call.path,
                "a redirect, and no token is sent elsewhere",
            )),
            _ => Err(classify(call.path, status, answer.body(), &request_id)),
        }
    }

    /// Asks until the answer is one, or enough was tried. The pass of a batch is left to its parts.
    async fn ask<B: Text + Send>(
        &self,
        client: &BoxCloneSyncService<Request<Bytes>, Response<B>, BoxError>,
        tries: &mut Tries,
        call: &Call<'_>,
    ) -> Result<(Response<B>, Option<Pass>), GraphError> {
        loop {
            let token = self.tokens.get().await?;
            let pass = self.pass(call).await?;
            // Named in Graph's answer and in Microsoft's logs, for a support case.
            let id = uuid::Uuid::new_v4().to_string();
            let request = self.request(call, &token, &id)?;
            let resend = tries.network + tries.busy + u32::from(tries.renewed);
            let span = trace::asked(call.method.as_str(), &self.base, call.path, &id, resend);
            match client
                .clone()
                .oneshot(request)
                .instrument(span.clone())
                .await
            {
                Ok(answer) => {
                    let (status, headers) = (answer.status(), answer.headers());
                    let told = Told::of(|name| headers.get(name)?.to_str().ok());
                    let seen = Some((status, answer.version()));
                    trace::answered(&span, seen, &request_id(headers), told.units);
                    drop(span);
                    let what = kind(status.as_u16(), answer.body().text(), call.cost);
                    let whole = call.method != Method::POST || !status.is_success();
                    let left = match pass {
                        Some(pass) if whole => {
                            self.paid(pass, what, &told);
                            None
                        }
                        pass => pass,
                    };
                    let seen = (status, headers);
                    if !self.again(tries, call, &token, seen, (what, &told)).await? {
                        return Ok((answer, left));
                    }
                }
                Err(e) => {
                    trace::answered(&span, None, "", None);
                    drop(span);
                    self.failed(tries, call.path, e).await?;
                }
            }
        }
    }

    /// Waits for the budget.
    async fn pass(&self, call: &Call<'_>) -> Result<Option<Pass>, GraphError> {
        let Some(gate) = call.gate else {
            return Ok(None);
        };
        let pass = gate.pass(call.cost).await;
        pass.map(Some).map_err(|wait| GraphError::UsedUp {
            path: page::path(call.path),
            wait,
        })
    }

    /// Takes in what an answer, or the parts of one, tell of the budget.
    pub fn paid(&self, pass: Pass, what: Answer, told: &Told) {
        if let Some(units) = told.units {
            metrics::graph::cost(self.dataset.as_str(), units as u64);
        }
        // Units are counted for the directory alone; elsewhere a request is a request.
        let told = match self.declaration.bucket {
            Bucket::Identity => *told,
            _ => Told {
                units: None,
                ..*told
            },
        };
        pass.answered(what, &told);
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
        self.later(tries, || self.cut(source)).await
    }

    /// Waits after what was no answer of Graph's, or broke off, or fails where enough was tried.
    pub async fn later(
        &self,
        tries: &mut Tries,
        failed: impl FnOnce() -> GraphError,
    ) -> Result<(), GraphError> {
        if tries.network + 1 >= NETWORK_TRIES {
            return Err(failed());
        }
        metrics::graph::retried(self.dataset.as_str(), "network");
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
        call: &Call<'_>,
        token: &Token,
        (status, headers): (StatusCode, &HeaderMap),
        (what, told): (Answer, &Told),
    ) -> Result<bool, GraphError> {
        let status = status.as_u16();
        metrics::graph::answered(self.dataset.as_str(), status);
        match status {
            401 if !tries.renewed => {
                tries.renewed = true;
                metrics::graph::retried(self.dataset.as_str(), "token");
                self.tokens.refused(token, headers).await?;
                Ok(true)
            }
            // A gateway's page is no answer of Graph's, whatever its status says.
            200..=299 | 403 | 404 if is_html(headers) => {
                let html = || page::answer(call.path, "an HTML page, of a gateway most likely");
                self.later(tries, html).await?;
                Ok(true)
            }
            429 | 500 | 502..=504 | 509 if tries.busy < most_tries(status, what) => {
                let paced = call.gate.is_some() && matches!(what, Answer::Refused(_));
                let wait = match paced {
                    // The budget says when.
                    true => Duration::ZERO,
                    false => told
                        .wait
                        .unwrap_or(Duration::ZERO)
                        .max(BUSY.delay(tries.busy, fastrand::f64())),
                };
                if wait > LONGEST_WAIT {
                    let path = page::path(call.path);
                    return Err(GraphError::Busy { status, path });
                }
                tracing::info!(tenant = %self.tenant, dataset = %self.dataset, status, wait_ms = wait.as_millis(), "Graph asks to wait");
                let reason = if paced { "throttled" } else { "busy" };
                metrics::graph::retried(self.dataset.as_str(), reason);
                tokio::time::sleep(wait).await;
                tries.busy += 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn request(
        &self,
        call: &Call<'_>,
        token: &Token,
        id: &str,
    ) -> Result<Request<Bytes>, GraphError> {
        let accept = match call.path.ends_with("/$count") {
            true => "text/plain",
            false => "application/json",
        };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}/{}", self.base, call.path))
            .header(AUTHORIZATION, &token.bearer)
            .header(ACCEPT, accept)
            .header("client-request-id", id);
        if call.eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        if self.declaration.bucket == Bucket::Identity {
            // A background reader is the first that should wait. Documented for the directory alone.
            request = request.header(PRIORITY.0, PRIORITY.1);
        }
        if call.method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        request
            .body(call.body.clone())
            .map_err(|e| self.cut(e.into()))
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
pub struct Tries {
    network: u32,
    busy: u32,
    renewed: bool,
}

fn most_tries(status: u16, what: Answer) -> u32 {
    match (status, what) {
        (500 | 502 | 504, Answer::Served) => FAILING_TRIES,
        _ => BUSY_TRIES,
    }
}

fn is_html(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

fn request_id(headers: &HeaderMap) -> String {
    let value = headers.get("request-id").and_then(|v| v.to_str().ok());
    value.unwrap_or_default().chars().take(64).collect()
}

/// What is asked, and what it is paid from.
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    gate: Option<&'a Arc<Gate>>,
    cost: u32,
    eventual: bool,
}

/// A body as far as it is there.
trait Text {
    /// It.
    fn text(&self) -> &[u8];
}

impl Text for Bytes {
    fn text(&self) -> &[u8] {
        self
    }
}

impl Text for Chunks {
    fn text(&self) -> &[u8] {
        &[]
    }
}

/// What an answer means for the budget.
pub fn kind(status: u16, body: &[u8], cost: u32) -> Answer {
    // Intune says so. Source: its answers, as its users quote them.
    const BROKER: &[u8] = b"too many requests to query broker";
    match status {
        429 => Answer::Refused(cost.into()),
        500 if body.windows(BROKER.len()).any(|w| w == BROKER) => Answer::Refused(cost.into()),
        503 | 509 => Answer::Overloaded,
        _ => Answer::Served,
    }
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
