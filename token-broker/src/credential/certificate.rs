//! Certificates with their keys in files.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use runtime::config::SecretFile;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CredentialError;
use super::signer::{Algorithm, Signer};
use crate::files::Files;

const FORMS: &str = "certificate_file takes a certificate in PEM (with its key, or the key in key_file) or a PKCS#12 file; keys \
                     are RSA of 2048 bits or more, in PEM as PKCS#8 or PKCS#1 without a password";
const RENEW: &str = "make a new certificate, upload it to the app registration beside the old one, then replace the file";
const PAIR: &str = "let key_file be the key that the certificate was made for: openssl x509 -noout -pubkey -in <certificate> and \
                    openssl pkey -pubout -in <key> must print the same";

/// A certificate and its private key.
pub(super) struct KeyFile {
    path: PathBuf,
    certificate: Vec<u8>,
    key: RsaKeyPair,
    /// Seconds since 1970.
    valid: (i64, i64),
}

impl KeyFile {
    /// Reads both.
    pub(super) fn read(
        files: &Files,
        certificate_file: &Path,
        key_file: Option<&SecretFile>,
        password_file: Option<&SecretFile>,
    ) -> Result<Self, CredentialError> {
        let bytes = |path: &Path| {
            let content = files.read(path);
            content.map_err(|e| CredentialError::unreadable(path, e))
        };
        let content = bytes(certificate_file)?;
        let unusable = |why: &str| CredentialError::unusable(certificate_file, why, FORMS);
        if !content.starts_with(b"-----") && CertificateDer::from_pem_slice(&content).is_err() {
            let (certificate, key) =
                super::pkcs12::open(files, certificate_file, &content, password_file)?;
            return Self::new(certificate_file, certificate, certificate_file, &key);
        }
        let certificate = CertificateDer::from_pem_slice(&content)
            .map_err(|_| unusable("holds no certificate in PEM"))?;
        let (key_path, pem) = match key_file {
            Some(file) => (file.path(), bytes(file.path())?),
            None => (certificate_file, content),
        };
        let encrypted = std::str::from_utf8(&pem).is_ok_and(|text| text.contains("ENCRYPTED"));
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            let why = match encrypted {
                true => "holds a key with a password: take it off (openssl pkey) and guard the file instead",
                false => "holds no private key in PEM",
            };
            CredentialError::unusable(key_path, why, FORMS)
        })?;
        Self::new(certificate_file, certificate.to_vec(), key_path, &key)
    }

    fn new(
        path: &Path,
        certificate: Vec<u8>,
        key_path: &Path,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Self, CredentialError> {
        let unusable = |why: &str| CredentialError::unusable(key_path, why, FORMS);
        let key = match key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(unusable("holds a key that is not RSA")),
        };
        // What the library says of a key could tell of the key.
        let key = key.map_err(|_| unusable("holds a key that is not RSA of 2048 bits or more"))?;
        let wrong = |why: &str, remedy| CredentialError::unusable(path, why, remedy);
        let (_, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|_| wrong("holds a certificate that can't be read", FORMS))?;
        let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = key
            .public_key()
            .as_der()
            .map_err(|_| unusable("holds a key whose public part can't be told"))?;
        if parsed.public_key().raw != public.as_ref() {
            return Err(wrong("does not belong to its private key", PAIR));
        }
        let validity = parsed.validity();
        let valid = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        Ok(KeyFile {
            path: path.to_owned(),
            key,
            valid,
            certificate,
        })
    }

    /// Whether the certificate is valid at a moment (seconds since 1970).
    pub(super) fn inspect(&self, now: u64) -> Result<(), CredentialError> {
        in_time(&self.path, self.valid, now)
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn not_after(&self) -> Option<u64> {
        u64::try_from(self.valid.1).ok()
    }
}

impl Signer for KeyFile {
    fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, CredentialError> {
        let scheme = match algorithm {
            Algorithm::PS256 => &RSA_PSS_SHA256,
            Algorithm::RS256 => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(scheme, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| {
                CredentialError::unusable(&self.path, "has a key that can't sign", FORMS)
            })?;
        Ok(signature)
    }
}

/// Whether a certificate that is valid from then until then is valid at a moment (all in seconds since 1970).
pub(super) fn in_time(
    path: &Path,
    (from, until): (i64, i64),
    now: u64,
) -> Result<(), CredentialError> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let day = |at: i64| {
        chrono::DateTime::from_timestamp(at, 0)
            .unwrap_or_default()
            .date_naive()
    };
    let why = if now < from {
        format!("holds a certificate that is valid from {} only", day(from))
    } else if now > until {
        format!("holds a certificate that expired on {}", day(until))
    } else {
        return Ok(());
    };
    Err(CredentialError::OutOfTime {
        path: path.to_owned(),
        why,
        remedy: RENEW,
    })
}
