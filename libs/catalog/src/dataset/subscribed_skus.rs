//! Products and how many units of each there are.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

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
    page_sizes: &[],
    reading: Reading::Whole,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "LicenseAssignment.Read.All",
        or: &["Organization.Read.All", "Directory.Read.All"],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: true,
    version: 1,
    cadence: Duration::from_secs(3600),
    people: People::Nobody,
    reason: "tells how many units of each product the tenant has and how many Microsoft counts as used",
};
