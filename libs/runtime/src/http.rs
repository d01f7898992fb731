//! The seam to HTTP: a boxed tower service, so that a process on the network and a simulation without sockets
//! have one type.

mod config;
mod guard;

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::error::{Exit, Problem};
use crate::metrics;

pub use config::Config;
pub use guard::{Forbidden, guarded};

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request and returns the whole answer.
pub type Client = BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, BoxError>;

/// Sends a request and returns the answer as it comes.
pub type Streaming = BoxCloneSyncService<http::Request<Bytes>, http::Response<Chunks>, BoxError>;

/// A body that comes in pieces; an error when it ends too soon.
pub type Chunks = BoxStream<'static, Result<Bytes, BoxError>>;

/// What an answer may be that is read as a whole.
#[derive(Clone, Copy, Debug)]
struct Limits {
    within: Duration,
    bytes: usize,
}

impl Limits {
    fn of(config: &Config) -> Self {
        Limits {
            within: Duration::from_secs(config.answer_seconds),
            bytes: config.largest_answer_mib << 20,
        }
    }
}

/// An answer that is larger than any that is read as a whole; asked again, it would be no smaller.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {0} bytes")]
pub struct TooLarge(usize);

/// The way to Microsoft's services.
#[derive(Clone)]
pub struct Outbound {
    streaming: Streaming,
    limits: Limits,
}

impl From<Streaming> for Outbound {
    /// Another way than the network's, with the default limits.
    fn from(streaming: Streaming) -> Self {
        let limits = Limits::of(&Config::default());
        Outbound { streaming, limits }
    }
}

impl Outbound {
    /// On the network: TLS by rustls, certificates checked by the platform, gzip, HTTP/2 where offered.
    ///
    /// # Errors
    /// `LW-1004` when TLS can't be set up.
    pub fn open(config: &Config) -> Result<Self, Problem> {
        let limits = Limits::of(config);
        let streaming = build(config.builder()?)?;
        Ok(Outbound { streaming, limits })
    }

    /// For answers of any length.
    pub fn streaming(&self) -> Streaming {
        self.streaming.clone()
    }

    /// The same connections, for answers that are read as a whole.
    pub fn whole(&self) -> Client {
        whole(self.streaming(), self.limits)
    }
}

/// Never through a proxy: for endpoints of the machine that the process runs on.
///
/// # Errors
/// `LW-1004` when TLS can't be set up.
pub fn direct() -> Result<Client, Problem> {
    let config = Config {
        connect_seconds: 2,
        ..Config::default()
    };
    let streaming = build(config.builder()?.no_proxy())?;
    Ok(whole(streaming, Limits::of(&config)))
}

fn whole(client: Streaming, limits: Limits) -> Client {
    Client::new(tower::service_fn(move |request| {
        let client = client.clone();
        async move {
            let answer = collect(client, request, limits.bytes);
            let answer = tokio::time::timeout(limits.within, answer).await;
            answer.unwrap_or_else(|_| {
                Err(format!("no whole answer within {:?}", limits.within).into())
            })
        }
    }))
}

async fn collect(
    client: Streaming,
    request: http::Request<Bytes>,
    most: usize,
) -> Result<http::Response<Bytes>, BoxError> {
    let (parts, mut body) = client.oneshot(request).await?.into_parts();
    let length = parts.headers.get(http::header::CONTENT_LENGTH);
    let expected = length.and_then(|n| n.to_str().ok()?.parse().ok());
    let mut whole = Vec::with_capacity(expected.unwrap_or(0).min(most));
    while let Some(chunk) = body.try_next().await? {
        if whole.len() + chunk.len() > most {
            return Err(TooLarge(most).into());
        }
        whole.extend_from_slice(&chunk);
    }
    // Grown by doubling where the answer was compressed; several wait in memory while they are handled.
    whole.shrink_to_fit();
    Ok(http::Response::from_parts(parts, whole.into()))
}

fn unusable(e: reqwest::Error) -> Problem {
    Problem::new(
        "LW-1004",
        "TLS can't be set up.",
        "install the system's CA certificates",
    )
    .exit(Exit::Failure)
    .caused_by(e)
}

fn build(builder: reqwest::ClientBuilder) -> Result<Streaming, Problem> {
    let client = builder
        // A redirect would carry the bearer token to a host that nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(unusable)?;
    Ok(Streaming::new(tower::service_fn(
        move |request: http::Request<Bytes>| {
            let client = client.clone();
            async move { send(client, request).await }
        },
    )))
}

/// A link as far as it may be told, in logs, traces and metrics: what is asked of it may be a name or a secret.
pub fn told(link: &str) -> &str {
    link.split(['?', '#']).next().unwrap_or_default()
}

async fn send(
    client: reqwest::Client,
    request: http::Request<Bytes>,
) -> Result<http::Response<Chunks>, BoxError> {
    let (parts, body) = request.into_parts();
    let url = reqwest::Url::parse(&parts.uri.to_string())?;
    let server = url.host_str().unwrap_or_default().to_owned();
    let (method, began) = (parts.method, Instant::now());
    let response = client
        .request(method.clone(), url)
        .headers(parts.headers)
        .body(body)
        .send()
        .await;
    let status = response.as_ref().ok().map(|r| r.status().as_u16());
    metrics::calls::asked(&method, &server, status, began.elapsed());
    // Without the URL: its query may hold names.
    let response = response.map_err(|e| Box::new(e.without_url()))?;
    let (status, version) = (response.status(), response.version());
    let headers = response.headers().clone();
    let chunks = response.bytes_stream();
    let chunks = chunks.map_err(|e| Box::new(e.without_url()) as BoxError);
    let mut answer = http::Response::new(chunks.boxed());
    *answer.status_mut() = status;
    *answer.version_mut() = version;
    *answer.headers_mut() = headers;
    Ok(answer)
}
