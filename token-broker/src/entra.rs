//! The token endpoint of Entra ID: OAuth 2.0 client credentials (RFC 6749, section 4.4).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use runtime::http::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tower::ServiceExt;
use url::form_urlencoded::Serializer;

use crate::config::{TenantConfig, base};
use crate::error::Error;

/// An issued token.
#[derive(Clone)]
pub struct Issued {
    /// The bearer token.
    pub token: SecretString,
    /// How long it is valid.
    pub lifetime: Duration,
}

#[derive(Deserialize)]
struct Success {
    access_token: SecretString,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    error_codes: Vec<u64>,
    #[serde(default)]
    trace_id: String,
}

/// Asks Entra ID for a token with the tenant's client secret.
pub async fn request(http: &Client, tenant: &TenantConfig) -> Result<Issued, Error> {
    let secret = tenant.client_secret_file.read();
    let secret = secret.map_err(|source| Error::SecretFile {
        tenant: tenant.id,
        path: tenant.client_secret_file.path().display().to_string(),
        source,
    })?;
    let authority = base(&tenant.authority);
    let body = Serializer::new(String::new())
        .append_pair("client_id", &tenant.client_id)
        .append_pair("scope", &format!("{}/.default", base(&tenant.graph)))
        .append_pair("client_secret", secret.expose_secret())
        .append_pair("grant_type", "client_credentials")
        .finish();
    let unreachable = |retry_after, source| Error::Unreachable {
        tenant: tenant.id,
        authority: authority.clone(),
        retry_after,
        source,
    };
    let request = http::Request::post(format!("{authority}/{}/oauth2/v2.0/token", tenant.id))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Bytes::from(body))
        .map_err(|e| unreachable(None, e.into()))?;
    let answer = http
        .clone()
        .oneshot(request)
        .await
        .map_err(|e| unreachable(None, e))?;
    if answer.status().is_success() {
        // The parser's own message could quote the token.
        let success: Success = serde_json::from_slice(answer.body())
            .map_err(|_| unreachable(None, "the answer is not a token response".into()))?;
        return Ok(Issued {
            token: success.access_token,
            lifetime: Duration::from_secs(success.expires_in),
        });
    }
    match serde_json::from_slice::<Failure>(answer.body()) {
        Ok(f) if answer.status().is_client_error() && answer.status() != 429 => {
            Err(Error::Refused {
                tenant: tenant.id,
                code: f.error_codes.first().copied().unwrap_or(0),
                trace: f
                    .trace_id
                    .chars()
                    .filter(|c| c.is_ascii_hexdigit() || *c == '-')
                    .take(36)
                    .collect(),
            })
        }
        _ => {
            let wait = answer
                .headers()
                .get(RETRY_AFTER)
                .and_then(|v| v.to_str().ok()?.parse().ok());
            Err(unreachable(
                wait.map(Duration::from_secs),
                format!("HTTP status {}", answer.status()).into(),
            ))
        }
    }
}
