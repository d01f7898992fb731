//! Every dataset comes to the inventory as the simulated tenant has it, and what left the tenant leaves the inventory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::world::{Setting, Setup, World};

fn every_dataset(users: u32) -> Setup {
    let mut setup = Setup::users(users);
    setup.datasets = Some(catalog::ALL.iter().map(|d| d.name).collect());
    let needs = catalog::ALL.iter().flat_map(|d| d.needs);
    let roles: BTreeSet<&str> = needs.map(|need| need.least).collect();
    setup.sim.roles = roles.into_iter().map(str::to_owned).collect();
    setup
}

/// The records of a kind as the files sink shows them.
fn records(world: &World, kind: &str) -> Vec<Value> {
    let path = world.path("inventory").join(format!("{kind}.ndjson"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|l| serde_json::from_str(l).unwrap());
    lines.collect()
}

/// Kind of record, what the simulator calls it, and which of its properties are compared with which: the first are the key.
type Compared = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const COMPARED: [Compared; 9] = [
    (
        "domain",
        "domains",
        &[
            ("/id", "/id"),
            ("/authenticationType", "/authenticationType"),
            ("/isDefault", "/isDefault"),
            ("/isVerified", "/isVerified"),
        ],
    ),
    (
        "deleted_user",
        "deletedUsers",
        &[
            ("/userId", "/id"),
            ("/userPrincipalName", "/userPrincipalName"),
            ("/deletedDateTime", "/deletedDateTime"),
        ],
    ),
    (
        "group",
        "groups",
        &[
            ("/groupId", "/id"),
            ("/displayName", "/displayName"),
            ("/securityEnabled", "/securityEnabled"),
            ("/assignedSkuIds/0", "/assignedLicenses/0/skuId"),
            ("/licenseProcessingState", "/licenseProcessingState/state"),
        ],
    ),
    (
        "group_member",
        "members",
        &[
            ("/groupId", "/groupId"),
            ("/memberId", "/memberId"),
            ("/memberType", "/type"),
        ],
    ),
    (
        "sign_in_activity",
        "signIns",
        &[
            ("/userId", "/id"),
            ("/lastSignInDateTime", "/signInActivity/lastSignInDateTime"),
            (
                "/lastSuccessfulSignInDateTime",
                "/signInActivity/lastSuccessfulSignInDateTime",
            ),
        ],
    ),
    (
        "mailbox_purpose",
        "mailboxPurposes",
        &[("/userId", "/id"), ("/purpose", "/userPurpose")],
    ),
    (
        "device",
        "devices",
        &[
            ("/id", "/id"),
            ("/deviceId", "/deviceId"),
            ("/displayName", "/displayName"),
            ("/trustType", "/trustType"),
            ("/isCompliant", "/isCompliant"),
            (
                "/approximateLastSignInDateTime",
                "/approximateLastSignInDateTime",
            ),
        ],
    ),
    (
        "managed_device",
        "managedDevices",
        &[
            ("/id", "/id"),
            ("/serialNumber", "/serialNumber"),
            ("/userId", "/userId"),
            ("/lastSyncDateTime", "/lastSyncDateTime"),
            ("/complianceState", "/complianceState"),
        ],
    ),
    (
        "detected_app",
        "detectedApps",
        &[
            ("/id", "/id"),
            ("/displayName", "/displayName"),
            ("/version", "/version"),
            ("/deviceCount", "/deviceCount"),
        ],
    ),
];

/// The compared values of objects, sorted; null, empty and absent are one.
fn values(
    objects: &[Value],
    paths: impl Iterator<Item = &'static str> + Clone,
) -> BTreeSet<String> {
    let value = |o: &Value, path: &str| match o.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let line = |o: &Value| {
        let all: Vec<String> = paths.clone().map(|path| value(o, path)).collect();
        all.join(" | ")
    };
    objects.iter().map(line).collect()
}

/// What of a kind is read of all that there is.
fn read_of(world: &World, of: &str) -> Vec<Value> {
    let truth = |kind: &str| world.sim().truth(0, kind).unwrap();
    let mut objects = truth(of);
    let id = |o: &Value, name: &str| o[name].as_str().unwrap().to_owned();
    let licensed = |o: &&Value| {
        o["assignedLicenses"]
            .as_array()
            .is_some_and(|l| !l.is_empty())
    };
    match of {
        // Groups that assign licences.
        "members" => {
            let groups = truth("groups");
            let groups: BTreeSet<_> = groups
                .iter()
                .filter(licensed)
                .map(|g| id(g, "id"))
                .collect();
            objects.retain(|m| groups.contains(&id(m, "groupId")));
        }
        // Users that are blocked and hold a licence.
        "mailboxPurposes" => {
            let users = truth("users");
            let blocked = users.iter().filter(|u| u["accountEnabled"] == false);
            let users: BTreeSet<_> = blocked.filter(licensed).map(|u| id(u, "id")).collect();
            objects.retain(|p| users.contains(&id(p, "id")));
        }
        _ => {}
    }
    objects
}

fn assert_as_in_the_tenant(world: &World) {
    for (kind, of, compared) in COMPARED {
        let records = records(world, kind);
        let here = values(&records, compared.iter().map(|(here, _)| *here));
        let there = values(
            &read_of(world, of),
            compared.iter().map(|(_, there)| *there),
        );
        assert_eq!(records.len(), here.len(), "{kind}: two are one");
        assert!(!there.is_empty(), "{kind}: the simulated tenant has some");
        let (only_here, only_there): (Vec<_>, Vec<_>) = (
            here.difference(&there).collect(),
            there.difference(&here).collect(),
        );
        assert!(
            only_here.is_empty() && only_there.is_empty(),
            "{kind}: only in the inventory {only_here:#?}, only in the tenant {only_there:#?}"
        );
    }
}

#[test]
fn every_dataset_is_in_the_inventory_as_the_tenant_has_it_and_stays_so() {
    let mut world = World::new(Setting::Embedded, every_dataset(400));
    world.sync_whole();
    assert_as_in_the_tenant(&world);
    world.sqlite_shows_the_same();
    // What no sink shows is read for nobody, and its permission asked for nothing.
    for dataset in catalog::ALL {
        let shown = records(&world, dataset.kind.name());
        assert!(!shown.is_empty(), "{} reaches no sink", dataset.name);
    }
    for _ in 0..3 {
        world.sim().advance(5);
        world.next_week();
        world.sync_whole();
        assert_as_in_the_tenant(&world);
    }
}

/// Reports by their kind of record.
const REPORTS: [(&str, &str); 10] = [
    ("office_activation", "getOffice365ActivationsUserDetail"),
    ("office_active_user", "getOffice365ActiveUserDetail"),
    ("m365_app_usage", "getM365AppUserDetail"),
    ("teams_activity", "getTeamsUserActivityUserDetail"),
    ("email_activity", "getEmailActivityUserDetail"),
    ("mailbox_usage", "getMailboxUsageDetail"),
    ("onedrive_usage", "getOneDriveUsageAccountDetail"),
    ("onedrive_activity", "getOneDriveActivityUserDetail"),
    ("sharepoint_activity", "getSharePointActivityUserDetail"),
    ("copilot_usage", "getMicrosoft365CopilotUsageUserDetail"),
];

#[test]
fn usage_reports_name_whom_the_tenant_lets_them_name() {
    for concealed in [false, true] {
        let mut setup = every_dataset(400);
        setup.sim.concealed_names = concealed;
        let mut world = World::new(Setting::Embedded, setup);
        world.sync_whole();
        let settings = records(&world, "report_settings");
        assert_eq!(settings[0]["displayConcealedNames"], concealed);
        for (kind, report) in REPORTS {
            let found = records(&world, kind);
            let truth = world.sim().truth(0, report).unwrap();
            let text = |v: &Value| v.as_str().unwrap_or_default().to_lowercase();
            let names = ["userPrincipalName", "ownerPrincipalName"];
            let name = |o: &Value| names.iter().map(|n| text(&o[*n])).find(|n| !n.is_empty());
            let mut there = BTreeMap::<String, usize>::new();
            for object in &truth {
                let rows = object["userActivationCounts"]
                    .as_array()
                    .map_or(1, Vec::len);
                *there.entry(name(object).unwrap()).or_default() += rows;
            }
            let mut here = BTreeMap::<String, usize>::new();
            for record in &found {
                *here.entry(text(&record["subject"])).or_default() += 1;
                assert_eq!(record["concealed"], concealed, "{kind}: {record}");
                assert!(record["reportRefreshDate"].is_string(), "{kind}: {record}");
            }
            assert!(!here.is_empty(), "{kind}");
            if concealed {
                assert!(here.keys().all(|subject| !subject.contains('@')), "{kind}");
                let (here, there) = (here.values().sum::<usize>(), there.values().sum::<usize>());
                assert_eq!(here, there, "{kind}");
            } else {
                assert_eq!(here, there, "{kind}");
            }
        }
    }
}
