//! Commercial subscriptions with their dates.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Declaration, Reading};

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
    page_size: None,
    reading: Reading::Whole,
    permission: "Organization.Read.All",
    accepted: &["Directory.Read.All"],
    version: 1,
    cadence: Duration::from_secs(3600),
    reason: "tells which subscriptions stand behind the units and when each one ends unless renewed",
};
