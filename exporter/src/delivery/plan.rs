//! What a record means for a sink that was sent others before. Pure.

use proto::ids::Closing;
use sha2::{Digest as _, Sha256};

/// What a payload is recognised by: the first half of its SHA-256.
pub(crate) type Digest = [u8; 16];

/// Recognises a payload.
pub(crate) fn digest(payload: &[u8]) -> Digest {
    let mut digest = Digest::default();
    let hash = Sha256::digest(payload);
    digest.iter_mut().zip(hash).for_each(|(d, h)| *d = h);
    digest
}

/// What a sink was sent of a key last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Under which number.
    pub closing: Closing,
    /// What; `None` when it was a removal.
    pub digest: Option<Digest>,
    /// Whether the sink said that it has it. False from before a push until its answer is stored.
    pub sure: bool,
    /// The id that the sink gave it.
    pub remote: Option<String>,
}

/// The number under which a state goes to the sink; `None` when the sink has it.
///
/// `floor` is above every number that the sink may have been sent by a ledger that was lost.
pub(crate) fn plan(
    known: Option<&Delivered>,
    closing: Closing,
    digest: Option<Digest>,
    floor: Closing,
) -> Option<Closing> {
    let Some(known) = known else {
        // What the sink never had needn't be taken from it.
        return digest.map(|_| closing.max(floor));
    };
    match (known.digest == digest, known.sure) {
        (true, true) => None,
        // Perhaps it has it: the same again, so that it can tell.
        (true, false) => Some(known.closing),
        (false, _) => Some(closing.max(Closing(known.closing.0 + 1)).max(floor)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(closing: u64, payload: Option<&[u8]>, sure: bool) -> Delivered {
        Delivered {
            closing: Closing(closing),
            digest: payload.map(digest),
            sure,
            remote: None,
        }
    }

    #[test]
    fn what_the_sink_has_is_not_sent_and_what_it_may_have_is_sent_alike() {
        let zero = Closing(0);
        let (a, b) = (Some(digest(b"a")), Some(digest(b"b")));
        assert_eq!(plan(None, Closing(5), a, zero), Some(Closing(5)));
        assert_eq!(plan(None, Closing(5), None, zero), None);
        let sure = known(5, Some(b"a"), true);
        assert_eq!(plan(Some(&sure), Closing(9), a, zero), None);
        assert_eq!(plan(Some(&sure), Closing(9), b, zero), Some(Closing(9)));
        assert_eq!(plan(Some(&sure), Closing(9), None, zero), Some(Closing(9)));
        let unsure = known(5, Some(b"a"), false);
        assert_eq!(plan(Some(&unsure), Closing(9), a, zero), Some(Closing(5)));
        assert_eq!(plan(Some(&unsure), Closing(9), b, zero), Some(Closing(9)));
        let removing = known(5, None, false);
        assert_eq!(
            plan(Some(&removing), Closing(9), None, zero),
            Some(Closing(5))
        );
        let removed = known(5, None, true);
        assert_eq!(plan(Some(&removed), Closing(9), None, zero), None);
        assert_eq!(plan(Some(&removed), Closing(9), a, zero), Some(Closing(9)));
    }

    proptest! {
        /// Whatever a ledger says after it was restored, numbers of a key never fall, and two states never share one.
        #[test]
        fn numbers_rise(states in proptest::collection::vec((0u64..20, proptest::option::of(0u8..3), any::<bool>()), 1..40)) {
            let mut last: Option<Delivered> = None;
            for (closing, payload, sure) in states {
                let digest = payload.map(|p| digest(&[p]));
                let number = plan(last.as_ref(), Closing(closing), digest, Closing(0));
                if let (Some(number), Some(last)) = (number, &last) {
                    let same = last.digest == digest;
                    prop_assert_eq!(number == last.closing, same);
                    prop_assert!(number >= last.closing);
                }
                if let Some(closing) = number {
                    last = Some(Delivered { closing, digest, sure, remote: None });
                }
            }
        }
    }
}
