//! Commercial subscriptions with their dates.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /directory/subscriptions`. Source: Graph, "List companySubscriptions".
pub const SUBSCRIPTIONS: Declaration = Declaration {
    name: "subscriptions",
    kind: RecordKind::Subscription,
    path: "directory/subscriptions",
    select: &[
        "id",
        "commerceSubscriptionId",
        "skuId",
        "skuPartNumber",
        "status",
        "totalLicenses",
        "isTrial",
        "createdDateTime",
        "nextLifecycleDateTime",
        "ownerTenantId",
    ],
    page_sizes: &[],
    reading: Reading::Whole,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "Organization.Read.All",
        or: &["Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: true,
    version: 1,
    cadence: Duration::from_secs(3600),
    people: People::Nobody,
    reason: "tells which subscriptions stand behind the units and when each one ends unless renewed",
};
