//! Domain names of the tenant.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /domains`. Source: Graph, "List domains"; it lists filters as a known issue, so none is used.
pub const DOMAINS: Declaration = Declaration {
    name: "domains",
    kind: RecordKind::Domain,
    path: "domains",
    select: &[
        "id",
        "authenticationType",
        "isDefault",
        "isInitial",
        "isVerified",
        "supportedServices",
    ],
    page_sizes: &[],
    reading: Reading::Whole,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "Domain.Read.All",
        or: &["Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    people: People::Nobody,
    reason: "tells which domain names the tenant owns, and so who is a guest",
};
