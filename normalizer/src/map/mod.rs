//! From Graph's objects to records, pure.
//!
//! Deterministic, because a record's hash decides whether it changed: lists are sorted, ids are in lower case, and
//! absent, null and empty are one.

mod columns;
mod devices;
mod directory;
mod notes;
mod organization;
mod people;
mod subscribed_skus;
mod subscriptions;
mod text;
mod usage;
mod users;
mod watch;

use notes::Notes;
use prost::Message;
use proto::kind::RecordKind;
use proto::pages::v1::Unfamiliar;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

pub use columns::columns;
pub(crate) use notes::Sums;
pub use text::lower;
pub(crate) use usage::key as usage_key;

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
    /// What they have that this release doesn't know.
    pub unfamiliar: Vec<Unfamiliar>,
    /// The JSON of each of `set_aside`.
    pub sources: Vec<String>,
}

/// One kind of Graph's objects.
trait Source {
    type Object<'a>: Deserialize<'a>;
    type Record: Message;
    /// The property that becomes the key; empty where it takes more than one.
    const KEY: &'static str;
    /// Documented properties that Graph may send, and no record shows.
    const UNUSED: &'static [&'static str] = &[];
    /// The record and its key, or why there is none.
    fn record(
        tenant: &str,
        object: Self::Object<'_>,
        notes: &Notes<'_>,
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
    // One malformed object must not cost the others: then each one alone.
    match at_once::<S>(kind, tenant, json) {
        Some(objects) => Ok(objects),
        None => one_by_one::<S>(kind, tenant, json),
    }
}

/// A page of which every object becomes a record.
fn at_once<S: Source>(kind: RecordKind, tenant: &str, json: &str) -> Option<Objects> {
    let notes = Notes::default();
    let page: Page<S::Object<'_>> = watch::read(json, &notes).ok()?;
    if notes.was_removed() {
        return None;
    }
    let mut records = Vec::with_capacity(page.value.len());
    for object in page.value {
        let (key, record) = S::record(tenant, object, &notes).ok()?;
        records.push(mapped(kind, key, &record)?);
    }
    Some(Objects {
        records,
        unfamiliar: notes.take(S::UNUSED),
        ..Objects::default()
    })
}

fn one_by_one<S: Source>(kind: RecordKind, tenant: &str, json: &str) -> Result<Objects, String> {
    let notes = Notes::default();
    let page: Page<&RawValue> =
        watch::read(json, &Notes::default()).map_err(|e| position("not a page of objects", &e))?;
    let mut out = Objects::default();
    for raw in page.value {
        match one::<S>(kind, tenant, raw, &notes) {
            Ok(record) => out.records.push(record),
            Err(reason) => {
                let key = key_of(raw, S::KEY);
                out.set_aside.push(SetAside { key, reason });
                out.sources.push(raw.get().to_owned());
            }
        }
    }
    out.unfamiliar = notes.take(S::UNUSED);
    Ok(out)
}

fn one<'a, S: Source>(
    kind: RecordKind,
    tenant: &str,
    raw: &'a RawValue,
    notes: &Notes<'a>,
) -> Result<Mapped, String> {
    let object = watch::read(raw.get(), notes);
    if notes.was_removed() {
        return Err("named as removed, which is no object".to_owned());
    }
    let object = object.map_err(|e| position("not as documented", &e))?;
    let (key, record) = S::record(tenant, object, notes)?;
    mapped(kind, key, &record).ok_or_else(|| format!("{} is no id", S::KEY))
}

/// A record as it goes into the ledger, unless its key is none.
fn mapped(kind: RecordKind, key: String, record: &impl Message) -> Option<Mapped> {
    is_key(&key).then(|| {
        let body = bytes::Bytes::from(record.encode_to_vec());
        let hash = hash(kind, &body);
        Mapped { key, hash, body }
    })
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
