//! Programs that Intune found on devices.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /deviceManagement/detectedApps`. Source: Graph, "List detectedApps": no filter, no delta; one row for each program, version and platform.
pub const DETECTED_APPS: Declaration = Declaration {
    name: "detectedApps",
    kind: RecordKind::DetectedApp,
    path: "deviceManagement/detectedApps",
    select: &[
        "id",
        "displayName",
        "version",
        "publisher",
        "platform",
        "deviceCount",
    ],
    page_sizes: &[1000, 500, 100],
    reading: Reading::Twice,
    ranges: None,
    counted: false,
    needs: &[Need {
        least: "DeviceManagementManagedDevices.Read.All",
        or: &[],
    }],
    bucket: Bucket::Intune,
    licence: Some("Microsoft Intune"),
    clouds: Clouds::All,
    default: false,
    version: 1,
    cadence: Duration::from_secs(24 * 3600),
    people: People::Nobody,
    reason: "tells what is installed without being licensed",
};
