//! A certificate whose key stays in a device (PKCS#11): a smart card, a module in the machine or one in the network.

#[cfg(feature = "pkcs11")]
mod certificate;
mod error;
#[cfg(feature = "pkcs11")]
mod module;
#[cfg(feature = "pkcs11")]
mod sign;
#[cfg(feature = "pkcs11")]
mod token;

use std::path::{Path, PathBuf};

use runtime::Problem;
use runtime::config::{SecretFile, below};
use runtime::error::Exit;
use serde::{Deserialize, Serialize};

pub(crate) use error::DeviceError;

use super::Algorithm;

/// Which key of which device, and the certificate that belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceKey {
    /// The library of the device's maker (`.so`). It is loaded into the process.
    pub module: PathBuf,
    /// The token's label; this or `slot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The slot's number, where labels don't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// The private key's label; this, `key_id` or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The private key's id, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Holds the user's PIN.
    pub pin_file: SecretFile,
    /// The certificate in PEM or DER.
    pub certificate_file: PathBuf,
    /// How assertions are signed.
    #[serde(default)]
    pub algorithm: Algorithm,
}

impl DeviceKey {
    pub(super) fn resolve(&mut self, base: &Path) {
        below(base, &mut self.module);
        below(base, &mut self.certificate_file);
        self.pin_file.resolve(base);
    }

    pub(super) fn check(&self, place: &str) -> Result<(), Problem> {
        let wrong = |what: &str, remedy: &str| {
            let what = format!("{place}: the credential `pkcs11` {what}.");
            Err(Problem::new("LW-1003", what, remedy).exit(Exit::Usage))
        };
        if cfg!(not(feature = "pkcs11")) {
            return wrong(
                "needs a program that is built with PKCS#11, which this one is not",
                "the process token-broker is, and anything else by `--features token-broker/pkcs11`",
            );
        }
        if self.token.is_some() == self.slot.is_some() {
            return wrong(
                "names no token, or names it twice",
                "name `token`, its label, or `slot`, its number",
            );
        }
        if self.key.is_none() && self.key_id.is_none() {
            return wrong(
                "names no key",
                "name `key`, its label, or `key_id`, its id in hexadecimal digits",
            );
        }
        if self.key_id.is_some() && self.id().is_none() {
            return wrong(
                "has a `key_id` that is not of pairs of hexadecimal digits",
                "write it as pkcs11-tool shows it, without colons: \"0a01\"",
            );
        }
        Ok(())
    }

    /// What its use depends on.
    pub(super) fn files(&self) -> [&Path; 2] {
        [&self.certificate_file, self.pin_file.path()]
    }

    /// `key_id` in bytes.
    fn id(&self) -> Option<Vec<u8>> {
        let digits = self.key_id.as_ref()?.as_bytes();
        let pair = |pair: &[u8]| {
            let value = |digit: &u8| char::from(*digit).to_digit(16);
            let [high, low] = pair else { return None };
            u8::try_from(value(high)? * 16 + value(low)?).ok()
        };
        digits.chunks(2).map(pair).collect()
    }
}

/// Without the feature [`DeviceKey::check`] refuses the configuration, so that nothing gets as far as this.
#[cfg(not(feature = "pkcs11"))]
mod without {
    use secrecy::SecretString;

    use super::{DeviceError, DeviceKey};
    use crate::credential::{CredentialError, Need};

    impl DeviceKey {
        fn unavailable(&self) -> CredentialError {
            let e = DeviceError {
                code: "LW-2038",
                module: self.module.clone(),
                why: "can't be loaded: this program is built without PKCS#11".to_owned(),
                remedy: "let the process token-broker do it",
                transient: false,
            };
            e.into()
        }

        pub(in crate::credential) fn inspect(&self, _: u64) -> Result<(), CredentialError> {
            Err(self.unavailable())
        }

        pub(in crate::credential) fn ends(&self) -> Option<u64> {
            None
        }

        pub(in crate::credential) async fn prove(
            &self,
            _: &Need<'_>,
        ) -> Result<SecretString, CredentialError> {
            Err(self.unavailable())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> DeviceKey {
        let text =
            format!("module = 'm.so'\npin_file = 'pin'\ncertificate_file = 'app.crt'\n{rest}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    #[cfg(feature = "pkcs11")]
    fn a_token_and_a_key_are_named() {
        for good in [
            "token = 't'\nkey = 'k'",
            "slot = 0\nkey_id = '0aF1'\nalgorithm = 'RS256'",
        ] {
            read(good).check("here").unwrap();
        }
        for (wrong, told) in [
            ("key = 'k'", "no token"),
            ("token = 't'\nslot = 0\nkey = 'k'", "names it twice"),
            ("token = 't'", "no key"),
            ("token = 't'\nkey_id = '0a1'", "hexadecimal"),
            ("token = 't'\nkey_id = '0a:1'", "hexadecimal"),
        ] {
            let e = read(wrong).check("here").unwrap_err().to_string();
            assert!(e.contains(told) && e.contains("here"), "{e}");
        }
        assert_eq!(read("key_id = '0aF1'").id(), Some(vec![0x0a, 0xf1]));
    }

    #[test]
    #[cfg(not(feature = "pkcs11"))]
    fn a_program_without_it_says_so() {
        let e = read("token = 't'\nkey = 'k'").check("here").unwrap_err();
        assert_eq!(e.code, "LW-1003");
        assert!(e.to_string().contains("token-broker/pkcs11"), "{e}");
    }
}
