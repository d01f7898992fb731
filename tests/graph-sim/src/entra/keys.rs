//! The simulator's own RSA keys: fixed, in `data/keys`, read when they are first needed.

use std::sync::OnceLock;

use aws_lc_rs::digest::{self, Algorithm};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};

use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::sealed::{base64url, unbase64url};

/// Certificates of applications, with their private keys.
pub(crate) static CLIENTS: [Key; 6] = [
    Key::new(include_str!("../../data/keys/client-1.pem")),
    Key::new(include_str!("../../data/keys/client-2.pem")),
    Key::new(include_str!("../../data/keys/client-3.pem")),
    Key::new(include_str!("../../data/keys/client-4.pem")),
    Key::new(include_str!("../../data/keys/client-5.pem")),
    Key::new(include_str!("../../data/keys/client-6.pem")),
];
/// The certificate of an application that nobody renewed.
pub(crate) static EXPIRED: Key = Key::between(
    Key::START,
    // 2024-01-01
    1_704_067_200,
    include_str!("../../data/keys/client-expired.pem"),
);
/// What Entra signs with, one after the other.
pub(crate) static SIGNING: [Key; 3] = [
    Key::new(include_str!("../../data/keys/signing-1.pem")),
    Key::new(include_str!("../../data/keys/signing-2.pem")),
    Key::new(include_str!("../../data/keys/signing-3.pem")),
];
/// What the workload issuer signs with, one after the other.
pub(crate) static ISSUER: [Key; 2] = [
    Key::new(include_str!("../../data/keys/issuer-1.pem")),
    Key::new(include_str!("../../data/keys/issuer-2.pem")),
];

/// A private key with its self-signed certificate; of an uploaded one the certificate only.
pub(crate) struct Key {
    pem: &'static str,
    /// From when the certificate is good, in seconds since 1970.
    pub(crate) start: u64,
    /// Until when the certificate is good, in seconds since 1970.
    pub(crate) end: u64,
    read: OnceLock<Read>,
}

/// How a JWT is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signing {
    Rs256,
    Ps256,
}

/// What is in the file.
struct Read {
    pair: Option<RsaKeyPair>,
    /// As RFC 8017 A.1.1 writes it.
    public: Vec<u8>,
    certificate: Vec<u8>,
    sha1: String,
    sha256: String,
}

impl Key {
    /// From when all certificates of the simulator are good: 2020-01-01.
    const START: u64 = 1_577_836_800;

    const fn new(pem: &'static str) -> Self {
        // 2120-01-01
        Self::between(Self::START, 4_733_510_400, pem)
    }

    const fn between(start: u64, end: u64, pem: &'static str) -> Self {
        Self {
            pem,
            start,
            end,
            read: OnceLock::new(),
        }
    }

    /// The certificate in this PEM, kept as long as the process: there are a few of them. None where there is no
    /// certificate of an RSA key.
    pub(crate) fn uploaded(pem: &str) -> Option<&'static Self> {
        let certificate = block(pem, "CERTIFICATE");
        let der = unbase64(&certificate);
        let (_, read) = X509Certificate::from_der(&der).ok()?;
        read.public_key().parsed().ok().filter(is_rsa)?;
        let seconds = |at: ASN1Time| u64::try_from(at.timestamp()).unwrap_or(0);
        let (start, end) = (read.validity().not_before, read.validity().not_after);
        let pem =
            format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
        let key = Self::between(seconds(start), seconds(end) + 1, pem.leak());
        Some(Box::leak(Box::new(key)))
    }

    /// Certificate and private key as a client takes them; of an uploaded one the certificate.
    pub(crate) fn pem(&self) -> &'static str {
        self.pem
    }

    fn read(&self) -> &Read {
        self.read.get_or_init(|| {
            let certificate = unbase64(&block(self.pem, "CERTIFICATE"));
            let private = unbase64(&block(self.pem, "PRIVATE KEY"));
            Read {
                pair: RsaKeyPair::from_pkcs8(&private).ok(),
                public: public(&certificate),
                sha1: thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate),
                sha256: thumbprint(&digest::SHA256, &certificate),
                certificate,
            }
        })
    }

    /// SHA-1 of the certificate as `x5t` says it; Entra's `kid` is the same.
    pub(crate) fn x5t(&self) -> &str {
        &self.read().sha1
    }

    /// SHA-256 of the certificate as `x5t#S256` says it.
    pub(crate) fn x5t_s256(&self) -> &str {
        &self.read().sha256
    }

    /// SHA-1 of the certificate in hexadecimal digits, as the portal and the error texts show it.
    pub(crate) fn thumbprint(&self) -> String {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.read().certificate);
        hash.as_ref().iter().map(|b| format!("{b:02X}")).collect()
    }

    /// The certificate in base64, as `x5c` says it.
    pub(crate) fn x5c(&self) -> String {
        block(self.pem, "CERTIFICATE")
    }

    /// The modulus, as a JWK says it.
    pub(crate) fn modulus(&self) -> String {
        let der = &self.read().public;
        // RFC 8017 A.1.1: two headers of four bytes, a zero, 2048 bits of modulus, then 65537.
        base64url(der.get(9..265).unwrap_or_default())
    }

    /// The signature of a text; RS256, so equal texts have equal signatures.
    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        let Some(pair) = &self.read().pair else {
            return Vec::new();
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        match pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            text,
            &mut signature,
        ) {
            Ok(()) => signature,
            Err(_) => Vec::new(),
        }
    }

    /// Whether this key signed the text so.
    pub(crate) fn verifies(&self, how: Signing, text: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match how {
            Signing::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Signing::Ps256 => &RSA_PSS_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(algorithm, &self.read().public)
            .verify(text, signature)
            .is_ok()
    }
}

fn public(certificate: &[u8]) -> Vec<u8> {
    let read = X509Certificate::from_der(certificate).ok();
    let key = read.map(|(_, read)| read.public_key().subject_public_key.data.to_vec());
    key.unwrap_or_default()
}

fn is_rsa(key: &PublicKey) -> bool {
    matches!(key, PublicKey::RSA(_))
}

fn thumbprint(algorithm: &'static Algorithm, certificate: &[u8]) -> String {
    base64url(digest::digest(algorithm, certificate).as_ref())
}

/// The base64 text of a PEM block with this label.
fn block(pem: &str, label: &str) -> String {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let inside = pem
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    inside.map_or_else(String::new, |(text, _)| text.split_whitespace().collect())
}

/// The bytes of a base64 text, whichever of the two alphabets and with padding or without; none if it is not one.
pub(crate) fn any_base64(text: &str) -> Option<Vec<u8>> {
    unbase64url(
        &text
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_"),
    )
}

/// Standard base64 with padding (RFC 4648 section 4).
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = base64url(bytes).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn unbase64(text: &str) -> Vec<u8> {
    any_base64(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_good_and_all_different() {
        let all: Vec<&Key> = CLIENTS
            .iter()
            .chain(&SIGNING)
            .chain(&ISSUER)
            .chain([&EXPIRED])
            .collect();
        for (n, key) in all.iter().enumerate() {
            let signature = key.sign(b"text");
            assert!(key.verifies(Signing::Rs256, b"text", &signature));
            assert!(!key.verifies(Signing::Rs256, b"other", &signature));
            assert!(!key.verifies(Signing::Ps256, b"text", &signature));
            assert_eq!((key.x5t().len(), key.x5t_s256().len()), (27, 43));
            assert_eq!((key.modulus().len(), key.thumbprint().len()), (342, 40));
            let twin = all.iter().position(|k| k.x5t() == key.x5t());
            assert_eq!(twin, Some(n));
        }
    }
}
