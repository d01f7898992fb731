//! From a directory of .proto files to the content of every generated file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail};

use super::{Files, modules, read, shapes};
use crate::command;

/// Packages whose messages people read and write as JSON.
const WITH_SERDE: [&str; 2] = [".leastwise.inventory.v1", ".leastwise.admin.v1"];
const DERIVE_SERDE: &str = "#[derive(serde::Serialize, serde::Deserialize)]";
const CAMEL_CASE: &str = "#[serde(rename_all = \"camelCase\")]";

/// Messages that hold a secret: their `Debug` is written by hand and redacts.
const HAND_WRITTEN_DEBUG: [&str; 2] = [
    ".leastwise.token.v1.GetTokenResponse",
    ".leastwise.admin.v1.FileContent",
];

/// Compiles all .proto files below `include`; the same files give the same bytes.
pub fn generate(include: &Path) -> Result<Files> {
    let sources = sources(include)?;
    if sources.is_empty() {
        bail!("there is no .proto file below {}", include.display());
    }
    let mut compiler = protox::Compiler::new([include])?;
    compiler.include_source_info(true).include_imports(true);
    compiler
        .open_files(&sources)
        .map_err(|error| anyhow!("{error:?}"))?;

    let out = tempfile::tempdir().context("create a directory for the generated code")?;
    let mut builder = tonic_prost_build::configure()
        .out_dir(out.path())
        // A channel is a boxed tower service here, in one process or over TCP: no connecting code.
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .skip_debug(HAND_WRITTEN_DEBUG);
    for package in WITH_SERDE {
        builder = builder
            .type_attribute(package, DERIVE_SERDE)
            .message_attribute(package, CAMEL_CASE)
            .enum_attribute(package, CAMEL_CASE);
    }
    let descriptors = compiler.file_descriptor_set();
    let shapes = shapes::declare(&descriptors);
    builder.compile_fds(descriptors).context("generate code")?;

    let mut files = read(out.path())?;
    let modules = modules::declare(files.keys().map(String::as_str));
    files.insert("mod.rs".to_owned(), modules.into_bytes());
    files.insert("shapes.rs".to_owned(), shapes.into_bytes());
    for (name, content) in &mut files {
        *content = format(content).with_context(|| format!("format {name}"))?;
    }
    files.insert(
        "descriptor.bin".to_owned(),
        compiler.encode_file_descriptor_set(),
    );
    Ok(files)
}

/// All .proto files below `dir`, sorted.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "proto")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// As `cargo fmt` would, so that generated files change only when their content does.
fn format(code: &[u8]) -> Result<Vec<u8>> {
    let mut child = command::command("rustfmt")
        .args(["--edition", "2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start rustfmt (`rustup component add rustfmt`)")?;
    child
        .stdin
        .take()
        .context("rustfmt has no input")?
        .write_all(code)?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt: {}", output.status);
    }
    Ok(output.stdout)
}
