//! The tokens in the links of all collections but the users' own, which has [`crate::sealed::Link`].
//! They carry all they need, and are bound to the request that they go on with.

use crate::rng::mix;
use crate::sealed::{base64url, checksum, unbase64url};

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// The next page of a collection.
    Page = 11,
    /// The next page of a delta round.
    DeltaPage,
    /// The start of the next delta round.
    Delta,
    /// A report that was prepared.
    Download,
}

/// The inside of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    pub(crate) purpose: Purpose,
    pub(crate) tenant: u16,
    /// What it goes on with: a hash of the path and the options.
    pub(crate) bound: u64,
    /// Where the next page starts.
    pub(crate) place: u32,
    /// Where within the object at that place.
    pub(crate) inner: u32,
    pub(crate) top: u16,
    /// A delta round leads from this day; `u32::MAX` if it started without a token.
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Simulated second at which it was made.
    pub(crate) at: u64,
    /// A set of properties.
    pub(crate) select: u64,
}

impl Ticket {
    pub(crate) fn seal(&self, key: u64) -> String {
        let mut bytes = Vec::with_capacity(59);
        bytes.push(self.purpose as u8);
        bytes.extend_from_slice(&self.tenant.to_be_bytes());
        bytes.extend_from_slice(&self.top.to_be_bytes());
        for word in [self.place, self.inner, self.from, self.to] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for word in [self.bound, self.at, self.select] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        let check = checksum(key ^ 0x71c4, &bytes);
        bytes.extend_from_slice(&check.to_be_bytes());
        base64url(&bytes)
    }

    /// Opens a token; none when it was not sealed with this key for this purpose.
    pub(crate) fn open(key: u64, purpose: Purpose, text: &str) -> Option<Self> {
        let bytes = unbase64url(text)?;
        let (body, check) = bytes.split_last_chunk::<8>()?;
        if checksum(key ^ 0x71c4, body).to_be_bytes() != *check {
            return None;
        }
        let (number, rest) = body.split_first()?;
        let mut rest = rest;
        if *number != purpose as u8 {
            return None;
        }
        Some(Self {
            purpose,
            tenant: u16::from_be_bytes(take(&mut rest)?),
            top: u16::from_be_bytes(take(&mut rest)?),
            place: u32::from_be_bytes(take(&mut rest)?),
            inner: u32::from_be_bytes(take(&mut rest)?),
            from: u32::from_be_bytes(take(&mut rest)?),
            to: u32::from_be_bytes(take(&mut rest)?),
            bound: u64::from_be_bytes(take(&mut rest)?),
            at: u64::from_be_bytes(take(&mut rest)?),
            select: u64::from_be_bytes(take(&mut rest)?),
        })
    }
}

/// What a token is bound to.
pub(crate) fn bound(texts: &[&str]) -> u64 {
    let one = |sum, text: &&str| mix(sum, checksum(0x0b0d, text.as_bytes()));
    texts.iter().fold(7, one)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tickets_read_back(place: u32, inner: u32, top: u16, from: u32, to: u32, at: u64, select: u64, key: u64) {
            let ticket = Ticket {
                purpose: Purpose::DeltaPage, tenant: 9, bound: bound(&["groups", ""]), place, inner, top, from, to, at, select,
            };
            let text = ticket.seal(key);
            prop_assert_eq!(Ticket::open(key, Purpose::DeltaPage, &text), Some(ticket));
            prop_assert_eq!(Ticket::open(key, Purpose::Page, &text), None);
            prop_assert_eq!(Ticket::open(key ^ 1, Purpose::DeltaPage, &text), None);
        }

        #[test]
        fn any_text_is_taken(text in ".{0,120}") {
            prop_assert_eq!(Ticket::open(1, Purpose::Page, &text), None);
        }
    }
}
