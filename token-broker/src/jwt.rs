//! Looking into tokens. Nobody but their audience can check them: what is read here serves reports, never trust.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The claims of a signed JWT (RFC 7519) in its compact form; none where it is something else.
pub(crate) fn claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let json = Zeroizing::new(LENIENT.decode(claims).ok()?);
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    #[test]
    fn reads_claims_with_and_without_padding_and_nothing_else() {
        let claims = |text: &str| super::claims::<Value>(text);
        assert_eq!(claims("e30.eyJhIjoxfQ.s").unwrap()["a"], 1);
        assert_eq!(claims("e30.eyJhIjoxfQ==.s").unwrap()["a"], 1);
        for other in [
            "",
            "a.b",
            "e30.eyJhIjoxfQ",
            "e30.e.s",
            "e30.bm8.s",
            "a.b.c.d",
            "e30.e30.e30.e30.e30",
        ] {
            assert!(claims(other).is_none(), "{other}");
        }
    }
}
