//! Users with the licences they hold.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Declaration, Reading};

/// `GET /users` and `GET /users/delta`. Sources: Graph, "List users" and "user: delta" (which says that
/// `licenseAssignmentStates` isn't tracked).
pub const USERS: Declaration = Declaration {
    name: "users",
    kind: RecordKind::User,
    path: "users",
    select: &[
        "id",
        "userPrincipalName",
        "displayName",
        "givenName",
        "surname",
        "mail",
        "accountEnabled",
        "userType",
        "employeeId",
        "employeeType",
        "department",
        "companyName",
        "jobTitle",
        "officeLocation",
        "city",
        "country",
        "usageLocation",
        "createdDateTime",
        "onPremisesSyncEnabled",
        "assignedLicenses",
        "licenseAssignmentStates",
    ],
    page_size: Some(999),
    reading: Reading::ByDelta {
        tracked: &[
            "id",
            "userPrincipalName",
            "displayName",
            "givenName",
            "surname",
            "mail",
            "accountEnabled",
            "userType",
            "employeeId",
            "employeeType",
            "department",
            "companyName",
            "jobTitle",
            "officeLocation",
            "city",
            "country",
            "usageLocation",
            "createdDateTime",
            "onPremisesSyncEnabled",
            "assignedLicenses",
        ],
    },
    permission: "User.Read.All",
    accepted: &["Directory.Read.All"],
    version: 1,
    cadence: Duration::from_secs(3600),
    reason: "tells who holds which licence and how, directly or by a group",
};
