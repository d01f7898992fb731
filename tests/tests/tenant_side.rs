//! What deploy/tenant-side takes for normal is what the product does: neither more, which would hide a thief, nor less, which
//! would cry wolf.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::reading;
use tests::world::Setup;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/tenant-side")
}

fn read(name: &str) -> String {
    let path = directory().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The names of all files with this ending.
fn files(ending: &str) -> Vec<String> {
    let all = std::fs::read_dir(directory()).unwrap();
    let names = all.map(|f| f.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

/// `let name = dynamic([…]);` of a query.
fn list(query: &str, name: &str) -> BTreeSet<String> {
    let begin = format!("let {name} = dynamic(");
    let rest = query
        .split(&begin)
        .nth(1)
        .unwrap_or_else(|| panic!("no list {name}"));
    let list: Vec<String> = serde_json::from_str(rest.split(");").next().unwrap()).unwrap();
    list.into_iter().collect()
}

/// A path with ids left out.
fn plain(path: &str) -> String {
    let is_id = |part: &&str| part.len() == 36 && part.matches('-').count() == 4;
    let parts = path.split('/').map(|p| if is_id(&p) { "{id}" } else { p });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn the_requests_that_raise_no_alarm_are_those_that_are_made() {
    let world = reading::of_every_kind(Setup::users(1_200));
    let log = world.sim().log();
    let graph = log
        .iter()
        .filter(|e| !e.path.ends_with("/oauth2/v2.0/token"));
    // The log leaves the version out, and would show another one.
    let made = graph.map(|e| format!("{} /v1.0{}", e.method, plain(&e.path)));
    let query = read("unexpected-requests.kql");
    assert_eq!(list(&query, "requests"), made.collect());
}

#[test]
fn the_permissions_that_raise_no_alarm_are_the_default_ones() {
    let permissions = list(&read("unexpected-requests.kql"), "permissions");
    let default = catalog::DEFAULT_PERMISSIONS.map(str::to_owned);
    assert_eq!(permissions, BTreeSet::from(default));
}

#[test]
fn each_query_is_about_our_app_only_and_explained() {
    let readme = read("README.md");
    let queries = files(".kql");
    assert!(queries.len() >= 4, "{queries:?}");
    for name in queries {
        let query = read(&name);
        assert!(
            query.contains("let app = \"<application (client) id>\";"),
            "{name}"
        );
        let about = [
            "| where AppId =~ app\n",
            "has_any (app, application, principal)\n",
        ];
        assert!(about.iter().any(|a| query.contains(a)), "{name}");
        assert!(
            readme.contains(&format!("({name})")),
            "{name} is not in the README"
        );
    }
}

#[test]
fn each_body_is_json_that_says_what_the_readme_says() {
    let readme = read("README.md");
    let bodies = files(".json");
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    for name in &bodies {
        serde_json::from_str::<Value>(&read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(readme.contains(&format!("--body @{name}")), "{name}");
    }
    let body = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    let lock = &body("service-principal-lock.json")["servicePrincipalLockConfiguration"];
    assert_eq!(
        (&lock["isEnabled"], &lock["allProperties"]),
        (&true.into(), &true.into())
    );

    let policy = body("conditional-access.json");
    // Switched on before anybody has looked, it would stop the reading.
    assert_eq!(policy["state"], "enabledForReportingButNotEnforced");
    assert_eq!(
        policy["grantControls"]["builtInControls"],
        serde_json::json!(["block"])
    );
    let conditions = &policy["conditions"];
    assert_eq!(
        conditions["locations"]["includeLocations"],
        serde_json::json!(["All"])
    );
    assert_eq!(
        conditions["locations"]["excludeLocations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // Of one service principal, not of every one of the tenant.
    let whom = &conditions["clientApplications"]["includeServicePrincipals"];
    assert_eq!(
        whom,
        &serde_json::json!(["<object id of the service principal>"])
    );

    // The queries and the policy are about the same address.
    let ranges = body("named-location.json")["ipRanges"].clone();
    let address = ranges[0]["cidrAddress"].as_str().unwrap().to_owned();
    assert!(list(&read("sign-in-from-elsewhere.kql"), "ipv4").contains(&address));
}
