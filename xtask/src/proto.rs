//! `cargo xtask proto`: Rust code from the .proto files, checked in so that a build needs no generator.

mod generate;
mod modules;
mod shapes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use prost::Message as _;

use crate::command::{cargo, passes};
use crate::workspace;

/// File name to content, of everything in proto/src/gen.
type Files = BTreeMap<String, Vec<u8>>;

/// Writes the generated files, or with `check` only says which ones are not up to date.
pub fn run(check: bool) -> Result<ExitCode> {
    let root = workspace::root().join("proto");
    let gen_dir = root.join("src/gen");
    let fresh = generate::generate(&root.join("proto"))?;
    let drifted = drift(&fresh, &read(&gen_dir)?);
    if !check {
        write(&gen_dir, &fresh, &drifted)?;
        println!(
            "{} files in proto/src/gen, {} changed",
            fresh.len(),
            drifted.len()
        );
        return Ok(ExitCode::SUCCESS);
    }
    if drifted.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("not what the .proto files say; run `cargo xtask proto`:");
    drifted
        .iter()
        .for_each(|name| eprintln!("  proto/src/gen/{name}"));
    Ok(ExitCode::FAILURE)
}

/// Makes the contracts of now those that later ones are compared with (`proto/tests/additive.rs`).
pub fn release() -> Result<ExitCode> {
    let root = workspace::root().join("proto");
    let current = root.join("src/gen/descriptor.bin");
    let current = fs::read(&current).with_context(|| format!("read {}", current.display()))?;
    let mut set = prost_types::FileDescriptorSet::decode(&current[..])?;
    // Comments may change.
    set.file
        .iter_mut()
        .for_each(|file| file.source_code_info = None);
    let released = root.join("released.bin");
    fs::write(&released, set.encode_to_vec())
        .with_context(|| format!("write {}", released.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the reference of records. What makes it knows the datasets, and so is a test of the catalog.
pub fn records() -> Result<ExitCode> {
    let mut test = cargo();
    test.args([
        "test",
        "--quiet",
        "--package",
        "catalog",
        "--test",
        "records",
    ]);
    Ok(match passes(test.env("LEASTWISE_WRITE_RECORDS", "1"))? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The names that are missing, different, or there although nothing generates them.
fn drift(fresh: &Files, present: &Files) -> Vec<String> {
    let mut names: Vec<_> = fresh
        .keys()
        .chain(present.keys())
        .filter(|name| fresh.get(*name) != present.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

fn read(dir: &Path) -> Result<Files> {
    let mut files = Files::new();
    if !dir.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let entry = entry?;
        files.insert(
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path())?,
        );
    }
    Ok(files)
}

/// Touches only what changed, so that cargo rebuilds only then.
fn write(dir: &Path, fresh: &Files, names: &[String]) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    for name in names {
        let path = dir.join(name);
        match fresh.get(name) {
            Some(content) => fs::write(&path, content),
            None => fs::remove_file(&path),
        }
        .with_context(|| format!("update {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_code_is_what_the_proto_files_say() {
        let root = workspace::root().join("proto");
        let fresh = generate::generate(&root.join("proto")).unwrap();
        let drifted = drift(&fresh, &read(&root.join("src/gen")).unwrap());
        assert!(
            drifted.is_empty(),
            "run `cargo xtask proto`; out of date in proto/src/gen: {drifted:?}"
        );
    }

    #[test]
    fn drift_names_what_is_missing_different_and_left_over() {
        let files = |entries: &[(&str, &str)]| {
            entries
                .iter()
                .map(|(n, c)| (n.to_string(), c.as_bytes().to_vec()))
                .collect::<Files>()
        };
        let fresh = files(&[("a.rs", "1"), ("b.rs", "1"), ("c.rs", "1")]);
        let present = files(&[("a.rs", "1"), ("b.rs", "2"), ("d.rs", "1")]);
        assert_eq!(drift(&fresh, &present), ["b.rs", "c.rs", "d.rs"]);
    }
}
