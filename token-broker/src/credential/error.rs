//! Why a credential can't be used, before Entra ID is asked.

use std::path::{Path, PathBuf};

use proto::ids::TenantId;

use super::pkcs11::DeviceError;
use crate::error::Error;
use crate::store::SealError;

/// Why a credential can't be used. Texts follow "tenant T, app A: ".
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// A file can't be read.
    #[error("the file {} can't be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file that changes with each use can't be held or replaced in the store now.
    #[error("the file {} can't be held in the store", .path.display())]
    Store {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file of the store doesn't open.
    #[error("the file {} of the store does not open: {why}", .path.display())]
    Sealed { path: PathBuf, why: SealError },
    /// A file holds a secret's id.
    #[error("the file {} holds a secret's id, not its value", .0.display())]
    SecretId(PathBuf),
    /// A file holds something else than it should.
    #[error("{} {why}", .path.display())]
    Unusable {
        path: PathBuf,
        why: String,
        remedy: &'static str,
    },
    /// A certificate or token is not valid now.
    #[error("{} {why}", .path.display())]
    OutOfTime {
        path: PathBuf,
        why: String,
        remedy: &'static str,
    },
    /// It is good for too long.
    #[error("its {kind} {why}")]
    Lasting {
        kind: &'static str,
        why: String,
        remedy: &'static str,
    },
    /// A key's device doesn't do what it is asked for.
    #[error("{0}")]
    Device(Box<DeviceError>),
    /// The platform issues no token for the managed identity.
    #[error("the managed identity endpoint {endpoint} {why}")]
    Platform {
        endpoint: String,
        why: String,
        remedy: &'static str,
        /// Whether trying again can help.
        transient: bool,
    },
}

impl CredentialError {
    pub(crate) fn unreadable(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.get_ref().and_then(|e| e.downcast_ref::<SealError>()) {
            Some(sealed) => CredentialError::Sealed {
                path,
                why: sealed.clone(),
            },
            None => CredentialError::Unreadable { path, source },
        }
    }

    /// Of a file in the store: others may hold it, or the database doesn't answer.
    pub(crate) fn not_held(path: &Path, source: std::io::Error) -> Self {
        let cause = source.get_ref();
        if !cause.is_some_and(|e| e.is::<runtime::db::Error>()) {
            return Self::unreadable(path, source);
        }
        let path = path.to_owned();
        CredentialError::Store { path, source }
    }

    pub(crate) fn unusable(path: &Path, why: impl Into<String>, remedy: &'static str) -> Self {
        CredentialError::Unusable {
            path: path.to_owned(),
            why: why.into(),
            remedy,
        }
    }

    /// Of whom it is.
    pub(crate) fn of(self, tenant: TenantId, app: &str) -> Error {
        Error::Credential {
            tenant,
            app: app.to_owned(),
            source: self,
        }
    }

    /// Our code and what to do.
    pub(crate) fn remedy(&self) -> (&'static str, &'static str) {
        match self {
            CredentialError::Unreadable { .. } => {
                ("LW-2013", "create the file, readable by this user only")
            }
            CredentialError::Store { .. } => (
                "LW-2061",
                "see that its database answers and has room; it is tried again",
            ),
            CredentialError::Sealed { why, .. } => match why {
                SealError::NoKey(_) => (
                    "LW-2067",
                    "name the file that holds this key in store.old_key_files, until all is brought under the current key; where \
                     it is lost, put the tenant into the store again: leastwise tenants add",
                ),
                SealError::Exchanged => (
                    "LW-2069",
                    "see who writes to the database; then put the tenant into the store again: leastwise tenants add",
                ),
            },
            CredentialError::SecretId(_) => (
                "LW-2001",
                "put the secret's value into the file; it is shown only once, when the secret is made",
            ),
            CredentialError::Unusable { remedy, .. } => ("LW-2015", remedy),
            CredentialError::OutOfTime { remedy, .. } => ("LW-2016", remedy),
            CredentialError::Lasting { remedy, .. } => ("LW-2068", remedy),
            CredentialError::Device(e) => (e.code, e.remedy),
            CredentialError::Platform { remedy, .. } => ("LW-2017", remedy),
        }
    }

    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            CredentialError::Platform { transient, .. } => *transient,
            CredentialError::Device(e) => e.transient,
            CredentialError::Store { .. } => true,
            _ => false,
        }
    }
}
