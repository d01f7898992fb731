//! The ways of before, for tenants that are not ready: a person's sign-in stands behind them, and they end on a day.
//!
//! A refresh token changes with each use. Entra ID doesn't revoke the one before, so a crash between redemption and
//! storing loses nothing; another identity provider may, and then somebody has to sign in again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use runtime::config::SecretFile;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{CredentialConfig, CredentialError, secret};
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

impl CredentialConfig {
    /// Takes what a person's sign-in gives for the refresh token of an app, in place of the one that it had, else behind its
    /// other credentials: those need nobody. Returns its position, and the name under which the token is kept.
    pub(crate) fn sign_in(all: &mut Vec<Self>, app: &str, until: NaiveDate) -> (usize, String) {
        for (position, credential) in all.iter_mut().enumerate() {
            if let CredentialConfig::RefreshToken {
                token_file,
                until: day,
                ..
            } = credential
            {
                *day = until;
                return (position, token_file.path().display().to_string());
            }
        }
        let name = match app {
            "" => "sign-in".to_owned(),
            app => format!("sign-in of {app}"),
        };
        all.push(CredentialConfig::RefreshToken {
            token_file: SecretFile::from(PathBuf::from(&name)),
            client_secret_file: None,
            until,
        });
        (all.len() - 1, name)
    }

    /// Whether a person's sign-in is still allowed, and the secret of the confidential client that redeems it. `now` in
    /// seconds since 1970.
    pub(crate) fn client_of_sign_in(
        &self,
        files: &Files,
        now: u64,
    ) -> Result<Option<SecretString>, CredentialError> {
        let CredentialConfig::RefreshToken {
            token_file,
            client_secret_file,
            until,
        } = self
        else {
            return Ok(None);
        };
        allowed(token_file.path(), *until, now)?;
        let client_secret = client_secret_file.as_ref();
        client_secret
            .map(|file| secret::read(files, file))
            .transpose()
    }
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
