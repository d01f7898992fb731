//! Managed identities of Azure: the platform issues tokens to whoever runs on it.
//!
//! Sources: "How to use managed identities on an Azure VM to acquire an access token" (IMDS), "App Service: connect to
//! Azure services in app code" (REST endpoint reference).

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use runtime::Problem;
use runtime::retry::Backoff;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use tower::ServiceExt as _;
use url::Url;

use super::{CredentialError, Need};
use crate::entra::Issued;

/// Which endpoint issues tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The instance metadata service of virtual machines and of Kubernetes nodes.
    Imds,
    /// App Service, Functions and Container Apps: the endpoint and its header are in the environment.
    AppService,
}

const IMDS: &str = "http://169.254.169.254";
/// Hosts that may be named instead: the platform's own address, and this machine.
const LINK_LOCAL: &str = "169.254.169.254";

/// While the platform changes an identity IMDS answers 410 for up to 70 s.
const TRIES: u32 = 5;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(10),
};

#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    #[serde(default, deserialize_with = "number")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    expires_on: Option<u64>,
}

/// Numbers come as strings.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(match Option::<Either>::deserialize(d)? {
        Some(Either::Number(n)) => Some(n),
        Some(Either::Text(text)) => text.parse().ok(),
        None => None,
    })
}

impl Source {
    /// An endpoint gets no secret of ours, but what it answers is believed.
    pub(super) fn check(&self, place: &str, endpoint: Option<&Url>) -> Result<(), Problem> {
        let Some(url) = endpoint else { return Ok(()) };
        let host = url.host_str().unwrap_or_default();
        if host == LINK_LOCAL || crate::config::loopback(url) || *self == Source::AppService {
            return Ok(());
        }
        Err(Problem::new(
            "LW-1003",
            format!("{place}: the managed identity endpoint {url} is neither the platform's nor on this machine."),
            "leave endpoint out: the platform's own address is the default",
        )
        .exit(runtime::error::Exit::Usage))
    }

    /// A token for a resource, tried again while the platform is busy.
    pub(super) async fn token(
        &self,
        need: &Need<'_>,
        endpoint: Option<&Url>,
        resource: &str,
        identity: Option<&str>,
    ) -> Result<Issued, CredentialError> {
        let mut attempt = 0;
        loop {
            match self.ask(need, endpoint, resource, identity).await {
                Err(e) if e.is_retryable() && attempt + 1 < TRIES => {
                    tokio::time::sleep(BACKOFF.delay(attempt, 0.5)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn ask(
        &self,
        need: &Need<'_>,
        endpoint: Option<&Url>,
        resource: &str,
        identity: Option<&str>,
    ) -> Result<Issued, CredentialError> {
        let (url, header) = self.request(endpoint, resource, identity)?;
        let failed = |why: String, remedy, transient| CredentialError::Platform {
            endpoint: url.origin().ascii_serialization(),
            why,
            remedy,
            transient,
        };
        let asked = need.clock.micros() / 1_000_000;
        let request = http::Request::get(url.as_str())
            .header(header.0, header.1.expose_secret())
            .body(Bytes::new())
            .map_err(|_| failed("has no usable address".into(), "check endpoint", false))?;
        let answer = need.http.clone().oneshot(request).await.map_err(|e| {
            let why = format!("can't be reached: {}", runtime::error::Chain(&*e));
            failed(why, "a managed identity works on Azure only, where it is assigned to this machine or app", true)
        })?;
        let status = answer.status();
        if status.is_success() {
            let parsed: Answer = serde_json::from_slice(answer.body()).map_err(|_| {
                failed(
                    "answers something that is no token".into(),
                    "check endpoint",
                    false,
                )
            })?;
            let left = parsed
                .expires_in
                .or_else(|| Some(parsed.expires_on?.saturating_sub(asked)));
            let lifetime = Duration::from_secs(left.unwrap_or(0));
            return Ok(Issued {
                token: parsed.access_token,
                // The platform keeps tokens for a day; half of that is how Microsoft's own libraries renew.
                refresh_in: (lifetime > Duration::from_secs(7_200)).then_some(lifetime / 2),
                lifetime,
            });
        }
        // 404 and 410 come while the platform changes something ("Retry guidance" of IMDS).
        let transient = status.is_server_error()
            || [
                StatusCode::NOT_FOUND,
                StatusCode::GONE,
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::REQUEST_TIMEOUT,
            ]
            .contains(&status);
        let remedy = match status {
            _ if transient => "nothing: it is tried again",
            StatusCode::BAD_REQUEST => {
                "assign the identity to this machine or app, and check identity_client_id"
            }
            _ => "see that this process may reach the platform's endpoint",
        };
        Err(failed(
            format!("answers with status {status}"),
            remedy,
            transient,
        ))
    }

    /// The address with its query, and the header that proves that no browser was tricked into asking.
    fn request(
        &self,
        endpoint: Option<&Url>,
        resource: &str,
        identity: Option<&str>,
    ) -> Result<(Url, (&'static str, SecretString)), CredentialError> {
        let missing = |endpoint: String, why: String| CredentialError::Platform {
            endpoint,
            why,
            remedy: "run it where App Service sets IDENTITY_ENDPOINT and IDENTITY_HEADER, or use source = \"imds\"",
            transient: false,
        };
        let (address, version, header) = match self {
            Source::Imds => {
                let base = endpoint.map_or(IMDS, Url::as_str).trim_end_matches('/');
                let url = format!("{base}/metadata/identity/oauth2/token");
                (url, "2018-02-01", ("Metadata", SecretString::from("true")))
            }
            Source::AppService => {
                let variable = |name: &str| {
                    std::env::var(name).map_err(|_| {
                        missing(
                            "of App Service".into(),
                            format!("is unknown: {name} is not set"),
                        )
                    })
                };
                let url = match endpoint {
                    Some(url) => url.to_string(),
                    None => variable("IDENTITY_ENDPOINT")?,
                };
                let header = SecretString::from(variable("IDENTITY_HEADER")?);
                (url, "2019-08-01", ("X-IDENTITY-HEADER", header))
            }
        };
        let mut url =
            Url::parse(&address).map_err(|_| missing(address, "has no usable address".into()))?;
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", resource);
        if let Some(identity) = identity {
            url.query_pairs_mut().append_pair("client_id", identity);
        }
        Ok((url, header))
    }
}
