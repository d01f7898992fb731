//! From Graph's objects to records, pure.
//!
//! Deterministic, because a record's hash decides whether it changed: lists are sorted, ids are in lower case, and
//! absent, null and empty are one.

mod devices;
mod directory;
mod organization;
mod people;
mod subscribed_skus;
mod subscriptions;
mod text;
mod usage;
mod users;

use prost::Message;
use proto::kind::RecordKind;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

pub use text::lower;

/// A record as it goes into the ledger.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Mapped {
    /// Key within kind and tenant.
    #[prost(string, tag = "1")]
    pub key: String,
    /// See [`hash`].
    #[prost(bytes = "bytes", tag = "2")]
    pub hash: bytes::Bytes,
    /// The encoded inventory message.
    #[prost(bytes = "bytes", tag = "3")]
    pub body: bytes::Bytes,
}

/// An object that can't be read.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SetAside {
    /// Its key, if that can be read.
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    /// Why; quotes nothing of the object.
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// What the objects of a page became.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// In the order of the page.
    pub records: Vec<Mapped>,
    /// Those that can't be read.
    pub set_aside: Vec<SetAside>,
}

/// One kind of Graph's objects.
trait Source {
    type Object<'a>: Deserialize<'a>;
    type Record: Message;
    /// The property that becomes the key; empty where it takes more than one.
    const KEY: &'static str;
    /// The record and its key, or why there is none.
    fn record(
        tenant: &str,
        object: Self::Object<'_>,
    ) -> Result<(String, Self::Record), &'static str>;
}

/// Maps the JSON `{"value":[…]}` of a dataset's page.
///
/// # Errors
/// When the page as a whole can't be used; the reason quotes nothing of it.
pub fn page(kind: RecordKind, tenant: &str, json: &str) -> Result<Objects, String> {
    use RecordKind as Kind;
    let read = match kind {
        Kind::Organization => read::<organization::Source>,
        Kind::SubscribedSku => read::<subscribed_skus::Source>,
        Kind::Subscription => read::<subscriptions::Source>,
        Kind::User => read::<users::Source>,
        Kind::Domain => read::<directory::Domains>,
        Kind::DeletedUser => read::<directory::DeletedUsers>,
        Kind::Group => read::<directory::Groups>,
        Kind::GroupMember => read::<directory::GroupMembers>,
        Kind::SignInActivity => read::<people::SignIns>,
        Kind::MailboxPurpose => read::<people::Mailboxes>,
        Kind::Device => read::<devices::Devices>,
        Kind::ManagedDevice => read::<devices::ManagedDevices>,
        Kind::DetectedApp => read::<devices::DetectedApps>,
        Kind::ReportSettings => read::<usage::Settings>,
        Kind::OfficeActivation
        | Kind::OfficeActiveUser
        | Kind::M365AppUsage
        | Kind::TeamsActivity
        | Kind::EmailActivity
        | Kind::MailboxUsage
        | Kind::OnedriveUsage
        | Kind::OnedriveActivity
        | Kind::SharepointActivity
        | Kind::CopilotUsage => read::<usage::Rows>,
        Kind::LicensePosition | Kind::Finding | Kind::Unspecified => {
            return Err("no dataset writes this kind".into());
        }
    };
    read(kind, tenant, json)
}

/// The first 16 bytes of SHA-256 of kind and body: whether a record changed.
pub fn hash(kind: RecordKind, body: &[u8]) -> bytes::Bytes {
    let mut h = Sha256::new();
    h.update((kind as i32).to_le_bytes());
    h.update(body);
    bytes::Bytes::copy_from_slice(&h.finalize()[..16])
}

#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
}

fn read<S: Source>(kind: RecordKind, tenant: &str, json: &str) -> Result<Objects, String> {
    let mut out = Objects::default();
    match serde_json::from_str::<Page<S::Object<'_>>>(json) {
        Ok(page) => {
            out.records.reserve_exact(page.value.len());
            page.value
                .into_iter()
                .for_each(|o| put::<S>(kind, tenant, Ok(o), || None, &mut out));
        }
        // One malformed object must not cost the others: each one alone.
        Err(_) => {
            let page: Page<&RawValue> =
                serde_json::from_str(json).map_err(|e| position("not a page of objects", &e))?;
            for raw in page.value {
                let object =
                    serde_json::from_str(raw.get()).map_err(|e| position("not as documented", &e));
                put::<S>(kind, tenant, object, || key_of(raw, S::KEY), &mut out);
            }
        }
    }
    Ok(out)
}

fn put<S: Source>(
    kind: RecordKind,
    tenant: &str,
    object: Result<S::Object<'_>, String>,
    key: impl FnOnce() -> Option<String>,
    out: &mut Objects,
) {
    match object.and_then(|o| S::record(tenant, o).map_err(str::to_owned)) {
        Ok((key, _)) if !is_key(&key) => {
            out.set_aside.push(SetAside {
                key: None,
                reason: format!("{} is no id", S::KEY),
            });
        }
        Ok((key, record)) => {
            let body = bytes::Bytes::from(record.encode_to_vec());
            out.records.push(Mapped {
                key,
                hash: hash(kind, &body),
                body,
            });
        }
        Err(reason) => out.set_aside.push(SetAside { key: key(), reason }),
    }
}

/// Keys go into URLs, file names and sort keys.
pub fn is_key(key: &str) -> bool {
    (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}

/// Where a parser stopped, without what it saw there (serde quotes values).
fn position(what: &str, e: &serde_json::Error) -> String {
    format!("{what} (line {}, column {})", e.line(), e.column())
}

/// The key of an object that is not as documented.
fn key_of(raw: &RawValue, name: &'static str) -> Option<String> {
    struct Find(&'static str);
    impl<'de> Visitor<'de> for Find {
        type Value = Option<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<text::Text<'de>>()? {
                if key.0 == self.0 {
                    found = Some(map.next_value::<&RawValue>()?.get().to_owned());
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    use serde::Deserializer as _;
    let json = serde_json::Deserializer::from_str(raw.get())
        .deserialize_map(Find(name))
        .ok()??;
    let key = serde_json::from_str::<text::Text<'_>>(&json).ok()?;
    Some(lower(key.0.into_owned())).filter(|k| is_key(k))
}

#[cfg(test)]
mod tests;
