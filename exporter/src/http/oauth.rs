//! Access tokens of a sink by OAuth 2.0 client credentials (RFC 6749, 4.4), with the secret in the body.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use runtime::config::SecretFile;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

use super::{Http, address, secret};
use crate::error::Error;
use crate::sink::Refusal;

/// A token is asked for anew so long before its end: clocks differ, and requests take time.
const EARLY: Duration = Duration::from_secs(60);

/// How long a token is believed to last where the answer doesn't say it.
const UNSAID: u64 = 300;

/// How a sink's access tokens are got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// Where tokens are asked for.
    pub token_url: Url,
    /// Who asks.
    pub client_id: String,
    /// File with the client's secret; read for each token.
    pub client_secret_file: SecretFile,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl ClientCredentials {
    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        self.client_secret_file.resolve(base);
    }

    /// Checks the address and reads the secret once.
    ///
    /// # Errors
    /// `LW-6001`.
    pub fn check(&self, sink: &str) -> Result<(), Error> {
        address(sink, "token_url", &self.token_url)?;
        secret(sink, &self.client_secret_file)
    }
}

/// Tokens of one client, each used until it ends or is refused.
pub struct Tokens {
    settings: ClientCredentials,
    http: Http,
    newest: Mutex<Option<Token>>,
}

struct Token {
    text: SecretString,
    ends: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Tokens {
    /// Asks for them on the way that the sink's own requests take.
    pub fn new(settings: ClientCredentials, http: Http) -> Self {
        Tokens {
            settings,
            http,
            newest: Mutex::new(None),
        }
    }

    /// Sends a request with a token. One that is refused may have been withdrawn: it is asked for anew, once.
    ///
    /// # Errors
    /// As [`Http::send`], of either request.
    pub async fn send(
        &self,
        request: &Request<Bytes>,
        until: Instant,
    ) -> Result<super::Answer, Refusal> {
        let known = self.newest.lock().await.is_some();
        match self.send_once(request, until).await {
            Err(Refusal::Unauthorized { .. }) if known => {
                *self.newest.lock().await = None;
                self.send_once(request, until).await
            }
            answer => answer,
        }
    }

    async fn send_once(
        &self,
        request: &Request<Bytes>,
        until: Instant,
    ) -> Result<super::Answer, Refusal> {
        let token = self.token(until).await?;
        let mut header = format!("Bearer {}", token.expose_secret())
            .parse::<http::HeaderValue>()
            .map_err(|_| Refusal::Unauthorized {
                why: "the token can't be sent in a header".to_owned(),
            })?;
        header.set_sensitive(true);
        let mut request = request.clone();
        request
            .headers_mut()
            .insert(http::header::AUTHORIZATION, header);
        self.http.send(request, until).await
    }

    async fn token(&self, until: Instant) -> Result<SecretString, Refusal> {
        let mut newest = self.newest.lock().await;
        if let Some(token) = newest.as_ref().filter(|t| t.ends > Instant::now()) {
            return Ok(token.text.clone());
        }
        let token = self.ask(until).await?;
        let text = token.text.clone();
        *newest = Some(token);
        Ok(text)
    }

    async fn ask(&self, until: Instant) -> Result<Token, Refusal> {
        let ClientCredentials {
            token_url,
            client_id,
            client_secret_file,
            scope,
        } = &self.settings;
        let unusable = |why: String| Refusal::Unauthorized { why };
        let secret = client_secret_file
            .read()
            .map_err(|e| unusable(format!("{}: {e}", client_secret_file.path().display())))?;
        let body = form(client_id, &secret, scope.as_deref());
        let request = Request::post(token_url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(body)
            .map_err(|e| unusable(e.to_string()))?;
        let asked = Instant::now();
        let answer = self.http.send(request, until).await.map_err(|e| match e {
            // 400 is how RFC 6749 refuses a client.
            Refusal::Permanent { why } => unusable(format!("no token: {why}")),
            other => other,
        })?;
        let granted: Granted = serde_json::from_slice(&answer.body)
            // Without the error: it may quote what came.
            .map_err(|_| unusable("the answer to the request for a token is none".to_owned()))?;
        let lasts = Duration::from_secs(granted.expires_in.unwrap_or(UNSAID));
        Ok(Token {
            text: granted.access_token,
            ends: asked + lasts.saturating_sub(EARLY.min(lasts / 2)),
        })
    }
}

fn form(client: &str, secret: &SecretString, scope: Option<&str>) -> Bytes {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials")
        .append_pair("client_id", client)
        .append_pair("client_secret", secret.expose_secret());
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    form.finish().into()
}
