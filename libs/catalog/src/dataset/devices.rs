//! Devices that are registered with Entra ID.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /devices`. Source: Graph, "List devices". It has a delta query, but devices change so little in a day that it would
/// save next to nothing.
pub const DEVICES: Declaration = Declaration {
    name: "devices",
    kind: RecordKind::Device,
    path: "devices",
    select: &[
        "id",
        "deviceId",
        "displayName",
        "accountEnabled",
        "operatingSystem",
        "operatingSystemVersion",
        "trustType",
        "isManaged",
        "isCompliant",
        "approximateLastSignInDateTime",
        "registrationDateTime",
    ],
    page_sizes: &[999, 500, 100],
    reading: Reading::Twice,
    ranges: Some("displayName"),
    counted: true,
    needs: &[Need {
        least: "Device.Read.All",
        or: &[],
    }],
    bucket: Bucket::Identity,
    licence: None,
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    // The owner is not among the properties, and people give devices their names.
    people: People::Untold,
    reason: "counts the devices that products licensed by device need",
};
