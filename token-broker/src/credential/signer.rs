//! Who signs assertions: a key in a file, or a device that never gives its key away.

use serde::{Deserialize, Serialize};

use super::CredentialError;

/// How an assertion is signed (RFC 7518, section 3.1). Both are RSA with SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PSS, with the certificate's SHA-256 thumbprint (`x5t#S256`).
    #[default]
    PS256,
    /// RSASSA-PKCS1-v1_5, with the certificate's SHA-1 thumbprint (`x5t`): for keys in devices that can't do PSS.
    RS256,
}

/// Signs with the key that belongs to a certificate.
pub(super) trait Signer {
    /// The certificate (DER) that Entra ID knows.
    fn certificate(&self) -> &[u8];

    /// The signature of a message.
    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, CredentialError>;
}
