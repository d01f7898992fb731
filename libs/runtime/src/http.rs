//! The seam to HTTP: a boxed tower service, so that a process on the network and a simulation without sockets
//! have one type.

use std::time::Duration;

use bytes::Bytes;
use tower::util::BoxCloneSyncService;

use crate::error::{Exit, Problem};

/// Any error of a transport.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request and returns the whole answer.
pub type Client = BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, BoxError>;

/// The largest answer that is read; Graph's pages stay far below.
const MAX_BODY: usize = 64 << 20;

/// A client on the network: TLS by rustls, certificates checked by the platform, gzip, HTTP/2 where offered.
///
/// # Errors
/// `LW-1004` when TLS can't be set up.
pub fn client() -> Result<Client, Problem> {
    build(reqwest::Client::builder().connect_timeout(Duration::from_secs(10)))
}

/// As [`client`], never through a proxy: for endpoints of the machine that the process runs on.
///
/// # Errors
/// As there.
pub fn direct() -> Result<Client, Problem> {
    let builder = reqwest::Client::builder().no_proxy();
    build(builder.connect_timeout(Duration::from_secs(2)))
}

fn build(builder: reqwest::ClientBuilder) -> Result<Client, Problem> {
    let client = builder
        .user_agent(concat!("leastwise/", env!("CARGO_PKG_VERSION")))
        .timeout(Duration::from_secs(100))
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
    Ok(Client::new(tower::service_fn(
        move |request: http::Request<Bytes>| {
            let client = client.clone();
            async move { send(client, request).await }
        },
    )))
}

async fn send(
    client: reqwest::Client,
    request: http::Request<Bytes>,
) -> Result<http::Response<Bytes>, BoxError> {
    let (parts, body) = request.into_parts();
    let url = reqwest::Url::parse(&parts.uri.to_string())?;
    let mut response = client
        .request(parts.method, url)
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        // Without the URL: its query may hold names.
        .map_err(|e| Box::new(e.without_url()))?;
    let mut answer = http::Response::new(Bytes::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    let expected = response
        .content_length()
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(0);
    let mut whole = Vec::with_capacity(expected.min(MAX_BODY));
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|e| Box::new(e.without_url()))?
    {
        if whole.len() + chunk.len() > MAX_BODY {
            return Err(format!("the answer is larger than {MAX_BODY} bytes").into());
        }
        whole.extend_from_slice(&chunk);
    }
    *answer.body_mut() = whole.into();
    Ok(answer)
}
