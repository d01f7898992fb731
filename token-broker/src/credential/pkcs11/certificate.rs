//! Certificates whose keys are elsewhere.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::credential::certificate::in_time;
use crate::credential::{Algorithm, CredentialError};

const FORMS: &str = "certificate_file of a key in a device takes a certificate in PEM or DER, of an RSA key of 2048 bits or more";

/// A certificate, and what it takes to check its key's signatures.
pub(super) struct Certificate {
    path: PathBuf,
    pub(super) der: Vec<u8>,
    /// As PKCS#1.
    public: Vec<u8>,
    /// Seconds since 1970.
    valid: (i64, i64),
}

impl Certificate {
    pub(super) fn read(path: &Path) -> Result<Self, CredentialError> {
        let content = std::fs::read(path).map_err(|e| CredentialError::unreadable(path, e))?;
        let der = match CertificateDer::from_pem_slice(&content) {
            Ok(pem) => pem.to_vec(),
            Err(_) => content,
        };
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| {
            CredentialError::unusable(path, "holds no certificate that can be read", FORMS)
        })?;
        let validity = parsed.validity();
        let valid = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        Ok(Certificate {
            path: path.to_owned(),
            public: parsed.public_key().subject_public_key.data.to_vec(),
            valid,
            der,
        })
    }

    /// Whether it is valid at a moment (seconds since 1970).
    pub(super) fn in_time(&self, now: u64) -> Result<(), CredentialError> {
        in_time(&self.path, self.valid, now)
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn not_after(&self) -> Option<u64> {
        u64::try_from(self.valid.1).ok()
    }

    /// Whether its key made the signature.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let scheme = match algorithm {
            Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(scheme, &self.public)
            .verify(message, signature)
            .is_ok()
    }
}
