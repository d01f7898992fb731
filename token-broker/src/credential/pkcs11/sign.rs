//! Assertions signed by a device.

use std::sync::Arc;

use secrecy::SecretString;

use super::DeviceKey;
use super::certificate::Certificate;
use super::module::Module;
use crate::credential::signer::Signer;
use crate::credential::{Algorithm, CredentialError, Need, assertion};

/// What the device signs to show that it can: no JWT, and of use to nobody.
const PROBE: &[u8] = b"Leastwise asks whether this key belongs to its certificate";

/// The reasons of a signature that the certificate doesn't verify.
const PAIR: &str = "let certificate_file be the certificate that was made for this key; key and key_id say which one of the device \
                    it is";

/// The device's key with its certificate.
struct Device<'a> {
    module: &'a Module,
    key: &'a DeviceKey,
    certificate: Certificate,
}

impl Signer for Device<'_> {
    fn certificate(&self) -> &[u8] {
        &self.certificate.der
    }

    /// Each signature is held against the certificate: a device need not give its public keys away, and so this tells
    /// of another key in every device, and before Entra ID does.
    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, CredentialError> {
        let signature = self.module.sign(self.key, algorithm, message)?;
        if self.certificate.verifies(algorithm, message, &signature) {
            return Ok(signature);
        }
        let why = format!("does not belong to the {} in the device", self.key.named());
        let path = &self.key.certificate_file;
        Err(CredentialError::unusable(path, why, PAIR))
    }
}

impl DeviceKey {
    /// Lets the device sign something. Blocks.
    pub(in crate::credential) fn inspect(&self, now: u64) -> Result<(), CredentialError> {
        let certificate = Certificate::read(&self.certificate_file)?;
        certificate.in_time(now)?;
        let device = Device {
            module: &Module::of(&self.module),
            key: self,
            certificate,
        };
        device.sign(self.algorithm, PROBE).map(drop)
    }

    /// When its certificate ends, in seconds since 1970.
    pub(in crate::credential) fn ends(&self) -> Option<u64> {
        Certificate::read(&self.certificate_file).ok()?.not_after()
    }

    /// An assertion that the device signs now.
    pub(in crate::credential) async fn prove(
        &self,
        need: &Need<'_>,
    ) -> Result<SecretString, CredentialError> {
        let now = need.clock.micros() / 1_000_000;
        let certificate = Certificate::read(&self.certificate_file)?;
        certificate.in_time(now)?;
        let key = self.clone();
        let (client_id, endpoint) = (need.client_id.to_owned(), need.endpoint.to_owned());
        let sign = move |module: &Module| {
            let device = Device {
                module,
                key: &key,
                certificate,
            };
            assertion::sign(&device, key.algorithm, &client_id, &endpoint, now)
        };
        Arc::clone(&Module::of(&self.module)).alone(sign).await
    }
}
