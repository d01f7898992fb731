//! Where the checkout is.

use std::path::{Path, PathBuf};

/// The root of the workspace, whatever directory the command was typed in.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(Into::into);
    root().join(given.unwrap_or_else(|| PathBuf::from("target")))
}
