//! Who somebody is: the one URI in the subject alternative names of the certificate.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SPIFFE identity: `spiffe://<trust domain>/<path>`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Arc<str>);

/// Why something is no identity, or a certificate has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not of the form that SPIFFE prescribes.
    #[error("`{0}` is not of the form spiffe://<trust domain>/<path>")]
    Form(String),
    /// Not a certificate.
    #[error("the certificate can't be read")]
    Certificate,
    /// None or several.
    #[error("the certificate has {0} URIs as alternative names, and exactly one is needed")]
    Count(usize),
    /// Somebody else.
    #[error("the certificate is of {found}, expected was {expected}")]
    Other {
        /// Who it is.
        found: Identity,
        /// Who it should be.
        expected: Identity,
    },
}

impl Identity {
    /// As a URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity in a certificate (DER).
    ///
    /// # Errors
    /// When it has none, several, or one of another form.
    #[cfg(feature = "tls")]
    pub fn of_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| IdentityError::Certificate)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| IdentityError::Certificate)?;
        let names = names.iter().flat_map(|n| &n.value.general_names);
        let uris: Vec<&str> = names
            .filter_map(|n| match n {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            })
            .collect();
        match uris[..] {
            [uri] => uri.parse(),
            _ => Err(IdentityError::Count(uris.len())),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let wrong = || IdentityError::Form(text.chars().take(100).collect());
        let rest = text.strip_prefix("spiffe://").ok_or_else(wrong)?;
        let (domain, path) = rest.split_once('/').ok_or_else(wrong)?;
        let in_domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        let in_path = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let segment = |s: &str| !["", ".", ".."].contains(&s) && s.chars().all(in_path);
        let fits = text.len() <= 2048
            && !domain.is_empty()
            && domain.chars().all(in_domain)
            && path.split('/').all(segment);
        fits.then(|| Identity(text.into())).ok_or_else(wrong)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_spiffe_is_an_identity() {
        for good in [
            "spiffe://example.org/collector",
            "spiffe://a_b-c.1/ns/X/sa/y.z",
        ] {
            assert_eq!(good.parse::<Identity>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "collector",
            "https://example.org/collector",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe:///collector",
            "spiffe://Example.org/collector",
            "spiffe://user@example.org/collector",
            "spiffe://example.org:1/collector",
            "spiffe://example.org/a//b",
            "spiffe://example.org/../b",
            "spiffe://example.org/a?b",
            "spiffe://example.org/a b",
        ] {
            assert!(bad.parse::<Identity>().is_err(), "{bad}");
        }
    }
}
