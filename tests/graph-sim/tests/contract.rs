//! Every answer against the types of Graph v1.0, and against what the documented samples show.
//!
//! `contract/types.json` holds the types (of the public metadata), `contract/samples.tsv` the names and kinds of the
//! samples' properties, `contract/missing.tsv` what a sample shows and the simulator does not, with a reason each.
#![allow(missing_docs, clippy::unwrap_used)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Storm};
use serde_json::{Map, Value};
use support::{Client, send};

const SAMPLES: &str = include_str!("contract/samples.tsv");
const MISSING: &str = include_str!("contract/missing.tsv");

/// Annotations that an object may carry.
const ANNOTATIONS: [&str; 5] = [
    "@odata.context",
    "@odata.type",
    "@odata.id",
    "@removed",
    "members@delta",
];

/// The types of the public metadata.
fn collected() -> Map<String, Value> {
    serde_json::from_str(include_str!("contract/types.json")).unwrap()
}

/// All types: some stand on the pages of documentation only.
fn types() -> Map<String, Value> {
    let mut all = collected();
    let pages = include_str!("contract/types-of-pages.json");
    all.extend(serde_json::from_str::<Map<String, Value>>(pages).unwrap());
    all
}

/// The properties of each type that were seen, and whether any of them had a value.
type Seen = BTreeMap<String, BTreeMap<String, bool>>;

struct Checker {
    types: Map<String, Value>,
    seen: Seen,
}

impl Checker {
    fn property(&self, kind: &str, name: &str) -> Option<(String, bool)> {
        let found = |kind: &str| {
            let property = &self.types[kind]["properties"][name];
            Some((property[0].as_str()?.to_owned(), property[1].as_bool()?))
        };
        if name == "id" {
            return Some(("Edm.String".to_owned(), false));
        }
        found(kind).or_else(|| {
            let base = self.types[kind]["base"].as_str()?.rsplit('.').next()?;
            self.types.contains_key(base).then(|| found(base)).flatten()
        })
    }

    /// Checks an object of a type.
    fn object(&mut self, kind: &str, object: &Value) {
        for (name, value) in object
            .as_object()
            .unwrap_or_else(|| panic!("{kind}: {object}"))
        {
            if ANNOTATIONS.contains(&name.as_str()) {
                continue;
            }
            let known = self.property(kind, name);
            let (of, nullable) = known.unwrap_or_else(|| panic!("{kind} has no property {name}"));
            let seen = self.seen.entry(kind.to_owned()).or_default();
            let some = !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty());
            *seen.entry(name.clone()).or_default() |= some;
            if value.is_null() {
                assert!(nullable, "{kind}.{name} must not be null");
                continue;
            }
            self.value(&format!("{kind}.{name}"), &of, value);
        }
    }

    fn value(&mut self, place: &str, of: &str, value: &Value) {
        if let Some(inner) = of
            .strip_prefix("Collection(")
            .and_then(|o| o.strip_suffix(')'))
        {
            let items = value
                .as_array()
                .unwrap_or_else(|| panic!("{place} is a list: {value}"));
            items.iter().for_each(|item| self.value(place, inner, item));
            return;
        }
        let text = value.as_str().unwrap_or_default();
        let fits = match of {
            "Edm.String" | "Edm.Binary" => value.is_string(),
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Int32" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            "Edm.Int64" => value.is_i64() || value.is_u64(),
            "Edm.Guid" => text.len() == 36 && text.bytes().filter(|b| *b == b'-').count() == 4,
            "Edm.DateTimeOffset" => text.len() == 20 && text.ends_with('Z') && &text[10..11] == "T",
            _ => {
                let name = of.rsplit('.').next().unwrap_or(of).to_owned();
                let known = self.types.get(&name);
                let known =
                    known.unwrap_or_else(|| panic!("{place}: the type {name} is not known"));
                if let Some(members) = known["members"].as_array() {
                    members.iter().any(|m| m == value || m["name"] == *value)
                } else {
                    self.object(&name, value);
                    true
                }
            }
        };
        assert!(fits, "{place} is {of}: {value}");
    }
}

async fn client() -> Client {
    let roles = [
        "Application.Read.All",
        "User.Read.All",
        "Organization.Read.All",
        "Domain.Read.All",
        "Group.Read.All",
        "Device.Read.All",
        "DeviceManagementManagedDevices.Read.All",
        "AuditLog.Read.All",
        "Reports.Read.All",
        "ReportSettings.Read.All",
        "LicenseAssignment.Read.All",
    ];
    let client = Client::new(Config {
        users: 600,
        seed: 83,
        roles: roles.map(str::to_owned).to_vec(),
        ..Config::default()
    })
    .await;
    client.sim.advance(4);
    client.sim.storm(0, Storm::Deletion { users: 20 });
    client
}

/// Reads a collection, checks each page's frame and each object, and gives the objects back.
async fn collection(client: &Client, checker: &mut Checker, kind: &str, path: &str) -> Vec<Value> {
    let (mut next, mut all) = (path.to_owned(), Vec::new());
    loop {
        let answer = client.get(&next).await;
        assert_eq!(
            answer.status,
            200,
            "{next}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        let mut page = answer.json();
        let context = page["@odata.context"].as_str().unwrap();
        assert!(
            context.starts_with("http://graph-sim.localhost/v1.0/$metadata#"),
            "{context}"
        );
        for name in page.as_object().unwrap().keys() {
            let known = [
                "@odata.context",
                "@odata.count",
                "@odata.nextLink",
                "@odata.deltaLink",
                "value",
            ];
            assert!(known.contains(&name.as_str()), "{path}: {name}");
        }
        for object in page["value"].as_array().unwrap() {
            checker.object(kind, object);
        }
        all.append(page["value"].as_array_mut().unwrap());
        match page["@odata.nextLink"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return all,
        }
    }
}

/// The properties of a type that can be selected in a list.
fn selectable(checker: &Checker, kind: &str, without: &[&str]) -> String {
    let all = checker.types[kind]["properties"].as_object().unwrap();
    let names = all
        .keys()
        .map(String::as_str)
        .filter(|n| !without.contains(n));
    ["id"]
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(",")
}

/// What Graph doesn't give of a user in a list.
const NOT_IN_A_LIST: [&str; 15] = [
    "aboutMe",
    "birthday",
    "hireDate",
    "interests",
    "mySite",
    "pastProjects",
    "preferredName",
    "responsibilities",
    "schools",
    "skills",
    "mailboxSettings",
    "customSecurityAttributes",
    "employeeLeaveDateTime",
    "signInActivity",
    "deviceEnrollmentLimit",
];
/// What Graph gives of one group only, or never.
const NOT_IN_GROUPS: [&str; 13] = [
    "accessType",
    "allowExternalSenders",
    "autoSubscribeNewMembers",
    "hideFromAddressLists",
    "hideFromOutlookClients",
    "isArchived",
    "isFavorite",
    "isSubscribedByMail",
    "unseenConversationsCount",
    "unseenCount",
    "unseenMessagesCount",
    "welcomeMessageEnabled",
    "hasMembersWithLicenseErrors",
];

#[tokio::test]
async fn every_answer_has_the_types_of_v1() {
    let client = client().await;
    let mut checker = Checker {
        types: types(),
        seen: Seen::new(),
    };
    let users = selectable(&checker, "user", &NOT_IN_A_LIST);
    let groups = selectable(&checker, "group", &NOT_IN_GROUPS);
    let lists = [
        ("organization", "/organization".to_owned()),
        ("domain", "/domains".to_owned()),
        ("subscribedSku", "/subscribedSkus".to_owned()),
        ("companySubscription", "/directory/subscriptions".to_owned()),
        ("user", "/users".to_owned()),
        ("user", format!("/users?$select={users}&$top=999")),
        (
            "user",
            "/users?$select=id,signInActivity&$top=500".to_owned(),
        ),
        (
            "user",
            format!(
                "/users/delta?$select={}",
                users.replace("licenseAssignmentStates,", "")
            ),
        ),
        (
            "user",
            "/directory/deletedItems/microsoft.graph.user".to_owned(),
        ),
        ("group", "/groups".to_owned()),
        ("group", format!("/groups?$select={groups}&$top=999")),
        ("group", format!("/groups/delta?$select={groups},members")),
        (
            "group",
            "/directory/deletedItems/microsoft.graph.group".to_owned(),
        ),
        ("application", "/applications".to_owned()),
        ("servicePrincipal", "/servicePrincipals".to_owned()),
        ("device", "/devices?$top=999".to_owned()),
        (
            "managedDevice",
            "/deviceManagement/managedDevices".to_owned(),
        ),
        (
            "detectedApp",
            "/deviceManagement/detectedApps?$top=1000".to_owned(),
        ),
    ];
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for (kind, path) in &lists {
        let objects = collection(&client, &mut checker, kind, path).await;
        let id = objects
            .iter()
            .find_map(|o| o["id"].as_str().filter(|_| o["@removed"].is_null()));
        first
            .entry(path.split('?').next().unwrap())
            .or_insert(id.unwrap().to_owned());
    }
    let of = |path: &str| first[path].clone();
    for (kind, path) in [
        (
            "organization",
            format!("/organization/{}", of("/organization")),
        ),
        ("domain", format!("/domains/{}", of("/domains"))),
        ("user", format!("/users/{}", of("/users"))),
        ("group", format!("/groups/{}", of("/groups"))),
        ("device", format!("/devices/{}", of("/devices"))),
        (
            "managedDevice",
            format!(
                "/deviceManagement/managedDevices/{}",
                of("/deviceManagement/managedDevices")
            ),
        ),
        (
            "detectedApp",
            format!(
                "/deviceManagement/detectedApps/{}",
                of("/deviceManagement/detectedApps")
            ),
        ),
        ("adminReportSettings", "/admin/reportSettings".to_owned()),
    ] {
        let answer = client.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        checker.object(kind, &answer.json());
    }
    for id in collection(
        &client,
        &mut checker,
        "managedDevice",
        "/deviceManagement/managedDevices?$select=id",
    )
    .await
    {
        let path = format!(
            "/deviceManagement/managedDevices/{}?$select=id,physicalMemoryInBytes,ethernetMacAddress,iccid,udid,notes",
            id["id"].as_str().unwrap()
        );
        checker.object("managedDevice", &client.get(&path).await.json());
    }
    for id in collection(&client, &mut checker, "group", "/groups?$select=id").await {
        let path = format!(
            "/groups/{}?$select=id,allowExternalSenders,autoSubscribeNewMembers,isSubscribedByMail,unseenCount",
            id["id"].as_str().unwrap()
        );
        checker.object("group", &client.get(&path).await.json());
    }
    let user = of("/users");
    collection(
        &client,
        &mut checker,
        "licenseDetails",
        &format!("/users/{user}/licenseDetails"),
    )
    .await;
    let group = of("/groups");
    collection(
        &client,
        &mut checker,
        "user",
        &format!("/groups/{group}/members/microsoft.graph.user"),
    )
    .await;
    let (app, principal) = (of("/applications"), of("/servicePrincipals"));
    for (kind, path) in [
        (
            "federatedIdentityCredential",
            format!("/applications/{app}/federatedIdentityCredentials"),
        ),
        (
            "appRoleAssignment",
            format!("/servicePrincipals/{principal}/appRoleAssignments"),
        ),
    ] {
        collection(&client, &mut checker, kind, &path).await;
    }
    let app = of("/deviceManagement/detectedApps");
    let path = format!("/deviceManagement/detectedApps/{app}/managedDevices");
    collection(&client, &mut checker, "managedDevice", &path).await;
    compare(&client, checker.seen).await;
}

/// What the samples show and the answers do not is exactly what is listed, with a reason each.
async fn compare(client: &Client, mut seen: Seen) {
    reports(client, &mut seen).await;
    let fields = |line: &'static str| line.split('\t').collect::<Vec<_>>();
    let mut missing = BTreeSet::new();
    for line in SAMPLES.lines().map(fields) {
        let has = seen.get(line[0]).and_then(|s| s.get(line[1]));
        // A property that is null in every sample may be null here.
        let only_null = line[2].split(' ').all(|k| k == "null") || line[2] == "list";
        if has.is_none_or(|some| !some && !only_null) {
            missing.insert((line[0], line[1]));
        }
    }
    let mut listed = BTreeSet::new();
    for line in MISSING.lines().map(fields) {
        assert!(line.len() == 3 && line[2].len() > 10, "a reason: {line:?}");
        assert!(listed.insert((line[0], line[1])), "listed twice: {line:?}");
    }
    let unlisted: Vec<_> = missing.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "shown by a sample, not here, and not listed: {unlisted:?}"
    );
    let stale: Vec<_> = listed.difference(&missing).collect();
    assert!(stale.is_empty(), "listed as missing but there: {stale:?}");
}

/// The columns of the reports, and the JSON of one of them.
async fn reports(client: &Client, seen: &mut Seen) {
    let functions: BTreeSet<&str> = SAMPLES
        .lines()
        .filter_map(|l| l.split('\t').next().filter(|n| n.starts_with("get")))
        .collect();
    for function in functions {
        let argument = if function.contains("Activation") {
            ""
        } else {
            "(period='D7')"
        };
        let mut answer = client.get(&format!("/reports/{function}{argument}")).await;
        if answer.status == 302 {
            let link = answer.headers["location"].to_str().unwrap();
            answer = send(&client.sim, Request::get(link).body(Body::empty()).unwrap()).await;
        }
        let text = String::from_utf8(answer.body).unwrap();
        let header = text.trim_start_matches('\u{feff}').lines().next().unwrap();
        let columns = header.split(',').map(|c| (c.to_owned(), true));
        seen.insert(function.to_owned(), columns.collect());
    }
    let path = "/reports/getM365AppUserDetail(period='D7')?$format=application/json";
    for user in client.pages(path).await.0 {
        for (kind, object) in [
            ("m365AppUserDetail", &user),
            ("m365AppUserDetail.details", &user["details"][0]),
        ] {
            for (name, value) in object.as_object().unwrap() {
                let known = seen.entry(kind.to_owned()).or_default();
                *known.entry(name.clone()).or_default() |= !value.is_null();
            }
        }
    }
}

/// Where the collected facts lie beside the checkout, the own copy of the types is theirs.
#[test]
fn the_types_are_those_that_were_collected() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let facts: Option<PathBuf> = here
        .ancestors()
        .map(|a| a.join("shared/facts/graph-types.json"))
        .find(|p| p.exists());
    let Some(facts) = facts else {
        return;
    };
    let facts: Map<String, Value> = serde_json::from_slice(&std::fs::read(facts).unwrap()).unwrap();
    for (name, own) in collected() {
        for property in facts[&name]["properties"].as_array().into_iter().flatten() {
            let known = &own["properties"][property["name"].as_str().unwrap()];
            assert_eq!(
                (&known[0], &known[1]),
                (&property["type"], &property["nullable"]),
                "{name}"
            );
        }
        assert_eq!(
            own["members"],
            *facts[&name].get("members").unwrap_or(&Value::Null),
            "{name}"
        );
    }
}
