//! What the inventory shows of each dataset, beside what the simulated tenant has: none of the product's mapping is used.
#![allow(clippy::unwrap_used, reason = "a test's support")]

use std::collections::{BTreeMap, BTreeSet};

use catalog::Declaration;
use serde_json::Value;

use crate::inventory::{self, Records};
use crate::truth::without_states;
use crate::world::{Setup, World};

/// How much of each record is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// That it is there.
    Keys,
    /// All but what a delta query doesn't track.
    Tracked,
    /// Everything that the simulator tells as well.
    Values,
}

/// A tenant of so many users of which everything is read.
pub fn every_dataset(users: u32) -> Setup {
    reading(users, &catalog::ALL)
}

/// A tenant of so many users of which this is read, with the permissions for it.
pub fn reading(users: u32, datasets: &[&'static Declaration]) -> Setup {
    let mut setup = Setup::users(users);
    setup.datasets = Some(datasets.iter().map(|d| d.name).collect());
    let needs = datasets.iter().flat_map(|d| d.needs);
    let roles: BTreeSet<&str> = needs.map(|need| need.least).collect();
    setup.sim.roles = roles.into_iter().map(str::to_owned).collect();
    setup
}

/// The records of a kind as the files sink shows them.
pub fn records(world: &World, kind: &str) -> Vec<Value> {
    let path = world.path("inventory").join(format!("{kind}.ndjson"));
    // A kind of which there is nothing has no file.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().map(|l| serde_json::from_str(l).unwrap());
    lines.collect()
}

/// Kind of record, what the simulator calls it, and which of its properties are compared with which: the first are the key.
pub type Compared = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// Everything but usage reports and what is read unless the operator says otherwise.
pub const COMPARED: [Compared; 9] = [
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
) -> BTreeMap<String, usize> {
    let value = |o: &Value, path: &str| match o.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let line = |o: &Value| {
        let all: Vec<String> = paths.clone().map(|path| value(o, path)).collect();
        all.join(" | ")
    };
    counted(objects.iter().map(line))
}

fn counted(lines: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    counts
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

/// Reports by their kind of record.
pub const REPORTS: [(&str, &str); 10] = [
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

/// Whom the rows of a report are about, in small letters, each as often as there are rows.
pub fn subjects(world: &World, report: &str) -> BTreeMap<String, usize> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_lowercase();
    let names = ["userPrincipalName", "ownerPrincipalName"];
    let name = |o: &Value| names.iter().map(|n| text(&o[*n])).find(|n| !n.is_empty());
    let truth = world.sim().truth(0, report).unwrap();
    let rows = truth.iter().flat_map(|object| {
        let rows = object["userActivationCounts"].as_array();
        std::iter::repeat_n(name(object).unwrap(), rows.map_or(1, Vec::len))
    });
    counted(rows)
}

fn of_default(records: Records, depth: Depth) -> Records {
    let shown = |value: Value| match depth {
        Depth::Keys => Value::Null,
        Depth::Tracked => without_states(&value),
        Depth::Values => value,
    };
    records.into_iter().map(|(k, v)| (k, shown(v))).collect()
}

/// What the inventory of a kind has that the tenant hasn't, and the other way round; none where they agree. Of usage
/// reports names must not be concealed.
pub fn differs(world: &World, kind: &str, depth: Depth) -> Option<String> {
    let compared = COMPARED.iter().find(|(name, ..)| *name == kind);
    let report = REPORTS.iter().find(|(name, _)| *name == kind);
    let (here, there) = match (compared, report) {
        (Some((_, of, properties)), _) => {
            // A membership is named by both its ends.
            let key = if kind == "group_member" { 2 } else { 1 };
            let most = match depth {
                Depth::Keys => key,
                _ => properties.len(),
            };
            let properties = || properties.iter().take(most);
            (
                values(&records(world, kind), properties().map(|(here, _)| *here)),
                values(&read_of(world, of), properties().map(|(_, there)| *there)),
            )
        }
        (_, Some((_, report))) => {
            let here = values(&records(world, kind), ["/subject"].into_iter());
            let here = here.into_iter().map(|(s, n)| (s.to_lowercase(), n));
            (here.collect(), subjects(world, report))
        }
        _ if kind == "report_settings" => {
            let here = records(world, kind);
            let shown = here.first().map(|s| s["displayConcealedNames"].to_string());
            (
                counted(shown.into_iter()),
                counted(["false".to_owned()].into_iter()),
            )
        }
        _ => {
            let there = of_default(world.truth().records(kind), depth);
            let here = of_default(world.inventory(kind), depth);
            return inventory::difference(kind, &there, &here);
        }
    };
    let only = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>| -> Vec<String> {
        let differ = one.iter().filter(|(line, n)| other.get(*line) != Some(n));
        differ.map(|(line, n)| format!("{n} x {line}")).collect()
    };
    let (only_here, only_there) = (only(&here, &there), only(&there, &here));
    let differ = !only_here.is_empty() || !only_there.is_empty();
    differ.then(|| {
        format!("{kind}: only in the inventory {only_here:#?}, only in the tenant {only_there:#?}")
    })
}
