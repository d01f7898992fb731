//! Tokens of another issuer, in a file that somebody keeps fresh: a Kubernetes projected token, a SPIFFE JWT-SVID, any
//! OIDC token.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::CredentialError;
use crate::files::Files;
use crate::jwt;

/// Whoever keeps the file fresh.
const FRESHEN: &str = "see that whatever writes the file still runs (Kubernetes: the projected volume; SPIFFE: the agent's \
                       helper); it is read on every use";

#[derive(Deserialize)]
struct Claims {
    exp: f64,
}

/// Reads the token; `now` in seconds since 1970.
pub(super) fn read(files: &Files, file: &Path, now: u64) -> Result<SecretString, CredentialError> {
    let token = files
        .secret(file)
        .map_err(|e| CredentialError::unreadable(file, e))?;
    let token = SecretString::from(token.expose_secret().trim());
    let claims: Claims = jwt::claims(token.expose_secret()).ok_or_else(|| {
        CredentialError::unusable(
            file,
            "holds no JWT with an end (`exp`)",
            "let token_file name a file that holds one signed JWT and nothing else",
        )
    })?;
    if claims.exp <= now as f64 {
        return Err(CredentialError::OutOfTime {
            path: file.to_owned(),
            why: format!(
                "holds a token that ended {} s ago",
                now.saturating_sub(claims.exp as u64)
            ),
            remedy: FRESHEN,
        });
    }
    Ok(token)
}
