//! The seam to HTTP: a boxed tower service, so that a process on the network and a simulation without sockets
//! have one type.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::error::{Exit, Problem};

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request and returns the whole answer.
pub type Client = BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, BoxError>;

/// Sends a request and returns the answer as it comes.
pub type Streaming = BoxCloneSyncService<http::Request<Bytes>, http::Response<Chunks>, BoxError>;

/// A body that comes in pieces; an error when it ends too soon.
pub type Chunks = BoxStream<'static, Result<Bytes, BoxError>>;

/// The largest answer that is read as a whole; Graph's pages stay far below.
const MAX_BODY: usize = 64 << 20;

/// An answer that is larger than any that is read as a whole; asked again, it would be no smaller.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {MAX_BODY} bytes")]
pub struct TooLarge;

/// How long a whole answer may take.
const WHOLE: Duration = Duration::from_secs(100);

/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);

/// A client on the network: TLS by rustls, certificates checked by the platform, gzip, HTTP/2 where offered.
///
/// # Errors
/// `LW-1004` when TLS can't be set up.
pub fn client() -> Result<Client, Problem> {
    Ok(whole(streaming()?))
}

/// As [`client`], for answers of any length.
///
/// # Errors
/// As there.
pub fn streaming() -> Result<Streaming, Problem> {
    build(reqwest::Client::builder().connect_timeout(Duration::from_secs(10)))
}

/// As [`client`], never through a proxy: for endpoints of the machine that the process runs on.
///
/// # Errors
/// As there.
pub fn direct() -> Result<Client, Problem> {
    let builder = reqwest::Client::builder().no_proxy();
    Ok(whole(build(
        builder.connect_timeout(Duration::from_secs(2)),
    )?))
}

/// The same connections, for answers that are read as a whole: at most 64 MiB, within 100 seconds.
pub fn whole(client: Streaming) -> Client {
    Client::new(tower::service_fn(move |request| {
        let client = client.clone();
        async move {
            let answer = tokio::time::timeout(WHOLE, collect(client, request)).await;
            answer.unwrap_or_else(|_| Err(format!("no whole answer within {WHOLE:?}").into()))
        }
    }))
}

async fn collect(
    client: Streaming,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, BoxError> {
    let (parts, mut body) = client.oneshot(request).await?.into_parts();
    let length = parts.headers.get(http::header::CONTENT_LENGTH);
    let expected = length.and_then(|n| n.to_str().ok()?.parse().ok());
    let mut whole = Vec::with_capacity(expected.unwrap_or(0).min(MAX_BODY));
    while let Some(chunk) = body.try_next().await? {
        if whole.len() + chunk.len() > MAX_BODY {
            return Err(TooLarge.into());
        }
        whole.extend_from_slice(&chunk);
    }
    // Grown by doubling where the answer was compressed; several wait in memory while they are handled.
    whole.shrink_to_fit();
    Ok(http::Response::from_parts(parts, whole.into()))
}

fn build(builder: reqwest::ClientBuilder) -> Result<Streaming, Problem> {
    let client = builder
        .user_agent(concat!("leastwise/", env!("CARGO_PKG_VERSION")))
        .read_timeout(SILENCE)
        // A redirect would carry the bearer token to a host that nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| {
            Problem::new(
                "LW-1004",
                "TLS can't be set up.",
                "install the system's CA certificates",
            )
            .exit(Exit::Failure)
            .caused_by(e)
        })?;
    Ok(Streaming::new(tower::service_fn(
        move |request: http::Request<Bytes>| {
            let client = client.clone();
            async move { send(client, request).await }
        },
    )))
}

async fn send(
    client: reqwest::Client,
    request: http::Request<Bytes>,
) -> Result<http::Response<Chunks>, BoxError> {
    let (parts, body) = request.into_parts();
    let url = reqwest::Url::parse(&parts.uri.to_string())?;
    let response = client
        .request(parts.method, url)
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        // Without the URL: its query may hold names.
        .map_err(|e| Box::new(e.without_url()))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let chunks = response.bytes_stream();
    let chunks = chunks.map_err(|e| Box::new(e.without_url()) as BoxError);
    let mut answer = http::Response::new(chunks.boxed());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}
