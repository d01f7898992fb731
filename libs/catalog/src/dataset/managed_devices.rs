//! Devices that Intune manages.

use std::time::Duration;

use proto::kind::RecordKind;

use crate::{Bucket, Clouds, Declaration, Need, People, Reading};

/// `GET /deviceManagement/managedDevices`. Source: Graph, "List managedDevices": no delta, no `$count`.
pub const MANAGED_DEVICES: Declaration = Declaration {
    name: "managedDevices",
    kind: RecordKind::ManagedDevice,
    path: "deviceManagement/managedDevices",
    select: &[
        "id",
        "deviceName",
        "managedDeviceOwnerType",
        "enrolledDateTime",
        "lastSyncDateTime",
        "operatingSystem",
        "osVersion",
        "complianceState",
        "manufacturer",
        "model",
        "serialNumber",
        "userId",
        "azureADDeviceId",
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
    people: People::Id("/userId"),
    reason: "tells which devices are in use and by whom",
};
