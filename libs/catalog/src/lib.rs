//! The datasets that Leastwise reads: pure data, one declaration a file (the usage reports, which differ in little,
//! share one).
//!
//! A dataset is one collection of Microsoft Graph that becomes one kind of record. This crate knows neither HTTP
//! nor storage; the token-broker asks it for permissions, the collector for requests, the normalizer for the way in
//! which absence is proven.

use std::time::Duration;

mod declaration;
mod limit;
pub mod personal;
pub mod privacy;
mod dataset {
    pub mod deleted_users;
    pub mod detected_apps;
    pub mod devices;
    pub mod domains;
    pub mod group_members;
    pub mod groups;
    pub mod managed_devices;
    pub mod organization;
    pub mod report_settings;
    pub mod sign_in_activity;
    pub mod subscribed_skus;
    pub mod subscriptions;
    pub mod usage;
    pub mod user_purpose;
    pub mod users;
}

pub use declaration::{Absence, Bucket, Clouds, Declaration, Need, Parents, People, Reading};
pub use limit::Limit;
pub use privacy::Privacy;

/// Every dataset, those first that others are explained by.
pub const ALL: [&Declaration; 24] = [
    &dataset::organization::ORGANIZATION,
    &dataset::subscribed_skus::SUBSCRIBED_SKUS,
    &dataset::subscriptions::SUBSCRIPTIONS,
    &dataset::users::USERS,
    &dataset::domains::DOMAINS,
    &dataset::deleted_users::DELETED_USERS,
    &dataset::groups::GROUPS,
    &dataset::group_members::GROUP_MEMBERS,
    &dataset::sign_in_activity::SIGN_IN_ACTIVITY,
    &dataset::user_purpose::USER_PURPOSE,
    &dataset::devices::DEVICES,
    &dataset::managed_devices::MANAGED_DEVICES,
    &dataset::detected_apps::DETECTED_APPS,
    &dataset::report_settings::REPORT_SETTINGS,
    &dataset::usage::ACTIVATIONS,
    &dataset::usage::ACTIVE_USERS,
    &dataset::usage::M365_APPS,
    &dataset::usage::TEAMS,
    &dataset::usage::EMAIL,
    &dataset::usage::MAILBOXES,
    &dataset::usage::ONEDRIVE,
    &dataset::usage::ONEDRIVE_ACTIVITY,
    &dataset::usage::SHAREPOINT,
    &dataset::usage::COPILOT,
];

/// The application permissions that the documentation tells to grant: together they cover every dataset that is read
/// unless the operator says otherwise.
pub const DEFAULT_PERMISSIONS: [&str; 2] = ["User.Read.All", "Organization.Read.All"];

/// Every full read is repeated after this time at the latest, whatever deltas say.
pub const FULL_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The dataset with this name.
pub fn find(name: &str) -> Option<&'static Declaration> {
    ALL.into_iter().find(|d| d.name == name)
}

/// The datasets that are read unless the operator says otherwise.
pub fn defaults() -> impl Iterator<Item = &'static Declaration> {
    ALL.into_iter().filter(|d| d.default)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
            let once: BTreeSet<_> = d.select.iter().collect();
            assert!(once.len() == d.select.len(), "{}", d.name);
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
            assert!(
                d.page_sizes.is_sorted_by(|a, b| a > b),
                "{}: page sizes from large to small",
                d.name
            );
            let each = matches!(d.reading, Reading::Each(_));
            assert_eq!(each, d.path.contains("{id}"), "{}", d.name);
            assert!(!d.needs.is_empty(), "{}", d.name);
            if let Some(property) = d.ranges {
                assert!(d.select.contains(&property), "{}", d.name);
                assert!(!d.page_sizes.is_empty(), "{}", d.name);
            }
        }
    }

    #[test]
    fn two_permissions_cover_the_defaults() {
        for d in defaults() {
            assert!(
                d.covered_by(|role| DEFAULT_PERMISSIONS.contains(&role)),
                "{}",
                d.name
            );
        }
    }
}
