//! Devices, and the programs on them. Sources: Graph resource types device, managedDevice, detectedApp.

use proto::inventory::v1::{DetectedApp, Device, ManagedDevice};
use serde::Deserialize;

use super::notes::Notes;
use super::text::{Maybe, NO_ID, count, id, moment, text};

const TRUST_TYPES: [&str; 3] = ["AzureAd", "ServerAd", "Workplace"];
const OWNER_TYPES: [&str; 3] = ["unknown", "company", "personal"];
const COMPLIANCE_STATES: [&str; 7] = [
    "unknown",
    "compliant",
    "noncompliant",
    "conflict",
    "error",
    "inGracePeriod",
    "configManager",
];
const PLATFORMS: [&str; 11] = [
    "unknown",
    "windows",
    "windowsMobile",
    "windowsHolographic",
    "ios",
    "macOS",
    "chromeOS",
    "androidOSP",
    "androidDeviceAdministrator",
    "androidWorkProfile",
    "androidDedicatedAndFullyManaged",
];

pub(super) struct Devices;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    device_id: Maybe<'a>,
    #[serde(borrow, default)]
    display_name: Maybe<'a>,
    #[serde(default)]
    account_enabled: Option<bool>,
    #[serde(borrow, default)]
    operating_system: Maybe<'a>,
    #[serde(borrow, default)]
    operating_system_version: Maybe<'a>,
    #[serde(borrow, default)]
    trust_type: Maybe<'a>,
    #[serde(default)]
    is_managed: Option<bool>,
    #[serde(default)]
    is_compliant: Option<bool>,
    #[serde(borrow, default)]
    approximate_last_sign_in_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    registration_date_time: Maybe<'a>,
}

impl super::Source for Devices {
    type Object<'a> = DeviceObject<'a>;
    type Record = Device;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: DeviceObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, Device), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let device = Device {
            tenant_id: tenant.to_owned(),
            id: key.clone(),
            device_id: id(o.device_id).filter(|i| i != NO_ID),
            display_name: text(o.display_name),
            account_enabled: o.account_enabled,
            operating_system: text(o.operating_system),
            operating_system_version: text(o.operating_system_version),
            trust_type: text(o.trust_type),
            is_managed: o.is_managed,
            is_compliant: o.is_compliant,
            approximate_last_sign_in_date_time: moment(o.approximate_last_sign_in_date_time)?,
            registration_date_time: moment(o.registration_date_time)?,
        };
        notes.value("trustType", device.trust_type.as_deref(), &TRUST_TYPES);
        Ok((key, device))
    }
}

pub(super) struct ManagedDevices;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedDeviceObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    device_name: Maybe<'a>,
    #[serde(borrow, default)]
    managed_device_owner_type: Maybe<'a>,
    #[serde(borrow, default)]
    enrolled_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    last_sync_date_time: Maybe<'a>,
    #[serde(borrow, default)]
    operating_system: Maybe<'a>,
    #[serde(borrow, default)]
    os_version: Maybe<'a>,
    #[serde(borrow, default)]
    compliance_state: Maybe<'a>,
    #[serde(borrow, default)]
    manufacturer: Maybe<'a>,
    #[serde(borrow, default)]
    model: Maybe<'a>,
    #[serde(borrow, default)]
    serial_number: Maybe<'a>,
    #[serde(borrow, default)]
    user_id: Maybe<'a>,
    #[serde(rename = "azureADDeviceId", borrow, default)]
    azure_ad_device_id: Maybe<'a>,
}

impl super::Source for ManagedDevices {
    type Object<'a> = ManagedDeviceObject<'a>;
    type Record = ManagedDevice;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: ManagedDeviceObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, ManagedDevice), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let device = ManagedDevice {
            tenant_id: tenant.to_owned(),
            id: key.clone(),
            device_name: text(o.device_name),
            managed_device_owner_type: text(o.managed_device_owner_type),
            enrolled_date_time: moment(o.enrolled_date_time)?,
            last_sync_date_time: moment(o.last_sync_date_time)?,
            operating_system: text(o.operating_system),
            os_version: text(o.os_version),
            compliance_state: text(o.compliance_state),
            manufacturer: text(o.manufacturer),
            model: text(o.model),
            serial_number: text(o.serial_number),
            user_id: id(o.user_id).filter(|i| i != NO_ID),
            azure_ad_device_id: id(o.azure_ad_device_id).filter(|i| i != NO_ID),
        };
        let (owner, state) = (&device.managed_device_owner_type, &device.compliance_state);
        notes.value("managedDeviceOwnerType", owner.as_deref(), &OWNER_TYPES);
        notes.value("complianceState", state.as_deref(), &COMPLIANCE_STATES);
        Ok((key, device))
    }
}

pub(super) struct DetectedApps;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetectedAppObject<'a> {
    #[serde(borrow, default)]
    id: Maybe<'a>,
    #[serde(borrow, default)]
    display_name: Maybe<'a>,
    #[serde(borrow, default)]
    version: Maybe<'a>,
    #[serde(borrow, default)]
    publisher: Maybe<'a>,
    #[serde(borrow, default)]
    platform: Maybe<'a>,
    #[serde(default)]
    device_count: Option<i32>,
}

impl super::Source for DetectedApps {
    type Object<'a> = DetectedAppObject<'a>;
    type Record = DetectedApp;
    const KEY: &'static str = "id";

    fn record(
        tenant: &str,
        o: DetectedAppObject<'_>,
        notes: &Notes<'_>,
    ) -> Result<(String, DetectedApp), &'static str> {
        let key = id(o.id).ok_or("no id")?;
        let app = DetectedApp {
            tenant_id: tenant.to_owned(),
            id: key.clone(),
            display_name: text(o.display_name),
            version: text(o.version),
            publisher: text(o.publisher),
            platform: text(o.platform),
            device_count: count(o.device_count)?,
        };
        notes.value("platform", app.platform.as_deref(), &PLATFORMS);
        Ok((key, app))
    }
}
