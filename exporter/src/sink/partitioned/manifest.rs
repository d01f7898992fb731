//! The manifest: which files make up one whole state.

use std::collections::{BTreeMap, BTreeSet};

use proto::ids::{Closing, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sink::files::index::{Content, Run};
use crate::sink::format::Encoding;

/// How this manifest is written; that of the other layout is 1.
const FORMAT: u64 = 2;

/// Which files make up one whole state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// By tenant and kind; none of a kind of which a tenant has nothing.
    pub parts: Vec<Part>,
    /// Files that nothing is known of but that they were this sink's.
    #[serde(skip)]
    pub old: Vec<String>,
}

/// What is shown of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tenant {
    /// The closing.
    pub as_of: Closing,
    /// The runs behind it.
    pub runs: Vec<Run>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub tenant: TenantId,
    pub kind: String,
    /// Relative to the manifest.
    pub path: String,
    #[serde(flatten)]
    pub content: Content,
}

impl Part {
    /// A file is called after what is in it: one that changes is another file.
    pub(super) fn new(tenant: TenantId, kind: String, content: Content, suffix: &str) -> Self {
        let hash = content.sha256.get(..16).unwrap_or_default();
        Part {
            path: format!("tenant={tenant}/kind={kind}/part-00000-{hash}.{suffix}"),
            tenant,
            kind,
            content,
        }
    }
}

impl Manifest {
    /// Reads a manifest. One of files that are written otherwise, or that can't be understood, tells only which files
    /// were this sink's.
    pub(super) fn read(bytes: &[u8], encoding: &Encoding) -> Self {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let same = value["format"] == FORMAT && value["encoding"] == json!(encoding);
        let known = same.then(|| serde_json::from_value(value.clone()).ok());
        known.flatten().unwrap_or_else(|| Manifest {
            old: paths(&value),
            ..Manifest::default()
        })
    }

    /// Its text.
    pub(super) fn write(&self, encoding: &Encoding) -> Vec<u8> {
        let mut kinds: BTreeMap<&str, u64> = encoding.kinds().map(|kind| (kind, 0)).collect();
        for part in &self.parts {
            *kinds.entry(&part.kind).or_default() += part.content.count;
        }
        let kinds: BTreeMap<_, _> = kinds
            .into_iter()
            .map(|(kind, count)| (kind, json!({ "count": count })))
            .collect();
        let text = json!({
            "format": FORMAT,
            "encoding": encoding,
            "kinds": kinds,
            "tenants": self.tenants,
            "parts": self.parts,
        });
        format!("{text}\n").into_bytes()
    }

    /// The size of each file.
    pub(super) fn sizes(&self) -> BTreeMap<String, u64> {
        let parts = self.parts.iter();
        parts.map(|p| (p.path.clone(), p.content.bytes)).collect()
    }

    /// Records of a tenant and kind.
    pub(super) fn count(&self, tenant: TenantId, kind: &str) -> u64 {
        let parts = self.parts.iter();
        let of = parts.filter(|p| p.tenant == tenant && p.kind == kind);
        of.map(|p| p.content.count).sum()
    }

    /// Whether it names a file.
    pub(super) fn names(&self, path: &str) -> bool {
        self.parts.iter().any(|p| p.path == path)
    }

    /// Replaces what is shown of a tenant.
    pub(super) fn insert(&mut self, id: TenantId, tenant: Tenant, parts: Vec<Part>) {
        self.tenants.insert(id, tenant);
        self.parts.retain(|part| part.tenant != id);
        self.parts.extend(parts);
        self.parts
            .sort_by(|a, b| (a.tenant, &a.kind).cmp(&(b.tenant, &b.kind)));
    }

    /// Forgets the tenants that one of these files belongs to.
    pub(super) fn forget(&mut self, missing: &BTreeSet<String>) {
        let damaged: BTreeSet<TenantId> = self
            .parts
            .iter()
            .filter(|p| missing.contains(&p.path))
            .map(|p| p.tenant)
            .collect();
        self.tenants.retain(|id, _| !damaged.contains(id));
        let (gone, stay) = std::mem::take(&mut self.parts)
            .into_iter()
            .partition(|p| damaged.contains(&p.tenant));
        self.parts = stay;
        let gone: Vec<Part> = gone;
        self.old.extend(gone.into_iter().map(|p| p.path));
    }
}

/// The files that a manifest of ours names; never one elsewhere.
fn paths(manifest: &Value) -> Vec<String> {
    let parts = manifest["parts"].as_array().into_iter().flatten();
    let paths = parts.filter_map(|part| part["path"].as_str());
    let ours = |path: &&str| path.starts_with("tenant=") && !path.contains("..");
    paths.filter(ours).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::format::Format;

    fn manifest() -> Manifest {
        let mut manifest = Manifest::default();
        for (n, id) in (1..).zip([
            "aaaaaaaa-0000-0000-0000-000000000001",
            "bbbbbbbb-0000-0000-0000-000000000002",
        ]) {
            let content = Content {
                count: n,
                bytes: 10 * n,
                sha256: format!("{n:064}"),
            };
            let id: TenantId = id.parse().unwrap();
            let tenant = Tenant {
                as_of: Closing(n),
                runs: Vec::new(),
            };
            manifest.insert(
                id,
                tenant,
                vec![Part::new(id, "user".into(), content, "csv")],
            );
        }
        manifest
    }

    #[test]
    fn what_is_written_is_read_and_of_another_format_only_the_files_are_known() {
        let (csv, ndjson) = (Format::Csv, Format::Ndjson);
        let of = |format| Encoding {
            format,
            ..Encoding::default()
        };
        let bytes = manifest().write(&of(csv));
        assert_eq!(Manifest::read(&bytes, &of(csv)), manifest());
        let other = Manifest::read(&bytes, &of(ndjson));
        assert!(other.tenants.is_empty() && other.parts.is_empty());
        assert_eq!(other.old.len(), 2);
        for broken in ["", "{", "null", r#"{"format":1,"kinds":{}}"#] {
            assert_eq!(
                Manifest::read(broken.as_bytes(), &of(csv)),
                Manifest::default()
            );
        }
        let text = String::from_utf8(bytes)
            .unwrap()
            .replace("tenant=aaaaaaaa", "../x");
        assert_eq!(Manifest::read(text.as_bytes(), &of(ndjson)).old.len(), 1);
    }

    #[test]
    fn a_tenant_that_lacks_a_file_is_forgotten_as_a_whole() {
        let mut some = manifest();
        let path = some.parts[0].path.clone();
        some.forget(&BTreeSet::from([path.clone()]));
        assert_eq!((some.tenants.len(), some.parts.len()), (1, 1));
        assert_eq!(some.old, [path]);
    }
}
