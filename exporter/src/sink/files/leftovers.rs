//! Files of another format or layout that a sink had before: whoever reads them would read what is no longer so, and
//! whoever was erased would still stand in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proto::ids::TenantId;

use crate::record::kinds;
use crate::sink::format::Encoding;

/// Removes every file of a sink's names, in whatever format and layout, that isn't among `keep`: paths in `dir`. What
/// can't be removed stays until the next time.
pub(in crate::sink) fn remove(dir: &Path, keep: &BTreeSet<PathBuf>) {
    for name in Encoding::any_names() {
        drop_unless(keep, dir, Path::new(&name));
    }
    for tenant in names(dir).filter(|name| is_tenant(name)) {
        for kind in kinds().map(|kind| format!("kind={kind}")) {
            let home = Path::new(&tenant).join(&kind);
            for part in names(&dir.join(&home)).filter(|name| name.starts_with("part-")) {
                drop_unless(keep, dir, &home.join(part));
            }
            // Refused while something is in it.
            let _ = fs::remove_dir(dir.join(&home));
        }
        let _ = fs::remove_dir(dir.join(&tenant));
    }
}

fn drop_unless(keep: &BTreeSet<PathBuf>, dir: &Path, name: &Path) {
    if keep.contains(name) {
        return;
    }
    match fs::remove_file(dir.join(name)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %dir.join(name).display(), error = %e, "an old file of a sink stays");
        }
        _ => {}
    }
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn is_tenant(name: &str) -> bool {
    let id = name.strip_prefix("tenant=");
    id.is_some_and(|id| id.parse::<TenantId>().is_ok())
}
