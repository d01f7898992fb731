//! Delivery: `POST` with a signature by which the receiver knows the sender and the moment.
//!
//! The header `Leastwise-Signature: t=<seconds>,v1=<hex>` has the form that Stripe made common: `v1` is HMAC-SHA-256 (RFC
//! 2104) over `<seconds>.<body>` with the content of `secret_file` as key. A receiver compares it in constant time,
//! refuses a `t` that is minutes off, and takes each `id` once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::header::CONTENT_TYPE;
use runtime::config::SecretFile;
use runtime::error::Exit;
use runtime::http::Client;
use runtime::retry::Backoff;
use runtime::{CancellationToken, Clock, Problem, metrics};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;
use url::Url;

use super::queue::{Queue, Undelivered};
use crate::audit::hex;
use crate::config::loopback;
use crate::entra::retry_after;

/// The header with the moment and the signature.
pub const SIGNATURE: &str = "leastwise-signature";

/// Deliveries at the same time: one that is tried again must not hold up the others.
const AT_ONCE: usize = 8;
/// That a receiver may take; it should note the event and work later.
const PATIENCE: Duration = Duration::from_secs(10);
/// With the pauses between them these take about nine minutes: a receiver's restart and more.
const TRIES: u32 = 10;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(300),
};
/// The longest pause while the process ends.
const HURRY: Duration = Duration::from_secs(1);
/// Shorter keys can be guessed from one signed event.
const SHORTEST_SECRET: usize = 16;
/// Serving ends up to so long after the signal, which is when the grace begins.
const FAREWELL: Duration = Duration::from_secs(3);

/// `[webhook]`: who is told of events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Takes events by `POST`.
    pub url: Url,
    /// The key of the signatures; read for each delivery.
    pub secret_file: SecretFile,
}

impl Config {
    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        self.secret_file.resolve(base);
    }

    /// Checks the address and reads the secret once.
    ///
    /// # Errors
    /// `LW-1020` and `LW-1009`.
    pub fn check(&self) -> Result<(), Problem> {
        let wrong = |what: &str, remedy: &str| {
            Err(Problem::new("LW-1020", format!("webhook: {what}."), remedy).exit(Exit::Usage))
        };
        let url = &self.url;
        if !(url.scheme() == "https" || url.scheme() == "http" && loopback(url)) {
            return wrong(
                "url is not https",
                "use https://; plain http:// is accepted for this machine's loopback only",
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(
                "url holds a name or a password",
                "take them out: the receiver knows the sender by the signature",
            );
        }
        self.secret_file.check()?;
        let secret = self.secret_file.read().map_err(|e| {
            Problem::new(
                "LW-1009",
                format!("the webhook's secret: {e}."),
                "create it",
            )
        })?;
        if secret.expose_secret().len() < SHORTEST_SECRET {
            return wrong(
                "the secret is too short",
                "make another one: openssl rand -hex 32",
            );
        }
        Ok(())
    }
}

/// Carries events to the webhook.
pub struct Delivery {
    config: Config,
    queue: Arc<Queue>,
    http: Client,
    clock: Clock,
}

impl Delivery {
    pub(super) fn new(config: Config, queue: Arc<Queue>, http: Client, clock: Clock) -> Self {
        Delivery {
            config,
            queue,
            http,
            clock,
        }
    }

    /// Delivers while `work` goes on; then what is left, within the grace that the process has for its end.
    pub async fn beside<T>(self, work: impl Future<Output = T>, grace: Duration) -> T {
        let finish = CancellationToken::new();
        let deliver = self.deliver(&finish);
        tokio::pin!(deliver);
        let done = tokio::select! {
            done = work => done,
            () = &mut deliver => unreachable!("it ends when it is told to"),
        };
        finish.cancel();
        let left = grace.saturating_sub(FAREWELL).max(HURRY);
        // What is in hand then is dropped, and by that logged.
        let _ = tokio::time::timeout(left, deliver).await;
        while let Some(event) = self.queue.pop() {
            event.lost("lost", "the process ended");
        }
        done
    }

    async fn deliver(&self, finish: &CancellationToken) {
        let mut underway = FuturesUnordered::new();
        loop {
            while underway.len() < AT_ONCE {
                let Some(event) = self.queue.pop() else { break };
                underway.push(self.send(event, finish));
            }
            let ending = finish.is_cancelled();
            if ending && underway.is_empty() {
                return;
            }
            tokio::select! {
                Some(()) = underway.next() => {}
                () = self.queue.arrived(), if underway.len() < AT_ONCE => {}
                () = finish.cancelled(), if !ending => {}
            }
        }
    }

    /// Tries until the receiver takes it, or for long enough.
    async fn send(&self, event: Undelivered, finish: &CancellationToken) {
        let Some(message) = event.message() else {
            return;
        };
        // Texts in a struct always have a form in JSON.
        let body = Bytes::from(serde_json::to_vec(message).unwrap_or_default());
        let id = message.id.clone();
        let mut tries = 0;
        loop {
            let Refused { why, wait } = match self.post(body.clone()).await {
                Ok(()) => {
                    metrics::token::webhook_ended("delivered");
                    event.delivered();
                    return;
                }
                Err(refused) => refused,
            };
            tries += 1;
            let host = self.config.url.host_str();
            tracing::warn!(host, id, tries, why, "the webhook took no event");
            if tries == TRIES {
                let why = format!("it was tried {TRIES} times: {why}");
                event.lost("lost", &why);
                return;
            }
            metrics::token::webhook_ended("refused");
            let wait = BACKOFF
                .delay(tries - 1, fastrand::f64())
                .max(wait.unwrap_or_default());
            self.pause(wait, finish).await;
        }
    }

    /// By the clock, and no longer than a moment once the process ends.
    async fn pause(&self, wait: Duration, finish: &CancellationToken) {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let until = self.clock.micros().saturating_add(micros);
        tokio::select! {
            () = self.clock.sleep_until(until) => {}
            () = async {
                finish.cancelled().await;
                tokio::time::sleep(wait.min(HURRY)).await;
            } => {}
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), Refused> {
        let seconds = self.clock.micros() / 1_000_000;
        let secret = self.config.secret_file.read();
        let secret = secret.map_err(|e| Refused::told(format!("its secret can't be read: {e}")))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let request = http::Request::post(self.config.url.as_str())
            .header(CONTENT_TYPE, "application/cloudevents+json; charset=utf-8")
            .header(SIGNATURE, signature(&key, seconds, &body))
            .body(body)
            .map_err(|e| Refused::told(e.to_string()))?;
        let answer = tokio::time::timeout(PATIENCE, self.http.clone().oneshot(request)).await;
        let answer = answer
            .map_err(|_| Refused::told("it does not answer".to_owned()))?
            .map_err(|e| Refused::told(runtime::error::Chain(&*e).to_string()))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(Refused {
            why: format!("HTTP status {}", answer.status()),
            wait: retry_after(answer.headers(), seconds),
        })
    }
}

/// Why an event was not taken, and how long the receiver asks to wait.
struct Refused {
    why: String,
    wait: Option<Duration>,
}

impl Refused {
    fn told(why: String) -> Self {
        Refused { why, wait: None }
    }
}

fn signature(key: &hmac::Key, seconds: u64, body: &[u8]) -> String {
    let mut signed = hmac::Context::with_key(key);
    signed.update(format!("{seconds}.").as_bytes());
    signed.update(body);
    format!("t={seconds},v1={}", hex(signed.sign().as_ref()))
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
