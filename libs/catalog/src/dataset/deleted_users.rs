//! Users in the recycle bin.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /directory/deletedItems/microsoft.graph.user`. Source: Graph, "List deleted items (directory objects)": the cast is mandatory.
pub const DELETED_USERS: Declaration = Declaration {
    name: "deletedUsers",
    kind: RecordKind::DeletedUser,
    path: "directory/deletedItems/microsoft.graph.user",
    select: &[
        "id",
        "userPrincipalName",
        "displayName",
        "mail",
        "userType",
        "deletedDateTime",
    ],
    page_sizes: &[999, 500, 100],
    reading: Reading::Twice,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "User.Read.All",
        or: &["Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    // Nobody in the recycle bin is in a group, and a name there is not the one of before.
    people: People::Untold,
    reason: "tells who left, and when the licences of leavers came free",
};
