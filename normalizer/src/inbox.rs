//! A mapped page as it waits in the inbox. Pure.

use std::io::Read as _;

use prost::Message;
use proto::kind::RecordKind;
use proto::pages::v1::{PageFetched, Unfamiliar};
use sha2::{Digest as _, Sha256};

use crate::map::{self, Mapped, SetAside, lower};
use crate::privacy::Care;
use crate::privacy::suppression::Learned;

/// Most bytes of a page's JSON. The collector splits long before that; beyond it lies a compression bomb.
const MOST_BYTES: u64 = 256 << 20;
/// The fastest level: pages rest here for seconds.
const LEVEL: i32 = 1;

/// What a page holds for the ledger.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Content {
    /// Sorted by key, each key once: what the ledger does next goes through an index in that order.
    #[prost(message, repeated, tag = "1")]
    pub records: Vec<Mapped>,
    /// Keys that Graph answered with "gone".
    #[prost(string, repeated, tag = "2")]
    pub gone: Vec<String>,
    /// Keys that Graph answered with 404 unexpectedly.
    #[prost(string, repeated, tag = "3")]
    pub missing: Vec<String>,
    /// Objects that can't be read.
    #[prost(message, repeated, tag = "4")]
    pub set_aside: Vec<SetAside>,
    /// What the page has that this release doesn't know.
    #[prost(message, repeated, tag = "5")]
    pub unfamiliar: Vec<Unfamiliar>,
}

/// A row of the inbox.
#[derive(Debug)]
pub struct Row {
    /// Why the page can't be used; `None` for a usable one.
    pub gap: Option<String>,
    /// Objects on the page, those that can't be read included.
    pub objects: u32,
    /// Objects that can't be read.
    pub set_aside: Vec<SetAside>,
    /// What the page has that this release doesn't know.
    pub unfamiliar: Vec<Unfamiliar>,
    /// The JSON of each of `set_aside`; it goes nowhere unsealed.
    pub sources: Vec<String>,
    /// By what else erased people are known now.
    pub learned: Vec<Learned>,
    /// SHA-256 of the page as Graph sent it.
    pub sha256: [u8; 32],
    /// zstd of [`Content`].
    pub content: Vec<u8>,
}

impl Row {
    /// A page that can't be used.
    pub fn gap(reason: impl Into<String>) -> Row {
        Row {
            gap: Some(reason.into()),
            objects: 0,
            set_aside: Vec::new(),
            unfamiliar: Vec::new(),
            sources: Vec::new(),
            learned: Vec::new(),
            sha256: [0; 32],
            content: Vec::new(),
        }
    }
}

/// Maps a page, taking care of the people in it. One that can't be used becomes a gap.
pub(crate) fn digest(kind: RecordKind, page: PageFetched, care: &Care) -> Row {
    read(kind, page, care).unwrap_or_else(Row::gap)
}

fn read(kind: RecordKind, page: PageFetched, care: &Care) -> Result<Row, String> {
    let json = unpack(&page.body)?;
    let sha256 = Sha256::digest(&json).into();
    // Checked once for the whole page, which is faster than string by string.
    let json = String::from_utf8(json).map_err(|_| "not UTF-8".to_owned())?;
    let mut objects = match json.is_empty() {
        true => map::Objects::default(),
        false => map::page(kind, &page.tenant_id, &json)?,
    };
    let count = u32::try_from(objects.records.len() + objects.set_aside.len()).unwrap_or(u32::MAX);
    if count != page.objects {
        return Err(format!(
            "the page holds {count} objects, the collector counted {}",
            page.objects
        ));
    }
    let learned = care.take(kind, &mut objects)?;
    let mut unfamiliar = objects.unfamiliar;
    unfamiliar.extend(map::columns(kind, &page.columns));
    let mut records = objects.records;
    // Stable: of one key's objects the later one stays.
    records.sort_by(|a, b| a.key.cmp(&b.key));
    records.reverse();
    records.dedup_by(|earlier, later| earlier.key == later.key);
    records.reverse();
    let list = |keys: Vec<String>| {
        let mut keys = keys.into_iter().map(lower).collect();
        if let Some(suppressed) = &care.suppressed {
            suppressed.keys(kind, &mut keys);
        }
        keys
    };
    let content = Content {
        records,
        gone: list(page.gone),
        missing: list(page.missing),
        set_aside: objects.set_aside,
        unfamiliar,
    };
    Ok(Row {
        gap: None,
        objects: count,
        sha256,
        learned,
        content: pack(&content)?,
        set_aside: content.set_aside,
        unfamiliar: content.unfamiliar,
        sources: objects.sources,
    })
}

/// The content as a row has it.
pub(crate) fn pack(content: &Content) -> Result<Vec<u8>, String> {
    zstd::bulk::compress(&content.encode_to_vec(), LEVEL).map_err(|e| e.to_string())
}

/// The content of a row.
///
/// # Errors
/// When it was damaged since it was written.
pub fn open(content: &[u8]) -> Result<Content, String> {
    Content::decode(bytes::Bytes::from(unpack(content)?))
        .map_err(|_| "the stored page is damaged".to_owned())
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    if packed.is_empty() {
        return Ok(out);
    }
    let unreadable = |_| "not zstd".to_owned();
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(unreadable)?;
    decoder
        .take(MOST_BYTES + 1)
        .read_to_end(&mut out)
        .map_err(unreadable)?;
    if out.len() as u64 > MOST_BYTES {
        return Err(format!("larger than {MOST_BYTES} bytes"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(kind: RecordKind, page: PageFetched) -> Row {
        super::digest(kind, page, &Care::default())
    }

    fn page(json: &str, objects: u32) -> PageFetched {
        let body = zstd::bulk::compress(json.as_bytes(), 1).unwrap();
        PageFetched {
            tenant_id: "t".into(),
            body,
            objects,
            ..Default::default()
        }
    }

    #[test]
    fn sorts_and_takes_the_later_of_two() {
        let json = r#"{"value":[{"id":"B","city":"x"},{"id":"a"},{"id":"b","city":"y"},{"id":7}]}"#;
        let row = digest(RecordKind::User, page(json, 4));
        assert_eq!(
            (row.gap.as_deref(), row.objects, row.set_aside.len()),
            (None, 4, 1)
        );
        let content = open(&row.content).unwrap();
        let keys: Vec<_> = content.records.iter().map(|r| r.key.as_str()).collect();
        assert_eq!(keys, ["a", "b"]);
        let b = proto::inventory::v1::User::decode(content.records[1].body.clone()).unwrap();
        assert_eq!(b.city.as_deref(), Some("y"));
    }

    #[test]
    fn what_cant_be_used_is_a_gap() {
        for (json, objects) in [
            ("[]", 0),
            ("{", 0),
            (r#"{"value":[{"id":"a"}]}"#, 2),
            (r#"{"value":[1"#, 1),
        ] {
            assert!(
                digest(RecordKind::User, page(json, objects)).gap.is_some(),
                "{json}"
            );
        }
        let torn = PageFetched {
            body: vec![1, 2, 3],
            ..Default::default()
        };
        assert!(digest(RecordKind::User, torn).gap.is_some());
        let none = PageFetched {
            gone: vec!["A".into()],
            ..Default::default()
        };
        assert_eq!(
            open(&digest(RecordKind::User, none).content).unwrap().gone,
            ["a"]
        );
    }

    #[test]
    fn columns_of_a_report_are_compared() {
        let mut page = page(r#"{"value":[]}"#, 0);
        page.columns = vec!["Report Refresh Date".into(), "Prompts".into()];
        let row = digest(RecordKind::CopilotUsage, page);
        let new: Vec<_> = row
            .unfamiliar
            .iter()
            .filter(|u| u.what == "column")
            .collect();
        assert_eq!((new.len(), new[0].name.as_str()), (1, "Prompts"));
        assert_eq!(open(&row.content).unwrap().unfamiliar, row.unfamiliar);
    }

    #[test]
    fn a_page_of_a_later_release_is_read() {
        // A field that this release doesn't know.
        let mut bytes = page(r#"{"value":[{"id":"A"}]}"#, 1).encode_to_vec();
        bytes.extend([0xfa, 0x3e, 3, b'n', b'e', b'w']);
        let row = digest(RecordKind::User, PageFetched::decode(&bytes[..]).unwrap());
        assert_eq!((row.gap, row.objects), (None, 1));
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), json in "\\PC{0,80}") {
            for kind in RecordKind::ALL {
                digest(kind, PageFetched { body: body.clone(), ..Default::default() });
                digest(kind, page(&json, 0));
                digest(kind, page(&format!("{{\"value\":[{json}]}}"), 1));
            }
            _ = open(&body);
        }
    }
}
