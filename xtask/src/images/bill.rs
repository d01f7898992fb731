//! A bill of materials for each program, in CycloneDX.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::PROGRAMS;
use crate::command::{command, passes};
use crate::tools::CYCLONEDX;
use crate::workspace;

/// Writes `NAME.cdx.json` for each. Where nothing is shipped, one that says so: it takes a tool that takes minutes to build.
pub fn of_materials(directory: &Path, shipped: bool) -> Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let tool = match shipped {
        true => Some(CYCLONEDX.program()?),
        false => None,
    };
    for (name, feature) in PROGRAMS {
        let file = directory.join(format!("{name}.cdx.json"));
        let bill = match &tool {
            Some(tool) => listed(tool, name, feature)?,
            None => json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": [],
                "metadata": { "component": { "type": "application", "name": name, "description": "not for shipping: nothing is listed" } } }),
        };
        fs::write(&file, serde_json::to_string_pretty(&bill)?)?;
    }
    Ok(directory.to_path_buf())
}

/// What cargo links into a program. The tool writes beside the manifest, so it is moved from there.
fn listed(tool: &Path, name: &str, feature: &str) -> Result<Value> {
    let mut list = command(tool);
    list.args([
        "cyclonedx",
        "--format",
        "json",
        "--quiet",
        "--spec-version",
        "1.5",
        "--no-build-deps",
        "--target",
        "x86_64-unknown-linux-gnu",
    ])
    .args(["--no-default-features", "--features", feature])
    .args(["--override-filename", "bill", "--manifest-path"])
    .arg(workspace::root().join(name).join("Cargo.toml"));
    if !passes(&mut list)? {
        bail!("what {name} is made of can't be listed");
    }
    let beside = workspace::root().join(name).join("bill.json");
    let mut bill: Value =
        serde_json::from_str(&fs::read_to_string(&beside).context("read the bill")?)?;
    tidy(&workspace::root(), 2);
    // Random, and the time of the listing: the same sources shall give the same file.
    if let Some(bill) = bill.as_object_mut() {
        bill.remove("serialNumber");
    }
    if let Some(metadata) = bill["metadata"].as_object_mut() {
        metadata.remove("timestamp");
    }
    // Paths of this machine are no property of the program.
    let here = format!("file://{}", workspace::root().display());
    let text = bill.to_string().replace(&here, "file:///leastwise");
    Ok(serde_json::from_str(&text)?)
}

/// It writes one beside each member of the workspace.
fn tidy(directory: &Path, depth: u32) {
    fs::remove_file(directory.join("bill.json")).ok();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if depth > 0 && entry.path().is_dir() {
            tidy(&entry.path(), depth - 1);
        }
    }
}
