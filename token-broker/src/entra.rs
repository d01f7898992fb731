//! The token endpoint of Entra ID: OAuth 2.0 client credentials (RFC 6749, section 4.4).

mod sign_in;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, Response};
use runtime::Clock;
use runtime::http::{BoxError, Client};
use runtime::metrics::token as metrics;
use runtime::trace;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::ServiceExt;
use tracing::Instrument as _;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::aadsts::Class;
use crate::credential::{CredentialConfig, CredentialError, Need, Proof, Redeem};
use crate::error::{Error, Refusal};
use crate::event::Events;
use crate::registry::App;

/// An issued token.
pub struct Issued {
    /// The bearer token (RFC 6750).
    pub token: SecretString,
    /// How long it is valid, from the moment at which it was asked for.
    pub lifetime: Duration,
    /// When to renew it, where Entra ID says so (`refresh_in`).
    pub refresh_in: Option<Duration>,
}

#[derive(Deserialize)]
struct Success {
    access_token: SecretString,
    token_type: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    #[serde(default, deserialize_with = "some_seconds")]
    refresh_in: Option<u64>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<serde_json::Value>,
    #[serde(default)]
    suberror: String,
    #[serde(default)]
    trace_id: String,
    #[serde(default)]
    correlation_id: String,
}

/// Numbers that some endpoints write as text.
fn seconds<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let value = serde_json::Value::deserialize(d)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("no number of seconds"))
}

fn some_seconds<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    seconds(d).map(Some).or(Ok(None))
}

/// Requests at the same time to one authority: after an outage everybody comes at once.
const AT_ONCE: usize = 8;

/// Reaches Entra ID and the platform.
pub(crate) struct Entra {
    /// To the token endpoint, through a proxy where one is configured.
    http: Client,
    /// To the platform's own endpoints, never through a proxy.
    direct: Client,
    pub(crate) clock: Clock,
    /// Told of what needs somebody.
    pub(crate) events: Events,
    limits: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A token, and which of the app's credentials it was issued for.
pub(crate) struct Answer {
    pub issued: Issued,
    /// Position among the app's credentials.
    pub credential: usize,
}

impl Entra {
    pub(crate) fn new(http: Client, direct: Client, clock: Clock, events: Events) -> Self {
        Entra {
            http,
            direct,
            clock,
            events,
            limits: Mutex::default(),
        }
    }

    /// Asks for a token with the app's first credential, and with the next where that one is refused. `claims` is a
    /// claims challenge of the resource.
    pub(crate) async fn request(&self, app: &App, claims: Option<&str>) -> Result<Answer, Error> {
        self.events.watch(app);
        let mut first: Option<Error> = None;
        for (credential, config) in app.credentials.iter().enumerate() {
            match self.with(app, config, claims).await {
                Ok(issued) => return Ok(Answer { issued, credential }),
                Err(e) if e.is_of_the_credential() => {
                    if credential + 1 < app.credentials.len() {
                        tracing::warn!(tenant = %app.tenant, app = app.name, credential, kind = config.kind(),
                            error = %runtime::error::Chain(&e), "a credential is refused, the next one is tried");
                    }
                    self.events.credential_failed(app, credential, &e);
                    first.get_or_insert(e);
                }
                Err(e) => return Err(e),
            }
        }
        Err(first.unwrap_or_else(|| unreachable!("an app has a credential")))
    }

    async fn with(
        &self,
        app: &App,
        credential: &CredentialConfig,
        claims: Option<&str>,
    ) -> Result<Issued, Error> {
        let now = self.clock.micros() / 1_000_000;
        let longest = app.longest_credential_days;
        let lasting = credential.ends_in_time(&app.files, longest, now);
        lasting.map_err(|e| e.of(app.tenant, &app.name))?;
        let endpoint = format!("{}/{}/oauth2/v2.0/token", app.authority, app.tenant);
        let need = Need {
            files: &app.files,
            http: &self.direct,
            clock: &self.clock,
            client_id: &app.client_id,
            endpoint: &endpoint,
            resource: &app.graph,
            exchange: app.exchange,
        };
        let proof = credential.prove(&need).await;
        let proof = proof.map_err(|e| e.of(app.tenant, &app.name))?;
        let (name, value) = match proof {
            Proof::Token(issued) => return Ok(issued),
            Proof::Refresh(redeem) => return self.redeem(app, &endpoint, &redeem).await,
            Proof::Secret(secret) => ("client_secret", secret),
            Proof::Assertion(assertion) => ("client_assertion", assertion),
        };
        let form = form(app, name, value.expose_secret(), claims);
        self.post(app, &endpoint, &form)
            .await
            .map(|(issued, _)| issued)
    }

    /// Redeems a refresh token, and stores the one that comes in its place before the access token is used. Among
    /// replicas one at a time does.
    async fn redeem(&self, app: &App, endpoint: &str, redeem: &Redeem) -> Result<Issued, Error> {
        let path = redeem.file.path();
        let of = |e: std::io::Error| CredentialError::not_held(path, e).of(app.tenant, &app.name);
        let held = app.files.hold(path).await.map_err(of)?;
        let refresh_token = held.secret().map_err(of)?;
        let form = redemption(app, &refresh_token, redeem.client_secret.as_ref());
        let (issued, next) = self.post(app, endpoint, &form).await?;
        if let Some(next) = next {
            held.replace(next.expose_secret().as_bytes())
                .await
                .map_err(of)?;
        }
        Ok(issued)
    }

    /// The token, and the next refresh token where there is one.
    async fn post(
        &self,
        app: &App,
        endpoint: &str,
        form: &str,
    ) -> Result<(Issued, Option<SecretString>), Error> {
        self.ask(app, endpoint, form, |success: Success| {
            if !success.token_type.eq_ignore_ascii_case("Bearer") {
                return Err(format!(
                    "a token of type {:.20} was issued",
                    success.token_type
                ));
            }
            let issued = Issued {
                token: success.access_token,
                lifetime: Duration::from_secs(success.expires_in),
                refresh_in: success.refresh_in.map(Duration::from_secs),
            };
            Ok((issued, success.refresh_token))
        })
        .await
    }

    /// Posts a form; `take` makes what is wanted of the answer to it, or says why it can't.
    async fn ask<A: DeserializeOwned, T>(
        &self,
        app: &App,
        endpoint: &str,
        form: &str,
        take: impl FnOnce(A) -> Result<T, String>,
    ) -> Result<T, Error> {
        let unreachable = |retry_after, source| app.unreachable(retry_after, source);
        let request = http::Request::post(endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            // Says that we honour Retry-After, as Microsoft's own libraries do.
            .header("x-ms-lib-capability", "retry-after, h429")
            .header("client-request-id", uuid::Uuid::new_v4().to_string())
            .body(Bytes::copy_from_slice(form.as_bytes()))
            .map_err(|e| unreachable(None, e.into()))?;
        let limit = {
            let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
            let limit = limits.entry(app.authority.clone());
            Arc::clone(limit.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        let _turn = limit.acquire().await;
        let began = Instant::now();
        let span = trace::called(request.method(), request.uri().host());
        let answer = self.http.clone().oneshot(request);
        let answer = answer.instrument(span.clone()).await;
        trace::answered(
            &span,
            answer.as_ref().ok().map(|a| (a.status(), a.version())),
            "",
            None,
        );
        let took = began.elapsed();
        let status = answer.as_ref().map_or(0, |a| a.status().as_u16());
        let outcome = match answer {
            Ok(answer) => self.read(app, &answer, take),
            Err(e) => Err(unreachable(None, e)),
        };
        let told = match &outcome {
            Ok(_) => "issued",
            Err(Error::Refused { refusal, .. }) if refusal.waits() => "pending",
            Err(Error::Refused { refusal, .. }) => refusal.class.name(),
            Err(_) if status == 0 => "unreachable",
            Err(_) => Class::Transient.name(),
        };
        metrics::entra_answered(told, status, took);
        outcome
    }

    fn read<A: DeserializeOwned, T>(
        &self,
        app: &App,
        answer: &Response<Bytes>,
        take: impl FnOnce(A) -> Result<T, String>,
    ) -> Result<T, Error> {
        let unreachable = |retry_after, source| app.unreachable(retry_after, source);
        self.compare_clocks(answer.headers());
        if answer.status().is_success() {
            // The parser's own message could quote the token.
            let success = serde_json::from_slice(answer.body())
                .map_err(|_| unreachable(None, "the answer is not a token response".into()))?;
            return take(success).map_err(|other| unreachable(None, other.into()));
        }
        let wait = retry_after(answer.headers(), self.seconds());
        match refusal(answer) {
            Some(refusal) if refusal.class != Class::Transient => Err(Error::Refused {
                tenant: app.tenant,
                app: app.name.clone(),
                refusal: Box::new(refusal),
            }),
            Some(refusal) => Err(unreachable(wait, format!("it answers {refusal}").into())),
            None => Err(unreachable(
                wait.or((answer.status() == 429).then_some(UNTOLD_WAIT)),
                format!("HTTP status {}", answer.status()).into(),
            )),
        }
    }

    fn seconds(&self) -> u64 {
        self.clock.micros() / 1_000_000
    }

    /// Assertions and tokens live in minutes: a clock that is off is told before it hurts.
    fn compare_clocks(&self, headers: &HeaderMap) {
        let Some(theirs) = headers.get(DATE).and_then(|d| date(d.to_str().ok()?)) else {
            return;
        };
        let off = self.seconds().abs_diff(theirs);
        if off > 60 {
            tracing::warn!(
                seconds = off,
                "this machine's clock and Entra ID's differ: see that it is synchronised (NTP)"
            );
        }
    }
}

impl App {
    fn unreachable(&self, retry_after: Option<Duration>, source: BoxError) -> Error {
        Error::Unreachable {
            tenant: self.tenant,
            authority: self.authority.clone(),
            retry_after,
            again_at: 0,
            source,
        }
    }
}

/// As seconds or as a date (RFC 9110, section 10.2.3); at most an hour, as Microsoft's own libraries cap it. `now` is in
/// seconds since 1970.
pub(crate) fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::from_secs(date(text)?.saturating_sub(now)),
    };
    Some(wait.min(Duration::from_secs(3_600)))
}

/// The body of a token request.
fn form(app: &App, name: &str, value: &str, claims: Option<&str>) -> Zeroizing<String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("client_id", &app.client_id)
        .append_pair("scope", &format!("{}/.default", app.graph))
        .append_pair("grant_type", "client_credentials")
        .append_pair(name, value);
    if name == "client_assertion" {
        form.append_pair("client_assertion_type", JWT_BEARER);
    }
    if let Some(claims) = claims {
        form.append_pair("claims", claims);
    }
    Zeroizing::new(form.finish())
}

/// The body of a request that redeems a refresh token.
fn redemption(
    app: &App,
    refresh_token: &SecretString,
    client_secret: Option<&SecretString>,
) -> Zeroizing<String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("client_id", &app.client_id)
        .append_pair("scope", &format!("{}/.default offline_access", app.graph))
        .append_pair("grant_type", "refresh_token")
        .append_pair("refresh_token", refresh_token.expose_secret());
    if let Some(secret) = client_secret {
        form.append_pair("client_secret", secret.expose_secret());
    }
    Zeroizing::new(form.finish())
}

/// RFC 7523, section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Entra ID's throttling of client credentials comes without a time, or says a minute.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);

fn date(text: &str) -> Option<u64> {
    let parsed = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    u64::try_from(parsed.timestamp()).ok()
}

/// What Entra ID says of a failure; none where the answer isn't its own (429 as plain text, a proxy's page).
fn refusal(answer: &Response<Bytes>) -> Option<Refusal> {
    let failure: Failure = serde_json::from_slice(answer.body()).ok()?;
    let id = |text: &str| -> String {
        let hex = |c: &char| c.is_ascii_hexdigit() || *c == '-';
        text.chars().filter(hex).take(36).collect()
    };
    let code = failure
        .error_codes
        .first()
        .and_then(|c| c.as_u64().or_else(|| c.as_str()?.parse().ok()));
    let code = code.or_else(|| {
        let (_, rest) = failure.error_description.split_once("AADSTS")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    let code = code.unwrap_or(0);
    let status = answer.status();
    Some(Refusal {
        class: match status.as_u16() {
            408 | 429 | 500.. => Class::Transient,
            _ => Class::of(&failure.error, &failure.suberror, code),
        },
        error: failure
            .error
            .chars()
            .filter(|c| c.is_ascii_lowercase() || *c == '_')
            .take(40)
            .collect(),
        code,
        trace: id(&failure.trace_id),
        correlation: id(&failure.correlation_id),
    })
}
