//! From users to the lines of an application roster, and from these to files.
//!
//! | field of ApplicationRoster v1 | from |
//! |---|---|
//! | `uniqueId` | `userId`, Graph's id: neither a new name nor a new address makes another user |
//! | `email` | `mail`, else `userPrincipalName` |
//! | `firstName`, `lastName` | `givenName`, `surname`; where one is missing the parts of `displayName`, where that has but one part `-` |
//! | `skus` | `skuPartNumber` of `assignedLicenses`, each once; the SKU's GUID where no name is known |
//! | `activatedAt` | `createdDateTime`; where that is missing, 1970 |
//! | `deactivatedAt` | never: a full load sets it for whoever is not in it |
//!
//! Limits: JSON lines, gzip, 10 MB a file, 10 files a job. Idempotency key: `uniqueId`.
//!
//! Source: Flexera, "SaaS data payload" (developer.flexera.com), ApplicationRoster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use proto::inventory::v1::User;
use serde::{Deserialize, Serialize};

use crate::sink::people::cut;

/// Bytes of a file, packed. Whether Flexera's MB are of 1,000 or 1,024 is not said.
pub(super) const LONGEST_FILE: usize = 10_000_000;

/// What a packer may hold back before it writes.
const HELD_BACK: usize = 256 * 1024;

/// Characters of a name. Flexera documents no length.
const LONGEST_NAME: usize = 255;

/// Stands where a name is demanded and nobody has one.
const NAMELESS: &str = "-";

/// Stands where a moment is demanded and nobody knows it.
const UNKNOWN: &str = "1970-01-01T00:00:00Z";

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    unique_id: String,
    email: String,
    first_name: String,
    last_name: String,
    skus: Vec<String>,
    activated_at: String,
}

/// The users of a tenant. Products may come after them, so their names are put in at the end.
pub(super) struct Roster {
    /// Lines with the GUIDs of SKUs.
    rough: GzEncoder<Vec<u8>>,
    /// How many there are.
    pub count: u64,
    /// How many have no address: the roster can't hold them.
    pub untold: u64,
    /// Part numbers by SKU.
    names: BTreeMap<String, String>,
}

/// A file that is to be uploaded.
pub(super) struct File {
    pub bytes: Vec<u8>,
    /// MD5 of the bytes, 32 hexadecimal digits in lower case.
    pub checksum: String,
}

impl Roster {
    pub(super) fn new() -> Self {
        Roster {
            rough: GzEncoder::new(Vec::new(), Compression::fast()),
            count: 0,
            untold: 0,
            names: BTreeMap::new(),
        }
    }

    /// What a SKU is called.
    pub(super) fn name(&mut self, sku: &str, part_number: &str) {
        if !part_number.is_empty() {
            self.names.insert(sku.to_owned(), part_number.to_owned());
        }
    }

    pub(super) fn add(&mut self, user: &User) -> io::Result<()> {
        let Some(line) = line(user) else {
            self.untold += 1;
            return Ok(());
        };
        self.count += 1;
        serde_json::to_writer(&mut self.rough, &line)?;
        self.rough.write_all(b"\n")
    }

    /// Ends the roster.
    pub(super) fn finish(self) -> io::Result<Finished> {
        Ok(Finished {
            rough: self.rough.finish()?,
            names: self.names,
        })
    }
}

/// A roster that is whole.
pub(super) struct Finished {
    rough: Vec<u8>,
    names: BTreeMap<String, String>,
}

impl Finished {
    /// Its files, none longer than this. There is one at least, though nobody may be in it.
    pub(super) fn files(&self, longest: usize) -> io::Result<Vec<File>> {
        let most = longest.saturating_sub(HELD_BACK).max(1);
        let mut files = Vec::new();
        let mut file = packer();
        for line in BufReader::new(GzDecoder::new(self.rough.as_slice())).lines() {
            let mut line: Line = serde_json::from_str(&line?)?;
            let named = |sku: String| self.names.get(&sku).cloned().unwrap_or(sku);
            let skus: BTreeSet<_> = line.skus.into_iter().map(named).collect();
            line.skus = skus.into_iter().collect();
            if file.get_ref().len() >= most {
                files.push(File::of(std::mem::replace(&mut file, packer()))?);
            }
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
        }
        files.push(File::of(file)?);
        Ok(files)
    }
}

fn packer() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::default())
}

impl File {
    fn of(packer: GzEncoder<Vec<u8>>) -> io::Result<File> {
        let bytes = packer.finish()?;
        let checksum = Md5::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(File { bytes, checksum })
    }
}

/// The line of a user; none of one who has no address.
fn line(user: &User) -> Option<Line> {
    let given = |text: &Option<String>| {
        let text = text.as_deref().map(|t| cut(t.trim(), LONGEST_NAME));
        text.filter(|t| !t.is_empty())
    };
    let email = given(&user.mail).or_else(|| given(&user.user_principal_name))?;
    let shown = given(&user.display_name).unwrap_or_default();
    let (first, last) = shown.rsplit_once(' ').unwrap_or((&shown, ""));
    let or = |text: Option<String>, part: &str| match (text, part.trim()) {
        (Some(text), _) => text,
        (None, "") => NAMELESS.to_owned(),
        (None, part) => part.to_owned(),
    };
    let skus = user.assigned_licenses.iter();
    Some(Line {
        unique_id: user.user_id.clone(),
        email,
        first_name: or(given(&user.given_name), first),
        last_name: or(given(&user.surname), last),
        skus: skus.map(|l| l.sku_id.clone()).collect(),
        activated_at: given(&user.created_date_time).unwrap_or_else(|| UNKNOWN.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proto::inventory::v1::AssignedLicense;
    use serde_json::{Value, json};

    use super::*;

    fn user(id: &str, name: &str, skus: &[&str]) -> User {
        let license = |sku: &&str| AssignedLicense {
            sku_id: (*sku).to_owned(),
            disabled_plans: Vec::new(),
        };
        User {
            user_id: id.into(),
            display_name: Some(name.into()),
            user_principal_name: Some(format!("{id}@x")),
            assigned_licenses: skus.iter().map(license).collect(),
            ..User::default()
        }
    }

    fn lines(file: &File) -> Vec<Value> {
        let mut text = String::new();
        let mut unpacked = GzDecoder::new(file.bytes.as_slice());
        unpacked.read_to_string(&mut text).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_all_that_is_required_and_no_sku_twice() {
        let mut roster = Roster::new();
        roster
            .add(&user("u1", "Ann van Dyke", &["1", "2", "3"]))
            .unwrap();
        roster.name("1", "SPE_E5");
        roster.name("2", "SPE_E5");
        roster.name("3", "");
        let ann = User {
            mail: Some("ann@y".into()),
            given_name: Some("Ann\u{7}".into()),
            created_date_time: Some("2026-01-02T00:00:00Z".into()),
            ..user("u2", "", &[])
        };
        roster.add(&ann).unwrap();
        let nobody = User {
            user_principal_name: Some(" ".into()),
            ..user("u3", "Nobody", &[])
        };
        roster.add(&nobody).unwrap();
        assert_eq!((roster.count, roster.untold), (2, 1));
        let files = roster.finish().unwrap().files(LONGEST_FILE).unwrap();
        assert_eq!(files.len(), 1);
        let expected = [
            json!({
                "uniqueId": "u1", "email": "u1@x", "firstName": "Ann van", "lastName": "Dyke",
                "skus": ["3", "SPE_E5"], "activatedAt": "1970-01-01T00:00:00Z",
            }),
            json!({
                "uniqueId": "u2", "email": "ann@y", "firstName": "Ann", "lastName": "-",
                "skus": [], "activatedAt": "2026-01-02T00:00:00Z",
            }),
        ];
        assert_eq!(lines(&files[0]), expected);
    }

    #[test]
    fn files_stay_below_their_limit_whatever_somebody_is_called() {
        let mut roster = Roster::new();
        let long = "x".repeat(2 << 20);
        for n in 0..40_000_u64 {
            // What a packer can make nothing of.
            let id = Md5::digest(n.to_le_bytes());
            let id: String = id.iter().map(|b| format!("{b:02x}")).collect();
            roster.add(&user(&id, &id, &[])).unwrap();
        }
        roster.add(&user("u1", &long, &[])).unwrap();
        let roster = roster.finish().unwrap();
        let longest = 1_000_000;
        let files = roster.files(longest).unwrap();
        assert!(files.len() > 1 && files.iter().all(|f| f.bytes.len() <= longest));
        let all: usize = files.iter().map(|f| lines(f).len()).sum();
        assert_eq!(all, 40_001);
        let last = lines(files.last().unwrap()).pop().unwrap();
        assert_eq!(last["firstName"].as_str().unwrap().len(), LONGEST_NAME);
        let empty = Roster::new().finish().unwrap().files(longest).unwrap();
        assert!(matches!(empty.as_slice(), [file] if lines(file).is_empty()));
    }
}
