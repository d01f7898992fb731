//! The datasets that Leastwise reads: one declaration a file, pure data.
//!
//! A dataset is one collection of Microsoft Graph that becomes one kind of record. This crate knows neither HTTP
//! nor storage; the token-broker asks it for permissions, the collector for requests, the normalizer for the way in
//! which absence is proven.

use std::time::Duration;

use proto::ids::Dataset;
use proto::kind::RecordKind;

mod dataset {
    pub mod organization;
    pub mod subscribed_skus;
    pub mod subscriptions;
    pub mod users;
}

/// What is known of one dataset.
#[derive(Debug)]
pub struct Declaration {
    /// Its name, for example `users`.
    pub name: &'static str,
    /// The kind of record that it writes, and no other dataset does.
    pub kind: RecordKind,
    /// Path below the version root, for example `users`.
    pub path: &'static str,
    /// Properties asked for; only what a record needs.
    pub select: &'static [&'static str],
    /// `$top`; `None` where the collection doesn't page.
    pub page_size: Option<u32>,
    /// How changes are named and absence is proven.
    pub reading: Reading,
    /// The application permission with the least rights that suffices.
    pub permission: &'static str,
    /// Other permissions that suffice too.
    pub accepted: &'static [&'static str],
    /// Raised when the request or its meaning changes: a cursor of another version counts as none.
    pub version: u32,
    /// How often it is read for changes.
    pub cadence: Duration,
    /// Why an organization grants the permission, in one sentence.
    pub reason: &'static str,
}

/// How changes are named and absence is proven.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// A delta query names changed ids; objects can be asked for by id, and only the answer "gone" removes.
    ByDelta {
        /// The properties of `select` that the delta query tracks.
        tracked: &'static [&'static str],
    },
    /// A small collection read as a whole each time; absence from an answer that began late enough removes.
    Whole,
}

impl Declaration {
    /// The dataset's name as an id.
    pub fn id(&self) -> Dataset {
        // Names of declarations are constants; a test reads each one.
        self.name
            .parse()
            .unwrap_or_else(|_| unreachable!("declared names are valid"))
    }

    /// Whether objects are asked for by id.
    pub fn by_id(&self) -> bool {
        matches!(self.reading, Reading::ByDelta { .. })
    }
}

/// Every dataset, those first that others are explained by.
pub const ALL: [&Declaration; 4] = [
    &dataset::organization::ORGANIZATION,
    &dataset::subscribed_skus::SUBSCRIBED_SKUS,
    &dataset::subscriptions::SUBSCRIPTIONS,
    &dataset::users::USERS,
];

/// The application permissions that the documentation tells to grant: together they cover every dataset.
pub const DEFAULT_PERMISSIONS: [&str; 2] = ["User.Read.All", "Organization.Read.All"];

/// Every full read is repeated after this time at the latest, whatever deltas say.
pub const FULL_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The dataset with this name.
pub fn find(name: &str) -> Option<&'static Declaration> {
    ALL.into_iter().find(|d| d.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_sound() {
        for d in ALL {
            assert_eq!(d.id().as_str(), d.name);
            assert!(
                d.select.contains(&"id") || d.select.is_empty(),
                "{}: $select needs id",
                d.name
            );
            assert!(
                d.select
                    .iter()
                    .collect::<std::collections::BTreeSet<_>>()
                    .len()
                    == d.select.len(),
                "{}",
                d.name
            );
            if let Reading::ByDelta { tracked } = &d.reading {
                assert!(
                    tracked.iter().all(|t| d.select.contains(t)),
                    "{}: tracked beyond $select",
                    d.name
                );
            }
            assert!(
                ALL.iter().filter(|o| o.kind == d.kind).count() == 1,
                "{}: one dataset writes a kind",
                d.name
            );
        }
    }

    #[test]
    fn two_permissions_cover_the_defaults() {
        for d in ALL {
            assert!(
                DEFAULT_PERMISSIONS
                    .iter()
                    .any(|g| d.permission == *g || d.accepted.contains(g)),
                "{}",
                d.name
            );
        }
    }
}
