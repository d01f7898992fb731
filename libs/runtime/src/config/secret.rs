//! A secret by the name of its file.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Exit, Problem};

/// A file that holds a secret: what every key `*_file` of a secret is. Shown as its path, never by its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a relative path relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        super::below(base, &mut self.0);
    }

    /// The secret: the content without the one newline that editors put behind it. Read each time, so that a rotation
    /// needs no restart.
    ///
    /// # Errors
    /// When the file can't be read or is empty.
    pub fn read(&self) -> Result<SecretString> {
        secret(&Zeroizing::new(std::fs::read(&self.0)?))
    }

    /// Reads it once, for a start: warns in the log when everybody may read it.
    ///
    /// # Errors
    /// `LW-1009` when it can't be read or is empty.
    pub fn check(&self) -> std::result::Result<(), Problem> {
        self.read().map_err(|e| {
            Problem::new(
                "LW-1009",
                format!("the secret file {} can't be used: {e}.", self.0.display()),
                "create the file, readable by this user only",
            )
            .exit(Exit::Usage)
        })?;
        if open_to_others(&self.0) {
            tracing::warn!(file = %self.0.display(), "everybody may read the secret: chmod 600");
        }
        Ok(())
    }
}

/// The secret that is the content of a file: without the one newline that editors put behind it.
///
/// # Errors
/// When it is empty or no text.
pub fn secret(content: &[u8]) -> Result<SecretString> {
    let wrong = |why: &str| Error::new(ErrorKind::InvalidData, why);
    let text = std::str::from_utf8(content).map_err(|_| wrong("it is no text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let secret = line.strip_suffix('\r').unwrap_or(line);
    if secret.is_empty() {
        return Err(wrong("it is empty"));
    }
    Ok(secret.to_owned().into())
}

impl From<PathBuf> for SecretFile {
    fn from(path: PathBuf) -> Self {
        SecretFile(path)
    }
}

/// A group may: that is how Kubernetes hands secrets to who is not root.
fn open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o007 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn one_newline_is_not_part_of_the_secret_and_an_empty_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = SecretFile::from(dir.path().join("secret"));
        assert_eq!(file.check().unwrap_err().code, "LW-1009");
        for (content, secret) in [
            ("a b", "a b"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            (" a\n\n", " a\n"),
        ] {
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(file.read().unwrap().expose_secret(), secret);
            file.check().unwrap();
        }
        for content in ["", "\n", "\r\n"] {
            std::fs::write(file.path(), content).unwrap();
            let told = file.check().unwrap_err().to_string();
            assert!(told.contains("it is empty"), "{told}");
        }
    }

    #[test]
    fn sees_who_else_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "x").unwrap();
        for (mode, open) in [
            (0o600, false),
            (0o400, false),
            (0o640, false),
            (0o604, true),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_others(&path), open, "{mode:o}");
        }
    }
}
