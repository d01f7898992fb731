//! What the mailboxes of blocked users with a licence are for.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, Parents, People, Reading};

/// `GET /users/{id}/mailboxSettings/userPurpose`, one request for each user that is blocked and holds a licence: shared mailboxes need none. Source: Graph, "Get user mailbox settings".
pub const USER_PURPOSE: Declaration = Declaration {
    name: "userPurpose",
    kind: RecordKind::MailboxPurpose,
    path: "users/{id}/mailboxSettings/userPurpose",
    select: &[],
    page_sizes: &[],
    reading: Reading::Each(Parents {
        path: "users",
        having: "assignedLicenses",
        all_if_asked: false,
        filter: Some("accountEnabled eq false"),
        page_size: 999,
        owner: "userId",
    }),
    ranges: None,
    counted: false,
    needs: &[
        Need {
            least: "MailboxSettings.Read",
            or: &[],
        },
        Need {
            least: "User.Read.All",
            or: &["Directory.Read.All"],
        },
    ],
    bucket: Bucket::Outlook,
    licence: None,
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(7 * 24 * 3600),
    people: People::Id("/userId"),
    reason: "tells shared mailboxes, which need no licence, from people who left",
};
