//! Groups, by which licences are assigned.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /groups` and `GET /groups/delta`. Sources: Graph, "List groups", "group: delta". Whether `GroupMember.Read.All` shows `assignedLicenses` is not documented: a group without them is taken as one that assigns none.
pub const GROUPS: Declaration = Declaration {
    name: "groups",
    kind: RecordKind::Group,
    path: "groups",
    select: &[
        "id",
        "displayName",
        "groupTypes",
        "securityEnabled",
        "mailEnabled",
        "onPremisesSyncEnabled",
        "assignedLicenses",
        "licenseProcessingState",
    ],
    page_sizes: &[999, 500, 100],
    reading: Reading::ByDelta {
        tracked: &[
            "id",
            "displayName",
            "groupTypes",
            "securityEnabled",
            "mailEnabled",
            "onPremisesSyncEnabled",
        ],
    },
    ranges: Some("displayName"),
    counted: true,
    needs: &[Need {
        least: "GroupMember.Read.All",
        or: &["Group.Read.All", "Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(3600),
    people: People::Nobody,
    reason: "gives the groups names by which users get their licences",
};
