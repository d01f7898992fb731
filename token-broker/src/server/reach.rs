//! What a set of permissions unlocks in Microsoft Graph, by a catalogue of its operations. Pure.
//!
//! The catalogue is CSV with the columns `method`, `path` and `application_permissions`; the last holds, separated by
//! spaces, every application permission each of which alone unlocks the operation.

use std::collections::{BTreeMap, BTreeSet};

use runtime::Problem;
use runtime::error::Exit;
use serde::{Deserialize, Serialize};

/// Permissions that somebody asks for.
pub(super) struct Asker {
    /// Who asks for them.
    pub name: &'static str,
    /// All of them.
    pub permissions: &'static [&'static str],
}

/// Whom we are held against: us with fewer and with more permissions, and products by what their documentation asks for,
/// read in November 2026.
pub(super) const OTHERS: [Asker; 6] = [
    Asker {
        name: "Leastwise without subscription dates",
        permissions: &["User.Read.All", "LicenseAssignment.Read.All"],
    },
    Asker {
        name: "the same two, and usage reports",
        permissions: &[
            "User.Read.All",
            "Organization.Read.All",
            "Reports.Read.All",
            "ReportSettings.Read.All",
        ],
    },
    // "Integrating with Microsoft 365", without what reclaims licences.
    Asker {
        name: "ServiceNow SAM Pro, reading only",
        permissions: &[
            "User.Read.All",
            "LicenseAssignment.Read.All",
            "Reports.Read.All",
        ],
    },
    // FlexNet Manager Suite's connector for Microsoft 365.
    Asker {
        name: "Flexera FNMS",
        permissions: &["Directory.Read.All", "Reports.Read.All"],
    },
    // SaaS Manager Plus, "Microsoft 365".
    Asker {
        name: "ManageEngine SaaS Manager Plus",
        permissions: &[
            "Directory.ReadWrite.All",
            "User.ReadWrite.All",
            "Organization.ReadWrite.All",
            "ReportSettings.ReadWrite.All",
        ],
    },
    // SaaS management, "Microsoft Office".
    Asker {
        name: "SAP LeanIX",
        permissions: &[
            "Reports.Read.All",
            "Application.Read.All",
            "Directory.Read.All",
            "Organization.Read.All",
            "AuditLog.Read.All",
            "User.Read.All",
        ],
    },
];

/// An operation of Graph: method and path.
type Operation = (String, String);

/// Which permissions unlock each operation.
#[derive(Debug)]
pub(super) struct Catalogue(BTreeMap<Operation, BTreeSet<String>>);

/// What one set of permissions unlocks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reach {
    /// Who asks for the permissions.
    pub name: &'static str,
    /// The permissions.
    pub permissions: &'static [&'static str],
    /// Operations that one of them unlocks.
    pub operations: usize,
    /// Those of them that are GET.
    pub get: usize,
    /// The others, whether they change something or only look it up.
    pub not_get: Vec<String>,
    /// Operations that our default permissions unlock and these don't; 0: ours are a part of these.
    pub lacks_of_ours: usize,
    /// Permissions that the catalogue never names: what they unlock is not counted.
    pub unknown: Vec<&'static str>,
}

#[derive(Deserialize)]
struct Row {
    method: String,
    path: String,
    application_permissions: String,
}

fn malformed(what: String) -> Problem {
    Problem::new(
        "LW-1051",
        what,
        "CSV with the columns method, path and application_permissions (separated by spaces), made of Microsoft's permission \
         catalogue as docs/security.md says",
    )
    .exit(Exit::Usage)
}

impl Catalogue {
    /// Reads CSV; other columns don't matter.
    ///
    /// # Errors
    /// `LW-1051` with the line that is wrong.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Problem> {
        let mut operations = BTreeMap::<Operation, BTreeSet<String>>::new();
        let mut reader = csv::Reader::from_reader(text);
        for (n, row) in reader.deserialize().enumerate() {
            // The first line has the names.
            let wrong = |why: &str| malformed(format!("record {} of the catalogue {why}.", n + 1));
            let row: Row = row.map_err(|e| wrong("can't be read").caused_by(e))?;
            if row.method.is_empty() || !row.method.bytes().all(|b| b.is_ascii_uppercase()) {
                return Err(wrong("has no HTTP method"));
            }
            if !row.path.starts_with('/') {
                return Err(wrong("has no path"));
            }
            // Some catalogues write one path in several ways.
            let operation = (row.method, row.path.to_ascii_lowercase());
            let permissions = row.application_permissions.split_ascii_whitespace();
            let known = operations.entry(operation).or_default();
            known.extend(permissions.map(str::to_owned));
        }
        let catalogue = Catalogue(operations);
        // Of a catalogue without them we would look harmless.
        match catalogue.unknown(&catalog::DEFAULT_PERMISSIONS)[..] {
            [] => Ok(catalogue),
            [first, ..] => Err(malformed(format!(
                "No operation of the catalogue is unlocked by {first}."
            ))),
        }
    }

    /// Our default permissions, and then the others.
    pub(super) fn compare(&self) -> Vec<Reach> {
        let ours = Asker {
            name: "Leastwise",
            permissions: &catalog::DEFAULT_PERMISSIONS,
        };
        let all = std::iter::once(&ours).chain(&OTHERS);
        let unlocked = self.unlocked(ours.permissions);
        all.map(|asker| self.reach(asker, &unlocked)).collect()
    }

    fn reach(&self, asker: &Asker, ours: &BTreeSet<&Operation>) -> Reach {
        let unlocked = self.unlocked(asker.permissions);
        let not_get = unlocked.iter().filter(|(method, _)| method != "GET");
        let not_get: Vec<String> = not_get.map(|(m, path)| format!("{m} {path}")).collect();
        Reach {
            name: asker.name,
            permissions: asker.permissions,
            operations: unlocked.len(),
            get: unlocked.len() - not_get.len(),
            not_get,
            lacks_of_ours: ours.difference(&unlocked).count(),
            unknown: self.unknown(asker.permissions),
        }
    }

    fn unlocked(&self, permissions: &[&str]) -> BTreeSet<&Operation> {
        let by = |unlocking: &BTreeSet<String>| permissions.iter().any(|p| unlocking.contains(*p));
        let operations = self.0.iter().filter(|(_, unlocking)| by(unlocking));
        operations.map(|(operation, _)| operation).collect()
    }

    fn unknown(&self, permissions: &[&'static str]) -> Vec<&'static str> {
        let never = |p: &&&str| !self.0.values().any(|unlocking| unlocking.contains(**p));
        permissions.iter().filter(never).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "\
method,path,application_permissions
GET,/users,User.Read.All Directory.Read.All
GET,/Users/{id},User.Read.All
get,/x,X
";

    fn small() -> String {
        SMALL.replace("get,/x,X\n", "")
            + "POST,/users/{id}/getmembergroups,User.Read.All\n\
               GET,/organization,User.Read.All Organization.Read.All Directory.Read.All\n\
               GET,/groups,Directory.Read.All\n\
               GET,/reports,Reports.Read.All\n\
               GET,/users/{ID},Directory.Read.All\n"
    }

    fn of<'a>(all: &'a [Reach], name: &str) -> &'a Reach {
        all.iter().find(|r| r.name == name).unwrap()
    }

    #[test]
    fn operations_are_counted_once_by_what_unlocks_them() {
        let all = Catalogue::parse(small().as_bytes()).unwrap().compare();
        assert_eq!(all.len(), OTHERS.len() + 1);
        let ours = &all[0];
        assert_eq!((ours.operations, ours.get, ours.lacks_of_ours), (4, 3, 0));
        assert_eq!(ours.not_get, ["POST /users/{id}/getmembergroups"]);
        let flexera = of(&all, "Flexera FNMS");
        // The second row of /users/{id}, in other letters, adds to the first.
        assert_eq!((flexera.operations, flexera.get), (5, 5));
        assert_eq!(flexera.lacks_of_ours, 1);
        assert!(flexera.unknown.is_empty());
        assert_eq!(
            of(&all, "SAP LeanIX").unknown,
            ["Application.Read.All", "AuditLog.Read.All"]
        );
    }

    #[test]
    fn a_file_that_is_no_catalogue_says_what_is_wrong() {
        for (text, told) in [
            (
                "",
                "No operation of the catalogue is unlocked by User.Read.All",
            ),
            ("a,b\n1,2\n", "record 1 of the catalogue can't be read"),
            (SMALL, "record 3 of the catalogue has no HTTP method"),
            (
                "method,path,application_permissions\nGET,users,User.Read.All\n",
                "record 1 of the catalogue has no path",
            ),
            (
                "method,path,application_permissions\nGET,/users,User.Read.All\nGET,/x\n",
                "record 2 of the catalogue can't be read",
            ),
            // Only some of ours: the count would be too small.
            (
                "method,path,application_permissions\nGET,/users,User.Read.All\n",
                "unlocked by Organization.Read.All",
            ),
        ] {
            let e = Catalogue::parse(text.as_bytes()).unwrap_err();
            assert!(e.code == "LW-1051" && e.what.contains(told), "{text}: {e}");
        }
    }
}
