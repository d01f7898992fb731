//! PKCS#12 files (`.pfx`, `.p12`).

use std::path::Path;

use runtime::config::SecretFile;
use rustls_pki_types::PrivateKeyDer;

use super::CredentialError;
use crate::files::Files;

/// Opens a file whose content is given: certificate (DER) and key.
#[cfg(feature = "pkcs12")]
pub(super) fn open(
    files: &Files,
    path: &Path,
    content: &[u8],
    password_file: Option<&SecretFile>,
) -> Result<(Vec<u8>, PrivateKeyDer<'static>), CredentialError> {
    use p12_keystore::{KeyStore, KeyStoreEntry};
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use secrecy::ExposeSecret as _;

    let password = password_file
        .map(|file| {
            let password = files.secret(file.path());
            password.map_err(|e| CredentialError::unreadable(file.path(), e))
        })
        .transpose()?;
    let password = password.as_ref().map_or("", |p| p.expose_secret());
    let store = KeyStore::from_pkcs12(content, password).map_err(|_| match password_file {
        Some(_) => CredentialError::unusable(
            path,
            "is no certificate in PEM, and no PKCS#12 file that the password opens",
            "check the file and the content of password_file",
        ),
        None => CredentialError::unusable(
            path,
            "is no certificate in PEM, and no PKCS#12 file without a password",
            "a PKCS#12 file with a password needs password_file",
        ),
    })?;
    let chain = store.entries().find_map(|(_, entry)| match entry {
        KeyStoreEntry::PrivateKeyChain(chain) => Some(chain),
        _ => None,
    });
    let found = chain.and_then(|chain| {
        let leaf = chain.chain().first()?;
        let key = PrivatePkcs8KeyDer::from(chain.key().to_vec());
        Some((leaf.as_der().to_vec(), PrivateKeyDer::Pkcs8(key)))
    });
    found.ok_or_else(|| {
        CredentialError::unusable(
            path,
            "is a PKCS#12 file without a private key and its certificate",
            "export the certificate together with its private key",
        )
    })
}

/// Says how to do without.
#[cfg(not(feature = "pkcs12"))]
pub(super) fn open(
    _: &Files,
    path: &Path,
    _: &[u8],
    _: Option<&SecretFile>,
) -> Result<(Vec<u8>, PrivateKeyDer<'static>), CredentialError> {
    Err(CredentialError::unusable(
        path,
        "is no certificate in PEM",
        "this program is built without PKCS#12: openssl pkcs12 -in <file> -nodes -out <file>.pem makes PEM of it",
    ))
}

#[cfg(test)]
#[cfg(feature = "pkcs12")]
mod tests {
    use p12_keystore::{
        Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKeyChain,
    };

    use super::super::certificate::KeyFile;
    use super::*;

    /// A certificate with its key, as a company's tool exports them.
    fn exported(password: &str) -> Vec<u8> {
        let key =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
                .unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let leaf = Certificate::from_der(certificate.der()).unwrap();
        let chain = PrivateKeyChain::new(key.serialize_der(), b"1", vec![leaf]);
        let mut store = KeyStore::new();
        store.add_entry("app", KeyStoreEntry::PrivateKeyChain(chain));
        let writer = store.writer(password);
        let writer = writer.encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256);
        writer
            .mac_algorithm(MacAlgorithm::HmacSha256)
            .write()
            .unwrap()
    }

    #[test]
    fn opens_what_was_exported_and_says_what_a_password_needs() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = home.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let file = write("app.pfx", &exported("open sesame"));
        let right = SecretFile::from(write("right", b"open sesame\n"));
        let wrong = SecretFile::from(write("wrong", b"else"));
        KeyFile::read(&Files::default(), &file, None, Some(&right))
            .map_err(|e| e.to_string())
            .unwrap();
        for (password, told) in [
            (Some(&wrong), "that the password opens"),
            (None, "without a password"),
        ] {
            let e = KeyFile::read(&Files::default(), &file, None, password)
                .err()
                .unwrap();
            assert!(e.to_string().contains(told), "{e}");
        }
    }
}
