//! Each permission alone, and what it opens.

use crate::support::Client;
use graph_sim::{Config, Sim};

const OWN: &str = include_str!("../../data/graph-permissions.csv");

/// What is asked with each permission.
const PATHS: [&str; 5] = [
    "/users?$top=1",
    "/users/delta",
    "/organization",
    "/subscribedSkus",
    "/directory/subscriptions",
];

/// The permissions that open any of the paths, with a mark for each; all others open none.
const OPENS: [(&str, &str); 9] = [
    ("User.Read.All", "xxx--"),
    ("User.ReadBasic.All", "x----"),
    ("User.ReadWrite.All", "xx---"),
    ("Organization.Read.All", "--xxx"),
    ("Organization.ReadWrite.All", "--xxx"),
    ("LicenseAssignment.Read.All", "---x-"),
    ("Directory.Read.All", "xxxxx"),
    ("Directory.ReadWrite.All", "xxxxx"),
    ("DeviceManagementServiceConfig.Read.All", "--x--"),
];

fn names() -> Vec<&'static str> {
    let lines = OWN.lines().skip(1);
    lines.filter_map(|line| line.split(',').next()).collect()
}

#[tokio::test]
async fn each_permission_opens_what_it_should() {
    let listed = names();
    let more = OPENS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !listed.contains(name));
    let all: Vec<&str> = listed.iter().copied().chain(more).collect();
    let sim = Sim::new(Config {
        users: 3,
        tenants: all.len() as u16,
        roles_of: all
            .iter()
            .enumerate()
            .map(|(n, name)| (n, vec![(*name).to_owned()]))
            .collect(),
        ..Config::default()
    });
    for (n, name) in all.iter().enumerate() {
        let client = Client::of(&sim, n).await;
        let mut marks = String::new();
        for path in PATHS {
            let answer = client.get(path).await;
            match answer.status {
                200 => marks.push('x'),
                403 => {
                    assert_eq!(answer.code(), "Authorization_RequestDenied");
                    marks.push('-');
                }
                other => panic!("{name} {path}: {other}"),
            }
        }
        let expected = OPENS.iter().find(|(known, _)| known == name);
        assert_eq!(
            marks,
            expected.map_or("-----", |(_, marks)| marks),
            "{name}"
        );
    }
}

#[test]
fn the_copy_is_up_to_date() {
    let shared = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/facts/graph-permissions.csv"
    );
    // The facts lie beside the checkout where the project is developed; elsewhere there is nothing to compare with.
    if let Ok(theirs) = std::fs::read_to_string(shared) {
        assert!(
            theirs == OWN,
            "data/graph-permissions.csv differs from {shared}"
        );
    }
    assert!(names().len() > 30);
}
