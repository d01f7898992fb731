//! Every code that an error can show is explained, and no other is.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn codes(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("LW-").map(|(at, _)| &text[at + 3..]);
    let numbers = starts.filter_map(|rest| {
        rest.get(..4)
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
    });
    numbers.map(|n| format!("LW-{n}")).collect()
}

#[test]
fn every_code_is_explained_and_nothing_else_is() {
    let mut used = BTreeSet::new();
    for part in [
        "libs/runtime",
        "libs/bus",
        "token-broker",
        "collector",
        "normalizer",
        "exporter",
        "leastwise",
    ] {
        let mut files = Vec::new();
        sources(&root().join(part).join("src"), &mut files);
        for file in files {
            used.extend(codes(&std::fs::read_to_string(&file).unwrap()));
        }
    }
    let explained = codes(&std::fs::read_to_string(root().join("docs/errors.md")).unwrap());
    let missing: Vec<_> = used.difference(&explained).collect();
    let stale: Vec<_> = explained.difference(&used).collect();
    assert!(missing.is_empty(), "explain in docs/errors.md: {missing:?}");
    assert!(
        stale.is_empty(),
        "no code uses, so take out of docs/errors.md: {stale:?}"
    );
}
