//! Client secrets.

use std::path::Path;

use runtime::Problem;
use runtime::config::SecretFile;
use runtime::error::Exit;
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

/// The name of a file must be none of a secret: names are shown.
///
/// # Errors
/// `LW-1003`, without the name.
pub(super) fn check(place: &str, path: &Path) -> Result<(), Problem> {
    let name = path.file_name().and_then(|name| name.to_str());
    if !name.is_some_and(is_value) {
        return Ok(());
    }
    Err(Problem::new(
        "LW-1003",
        format!("{place}: the key that names the client secret's file holds what looks like the secret itself."),
        "write the secret into a file, readable by this user only, and name the file here; a secret that stood in a \
         configuration should be replaced by a new one",
    )
    .exit(Exit::Usage))
}

/// Whether it has the form of Entra ID's client secrets: about forty letters, with `Q~` near the beginning.
fn is_value(text: &str) -> bool {
    let of_secrets = |c: char| c.is_ascii_alphanumeric() || "~._-".contains(c);
    text.len() >= 32 && text.chars().all(of_secrets) && text[..text.len() / 2].contains("Q~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_no_name_of_a_file() {
        let secret = "abc8Q~5pY1kq3Z-qTn7b.R2mVx0hCw9sLdEfGaZt";
        let e = check("tenant T", Path::new(secret))
            .unwrap_err()
            .to_string();
        assert!(e.contains("LW-1003") && !e.contains(secret), "{e}");
        for name in [
            "client-secret",
            "/run/secrets/tenant-1",
            "a-long-name-of-a-backup-of-a-secret~",
            "Q~",
        ] {
            check("tenant T", Path::new(name)).unwrap();
        }
    }

    #[test]
    fn an_id_is_no_secret() {
        assert!(is_id("11111111-2222-3333-4444-555555555555"));
        assert!(!is_id("abc8Q~5pY1kq3Z-qTn7b.R2mVx0hCw9sLdEfGaZt"));
    }
}
