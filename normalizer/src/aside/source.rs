//! The sources of set-aside objects, sealed: they are a person's data, and nobody has looked at them yet.

use std::path::{Path, PathBuf};

use runtime::Problem;
use runtime::config::below;
use runtime::seal::{Purpose, Ring, make};
use serde::{Deserialize, Serialize};

/// What the key files are for.
const KEY: Purpose = Purpose {
    code: "LW-5040",
    of: "set-aside objects",
};

/// `[at_rest]`: the key that sources of set-aside objects are sealed with. Without it only reasons are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtRest {
    /// Holds the key: 32 random bytes in base64. Looked at every minute: a new key is taken up.
    pub key_file: PathBuf,
    /// Keys of before, until what was sealed with them is past its time (`retention.set_aside_days`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_key_files: Vec<PathBuf>,
}

impl AtRest {
    /// Of an installation in one process, whose key lies beside its database: it is made where it is missing. That
    /// guards copies of the database, not the directory.
    ///
    /// # Errors
    /// `LW-5040` when it can't be written.
    pub fn embedded(key_file: PathBuf) -> Result<Self, Problem> {
        make(KEY, &key_file)?;
        Ok(AtRest {
            key_file,
            old_key_files: Vec::new(),
        })
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// `LW-5040` when a file is missing, can't be read or holds no key.
    pub fn open(&self) -> Result<Ring, Problem> {
        Ring::open(KEY, &self.key_file, &self.old_key_files)
    }

    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        below(base, &mut self.key_file);
        self.old_key_files.iter_mut().for_each(|f| below(base, f));
    }
}

/// What a source is bound to: in another row it doesn't open.
pub(crate) struct Place(String);

impl Place {
    pub fn new(
        tenant: &str,
        dataset: &str,
        (run, attempt, sequence): (u64, u64, u32),
        key: Option<&str>,
    ) -> Place {
        // A zero byte is in no id and no name.
        let key = key.unwrap_or_default();
        Place(format!(
            "leastwise set aside 1\0{tenant}\0{dataset}\0{run}\0{attempt}\0{sequence}\0{key}"
        ))
    }

    /// The id of the key, and the source sealed under it.
    pub fn seal(&self, ring: &Ring, source: &str) -> (String, Vec<u8>) {
        let key = ring.current();
        (
            key.id.clone(),
            key.seal(self.0.as_bytes(), source.as_bytes()),
        )
    }

    /// The source of a row.
    ///
    /// # Errors
    /// `LW-5041` when its key isn't there, `LW-5042` when the row was changed.
    pub fn open(&self, ring: Option<&Ring>, under: &str, sealed: &[u8]) -> Result<String, Problem> {
        let Some(key) = ring.and_then(|ring| ring.get(under)) else {
            return Err(Problem::new(
                "LW-5041",
                format!(
                    "the source of a set-aside object is sealed under the key {under}, which is in no key file."
                ),
                "name that key's file in at_rest.old_key_files; where it is lost, the object comes again with the next \
                 full reading",
            ));
        };
        let plain = key.open(self.0.as_bytes(), sealed);
        let text = plain.and_then(|plain| String::from_utf8(plain.to_vec()).ok());
        text.ok_or_else(|| {
            Problem::new(
                "LW-5042",
                "the source of a set-aside object was changed, damaged or exchanged with another one.",
                "see who writes to the ledger's database; the object comes again with the next full reading",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_rest(dir: &Path, name: &str) -> AtRest {
        AtRest::embedded(dir.join(name)).unwrap()
    }

    #[test]
    fn opens_in_its_row_and_under_its_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let ring = at_rest(dir.path(), "a").open().unwrap();
        let place = |n| Place::new("t", "users", (7, 8, n), Some("k"));
        let (under, sealed) = place(1).seal(&ring, "{\"id\":1}");
        assert!(!sealed.windows(4).any(|w| w == b"\"id\""));
        let open = |ring, n, under: &str, sealed: &[u8]| place(n).open(ring, under, sealed);
        assert_eq!(open(Some(&ring), 1, &under, &sealed).unwrap(), "{\"id\":1}");
        let code = |opened: Result<String, Problem>| opened.unwrap_err().code;
        assert_eq!(code(open(Some(&ring), 2, &under, &sealed)), "LW-5042");
        assert_eq!(code(open(Some(&ring), 1, &under, &sealed[1..])), "LW-5042");
        assert_eq!(code(open(Some(&ring), 1, &under, &[])), "LW-5042");
        assert_eq!(code(open(None, 1, &under, &sealed)), "LW-5041");
        let other = at_rest(dir.path(), "b").open().unwrap();
        assert_eq!(code(open(Some(&other), 1, &under, &sealed)), "LW-5041");
    }

    #[test]
    fn after_a_change_of_keys_the_old_ones_still_open() {
        let dir = tempfile::tempdir().unwrap();
        let mut at_rest = at_rest(dir.path(), "key");
        let place = Place::new("t", "users", (7, 8, 9), None);
        let ring = at_rest.open().unwrap();
        let (under, sealed) = place.seal(&ring, "x");
        std::fs::rename(&at_rest.key_file, dir.path().join("old")).unwrap();
        make(KEY, &at_rest.key_file).unwrap();
        assert!(ring.refresh().unwrap());
        assert_ne!(ring.current().id, under);
        assert_eq!(place.open(Some(&ring), &under, &sealed).unwrap(), "x");
        // After a restart, if the file is named.
        at_rest.old_key_files = vec![dir.path().join("old")];
        let ring = at_rest.open().unwrap();
        assert_eq!(place.open(Some(&ring), &under, &sealed).unwrap(), "x");
    }

    #[test]
    fn a_key_file_that_is_missing_or_wrong_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| AtRest {
            key_file: dir.path().join(name),
            old_key_files: Vec::new(),
        };
        for (name, content) in [("short", "AAAA"), ("no base64", "?"), ("empty", "")] {
            std::fs::write(dir.path().join(name), content).unwrap();
            assert_eq!(at(name).open().err().unwrap().code, "LW-5040", "{name}");
        }
        let missing = at("missing").open().err().unwrap();
        assert_eq!(missing.code, "LW-5040");
        assert!(missing.to_string().contains("missing"), "{missing}");
    }
}
