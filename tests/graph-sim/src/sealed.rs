//! Opaque texts that only the simulator reads: base64url and the tokens in links.
//! They carry all they need, so no request leaves anything behind.

use crate::property::Select;
use crate::rng::mix;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// base64url without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |w, b| (w << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * i) & 63) as usize]));
        }
    }
    text
}

/// The bytes of a base64url text, or none.
pub(crate) fn unbase64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            let digit = ALPHABET.iter().position(|a| a == byte)?;
            word = (word << 6) | digit as u32;
        }
        word <<= 6 * (4 - chunk.len());
        let len = chunk.len().checked_sub(1).filter(|n| *n > 0)?;
        bytes.extend_from_slice(&word.to_be_bytes()[1..=len]);
    }
    Some(bytes)
}

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// The next page of a list.
    Page = 1,
    /// The next page of a delta round.
    DeltaPage,
    /// The start of the next delta round.
    Delta,
}

/// The inside of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Link {
    pub(crate) purpose: Purpose,
    pub(crate) tenant: u16,
    /// Where the next page starts: a user index, or a place in a day's changes.
    pub(crate) position: u32,
    /// How many objects a page holds.
    pub(crate) top: u16,
    /// A delta round leads from this day …
    pub(crate) from: u32,
    /// … to this one.
    pub(crate) to: u32,
    /// The day that `position` is in.
    pub(crate) day: u32,
    /// Whether the round started without a token: then everything is named.
    pub(crate) full: bool,
    /// Simulated second at which the token was made.
    pub(crate) at: u64,
    pub(crate) select: Select,
    /// Hash of the rest of the query that the link belongs to; 0 where there is no rest.
    pub(crate) bind: u64,
}

const BYTES: usize = 62;

impl Link {
    pub(crate) fn seal(&self, key: u64) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(self.purpose as u8);
        bytes.push(u8::from(self.full));
        bytes.extend_from_slice(&self.tenant.to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        bytes.extend_from_slice(&self.top.to_be_bytes());
        bytes.extend_from_slice(&self.from.to_be_bytes());
        bytes.extend_from_slice(&self.to.to_be_bytes());
        bytes.extend_from_slice(&self.day.to_be_bytes());
        bytes.extend_from_slice(&self.at.to_be_bytes());
        bytes.extend_from_slice(&self.select.0.to_be_bytes());
        bytes.extend_from_slice(&self.bind.to_be_bytes());
        let check = checksum(key, &bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        base64url(&bytes)
    }

    /// Opens a token; none when it was not sealed with this key.
    pub(crate) fn open(key: u64, text: &str) -> Option<Self> {
        let bytes = unbase64url(text)?;
        let (body, check) = bytes.split_last_chunk::<8>()?;
        if checksum(key, body).to_be_bytes() != *check {
            return None;
        }
        let mut rest = body;
        let [purpose, full] = take(&mut rest)?;
        Some(Self {
            purpose: match purpose {
                1 => Purpose::Page,
                2 => Purpose::DeltaPage,
                3 => Purpose::Delta,
                _ => return None,
            },
            full: full != 0,
            tenant: u16::from_be_bytes(take(&mut rest)?),
            position: u32::from_be_bytes(take(&mut rest)?),
            top: u16::from_be_bytes(take(&mut rest)?),
            from: u32::from_be_bytes(take(&mut rest)?),
            to: u32::from_be_bytes(take(&mut rest)?),
            day: u32::from_be_bytes(take(&mut rest)?),
            at: u64::from_be_bytes(take(&mut rest)?),
            select: Select(u128::from_be_bytes(take(&mut rest)?)),
            bind: u64::from_be_bytes(take(&mut rest)?),
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

/// A hash of a text.
pub(crate) fn digest(text: &str) -> u64 {
    checksum(0, text.as_bytes())
}

pub(crate) fn checksum(key: u64, bytes: &[u8]) -> u64 {
    bytes
        .chunks(8)
        .fold(mix(key, bytes.len() as u64), |sum, chunk| {
            let word = chunk.iter().fold(0_u64, |w, b| (w << 8) | u64::from(*b));
            mix(sum, word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn links_read_back(position: u32, top: u16, from: u32, to: u32, select: u128, full: bool, at: u64, bind: u64, key: u64) {
            let link = Link {
                purpose: Purpose::DeltaPage, tenant: 3, position, top, from, to, day: to, full, at, select: Select(select), bind,
            };
            let text = link.seal(key);
            prop_assert_eq!(Link::open(key, &text), Some(link));
            prop_assert_eq!(Link::open(key ^ 1, &text), None);
        }

        #[test]
        fn any_text_is_taken(text in ".{0,120}") {
            prop_assert_eq!(Link::open(1, &text), None);
        }

        #[test]
        fn bytes_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(unbase64url(&base64url(&bytes)), Some(bytes));
        }
    }
}
