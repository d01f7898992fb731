//! Members of the groups that assign licences.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, Parents, People, Reading};

/// `GET /groups/{id}/members` of each group that assigns a licence. Source: Graph, "List group members".
pub const GROUP_MEMBERS: Declaration = Declaration {
    name: "groupMembers",
    kind: RecordKind::GroupMember,
    path: "groups/{id}/members",
    select: &["id"],
    page_sizes: &[999, 500, 100],
    reading: Reading::Each(Parents {
        path: "groups",
        having: "assignedLicenses",
        all_if_asked: true,
        filter: None,
        page_size: 999,
        owner: "groupId",
    }),
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "GroupMember.Read.All",
        or: &["Group.Read.All", "Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    people: People::Id("/value/id"),
    reason: "tells who gets a licence by which group, also where the assignment fails",
};
