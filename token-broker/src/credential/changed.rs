//! When somebody last touched a credential's files.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::CredentialConfig;

impl CredentialConfig {
    /// When its newest file was written, in microseconds since 1970; none where it has no file.
    pub(crate) fn changed(&self) -> Option<u64> {
        self.files().into_iter().filter_map(written).max()
    }

    fn files(&self) -> Vec<&Path> {
        match self {
            CredentialConfig::ClientSecret { file } => vec![file.path()],
            CredentialConfig::Certificate {
                certificate_file,
                key_file,
                password_file,
                ..
            } => {
                let others = [key_file, password_file].into_iter().flatten();
                let others = others.map(runtime::config::SecretFile::path);
                [certificate_file.as_path()]
                    .into_iter()
                    .chain(others)
                    .collect()
            }
            CredentialConfig::Pkcs11(key) => key.files().to_vec(),
            CredentialConfig::FederatedToken { token_file } => vec![token_file],
            CredentialConfig::FederatedManagedIdentity { .. }
            | CredentialConfig::ManagedIdentity { .. } => Vec::new(),
        }
    }
}

/// When a file was written, in microseconds since 1970.
pub(super) fn written(path: &Path) -> Option<u64> {
    let at = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}
