//! When users signed in last.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /users` with `signInActivity`, apart from the users: a tenant without the licence refuses this request alone. Source: Graph resource type signInActivity; pages of 500 at most.
pub const SIGN_IN_ACTIVITY: Declaration = Declaration {
    name: "signInActivity",
    kind: RecordKind::SignInActivity,
    path: "users",
    select: &["id", "signInActivity"],
    page_sizes: &[500, 120],
    reading: Reading::Twice,
    ranges: None,
    counted: true,
    needs: &[
        Need {
            least: "AuditLog.Read.All",
            or: &[],
        },
        Need {
            least: "User.Read.All",
            or: &["Directory.Read.All"],
        },
    ],
    bucket: Bucket::SignIn,
    licence: Some("Microsoft Entra ID P1"),
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    people: People::Id("/id"),
    reason: "tells who has not signed in for long",
};
