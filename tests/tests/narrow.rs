//! Each dataset is read with a token that carries no other group's permission, as Graph saw it.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::{BTreeMap, BTreeSet};

use graph_sim::LogEntry;
use tests::reading;
use tests::world::{App, Setup, World};

/// The dataset that a request to Graph was for.
fn dataset(entry: &LogEntry) -> &'static str {
    // Only ids of the one dataset with a delta are asked for in batches.
    if entry.path == "/$batch" {
        return "users";
    }
    let of_it = |path: &str| {
        let rest = entry.path.trim_start_matches('/').strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let found = catalog::ALL.iter().find(|d| of_it(d.path));
    found.unwrap_or_else(|| panic!("{entry:?}")).name
}

/// The roles in the tokens that each dataset's requests carried.
fn roles(world: &World) -> BTreeMap<&'static str, BTreeSet<String>> {
    let log = world.sim().log();
    let mut all = BTreeMap::<_, BTreeSet<String>>::new();
    for entry in log
        .iter()
        .filter(|e| !e.path.ends_with("/oauth2/v2.0/token"))
    {
        assert!(!entry.roles.is_empty(), "{entry:?}");
        let of_it = all.entry(dataset(entry)).or_default();
        of_it.extend(entry.roles.iter().cloned());
    }
    assert_eq!(all.len(), catalog::ALL.len(), "every dataset was read");
    all
}

/// What a dataset was read with beyond the permissions that are for it, each of them narrow.
fn of_others(roles: &BTreeMap<&'static str, BTreeSet<String>>) -> Vec<String> {
    let strange = |(dataset, roles): (&&str, &BTreeSet<String>)| {
        let declared = catalog::find(dataset).unwrap();
        let own = |role: &&String| {
            declared.permission == **role || declared.accepted.contains(&role.as_str())
        };
        let strange = roles.iter().filter(|role| !own(role));
        strange
            .map(|role| format!("{dataset} {role}"))
            .collect::<Vec<_>>()
    };
    roles.iter().flat_map(strange).collect()
}

/// Three groups: users, units of products, and the tenant with its subscriptions.
fn groups(named: bool) -> Vec<App> {
    let app = |name: &'static str, position: usize, role: &str, datasets: &[&'static str]| App {
        name,
        position,
        roles: vec![role.to_owned()],
        datasets: named.then(|| datasets.to_vec()),
        credentials: Vec::new(),
    };
    vec![
        app("users", 1, "User.Read.All", &["users"]),
        app(
            "units",
            3,
            "LicenseAssignment.Read.All",
            &["subscribedSkus"],
        ),
        app(
            "tenant",
            0,
            "Organization.Read.All",
            &["organization", "subscriptions"],
        ),
    ]
}

fn read(apps: Vec<App>) -> World {
    let mut setup = Setup::users(1_200);
    setup.apps = apps;
    let world = reading::of_every_kind(setup);
    world.is(&world.truth());
    world
}

#[test]
fn a_dataset_is_read_with_its_own_groups_permission_only() {
    let roles = roles(&read(groups(true)));
    assert_eq!(of_others(&roles), [""; 0]);
    let only = |role: &str| BTreeSet::from([role.to_owned()]);
    assert_eq!(
        roles,
        BTreeMap::from([
            ("users", only("User.Read.All")),
            ("subscribedSkus", only("LicenseAssignment.Read.All")),
            ("subscriptions", only("Organization.Read.All")),
            ("organization", only("Organization.Read.All")),
        ])
    );
}

#[test]
fn nobody_has_to_say_which_app_is_for_which_dataset() {
    let roles = roles(&read(groups(false)));
    assert_eq!(of_others(&roles), [""; 0]);
    assert!(roles.values().all(|roles| roles.len() == 1), "{roles:?}");
}

#[test]
fn one_app_for_everything_shows_every_permission_to_each_dataset() {
    // What the tests above would find, if apps were mixed up.
    let all = catalog::DEFAULT_PERMISSIONS.map(str::to_owned);
    let roles = roles(&read(Vec::new()));
    assert!(
        roles
            .values()
            .all(|roles| *roles == BTreeSet::from(all.clone())),
        "{roles:?}"
    );
    assert_eq!(
        of_others(&roles),
        [
            "subscribedSkus User.Read.All",
            "subscriptions User.Read.All",
            "users Organization.Read.All"
        ]
    );
}
