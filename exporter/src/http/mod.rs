//! The way to sinks behind HTTP: what may be called, and what an answer means.

mod addresses;
mod answer;
mod oauth;
mod patient;
mod settings;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use runtime::Clock;
use runtime::error::Chain;
use runtime::http::{BoxError, Client, Forbidden};
use runtime::trace;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::error::Error;
use crate::sink::Refusal;

pub use oauth::{ClientCredentials, Tokens};
pub(crate) use patient::Patient;
pub use settings::{Http as Settings, address, secret};

/// The way to one sink.
#[derive(Clone)]
pub struct Http {
    client: Client,
    clock: Clock,
}

/// An answer that takes what was sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// A success (2xx).
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its content, at most 16 MiB.
    pub body: Bytes,
}

impl Answer {
    /// What it says, as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        // Without the error: it may quote what came.
        serde_json::from_slice(&self.body).map_err(|_| unpromised())
    }
}

/// An answer that is not what the system documents.
pub(crate) fn unpromised() -> Refusal {
    Refusal::Transient {
        why: "its answer is not the JSON that its documentation promises".to_owned(),
    }
}

/// A request that can't be written down.
pub(crate) fn unsendable(e: &dyn std::fmt::Display) -> Refusal {
    Refusal::Permanent { why: e.to_string() }
}

impl Http {
    /// The way to the sink of this name.
    ///
    /// # Errors
    /// When the client can't be made: a proxy or an authority that can't be used.
    pub fn new(sink: &str, settings: &Settings, clock: Clock) -> Result<Self, Error> {
        let client = settings.client().map_err(|e| Error::Client {
            sink: sink.to_owned(),
            source: Box::new(e),
        })?;
        Ok(Http { client, clock })
    }

    /// Sends a request, unless the time for that is over, and returns the answer where it is a success.
    ///
    /// # Errors
    /// What any other answer, or none, means for the push.
    pub async fn send(&self, request: Request<Bytes>, until: Instant) -> Result<Answer, Refusal> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let begun = Instant::now();
        if begun >= until {
            return Err(Refusal::Late);
        }
        let span = trace::called(&method, uri.host());
        let answer = self.client.clone().oneshot(request);
        let answer = answer.instrument(span.clone()).await;
        trace::answered(
            &span,
            answer.as_ref().ok().map(|a| (a.status(), a.version())),
            "",
            None,
        );
        let took = begun.elapsed();
        let (host, path) = (uri.host(), uri.path());
        let answer = answer.map_err(|e| {
            tracing::debug!(%method, host, path, ?took, error = %Chain(&*e), "no answer of a sink");
            unanswered(&e)
        })?;
        let status = answer.status();
        tracing::debug!(%method, host, path, ?took, status = status.as_u16(), "a sink answers");
        let seconds = self.clock.micros() / 1_000_000;
        answer::refusal(status, answer.headers(), seconds).map_or(Ok(()), Err)?;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status,
            headers: parts.headers,
            body,
        })
    }
}

/// What an answer that never came means.
fn unanswered(e: &BoxError) -> Refusal {
    let why = Chain(&**e).to_string();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&**e);
    while let Some(e) = next {
        if e.is::<Forbidden>() {
            return Refusal::Misplaced { status: None, why };
        }
        next = e.source();
    }
    // The TLS library's own words: its type is not ours to know. A certificate doesn't become right by waiting.
    match why.contains("invalid peer certificate") {
        true => Refusal::Misplaced { status: None, why },
        false => Refusal::Transient { why },
    }
}
