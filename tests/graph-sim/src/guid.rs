//! GUIDs that name an index and can be turned back into it, so that a read by id needs no table.

use crate::rng::mix;

const HALF: u64 = (1 << 30) - 1;
const ROUNDS: [u64; 4] = [11, 23, 37, 51];

/// What a GUID names; part of its key, so that ids of two kinds never meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Kind {
    Tenant = 1,
    Client,
    User,
    Group,
    Subscription,
    Commerce,
    Request,
    SignIn,
    Device,
    DeviceId,
    Managed,
    App,
    /// A registered application, as an object.
    Application,
    Principal,
    /// A secret or certificate of a registered application.
    Credential,
}

/// The GUID of `index` under `key`.
pub(crate) fn of(key: u64, kind: Kind, index: u64) -> u128 {
    let key = mix(key, kind as u64);
    let hidden = permute(key, index);
    // 62 bits of check above 60 bits that hide the index, with the version and variant of a v4 GUID between.
    let check = mix(key ^ 0x5bd1, hidden) >> 2;
    let bits = (u128::from(check) << 60) | u128::from(hidden);
    let low = bits & ((1 << 62) - 1);
    let middle = (bits >> 62) & 0xfff;
    let high = bits >> 74;
    (high << 80) | (4 << 76) | (middle << 64) | (2 << 62) | low
}

/// The index that `guid` names, or none when it was not made by [`of`] with this key and kind.
pub(crate) fn index(key: u64, kind: Kind, guid: u128) -> Option<u64> {
    let hidden = (guid & ((1 << 60) - 1)) as u64;
    let index = unpermute(mix(key, kind as u64), hidden);
    (of(key, kind, index) == guid).then_some(index)
}

fn permute(key: u64, index: u64) -> u64 {
    let (mut left, mut right) = ((index >> 30) & HALF, index & HALF);
    for round in ROUNDS {
        (left, right) = (right, left ^ (mix(key ^ round, right) & HALF));
    }
    (left << 30) | right
}

fn unpermute(key: u64, hidden: u64) -> u64 {
    let (mut left, mut right) = (hidden >> 30, hidden & HALF);
    for round in ROUNDS.iter().rev() {
        (left, right) = (right ^ (mix(key ^ round, left) & HALF), left);
    }
    (left << 30) | right
}

/// Appends the 36 characters of a GUID.
pub(crate) fn write(out: &mut Vec<u8>, guid: u128) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in guid.to_be_bytes().into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// The text of a GUID.
pub(crate) fn text(guid: u128) -> String {
    let mut out = Vec::with_capacity(36);
    write(&mut out, guid);
    String::from_utf8(out).unwrap_or_default()
}

/// Reads the canonical text form; upper case is fine.
pub(crate) fn parse(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut value = 0_u128;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            value = (value << 4) | u128::from((*byte as char).to_digit(16)?);
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_names_its_index(key: u64, i in 0..1_u64 << 40) {
            let guid = of(key, Kind::User, i);
            prop_assert_eq!(index(key, Kind::User, guid), Some(i));
            prop_assert_eq!(index(key, Kind::Group, guid), None);
            prop_assert_eq!(parse(&text(guid)), Some(guid));
            prop_assert_eq!(text(guid).as_bytes()[14], b'4');
        }

        #[test]
        fn any_text_is_taken(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
