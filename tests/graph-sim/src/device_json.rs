//! A device as Entra ID writes it, and as Intune writes it.

use serde_json::{Value, json};

use crate::calendar;
use crate::device::{Device, System};
use crate::directory::object;
use crate::guid::{self, Kind};
use crate::person::User;
use crate::property::Prop;
use crate::rng::mix;
use crate::shape::Object;
use crate::tenant::Identity;
use crate::user_json;

/// What Intune writes for a date that is not set.
const NEVER: &str = "0001-01-01T00:00:00Z";
/// What it writes for a GUID that is not known.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
/// Intune's application id.
const INTUNE: &str = "0000000a-0000-0000-c000-000000000000";

/// Makers and models by system.
const MODELS: [[(&str, &str); 8]; 4] = [
    [
        ("LENOVO", "20XW004AGE"),
        ("Dell Inc.", "Latitude 5430"),
        ("HP", "HP EliteBook 840 G8 Notebook PC"),
        ("Microsoft Corporation", "Surface Laptop 5"),
        ("LENOVO", "21CBCTO1WW"),
        ("Dell Inc.", "OptiPlex 7090"),
        ("VMware, Inc.", "VMware7,1"),
        ("To Be Filled By O.E.M.", "To Be Filled By O.E.M."),
    ],
    [("Apple", "MacBook Pro"); 8],
    [
        ("Apple", "iPhone 13"),
        ("Apple", "iPhone 14"),
        ("Apple", "iPhone SE (3rd generation)"),
        ("Apple", "iPad (9th generation)"),
        ("Apple", "iPhone 15"),
        ("Apple", "iPhone 12"),
        ("Apple", "iPhone 13"),
        ("Apple", "iPhone 16e"),
    ],
    [
        ("samsung", "SM-A536B"),
        ("samsung", "SM-S911B"),
        ("Google", "Pixel 7a"),
        ("Zebra Technologies", "TC52"),
        ("samsung", "SM-G525F"),
        ("motorola", "moto g54 5G"),
        ("HMD Global", "Nokia XR20"),
        ("Zebra Technologies", "TC21"),
    ],
];

/// All values of a device in Entra ID.
pub(crate) fn entra(who: &Identity, device: &Device) -> Object {
    let (maker, model) = model(device);
    let hybrid = device.system == System::Windows && device.draw.is_multiple_of(3);
    let mut values = object(json!({
        "id": id(who, Kind::Device, device),
        "accountEnabled": device.enabled,
        "approximateLastSignInDateTime": date(fortnight(device), device),
        "deviceId": id(who, Kind::DeviceId, device),
        "deviceVersion": 2,
        "displayName": name(device),
        "manufacturer": maker,
        "model": model,
        "operatingSystem": match device.system {
            System::Windows => "Windows",
            System::Mac => "MacMDM",
            System::Ios => if model.starts_with("iPad") { "iPad" } else { "iPhone" },
            System::Android => "AndroidForWork",
        },
        "operatingSystemVersion": version(device),
        "physicalIds": [
            format!("[USER-GID]:{}:6966518641234567", guid::text(guid::of(who.key, Kind::User, u64::from(device.owner)))),
            format!("[GID]:g:{}", 6_755_000_000_000_000_u64 + device.draw % 1_000_000_000_000),
        ],
        "profileType": if device.shared { "Shared" } else { "RegisteredDevice" },
        "registrationDateTime": date(device.since, device),
        "trustType": match device.system {
            System::Windows if hybrid => "ServerAd",
            System::Windows if !device.personal => "AzureAd",
            _ => "Workplace",
        },
    }));
    let mut set = |name: &str, value: Value| values.insert(name.to_owned(), value);
    if device.managed {
        set("isManaged", true.into());
        set("isCompliant", device.compliant.into());
        set("managementType", "MDM".into());
        set("mdmAppId", INTUNE.into());
        set("enrollmentType", enrollment(device).into());
        let owner = if device.personal {
            "Personal"
        } else {
            "Company"
        };
        set("deviceOwnership", owner.into());
    }
    if hybrid {
        set("onPremisesSyncEnabled", true.into());
        set(
            "onPremisesLastSyncDateTime",
            date(device.seen, device).into(),
        );
    }
    values
}

/// All values of a device in Intune; `single`: with those that a list leaves out.
pub(crate) fn intune(who: &Identity, device: &Device, user: Option<&User>, single: bool) -> Object {
    let (maker, model) = model(device);
    let user = user.filter(|_| !device.shared);
    let of_user = |prop: Prop| user.map(|u| property(who, u, prop)).unwrap_or_default();
    let draw = device.draw;
    let phone = matches!(device.system, System::Ios | System::Android);
    let size = [128_u64, 256, 512, 1_024][(draw % 4) as usize] * 1_000_000_000;
    let serial = match device.model {
        7 if device.system == System::Windows => "Default string".to_owned(),
        _ => format!("{:010X}", mix(draw, 3) >> 24),
    };
    let mut values = object(json!({
        "id": id(who, Kind::Managed, device),
        "userId": user.map(|_| guid::text(guid::of(who.key, Kind::User, u64::from(device.owner)))).unwrap_or_default(),
        "deviceName": name(device),
        "managedDeviceName": format!("{}_{}_{}", of_user(Prop::MailNickname), system(device), date(device.since, device)),
        "managedDeviceOwnerType": if device.personal { "personal" } else { "company" },
        "enrolledDateTime": date(device.since, device),
        "lastSyncDateTime": date(device.seen, device),
        "operatingSystem": system(device),
        "osVersion": version(device),
        "complianceState": match draw % 20 {
            _ if device.compliant => "compliant",
            0..2 => "inGracePeriod",
            2 => "unknown",
            _ => "noncompliant",
        },
        "jailBroken": if phone { "False" } else { "Unknown" },
        "managementAgent": match device.system {
            System::Windows if draw.is_multiple_of(5) => "configurationManagerClientMdm",
            System::Android => "googleCloudDevicePolicyController",
            _ => "mdm",
        },
        "managementState": if draw.is_multiple_of(199) { "retirePending" } else { "managed" },
        "easActivated": phone,
        "easActivationDateTime": NEVER,
        "easDeviceId": if phone { format!("{:016X}", mix(draw, 4)) } else { String::new() },
        "azureADRegistered": device.registered,
        "azureADDeviceId": if device.registered { id(who, Kind::DeviceId, device) } else { NOBODY.to_owned() },
        "deviceEnrollmentType": intune_enrollment(device),
        "emailAddress": of_user(Prop::Mail),
        "deviceRegistrationState": if device.registered { "registered" } else { "notRegistered" },
        "deviceCategoryDisplayName": if device.shared { "Shared" } else { "Unknown" },
    }));
    values.extend(object(json!({
        "isSupervised": phone && !device.personal,
        "exchangeLastSuccessfulSyncDateTime": NEVER,
        "exchangeAccessState": "none",
        "exchangeAccessStateReason": "none",
        "isEncrypted": phone || device.compliant,
        "userPrincipalName": of_user(Prop::UserPrincipalName),
        "userDisplayName": of_user(Prop::DisplayName),
        "model": model,
        "manufacturer": maker,
        "imei": if phone { format!("35{:013}", mix(draw, 5) % 10_000_000_000_000) } else { String::new() },
        "meid": "",
        "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59Z",
        "serialNumber": serial,
        "phoneNumber": "",
        "androidSecurityPatchLevel": if device.system == System::Android { "2026-09-01" } else { "" },
        "wiFiMacAddress": format!("{:012X}", mix(draw, 6) >> 16),
        "subscriberCarrier": "",
        "totalStorageSpaceInBytes": size,
        "freeStorageSpaceInBytes": size / 100 * (draw % 90),
        "partnerReportedThreatState": "unknown",
        "managementCertificateExpirationDate": date(device.since + 365, device),
        "enrollmentProfileName": "",
        "physicalMemoryInBytes": 0,
    })));
    if single {
        let mut set = |name: &str, value: Value| values.insert(name.to_owned(), value);
        set("physicalMemoryInBytes", ((8 << 30) * (1 + draw % 4)).into());
        set(
            "ethernetMacAddress",
            format!("{:012X}", mix(draw, 7) >> 16).into(),
        );
        set("notes", "".into());
        if phone {
            set(
                "iccid",
                format!("8949{:015}", mix(draw, 8) % 1_000_000_000_000_000).into(),
            );
            set("udid", format!("{:040x}", u128::from(mix(draw, 9))).into());
        }
    }
    values
}

/// The name that a device shows; those of a user's duplicate are the same.
pub(crate) fn name(device: &Device) -> String {
    let number = device.owner;
    match (device.system, device.shared) {
        (_, true) => format!("SHARED-{number:06}"),
        (System::Windows, _) if device.personal => {
            format!("DESKTOP-{:07}", device.draw % 9_999_999)
        }
        (System::Windows, _) if device.place % 4 == 2 && !device.duplicate => {
            format!("LAP-{number:06}-2")
        }
        (System::Windows, _) => format!("LAP-{number:06}"),
        (System::Mac, _) => format!("MacBook Pro ({number})"),
        (System::Ios, _) => "iPhone".to_owned(),
        (System::Android, _) => format!("user{number}_AndroidForWork_{}", device.draw % 97),
    }
}

fn model(device: &Device) -> (&'static str, &'static str) {
    MODELS[device.system as usize][usize::from(device.model) % 8]
}

/// The system as Intune calls it.
fn system(device: &Device) -> &'static str {
    match device.system {
        System::Windows => "Windows",
        System::Mac => "macOS",
        System::Ios => "iOS",
        System::Android => "Android",
    }
}

/// Devices that are seen have this month's patches, or those of the month before.
fn version(device: &Device) -> String {
    let month = (device.seen + 1_200).max(0) / 30;
    let behind = (device.draw % 2) as i32;
    match device.system {
        System::Windows if device.draw.is_multiple_of(4) => {
            format!("10.0.19045.{}", 3_000 + (month - behind) * 41)
        }
        System::Windows => format!("10.0.22631.{}", 2_000 + (month - behind) * 53),
        System::Mac => format!("14.{}.1", (month - behind) % 8),
        System::Ios => format!("17.{}", (month - behind) % 7),
        System::Android => ["12", "13", "14", "9"][(device.draw % 4) as usize].to_owned(),
    }
}

fn enrollment(device: &Device) -> &'static str {
    match device.system {
        System::Windows if device.personal => "OnPremiseCoManaged",
        System::Windows => "AzureDomainJoined",
        System::Android => "AndroidEnterpriseWorkProfile",
        _ if device.personal => "UserEnrollment",
        _ => "AppleBulkWithUser",
    }
}

fn intune_enrollment(device: &Device) -> &'static str {
    match device.system {
        System::Windows if device.shared => "windowsBulkUserless",
        System::Windows if device.draw.is_multiple_of(5) => "windowsCoManagement",
        System::Windows => "windowsAzureADJoin",
        _ if device.personal => "userEnrollment",
        _ => "appleBulkWithUser",
    }
}

/// Entra ID notes a sign-in about every two weeks.
fn fortnight(device: &Device) -> i32 {
    let steps = device.seen.saturating_sub(device.since) / 14;
    device.since + steps * 14
}

fn id(who: &Identity, kind: Kind, device: &Device) -> String {
    guid::text(guid::of(who.key, kind, u64::from(device.place)))
}

fn date(day: i32, device: &Device) -> String {
    let mut out = Vec::with_capacity(20);
    calendar::write(&mut out, day, (device.draw % 86_400) as u32);
    String::from_utf8(out).unwrap_or_default()
}

/// One text of a user.
fn property(who: &Identity, user: &User, prop: Prop) -> String {
    let mut out = Vec::with_capacity(60);
    if !user_json::value(&mut out, who, user, prop as u8) {
        return String::new();
    }
    serde_json::from_slice(&out).unwrap_or_default()
}
