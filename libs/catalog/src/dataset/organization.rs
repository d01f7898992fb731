//! The tenant itself.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Declaration, Reading};

/// `GET /organization`: one element. Source: Graph, "List organizations".
pub const ORGANIZATION: Declaration = Declaration {
    name: "organization",
    kind: RecordKind::Organization,
    path: "organization",
    select: &[
        "id",
        "displayName",
        "tenantType",
        "countryLetterCode",
        "defaultUsageLocation",
        "createdDateTime",
        "onPremisesSyncEnabled",
        "verifiedDomains",
    ],
    page_size: None,
    reading: Reading::Whole,
    permission: "Organization.Read.All",
    accepted: &["User.Read.All", "Directory.Read.All"],
    version: 1,
    cadence: Duration::from_secs(3600),
    reason: "names the tenant in the inventory and tells whether it is of a kind that Graph serves fully",
};
