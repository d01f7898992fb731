//! A receiver of yours: CloudEvents 1.0 over HTTP, one event for each state of a record, signed as Standard Webhooks are.
//!
//! | of the event | what |
//! |---|---|
//! | `id` | the same for the same state of a record, however often it is sent: hash of tenant, kind, key and `sequence` |
//! | `source` | `/tenants/<tenant>` |
//! | `type` | `leastwise.<kind>.upserted.v1`, `leastwise.<kind>.removed.v1` |
//! | `subject` | the record's key |
//! | `time` | when the ledger took the state |
//! | `sequence` | rises with each state of a key; the larger one is newer (extension "Sequence" of CloudEvents) |
//! | `dataschema` | the JSON schema of the kind |
//! | `data` | the record; none when it was removed |
//!
//! Limits: 100 events or 512 KiB a push, unless the settings say otherwise. Idempotency key: `id`. Any status 2xx takes
//! all events of a push.
//!
//! Sources: CloudEvents 1.0.2 with its JSON format and HTTP binding; Standard Webhooks 1.0.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use proto::body::Body;
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::Clock;
use runtime::clock::rfc3339;
use runtime::config::SecretFile;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use url::Url;

use super::{Change, ChangeSink, Context, Limits, Refusal, Settings, Sink, Taken};
use crate::config::Selection;
use crate::error::Error;
use crate::http::{self as way, ClientCredentials, Http, Tokens};
use crate::record;

/// Shorter keys can be guessed from one signed event.
const SHORTEST_SECRET: usize = 16;

/// Names the schemas in `docs/schema`; the kind follows.
const SCHEMAS: &str = "urn:leastwise:schema:";

/// What a webhook can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Takes events by `POST`.
    pub url: Url,
    /// File with the key of the signatures, at least 16 characters; read for each push. After `whsec_` it is base64.
    pub secret_file: SecretFile,
    /// File with the key before it: until every receiver has the new one, both sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_file: Option<SecretFile>,
    /// Whether several events go in one request.
    #[serde(default)]
    pub batch: bool,
    /// Most events in a request of several.
    #[serde(default = "default_events")]
    pub most_events: usize,
    /// Most KiB of records in a request of several.
    #[serde(default = "default_kib")]
    pub most_kib: usize,
    /// Most requests a minute; absent: as many as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes_a_minute: Option<u32>,
    /// How long an answer may take, in seconds.
    #[serde(default = "default_seconds")]
    pub answer_seconds: u64,
    /// How access tokens for the receiver are got, where it wants some besides the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<ClientCredentials>,
    /// Whether the receiver finds people of its own by their sign-in names: pseudonyms are refused then.
    #[serde(default)]
    pub matches_people: bool,
    /// The way there.
    #[serde(default)]
    pub http: way::Settings,
    /// Which kinds and fields it gets, and what it calls them.
    #[serde(default)]
    pub shows: Selection,
}

fn default_events() -> usize {
    100
}

fn default_kib() -> usize {
    512
}

fn default_seconds() -> u64 {
    30
}

impl Webhook {
    /// One event a request, everything else by default.
    pub fn new(url: Url, secret_file: impl Into<SecretFile>) -> Self {
        Webhook {
            url,
            secret_file: secret_file.into(),
            old_secret_file: None,
            batch: false,
            most_events: default_events(),
            most_kib: default_kib(),
            pushes_a_minute: None,
            answer_seconds: default_seconds(),
            oauth: None,
            matches_people: false,
            http: way::Settings::default(),
            shows: Selection::default(),
        }
    }
}

impl Settings for Webhook {
    fn resolve(&mut self, base: &Path) {
        self.secret_file.resolve(base);
        if let Some(file) = &mut self.old_secret_file {
            file.resolve(base);
        }
        if let Some(oauth) = &mut self.oauth {
            oauth.resolve(base);
        }
        self.http.resolve(base);
    }

    fn location(&self) -> String {
        // Queries may hold secrets.
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    fn check(&self, sink: &str) -> Result<(), Error> {
        let wrong = |why: &str| Err(Error::settings(sink, why));
        way::address(sink, "url", &self.url)?;
        for file in [Some(&self.secret_file), self.old_secret_file.as_ref()] {
            let Some(file) = file else { continue };
            way::secret(sink, file)?;
            if key(file).is_err() {
                return wrong(
                    "its secret is too short or not the base64 that `whsec_` announces; make one: echo \"whsec_$(openssl rand -base64 32)\"",
                );
            }
        }
        if !(1..=10_000).contains(&self.most_events) || !(1..=65_536).contains(&self.most_kib) {
            return wrong("most_events is 1 to 10000, and most_kib 1 to 65536");
        }
        if !(1..=3_600).contains(&self.answer_seconds) || self.pushes_a_minute == Some(0) {
            return wrong("answer_seconds is 1 to 3600, and pushes_a_minute at least 1");
        }
        if let Some(oauth) = &self.oauth {
            oauth.check(sink)?;
        }
        self.http.check(sink)?;
        self.shows.check(sink)
    }

    fn matches_people(&self) -> bool {
        self.matches_people && self.shows.shows(RecordKind::User.name())
    }

    fn sink(&self, context: &Context) -> Result<Sink, Error> {
        let http = Http::new(&context.name, &self.http, context.clock.clone())?;
        let tokens = self.oauth.clone();
        Ok(Sink::changes(Receiver {
            settings: self.clone(),
            tokens: tokens.map(|oauth| Tokens::new(oauth, http.clone())),
            http,
            clock: context.clock.clone(),
        }))
    }
}

struct Receiver {
    settings: Webhook,
    http: Http,
    tokens: Option<Tokens>,
    clock: Clock,
}

/// A CloudEvent.
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: &'a str,
    time: String,
    /// As the extension wants it: a text that sorts as the number does.
    sequence: String,
    dataschema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    fn of(tenant: TenantId, change: &'a Change) -> Result<Event<'a>, serde_json::Error> {
        let Change {
            kind,
            key,
            closing: Closing(sequence),
            payload,
            ..
        } = change;
        let (kind, happened) = (
            kind.name(),
            if payload.is_some() {
                "upserted"
            } else {
                "removed"
            },
        );
        let data = payload.as_deref().map(serde_json::from_slice).transpose()?;
        Ok(Event {
            specversion: "1.0",
            id: id(&format!("{tenant}/{kind}/{key}/{sequence}")),
            source: format!("/tenants/{tenant}"),
            kind: format!("leastwise.{kind}.{happened}.v1"),
            subject: key,
            time: rfc3339(*sequence),
            sequence: format!("{sequence:020}"),
            dataschema: format!("{SCHEMAS}{kind}"),
            datacontenttype: data.map(|_| "application/json"),
            data,
        })
    }
}

fn no_json() -> Refusal {
    Refusal::Permanent {
        why: "a record is no JSON".to_owned(),
    }
}

/// A short name of something.
fn id(text: &str) -> String {
    let hash = Sha256::digest(text);
    hash.iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The key of a file.
fn key(file: &SecretFile) -> Result<hmac::Key, String> {
    let named = |why: String| format!("{}: {why}", file.path().display());
    let secret = file.read().map_err(|e| named(e.to_string()))?;
    let text = secret.expose_secret();
    let bytes = match text.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| named("what follows whsec_ is no base64".to_owned()))?,
        None => text.as_bytes().to_vec(),
    };
    match bytes.len() >= SHORTEST_SECRET {
        true => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        false => Err(named("the secret is too short".to_owned())),
    }
}

/// `v1,<base64>`: HMAC-SHA-256 over id, time and body with dots between them.
fn signature(key: &hmac::Key, id: &str, seconds: u64, body: &[u8]) -> String {
    let mut signed = hmac::Context::with_key(key);
    signed.update(format!("{id}.{seconds}.").as_bytes());
    signed.update(body);
    format!("v1,{}", STANDARD.encode(signed.sign()))
}

impl Receiver {
    fn request(&self, events: &[Event<'_>]) -> Result<Request<Bytes>, Refusal> {
        let (media, name, body) = match events {
            [event] if !self.settings.batch => (
                "application/cloudevents+json; charset=utf-8",
                event.id.clone(),
                serde_json::to_vec(event),
            ),
            _ => {
                let ids: Vec<_> = events.iter().map(|e| e.id.as_str()).collect();
                let media = "application/cloudevents-batch+json; charset=utf-8";
                (media, id(&ids.join(" ")), serde_json::to_vec(events))
            }
        };
        let body = body.map_err(|_| no_json())?;
        let seconds = self.clock.micros() / 1_000_000;
        let files = [
            Some(&self.settings.secret_file),
            self.settings.old_secret_file.as_ref(),
        ];
        let keys = files.into_iter().flatten().map(key);
        let keys: Vec<_> = keys
            .collect::<Result<_, _>>()
            .map_err(|why| Refusal::Unauthorized { why })?;
        let signatures: Vec<_> = keys
            .iter()
            .map(|key| signature(key, &name, seconds, &body))
            .collect();
        Request::post(self.settings.url.as_str())
            .header(CONTENT_TYPE, media)
            .header("webhook-id", name)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "))
            .body(body.into())
            .map_err(|e| Refusal::Misplaced {
                status: None,
                why: e.to_string(),
            })
    }

    async fn send(&self, request: Request<Bytes>, until: Instant) -> Result<(), Refusal> {
        match &self.tokens {
            Some(tokens) => tokens.send(&request, until).await,
            None => self.http.send(request, until).await,
        }
        .map(drop)
    }
}

#[async_trait]
impl ChangeSink for Receiver {
    fn limits(&self) -> Limits {
        let Webhook {
            batch,
            most_events,
            most_kib,
            pushes_a_minute,
            answer_seconds,
            ..
        } = &self.settings;
        Limits {
            records: if *batch { *most_events } else { 1 },
            bytes: most_kib << 10,
            pushes_a_minute: *pushes_a_minute,
            timeout: Duration::from_secs(*answer_seconds),
        }
    }

    fn wants(&self, kind: RecordKind) -> bool {
        self.settings.shows.shows(kind.name())
    }

    fn render(
        &self,
        _: TenantId,
        kind: RecordKind,
        _: &str,
        body: &Body,
    ) -> Result<Option<Vec<u8>>, String> {
        let mut out = Vec::new();
        record::chosen(&self.settings.shows, kind, body, &mut out).map_err(|e| e.to_string())?;
        Ok(Some(out))
    }

    async fn push(
        &self,
        tenant: TenantId,
        changes: &[Change],
        until: Instant,
    ) -> Result<Vec<Taken>, Refusal> {
        let events = changes.iter().map(|c| Event::of(tenant, c));
        let events: Vec<_> = events.collect::<Result<_, _>>().map_err(|_| no_json())?;
        let request = self.request(&events)?;
        self.send(request, until).await?;
        Ok(vec![Taken::Done { remote: None }; changes.len()])
    }

    /// A batch of no events: a valid request that tells nothing. A receiver that takes no batches refuses it, as it
    /// should after a look at the credentials.
    async fn check(&self) -> Result<(), Refusal> {
        let until = Instant::now() + self.limits().timeout;
        let request = self.request(&[])?;
        match self.send(request, until).await {
            Err(Refusal::Permanent { .. } | Refusal::TooLarge) => Ok(()),
            Err(Refusal::Misplaced {
                status: Some(405 | 415),
                ..
            }) => Ok(()),
            checked => checked,
        }
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
