//! Client secrets.

use runtime::config::SecretFile;
use secrecy::{ExposeSecret as _, SecretString};

use super::CredentialError;
use crate::files::Files;

/// Reads the secret; Entra ID's secrets have the form of nothing else, but ids do.
pub(super) fn read(files: &Files, file: &SecretFile) -> Result<SecretString, CredentialError> {
    let secret = files
        .secret(file.path())
        .map_err(|source| CredentialError::unreadable(file.path(), source))?;
    if is_id(secret.expose_secret()) {
        return Err(CredentialError::SecretId(file.path().to_owned()));
    }
    Ok(secret)
}

/// Whether somebody pasted the secret's id (the portal shows it beside the value).
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.parse::<proto::ids::TenantId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_no_secret() {
        assert!(is_id("11111111-2222-3333-4444-555555555555"));
        assert!(!is_id("abc8Q~5pY1kq3Z-qTn7b.R2mVx0hCw9sLdEfGaZt"));
    }
}
