//! Client assertions signed with a certificate's key.
//!
//! Sources: RFC 7523, and "Microsoft identity platform application authentication certificate credentials".

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::CredentialError;
use super::signer::{Algorithm, Signer};

/// How long an assertion is valid. It is used at once, and only once.
const LIFETIME: u64 = 300;

/// Seconds before now from which on it is valid: clocks differ.
const SKEW: u64 = 30;

/// Signs a fresh assertion. `audience` is the token endpoint that it is sent to, `now` in seconds since 1970.
pub(super) fn sign(
    signer: &impl Signer,
    algorithm: Algorithm,
    client_id: &str,
    audience: &str,
    now: u64,
) -> Result<SecretString, CredentialError> {
    let header = match algorithm {
        Algorithm::PS256 => json!({
            "alg": "PS256",
            "typ": "JWT",
            "x5t#S256": URL_SAFE_NO_PAD.encode(digest(&SHA256, signer.certificate())),
        }),
        Algorithm::RS256 => json!({
            "alg": "RS256",
            "typ": "JWT",
            "x5t": URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, signer.certificate())),
        }),
    };
    let claims = json!({
        "aud": audience,
        "iss": client_id,
        "sub": client_id,
        "jti": uuid::Uuid::new_v4().to_string(),
        "iat": now,
        "nbf": now.saturating_sub(SKEW),
        "exp": now + LIFETIME,
    });
    let mut text = Zeroizing::new(format!("{}.{}", encoded(&header), encoded(&claims)));
    let signature = signer.sign(algorithm, text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(SecretString::from(text.as_str()))
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
