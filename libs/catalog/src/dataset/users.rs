//! Users with the licences they hold.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

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
        "onPremisesSamAccountName",
        "onPremisesDomainName",
        "assignedLicenses",
        "licenseAssignmentStates",
    ],
    page_sizes: &[999, 500, 100],
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
            "onPremisesSamAccountName",
            "onPremisesDomainName",
            "assignedLicenses",
        ],
    },
    ranges: Some("userPrincipalName"),
    counted: true,
    needs: &[Need {
        least: "User.Read.All",
        or: &["Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: true,
    version: 2,
    cadence: Duration::from_secs(3600),
    people: People::Themselves,
    reason: "tells who holds which licence and how, directly or by a group",
};
