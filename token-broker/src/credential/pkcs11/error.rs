//! Why a device doesn't sign.

use std::path::PathBuf;

use crate::credential::CredentialError;

/// Why a device doesn't sign. The text never has the PIN.
#[derive(Debug, thiserror::Error)]
#[error("the PKCS#11 module {} {why}", .module.display())]
pub(crate) struct DeviceError {
    pub code: &'static str,
    pub module: PathBuf,
    pub why: String,
    pub remedy: &'static str,
    /// Whether trying again can help.
    pub transient: bool,
}

impl From<DeviceError> for CredentialError {
    fn from(e: DeviceError) -> Self {
        CredentialError::Device(Box::new(e))
    }
}
