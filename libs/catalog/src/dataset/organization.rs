//! The tenant itself.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

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
    page_sizes: &[],
    reading: Reading::Whole,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "Organization.Read.All",
        or: &["User.Read.All", "Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: true,
    version: 1,
    cadence: Duration::from_secs(3600),
    people: People::Nobody,
    reason: "names the tenant in the inventory and tells whether it is of a kind that Graph serves fully",
};
