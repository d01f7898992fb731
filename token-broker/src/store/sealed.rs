//! A file in the database: its content under a key of its own, that key under one of the operator's.

use runtime::seal::{Key, Ring};
use zeroize::Zeroizing;

/// A sealed file. What it is (tenant, name, version) is bound to it: in another place it doesn't open.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    /// Grows with each content.
    pub version: i64,
    /// Microseconds since 1970.
    pub written: i64,
    /// The key that wraps this row's own.
    pub kek: String,
    pub wrapped: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// Why a file doesn't open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    /// The key that wraps it isn't there.
    #[error("it is sealed under the key {0}, which is in none of the store's key files")]
    NoKey(String),
    /// Somebody changed the row, or put another one's content there.
    #[error("its row in the store was changed or exchanged")]
    Exchanged,
}

fn place(tenant: &str, name: &str, version: i64) -> Vec<u8> {
    // A zero byte is in no tenant's id and in no file's name.
    format!("leastwise secret 1\0{tenant}\0{name}\0{version}").into_bytes()
}

impl Sealed {
    pub(super) fn new(
        kek: &Key,
        (tenant, name): (&str, &str),
        (version, written): (i64, i64),
        plain: &[u8],
    ) -> Self {
        let place = place(tenant, name, version);
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *key)
            .unwrap_or_else(|_| unreachable!("the system gives random bytes"));
        let own = Key::new(&*key).unwrap_or_else(|| unreachable!("32 bytes"));
        Sealed {
            version,
            written,
            kek: kek.id.clone(),
            wrapped: kek.seal(&place, &*key),
            sealed: own.seal(&place, plain),
        }
    }

    pub(super) fn open(
        &self,
        ring: &Ring,
        tenant: &str,
        name: &str,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let place = place(tenant, name, self.version);
        let own = self.own_key(ring, &place)?;
        let own = Key::new(&own).ok_or(SealError::Exchanged)?;
        own.open(&place, &self.sealed).ok_or(SealError::Exchanged)
    }

    /// The id of the ring's current key, and the row's own key under it.
    pub(super) fn rewrap(
        &self,
        ring: &Ring,
        tenant: &str,
        name: &str,
    ) -> Result<(String, Vec<u8>), SealError> {
        let place = place(tenant, name, self.version);
        let own = self.own_key(ring, &place)?;
        let kek = ring.current();
        Ok((kek.id.clone(), kek.seal(&place, &own)))
    }

    fn own_key(&self, ring: &Ring, place: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let kek = ring.get(&self.kek);
        let kek = kek.ok_or_else(|| SealError::NoKey(self.kek.clone()))?;
        kek.open(place, &self.wrapped).ok_or(SealError::Exchanged)
    }
}
