//! Products and how many units of each there are.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Declaration, Reading};

/// `GET /subscribedSkus`. Source: Graph, "List subscribedSkus".
pub const SUBSCRIBED_SKUS: Declaration = Declaration {
    name: "subscribedSkus",
    kind: RecordKind::SubscribedSku,
    path: "subscribedSkus",
    select: &[
        "id",
        "skuId",
        "skuPartNumber",
        "appliesTo",
        "capabilityStatus",
        "consumedUnits",
        "prepaidUnits",
        "servicePlans",
        "subscriptionIds",
    ],
    page_size: None,
    reading: Reading::Whole,
    permission: "LicenseAssignment.Read.All",
    accepted: &["Organization.Read.All", "Directory.Read.All"],
    version: 1,
    cadence: Duration::from_secs(3600),
    reason: "tells how many units of each product the tenant has and how many Microsoft counts as used",
};
