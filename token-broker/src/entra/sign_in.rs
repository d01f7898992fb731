//! A person's sign-in with a device code (RFC 8628; "OAuth 2.0 device authorization grant flow" of the Microsoft identity
//! platform).

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::{Entra, seconds, some_seconds};
use crate::aadsts::{Class, Who};
use crate::config::loopback;
use crate::error::{Error, Refusal};
use crate::registry::App;

/// Between two questions, where Entra ID doesn't say (RFC 8628, section 3.2), and by how much that grows when it asks for
/// it (section 3.5).
const INTERVAL: Duration = Duration::from_secs(5);

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

const AGAIN: &str = "run leastwise credentials sign-in again";
const NOBODY: &str = "nobody entered the code while it was good";

/// A sign-in that a person is to finish.
pub(crate) struct Begun {
    /// The page that the person opens.
    pub page: Url,
    /// What they enter there.
    pub user_code: String,
    /// How long it is good for.
    pub lifetime: Duration,
    device_code: SecretString,
    /// Microseconds since 1970.
    ends: u64,
    interval: Duration,
}

#[derive(Deserialize)]
struct Codes {
    device_code: SecretString,
    user_code: String,
    verification_uri: Url,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    #[serde(default, deserialize_with = "some_seconds")]
    interval: Option<u64>,
}

impl Refusal {
    /// Whether it only says that the person is not done yet.
    pub(super) fn waits(&self) -> bool {
        matches!(self.error.as_str(), "authorization_pending" | "slow_down")
    }
}

impl Entra {
    /// Asks for the code that a person enters.
    pub(crate) async fn begin_sign_in(&self, app: &App) -> Result<Begun, Error> {
        let asked = self.clock.micros();
        let endpoint = format!("{}/{}/oauth2/v2.0/devicecode", app.authority, app.tenant);
        let scope = format!("{}/.default offline_access", app.graph);
        let form = form(app, &[("scope", &scope)]);
        let begun = self.ask(app, &endpoint, &form, |codes: Codes| {
            let page = codes.verification_uri;
            // Both are shown on a terminal.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
            if !(page.scheme() == "https" || page.scheme() == "http" && loopback(&page)) {
                return Err("the page for the sign-in is not https".to_owned());
            }
            if !codes.user_code.chars().all(plain) {
                return Err("the code for the sign-in is none".to_owned());
            }
            Ok(Begun {
                page,
                user_code: codes.user_code,
                lifetime: Duration::from_secs(codes.expires_in),
                device_code: codes.device_code,
                ends: asked.saturating_add(codes.expires_in.saturating_mul(1_000_000)),
                interval: codes.interval.map_or(INTERVAL, Duration::from_secs),
            })
        });
        begun.await.map_err(|e| explained(app, e))
    }

    /// Asks until the person is done. Returns the refresh token.
    pub(crate) async fn finish_sign_in(
        &self,
        app: &App,
        client_secret: Option<&SecretString>,
        begun: &Begun,
    ) -> Result<SecretString, Error> {
        let endpoint = format!("{}/{}/oauth2/v2.0/token", app.authority, app.tenant);
        let mut fields = vec![
            ("grant_type", GRANT),
            ("device_code", begun.device_code.expose_secret()),
        ];
        fields.extend(client_secret.map(|secret| ("client_secret", secret.expose_secret())));
        let form = form(app, &fields);
        let mut wait = begun.interval.max(Duration::from_secs(1));
        loop {
            let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
            let next = self.clock.micros().saturating_add(micros);
            self.clock.sleep_until(next.min(begun.ends)).await;
            if self.clock.micros() >= begun.ends {
                return Err(ended(app, NOBODY, AGAIN.to_owned()));
            }
            match self.post(app, &endpoint, &form).await {
                Ok((_, Some(refresh_token))) => return Ok(refresh_token),
                Ok((_, None)) => {
                    let remedy = "have offline_access allowed for the app in the tenant";
                    let why = "the sign-in gave no refresh token";
                    return Err(ended(app, why, remedy.to_owned()));
                }
                Err(Error::Refused { refusal, .. }) if refusal.error == "slow_down" => {
                    wait += INTERVAL;
                }
                Err(Error::Refused { refusal, .. }) if refusal.waits() => {}
                // Doubled, as section 3.5 wants it of whoever gets no answer.
                Err(Error::Unreachable { retry_after, .. }) => {
                    wait = retry_after.unwrap_or_default().max(wait * 2);
                }
                Err(e) => return Err(explained(app, e)),
            }
        }
    }
}

/// The body of a request of the app's.
fn form(app: &App, fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("client_id", &app.client_id)
        .extend_pairs(fields);
    Zeroizing::new(form.finish())
}

fn ended(app: &App, why: &'static str, remedy: String) -> Error {
    Error::SignIn {
        tenant: app.tenant,
        app: app.name.clone(),
        why,
        remedy,
    }
}

/// What a refusal means where a person signs in.
fn explained(app: &App, e: Error) -> Error {
    let Error::Refused { refusal, .. } = &e else {
        return e;
    };
    let (why, remedy, who) = match refusal.error.as_str() {
        "authorization_declined" | "access_denied" => (
            "the person declined to sign in",
            "ask why; run leastwise credentials sign-in again when they are ready",
            Who::Operator,
        ),
        "expired_token" => (NOBODY, AGAIN, Who::Operator),
        "bad_verification_code" => (
            "Entra ID doesn't know the code any more: it was used, or given to another client",
            AGAIN,
            Who::Operator,
        ),
        _ if refusal.class == Class::Policy => (
            "a Conditional Access policy of the tenant blocks the sign-in; many block device codes altogether",
            "let the policy \"authentication flows\" except this person and app, or give the app registration a credential \
             of its own (docs/tenant.md), which needs no person",
            Who::Administrator,
        ),
        _ => return e,
    };
    ended(app, why, refusal.told(remedy, who))
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
