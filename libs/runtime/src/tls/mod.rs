//! Mutual TLS: who may be spoken to is decided by a private certificate authority and the identity in the certificate.

#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod files;
mod identity;
#[cfg(feature = "server")]
mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

#[cfg(feature = "tls")]
pub use client::client;
#[cfg(feature = "tls")]
pub use files::Reloading;
pub use identity::{Identity, IdentityError};
#[cfg(feature = "server")]
pub use server::server;

use crate::config::below;

/// The files of one's own certificate and of who is trusted, PEM. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The certificate authorities that vouch for peers; no others are trusted.
    pub ca_file: PathBuf,
    /// The own certificate, then intermediate ones. Its one URI is the own identity.
    pub cert_file: PathBuf,
    /// The own private key.
    pub key_file: PathBuf,
}

impl Config {
    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        for path in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file] {
            below(base, path);
        }
    }
}
