//! The documented limits behind each bucket. Sources: Graph, "Microsoft Graph service-specific throttling limits", and for
//! mailboxes Exchange's page on throttling.

use std::time::Duration;

use crate::{Bucket, Declaration, Reading};

/// How much may be asked within a window. Which kind of window Graph counts in is documented nowhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What the amounts are for.
    pub window: Duration,
    /// What an app may have of a tenant of any size: resource units, or requests.
    pub least: u32,
    /// What it may have of the largest.
    pub most: u32,
    /// Whether all apps of a tenant have a limit together besides.
    pub shared: bool,
}

impl Bucket {
    /// What is documented. None where each object that is asked for has a limit of its own, far above what is asked of it.
    pub fn limit(self) -> Option<Limit> {
        let limit = |seconds, least, most, shared| Limit {
            window: Duration::from_secs(seconds),
            least,
            most,
            shared,
        };
        match self {
            // Fewer than 50 users, and more than 500.
            Bucket::Identity => Some(limit(10, 3_500, 8_000, false)),
            // Whether the sign-in activity of users counts as a report is not documented: the larger amount is that of users.
            Bucket::SignIn => Some(limit(10, 5, 8_000, false)),
            Bucket::Reports => Some(limit(600, 14, 14, true)),
            Bucket::Intune => Some(limit(20, 2_000, 2_000, true)),
            // 10,000 requests in ten minutes for each mailbox, which is asked once in a run.
            Bucket::Outlook => None,
        }
    }

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Bucket::Identity => "identity",
            Bucket::SignIn => "sign_in",
            Bucket::Reports => "reports",
            Bucket::Intune => "intune",
            Bucket::Outlook => "outlook",
        }
    }
}

impl Declaration {
    /// What a request for this path costs: the listing of parents is another collection than what is read of each.
    pub fn units_of(&self, path: &str) -> u32 {
        let Reading::Each(parents) = &self.reading else {
            return self.units();
        };
        let below = path.trim_start_matches("v1.0/");
        match below.split('?').next() == Some(parents.path) {
            // Users and groups with `$select`.
            true => 1,
            false => self.units(),
        }
    }

    /// What one of its requests costs, in resource units where the bucket counts these: the published cost of the path, less
    /// one for `$select`, at least one.
    pub fn units(&self) -> u32 {
        let base: u32 = match self.path {
            "subscribedSkus" | "groups/{id}/members" if self.bucket == Bucket::Identity => 3,
            "users" if self.bucket == Bucket::Identity => 2,
            _ => 1,
        };
        match self.select {
            [] => base,
            _ => (base - 1).max(1),
        }
    }
}
