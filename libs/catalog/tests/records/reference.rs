//! The files, and whether they are as they should be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use catalog::Declaration;
use proto::kind::RecordKind;

use crate::message::{self, Message, Messages};
use crate::{page, schema};

/// Rows that the exporter makes of users, and no kind of the ledger.
const PROJECTION: &str = "license_assignment";
/// Set by `cargo xtask records`.
const WRITE: &str = "LEASTWISE_WRITE_RECORDS";

/// A kind of record, or of rows.
pub struct Kind<'a> {
    /// As files and tables spell it.
    pub name: &'static str,
    /// None where records are derived.
    pub dataset: Option<&'static Declaration>,
    /// What its records are.
    pub message: &'a Message,
}

pub fn kinds(messages: &Messages) -> Vec<Kind<'_>> {
    let names = RecordKind::ALL.into_iter().map(RecordKind::name);
    let kind = |name: &'static str| {
        let dataset = catalog::ALL.into_iter().find(|d| d.kind.name() == name);
        let own = messages.get(&camel(name));
        let message = own.unwrap_or_else(|| messages.get("Usage").unwrap());
        Kind {
            name,
            dataset,
            message,
        }
    };
    names.chain([PROJECTION]).map(kind).collect()
}

fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_reference_says_what_the_contracts_say() {
    let messages = message::read();
    let kinds = kinds(&messages);
    let mut files = BTreeMap::from([("docs/records.md".to_owned(), page::page(&kinds, &messages))]);
    for kind in &kinds {
        let path = format!("docs/schema/{}.json", kind.name);
        files.insert(path, schema::schema(kind, &messages));
    }
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(root().join("docs/schema")).unwrap();
        for (path, content) in &files {
            fs::write(root().join(path), content).unwrap();
        }
    }
    let present = fs::read_dir(root().join("docs/schema"))
        .into_iter()
        .flatten();
    let present = present.map(|e| format!("docs/schema/{}", e.unwrap().file_name().display()));
    let extra: Vec<String> = present.filter(|path| !files.contains_key(path)).collect();
    let stale = files.iter().filter(|(path, content)| {
        fs::read_to_string(root().join(path)).ok().as_ref() != Some(content)
    });
    let stale: Vec<&String> = stale.map(|(path, _)| path).collect();
    assert!(
        stale.is_empty(),
        "run `cargo xtask records`; out of date: {stale:?}"
    );
    assert!(
        extra.is_empty(),
        "no kind has this schema, remove it: {extra:?}"
    );
}

#[test]
fn every_field_says_what_it_is() {
    let messages = message::read();
    let mut wrong = Vec::new();
    for kind in kinds(&messages) {
        for (path, field) in kind.message.fields_and_those_inside(&messages) {
            let mut offends = |what: &str| wrong.push(format!("{}.{path}: {what}", kind.name));
            if field.meaning.split(' ').count() < 2 {
                offends("the comment doesn't tell what it means");
            }
            if field.is_number() && field.unit.is_none() {
                offends("a number without `Unit: …`");
            }
            let ours = path == "tenantId" || kind.dataset.is_none();
            if !ours && field.property(kind.dataset).is_none() {
                offends("not selected, so tell whence it comes by `Graph: …`");
            }
        }
        if let Some(dataset) = kind.dataset {
            let named = kind
                .message
                .comment
                .contains(&format!("Dataset {}.", dataset.name));
            if !named && kind.message.name != "Usage" {
                wrong.push(format!("{}: name the dataset {}", kind.name, dataset.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "mend the comments:\n  {}",
        wrong.join("\n  ")
    );
}
