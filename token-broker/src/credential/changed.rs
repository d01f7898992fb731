//! When somebody last touched a credential's files.

use std::path::Path;

use super::CredentialConfig;
use crate::files::Files;

impl CredentialConfig {
    /// When its newest file was written, in microseconds since 1970; none where it has no file.
    pub(crate) fn changed(&self, files: &Files) -> Option<u64> {
        let paths = self.files().into_iter();
        paths.filter_map(|path| files.written(path)).max()
    }

    /// Files of its own; what somebody else keeps fresh is not.
    pub fn own_files(&self) -> Vec<&Path> {
        match self {
            CredentialConfig::FederatedToken { .. } => Vec::new(),
            _ => self.files(),
        }
    }

    /// The files that it names.
    pub(crate) fn files(&self) -> Vec<&Path> {
        match self {
            CredentialConfig::ClientSecret { file, .. } => vec![file.path()],
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
            CredentialConfig::RefreshToken {
                token_file,
                client_secret_file,
                ..
            } => {
                let secret = client_secret_file.as_ref();
                let files = [token_file].into_iter().chain(secret);
                files.map(runtime::config::SecretFile::path).collect()
            }
            CredentialConfig::ImportedToken { token_file, .. } => vec![token_file.path()],
            CredentialConfig::FederatedManagedIdentity { .. }
            | CredentialConfig::ManagedIdentity { .. } => Vec::new(),
        }
    }
}
