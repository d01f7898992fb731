//! Permissions that are more than needed, tolerated until a day.

use chrono::NaiveDate;
use runtime::Problem;
use serde::{Deserialize, Serialize};

use super::wrong;

/// `[[tenants.exceptions]]`: a permission that no enabled dataset needs, tolerated for a reason and until a day. For an
/// existing app that can't be narrowed at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The application permission (`Directory.Read.All`), or the template id of a directory role.
    pub role: String,
    /// Why, for whoever reads the report.
    pub reason: String,
    /// The last day on which it is tolerated (UTC), as `2027-03-31`.
    pub until: NaiveDate,
}

impl Exception {
    pub(super) fn check(&self, place: &str) -> Result<(), Problem> {
        if self.role.trim().is_empty() || self.reason.trim().is_empty() {
            return wrong(
                format!("{place}: an exception needs a role and a reason."),
                "write down which permission is tolerated and why",
            );
        }
        Ok(())
    }

    /// Whether it holds at a moment, in seconds since 1970.
    pub(crate) fn holds(&self, now: u64) -> bool {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        chrono::DateTime::from_timestamp(now, 0).is_some_and(|now| now.date_naive() <= self.until)
    }
}
