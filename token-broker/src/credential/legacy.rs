//! The ways of before, for tenants that are not ready: a person's sign-in stands behind them, and they end on a day.
//!
//! A refresh token changes with each use. Entra ID doesn't revoke the one before, so a crash between redemption and
//! storing loses nothing; another identity provider may, and then somebody has to sign in again.

use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use runtime::config::SecretFile;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::CredentialError;
use crate::entra::Issued;
use crate::files::Files;
use crate::jwt;

/// What takes the place of both.
const REPLACE: &str = "give the app registration a certificate or a federated credential (docs/tenant.md) and add that instead; \
                       a later `until` is the operator's to answer for";
const IMPORT: &str = "have somebody get a new access token and replace the file; a credential of the app itself needs nobody";

/// What a refresh token is redeemed with.
pub(crate) struct Redeem {
    /// Its file.
    pub file: SecretFile,
    /// The secret of a confidential client.
    pub client_secret: Option<SecretString>,
}

/// Whether the way of before is still allowed. `now` in seconds since 1970.
pub(super) fn allowed(file: &Path, until: NaiveDate, now: u64) -> Result<(), CredentialError> {
    match now < end(until) {
        true => Ok(()),
        false => Err(CredentialError::OutOfTime {
            path: file.to_owned(),
            why: format!("holds a person's token, which is allowed until {until} only"),
            remedy: REPLACE,
        }),
    }
}

/// The end of a day, in seconds since 1970.
pub(super) fn end(until: NaiveDate) -> u64 {
    let day = until.succ_opt().unwrap_or(until);
    let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
    u64::try_from(midnight.timestamp()).unwrap_or(0)
}

#[derive(Deserialize)]
struct Claims {
    exp: u64,
}

/// An access token that somebody got by hand.
pub(super) fn imported(
    files: &Files,
    file: &SecretFile,
    now: u64,
) -> Result<Issued, CredentialError> {
    let path = file.path();
    let token = files
        .secret(path)
        .map_err(|e| CredentialError::unreadable(path, e))?;
    let token = SecretString::from(token.expose_secret().trim());
    let claims: Claims = jwt::claims(token.expose_secret())
        .ok_or_else(|| CredentialError::unusable(path, "holds no access token (a JWT)", IMPORT))?;
    if claims.exp <= now {
        return Err(CredentialError::OutOfTime {
            path: path.to_owned(),
            why: format!(
                "holds an access token that ended {} s ago",
                now - claims.exp
            ),
            remedy: IMPORT,
        });
    }
    Ok(Issued {
        token,
        lifetime: Duration::from_secs(claims.exp - now),
        refresh_in: None,
    })
}

/// When an imported token ends, in seconds since 1970.
pub(super) fn imported_ends(files: &Files, file: &SecretFile) -> Option<u64> {
    let token = files.secret(file.path()).ok()?;
    let claims: Claims = jwt::claims(token.expose_secret().trim())?;
    Some(claims.exp)
}
