//! `PATH/manifest.json`: written last, so that whoever finds files that don't match it knows that a newer one comes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proto::ids::{Closing, TenantId};
use serde::Serialize;

use super::disk;
use super::index::{Index, Run};
use crate::error::Error;
use crate::sink::format::Encoding;

#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    kinds: BTreeMap<&'a str, Kind<'a>>,
    tenants: BTreeMap<TenantId, Tenant<'a>>,
}

#[derive(Serialize)]
struct Kind<'a> {
    count: u64,
    sha256: &'a str,
    file: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tenant<'a> {
    as_of: Closing,
    runs: &'a [Run],
}

/// Where the manifest of a directory is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("manifest.json")
}

/// Writes the manifest, unless it says the same already.
pub(super) fn write(dir: &Path, encoding: &Encoding, index: &Index) -> Result<(), Error> {
    let targets = encoding.targets();
    let each = targets
        .iter()
        .flat_map(|target| target.kinds.iter().map(move |kind| (target, *kind)));
    let kinds = each.filter_map(|(target, kind)| {
        let (file, visible) = index.visible.as_ref()?.get_key_value(&target.name)?;
        let parts = index.parts(&[kind]);
        let kind_of = Kind {
            count: parts.iter().map(|part| part.content.count).sum(),
            sha256: &visible.content.sha256,
            file,
        };
        Some((kind, kind_of))
    });
    let tenants = index.tenants.iter().map(|(t, p)| {
        (
            *t,
            Tenant {
                as_of: p.as_of,
                runs: &p.runs,
            },
        )
    });
    let manifest = Manifest {
        format: 1,
        kinds: kinds.collect(),
        tenants: tenants.collect(),
    };
    let path = path(dir);
    let mut bytes = serde_json::to_vec(&manifest).map_err(|e| disk::at(&path)(e.into()))?;
    bytes.push(b'\n');
    if std::fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    disk::write(&path, &bytes)
}
