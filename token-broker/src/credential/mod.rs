//! How an app proves to Entra ID who it is: one file a kind.

mod assertion;
mod certificate;
mod changed;
mod error;
mod federated;
mod legacy;
mod lifetime;
mod managed_identity;
mod pkcs11;
mod pkcs12;
mod secret;
mod signer;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use runtime::config::{SecretFile, below};
use runtime::http::Client;
use runtime::{Clock, Problem};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use error::CredentialError;
pub(crate) use legacy::Redeem;
pub use managed_identity::Source;
pub use pkcs11::DeviceKey;
pub use signer::Algorithm;

use crate::entra::Issued;
use crate::files::Files;

/// A credential, as the operator names it. Files are read again for each token, so that replacing one needs no restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialConfig {
    /// A client secret.
    ClientSecret {
        /// Holds the secret's value.
        file: SecretFile,
        /// The day on which Entra ID lets it end (UTC), as `2027-03-31`: neither the secret nor a token tells.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<NaiveDate>,
    },
    /// A certificate whose key signs an assertion (RFC 7523).
    Certificate {
        /// PEM or PKCS#12; may hold the key too.
        certificate_file: PathBuf,
        /// The private key (RSA) in PEM, PKCS#8 or PKCS#1, where it is not in the file above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_file: Option<SecretFile>,
        /// The password of a PKCS#12 file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_file: Option<SecretFile>,
        /// How assertions are signed.
        #[serde(default)]
        algorithm: Algorithm,
    },
    /// A certificate whose key never leaves its device (PKCS#11).
    Pkcs11(DeviceKey),
    /// A token of another issuer that the app registration trusts (federated identity credential): a Kubernetes
    /// projected token, a SPIFFE JWT-SVID or any OIDC token that somebody keeps fresh in a file.
    FederatedToken {
        /// Holds the token; read on every use.
        token_file: PathBuf,
    },
    /// The token of a managed identity of Azure is trusted as a federated identity credential: no secret at all, and
    /// across tenants.
    FederatedManagedIdentity {
        /// Which endpoint of the platform issues it.
        source: Source,
        /// The endpoint, where it isn't the platform's usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<Url>,
        /// Client id of the user-assigned identity.
        identity_client_id: String,
    },
    /// A managed identity of Azure holds the permissions itself; for the tenant that it belongs to.
    ManagedIdentity {
        /// Which endpoint of the platform issues tokens.
        source: Source,
        /// The endpoint, where it isn't the platform's usual one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<Url>,
        /// Client id of a user-assigned identity; the system-assigned one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity_client_id: Option<String>,
    },
    /// A person's refresh token (RFC 6749, section 6), for a tenant that is not ready. It changes with each use, so the
    /// tenant has to be in the store.
    RefreshToken {
        /// Holds the refresh token.
        token_file: SecretFile,
        /// The client secret, where the app registration is a confidential client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret_file: Option<SecretFile>,
        /// The last day on which it is used (UTC), as `2027-03-31`.
        until: NaiveDate,
    },
    /// An access token that somebody gets by hand and replaces before it ends, for a tenant that is not ready.
    ImportedToken {
        /// Holds the access token.
        token_file: SecretFile,
        /// The last day on which it is used (UTC), as `2027-03-31`.
        until: NaiveDate,
    },
}

/// What a credential needs to prove something.
pub(crate) struct Need<'a> {
    pub files: &'a Files,
    pub http: &'a Client,
    pub clock: &'a Clock,
    /// The app's client id.
    pub client_id: &'a str,
    /// The token endpoint's URL.
    pub endpoint: &'a str,
    /// The resource, for example `https://graph.microsoft.com`.
    pub resource: &'a str,
    /// The audience that Entra ID expects in a federated credential's assertion.
    pub exchange: &'a str,
}

/// What goes to the token endpoint, or comes without it.
pub(crate) enum Proof {
    /// `client_secret` (RFC 6749, section 2.3.1).
    Secret(SecretString),
    /// `client_assertion` of the type JWT bearer (RFC 7523, section 2.2).
    Assertion(SecretString),
    /// The access token is there already.
    Token(Issued),
    /// `refresh_token` (RFC 6749, section 6).
    Refresh(Redeem),
}

impl CredentialConfig {
    /// Its kind, as configuration and audit spell it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            CredentialConfig::ClientSecret { .. } => "client_secret",
            CredentialConfig::Certificate { .. } => "certificate",
            CredentialConfig::Pkcs11(_) => "pkcs11",
            CredentialConfig::FederatedToken { .. } => "federated_token",
            CredentialConfig::FederatedManagedIdentity { .. } => "federated_managed_identity",
            CredentialConfig::ManagedIdentity { .. } => "managed_identity",
            CredentialConfig::RefreshToken { .. } => "refresh_token",
            CredentialConfig::ImportedToken { .. } => "imported_token",
        }
    }

    /// Whether a person's sign-in stands behind it.
    pub(crate) fn is_legacy(&self) -> bool {
        matches!(
            self,
            CredentialConfig::RefreshToken { .. } | CredentialConfig::ImportedToken { .. }
        )
    }

    /// Makes relative paths relative to `base`.
    pub(crate) fn resolve(&mut self, base: &Path) {
        match self {
            CredentialConfig::ClientSecret { file, .. } => file.resolve(base),
            CredentialConfig::Certificate {
                certificate_file,
                key_file,
                password_file,
                ..
            } => {
                below(base, certificate_file);
                for file in [key_file, password_file].into_iter().flatten() {
                    file.resolve(base);
                }
            }
            CredentialConfig::Pkcs11(key) => key.resolve(base),
            CredentialConfig::FederatedToken { token_file } => below(base, token_file),
            CredentialConfig::RefreshToken {
                token_file,
                client_secret_file,
                ..
            } => {
                token_file.resolve(base);
                client_secret_file.iter_mut().for_each(|f| f.resolve(base));
            }
            CredentialConfig::ImportedToken { token_file, .. } => token_file.resolve(base),
            CredentialConfig::FederatedManagedIdentity { .. }
            | CredentialConfig::ManagedIdentity { .. } => {}
        }
    }

    /// Checks what types can't say.
    pub(crate) fn check(&self, place: &str) -> Result<(), Problem> {
        match self {
            CredentialConfig::FederatedManagedIdentity {
                source, endpoint, ..
            }
            | CredentialConfig::ManagedIdentity {
                source, endpoint, ..
            } => source.check(place, endpoint.as_ref()),
            CredentialConfig::Pkcs11(key) => key.check(place),
            CredentialConfig::ClientSecret { file, .. } => secret::check(place, file.path()),
            _ => Ok(()),
        }
    }

    /// Looks at its files without asking anybody. `now` is in seconds since 1970.
    pub(crate) fn inspect(&self, files: &Files, now: u64) -> Result<(), CredentialError> {
        match self {
            CredentialConfig::ClientSecret { file, .. } => secret::read(files, file).map(drop),
            CredentialConfig::Certificate { .. } => self.certificate(files)?.inspect(now),
            CredentialConfig::Pkcs11(key) => key.inspect(now),
            CredentialConfig::FederatedToken { token_file } => {
                federated::read(files, token_file, now).map(drop)
            }
            CredentialConfig::RefreshToken {
                token_file, until, ..
            } => {
                legacy::allowed(token_file.path(), *until, now)?;
                secret::read(files, token_file).map(drop)
            }
            CredentialConfig::ImportedToken { token_file, until } => {
                legacy::allowed(token_file.path(), *until, now)?;
                legacy::imported(files, token_file, now).map(drop)
            }
            CredentialConfig::FederatedManagedIdentity { .. }
            | CredentialConfig::ManagedIdentity { .. } => Ok(()),
        }
    }

    /// When it ends by itself, in seconds since 1970; none where that is not known here.
    pub(crate) fn ends(&self, files: &Files) -> Option<u64> {
        match self {
            CredentialConfig::Certificate { .. } => self.certificate(files).ok()?.not_after(),
            CredentialConfig::ClientSecret { expires, .. } => expires.map(legacy::end),
            CredentialConfig::RefreshToken { until, .. } => Some(legacy::end(*until)),
            CredentialConfig::ImportedToken { token_file, until } => {
                let token = legacy::imported_ends(files, token_file)?;
                Some(token.min(legacy::end(*until)))
            }
            CredentialConfig::Pkcs11(key) => key.ends(),
            _ => None,
        }
    }

    fn certificate(&self, files: &Files) -> Result<certificate::KeyFile, CredentialError> {
        let CredentialConfig::Certificate {
            certificate_file,
            key_file,
            password_file,
            ..
        } = self
        else {
            unreachable!("asked of certificates only")
        };
        certificate::KeyFile::read(
            files,
            certificate_file,
            key_file.as_ref(),
            password_file.as_ref(),
        )
    }

    /// What the app shows to Entra ID now.
    pub(crate) async fn prove(&self, need: &Need<'_>) -> Result<Proof, CredentialError> {
        let now = need.clock.micros() / 1_000_000;
        match self {
            CredentialConfig::ClientSecret { file, .. } => {
                secret::read(need.files, file).map(Proof::Secret)
            }
            CredentialConfig::Certificate { algorithm, .. } => {
                let key = self.certificate(need.files)?;
                key.inspect(now)?;
                assertion::sign(&key, *algorithm, need.client_id, need.endpoint, now)
                    .map(Proof::Assertion)
            }
            CredentialConfig::Pkcs11(key) => key.prove(need).await.map(Proof::Assertion),
            CredentialConfig::FederatedToken { token_file } => {
                federated::read(need.files, token_file, now).map(Proof::Assertion)
            }
            CredentialConfig::FederatedManagedIdentity {
                source,
                endpoint,
                identity_client_id,
            } => {
                let id = Some(identity_client_id.as_str());
                let issued = source
                    .token(need, endpoint.as_ref(), need.exchange, id)
                    .await?;
                Ok(Proof::Assertion(issued.token))
            }
            CredentialConfig::ManagedIdentity {
                source,
                endpoint,
                identity_client_id,
            } => {
                let id = identity_client_id.as_deref();
                let issued = source
                    .token(need, endpoint.as_ref(), need.resource, id)
                    .await?;
                Ok(Proof::Token(issued))
            }
            CredentialConfig::RefreshToken { token_file, .. } => Ok(Proof::Refresh(Redeem {
                file: token_file.clone(),
                client_secret: self.client_of_sign_in(need.files, now)?,
            })),
            CredentialConfig::ImportedToken { token_file, until } => {
                legacy::allowed(token_file.path(), *until, now)?;
                legacy::imported(need.files, token_file, now).map(Proof::Token)
            }
        }
    }
}
