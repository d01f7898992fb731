//! Sealing: AES-256-GCM under a key of the tenant, with the whole header bound to the content.
//!
//! The tenant's key comes by HKDF-SHA256 from the page key of its pool, or from the key for closings. A header or a
//! content that anybody changed, moved to another tenant, run or page, or sealed without the key is refused, and
//! so is a message whose content disagrees with its header or that lies on a queue where it doesn't belong.
//! A nonce is random: one key may seal 2³² messages, and there is one key for each tenant.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use proto::ids::{IdError, Pool};
use proto::message::{Body, DecodeError, Kind, Label, Queue};

use crate::envelope::{Envelope, EnvelopeError, Header, MAX_BYTES};
use crate::error::PublishError;
use crate::keys::{Key, Keys};

/// A message that could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// This process has no key for it.
    #[error("there is no key to seal a message {0:?} with")]
    NoKey(Kind),
    /// The cipher refused.
    #[error("the cipher failed")]
    Cipher,
}

/// A message that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its header can't be read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Sealed with a key that this process doesn't have.
    #[error("the message is sealed with an unknown key")]
    UnknownKey,
    /// It was changed, or sealed without the key.
    #[error("the message is not authentic")]
    Authentication,
    /// It can't be understood.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An id in it is malformed.
    #[error("the message names a malformed id")]
    Id(#[from] IdError),
    /// Its content is about something else than its header says.
    #[error("the content of the message disagrees with its header")]
    Mislabelled,
    /// It names another pool than the one whose key it is sealed with.
    #[error("the message is sealed with the key of another pool")]
    WrongPool,
    /// It lies where it doesn't belong.
    #[error("the message doesn't belong on {0}")]
    Misplaced(Queue),
}

impl OpenError {
    /// In a word, for counting.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            OpenError::Envelope(EnvelopeError::Foreign | EnvelopeError::Label) => "foreign",
            OpenError::Envelope(EnvelopeError::Format(_) | EnvelopeError::Kind(_))
            | OpenError::Decode(_)
            | OpenError::Id(_) => "format",
            OpenError::UnknownKey => "unknown-key",
            OpenError::Authentication => "not-authentic",
            OpenError::Mislabelled => "mislabelled",
            OpenError::WrongPool => "other-pool",
            OpenError::Misplaced(_) => "misplaced",
        }
    }
}

/// A message that was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Its header.
    pub label: Label,
    /// Its content.
    pub body: Body,
    /// The pool whose key sealed it; none for closings and where one process serves all pools.
    pub pool: Option<Pool>,
}

impl Keys {
    /// Seals a message.
    ///
    /// # Errors
    /// When there is no key for it, it is too large, or an id in it is malformed.
    pub fn seal(&self, body: &Body) -> Result<Envelope, PublishError> {
        let label = body.label()?;
        let key = self
            .sealing(label.kind, pool(body))
            .ok_or(SealError::NoKey(label.kind))?;
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError::Cipher)?;
        let mut out = Header::write(&label, key.id, nonce);
        let header = out.len();
        let content = body.encode();
        let bytes = header + content.len() + AES_256_GCM.tag_len();
        if bytes > MAX_BYTES {
            return Err(PublishError::TooLarge { bytes });
        }
        out.reserve_exact(bytes - header);
        out.extend(content);
        let (aad, content) = out.split_at_mut(header);
        let tag = cipher(key, &label)
            .and_then(|c| {
                c.seal_in_place_separate_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad),
                    content,
                )
                .ok()
            })
            .ok_or(SealError::Cipher)?;
        out.extend(tag.as_ref());
        Ok(Envelope::from_bytes(out))
    }

    /// Opens a message.
    ///
    /// # Errors
    /// When it is foreign, not authentic, of an unknown version, or inconsistent.
    pub fn open(&self, envelope: &Envelope) -> Result<Opened, OpenError> {
        let Header {
            label,
            key,
            nonce,
            length,
        } = Header::read(envelope.bytes())?;
        let (key, owner) = self.opening(label.kind, key).ok_or(OpenError::UnknownKey)?;
        let (aad, content) = envelope.bytes().split_at(length);
        let mut content = content.to_vec();
        let plain = cipher(key, &label)
            .and_then(|c| {
                c.open_in_place(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad),
                    &mut content,
                )
                .ok()
            })
            .ok_or(OpenError::Authentication)?;
        let body = Body::decode(label.kind, label.version, plain)?;
        if body.label()? != label {
            return Err(OpenError::Mislabelled);
        }
        if let (Some(owner), Some(named)) = (owner, pool(&body))
            && owner.as_str() != named
        {
            return Err(OpenError::WrongPool);
        }
        Ok(Opened {
            label,
            body,
            pool: owner.cloned(),
        })
    }
}

fn cipher(key: &Key, label: &Label) -> Option<LessSafeKey> {
    let derived = key.derive(&label.tenant.to_string());
    UnboundKey::new(&AES_256_GCM, derived.as_ref())
        .ok()
        .map(LessSafeKey::new)
}

/// The pool that a message names.
fn pool(body: &Body) -> Option<&str> {
    match body {
        Body::Page(_) | Body::Closing(_) => None,
        Body::Sealed(m) => Some(&m.pool),
        Body::Closed(m) => Some(&m.pool),
        Body::Check(m) => Some(&m.pool),
    }
}

#[cfg(test)]
mod tests {
    use proto::pages::v1::{CheckRequested, ClosingAnnounced, PageFetched};

    use super::*;

    fn page() -> Body {
        Body::Page(PageFetched {
            tenant_id: "11111111-2222-3333-4444-555555555555".into(),
            dataset: "users".into(),
            run: 7,
            attempt: 8,
            sequence: 9,
            body: b"a secret".repeat(10),
            ..Default::default()
        })
    }

    #[test]
    fn what_was_sealed_opens_and_shows_nothing() {
        let keys = Keys::generate();
        let envelope = keys.seal(&page()).unwrap();
        assert_eq!(keys.open(&envelope).unwrap().body, page());
        assert_eq!(envelope.label().unwrap(), page().label().unwrap());
        assert!(!envelope.bytes().windows(8).any(|w| w == b"a secret"));
        let twice = keys.seal(&page()).unwrap();
        assert!(twice != envelope, "each has a nonce of its own");
    }

    #[test]
    fn no_changed_byte_opens() {
        let keys = Keys::generate();
        let whole = keys.seal(&page()).unwrap().bytes().to_vec();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(
                keys.open(&Envelope::from_bytes(changed)).is_err(),
                "byte {at}"
            );
            assert!(
                keys.open(&Envelope::from_bytes(whole[..at].to_vec()))
                    .is_err(),
                "cut at {at}"
            );
        }
        let mut changed = whole;
        changed[15] ^= 1;
        assert!(
            matches!(
                keys.open(&Envelope::from_bytes(changed)),
                Err(OpenError::Authentication)
            ),
            "the run"
        );
    }

    /// Sealed with the key, but under the header of another label.
    fn sealed_as(keys: &Keys, label: &Label) -> Envelope {
        let key = keys.sealing(label.kind, None).unwrap();
        let mut out = Header::write(label, key.id, [7; 12]);
        let aad = out.clone();
        let mut content = page().encode();
        cipher(key, label)
            .unwrap()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key([7; 12]),
                Aad::from(aad),
                &mut content,
            )
            .unwrap();
        out.extend(content);
        Envelope::from_bytes(out)
    }

    #[test]
    fn a_header_of_another_tenant_run_attempt_or_page_is_refused() {
        let keys = Keys::generate();
        let own = page().label().unwrap();
        assert!(keys.open(&sealed_as(&keys, &own)).is_ok());
        let others: [fn(&mut Label); 4] = [
            |l| l.tenant = "66666666-2222-3333-4444-555555555555".parse().unwrap(),
            |l| l.run += 1,
            |l| l.attempt += 1,
            |l| l.sequence += 1,
        ];
        for (n, change) in others.into_iter().enumerate() {
            let mut other = own.clone();
            change(&mut other);
            // Who has the key can write both; they must agree.
            let both = keys.open(&sealed_as(&keys, &other));
            assert!(matches!(both, Err(OpenError::Mislabelled)), "{n}: {both:?}");
            // Who hasn't can put another header before what was sealed.
            let sealed = keys.seal(&page()).unwrap();
            let Header {
                key, nonce, length, ..
            } = Header::read(sealed.bytes()).unwrap();
            let mut moved = Header::write(&other, key, nonce);
            moved.extend(&sealed.bytes()[length..]);
            let moved = keys.open(&Envelope::from_bytes(moved));
            assert!(
                matches!(moved, Err(OpenError::Authentication)),
                "{n}: {moved:?}"
            );
        }
    }

    #[test]
    fn a_message_of_a_later_version_says_which() {
        let keys = Keys::generate();
        let mut later = page().label().unwrap();
        later.version += 1;
        let refused = keys.open(&sealed_as(&keys, &later)).unwrap_err();
        assert_eq!(refused.reason(), "format");
        assert!(
            refused
                .to_string()
                .contains("has version 2, this release reads 1"),
            "{refused}"
        );
    }

    #[test]
    fn a_key_opens_what_it_may_and_for_a_rotation_what_came_before() {
        let keys = Keys::generate();
        let envelope = keys.seal(&page()).unwrap();
        assert!(matches!(
            Keys::generate().open(&envelope),
            Err(OpenError::UnknownKey)
        ));
        let next = keys.rotate();
        assert!(next.open(&envelope).is_ok());
        assert!(
            matches!(next.rotate().open(&envelope), Err(OpenError::UnknownKey)),
            "two rotations later"
        );
    }

    #[test]
    fn another_pool_can_not_be_spoken_to() {
        let keys = Keys::generate_for("eu".parse().unwrap());
        let tenant_id = "11111111-2222-3333-4444-555555555555".to_owned();
        let check = CheckRequested {
            tenant_id: tenant_id.clone(),
            dataset: "users".into(),
            pool: "us".into(),
            suspects: vec![],
        };
        assert!(matches!(
            keys.seal(&Body::Check(check)),
            Err(PublishError::Seal(SealError::NoKey(Kind::Check)))
        ));
        assert_eq!(
            keys.open(&keys.seal(&page()).unwrap()).unwrap().pool,
            Some("eu".parse().unwrap())
        );
        let closing = Body::Closing(ClosingAnnounced {
            tenant_id,
            closing: 3,
        });
        assert_eq!(keys.open(&keys.seal(&closing).unwrap()).unwrap().pool, None);
    }

    #[test]
    fn an_oversized_message_is_refused() {
        let Body::Page(mut large) = page() else {
            unreachable!()
        };
        large.body = vec![0; MAX_BYTES];
        assert!(matches!(
            Keys::generate().seal(&Body::Page(large)),
            Err(PublishError::TooLarge { .. })
        ));
    }
}
