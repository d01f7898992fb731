//! Signed JWTs in their compact form (RFC 7515, RFC 7519).

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use super::keys::{Key, Signing};
use crate::sealed::{base64url, unbase64url};

/// A JWT that was read; nothing of it is believed yet.
pub(crate) struct Jwt<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jwt<'a> {
    /// Reads the three parts; none if they are not what they should be.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let object = |part| serde_json::from_slice(&unbase64url(part)?).ok();
        Some(Self {
            header: object(header)?,
            claims: object(payload)?,
            signed,
            payload,
            signature: unbase64url(signature)?,
        })
    }

    /// A header, if it is a text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A claim, if it is a text.
    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A date (`NumericDate`, RFC 7519 section 2).
    ///
    /// Entra also takes it as a text, which MSAL for .NET sends, and with a fraction, which MSAL for Python sends.
    pub(crate) fn date(&self, name: &str) -> Option<u64> {
        let seconds = match self.claims.get(name)? {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.parse().ok()?,
            _ => return None,
        };
        // Numbers out of range end at the limits.
        seconds.is_finite().then_some(seconds as u64)
    }

    /// Whether `key` signed it in the way that its header says.
    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        let how = match self.header("alg") {
            Some("RS256") => Signing::Rs256,
            Some("PS256") => Signing::Ps256,
            _ => return false,
        };
        if self.header.contains_key("nonce") {
            let signed = hashed(&self.header, self.payload);
            return key.verifies(how, signed.as_bytes(), &self.signature);
        }
        key.verifies(how, self.signed.as_bytes(), &self.signature)
    }
}

/// Signs claims with RS256.
///
/// With a nonce the header is signed as it never is sent: with the hash of the nonce in its place. Entra does so to
/// tokens for Graph, so that nobody but Graph takes them for good.
pub(crate) fn sign(key: &Key, nonce: Option<&str>, claims: &Value) -> String {
    let mut header = Map::new();
    header.insert("typ".to_owned(), json!("JWT"));
    if let Some(nonce) = nonce {
        header.insert("nonce".to_owned(), json!(nonce));
    }
    header.insert("alg".to_owned(), json!("RS256"));
    header.insert("x5t".to_owned(), json!(key.x5t()));
    header.insert("kid".to_owned(), json!(key.x5t()));
    let payload = base64url(claims.to_string().as_bytes());
    let sent = format!("{}.{payload}", part(&header));
    let signature = match nonce {
        Some(_) => key.sign(hashed(&header, &payload).as_bytes()),
        None => key.sign(sent.as_bytes()),
    };
    format!("{sent}.{}", base64url(&signature))
}

/// What is signed in place of a header with a nonce.
fn hashed(header: &Map<String, Value>, payload: &str) -> String {
    let mut header = header.clone();
    if let Some(Value::String(nonce)) = header.get_mut("nonce") {
        *nonce = base64url(digest::digest(&digest::SHA256, nonce.as_bytes()).as_ref());
    }
    format!("{}.{payload}", part(&header))
}

fn part(header: &Map<String, Value>) -> String {
    base64url(Value::Object(header.clone()).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::keys::SIGNING;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_signed_is_believed() {
        for nonce in [None, Some("abc")] {
            let text = sign(&SIGNING[0], nonce, &json!({ "sub": "x", "exp": "12.5" }));
            let jwt = Jwt::read(&text).unwrap();
            assert_eq!((jwt.claim("sub"), jwt.date("exp")), (Some("x"), Some(12)));
            assert!(jwt.is_signed_by(&SIGNING[0]) && !jwt.is_signed_by(&SIGNING[1]));
            let forged = sign(&SIGNING[1], nonce, &json!({ "sub": "y" }));
            let (forged, _) = forged.rsplit_once('.').unwrap();
            let (_, signature) = text.rsplit_once('.').unwrap();
            let forged = format!("{forged}.{signature}");
            assert!(!Jwt::read(&forged).unwrap().is_signed_by(&SIGNING[0]));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in ".{0,80}") {
            if let Some(jwt) = Jwt::read(&text) {
                prop_assert!(!jwt.is_signed_by(&SIGNING[0]));
            }
        }
    }
}
