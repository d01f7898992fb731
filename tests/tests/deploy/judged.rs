//! Every overlay: rendered by kubectl, held against the schemas of Kubernetes, KEDA and cert-manager, read by a scanner that we
//! did not write, and by tests of our own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use servers::{Node, Python};

use super::manifests::{Manifests, OVERLAYS, root};
use super::{arrows, fits, paths, policies};

/// The newest Kubernetes whose schemas are at hand, and the oldest that is still looked after.
const VERSIONS: &str = "1.35,1.37";

/// What the scanner finds and we don't do.
const TOLERATED: [(&str, &str); 3] = [
    (
        "CKV_K8S_11",
        "no limits of processor time: who is throttled holds leases and messages for nothing",
    ),
    (
        "CKV_K8S_43",
        "digests are the installer's: the registry is not known here",
    ),
    (
        "CKV_K8S_15",
        "tags are versions and never change; a node must start without the registry",
    ),
];

#[test]
fn every_overlay_is_valid_and_fits_together() {
    let Some(python) = Python::for_manifests().unwrap() else {
        return;
    };
    let rendered = rendered(&python);
    assert_eq!(rendered["wrong"], serde_json::json!([]));
    assert!(
        rendered["judged"].as_u64() > Some(100),
        "{}",
        rendered["judged"]
    );
    extensions(&rendered["overlays"]);
    scanned(&python, &rendered["overlays"]);
    let mut wrong = Vec::new();
    for overlay in OVERLAYS {
        let manifests = Manifests::of(&rendered["overlays"], overlay);
        let found = [
            fits::check(&manifests),
            paths::check(&manifests),
            policies::check(&manifests),
            arrows::check(&manifests, overlay),
        ];
        wrong.extend(
            found
                .into_iter()
                .flatten()
                .map(|what| format!("{overlay}: {what}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The objects of every overlay, and what schemas say.
pub fn rendered(python: &Python) -> Value {
    let overlays = root().join("deploy/kubernetes/overlays");
    let mut arguments = vec![VERSIONS.to_owned()];
    arguments.extend(OVERLAYS.map(|name| overlays.join(name).display().to_string()));
    serde_json::from_str(&python.run("judge.py", &arguments).unwrap()).unwrap()
}

fn extensions(overlays: &Value) {
    let Some(node) = Node::for_manifests().unwrap() else {
        return;
    };
    let all: Vec<&Value> = overlays
        .as_object()
        .unwrap()
        .values()
        .flat_map(|o| o.as_array().unwrap())
        .collect();
    let judge = |objects: &Value| -> Value {
        serde_json::from_str(&node.run("judge.cjs", &objects.to_string()).unwrap()).unwrap()
    };
    let all = serde_json::json!(all);
    let said = judge(&all);
    assert_eq!(said["wrong"], serde_json::json!([]));
    assert!(said["judged"].as_u64() > Some(30), "{said}");
    // The judge can say no.
    let scaled = all
        .as_array()
        .unwrap()
        .iter()
        .find(|o| o["kind"] == "ScaledObject");
    let mut broken = scaled.unwrap().clone();
    broken["spec"]["pollingInterval"] = "often".into();
    assert_ne!(
        judge(&serde_json::json!([broken]))["wrong"],
        serde_json::json!([])
    );
}

fn scanned(python: &Python, overlays: &Value) {
    let home = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for overlay in OVERLAYS {
        let objects = overlays[overlay].as_array().unwrap();
        let new = objects.iter().filter(|o| seen.insert(o.to_string()));
        // YAML is a superset of JSON.
        let text: String = new.map(|o| format!("---\n{o:#}\n")).collect();
        std::fs::write(home.path().join(format!("{overlay}.yaml")), text).unwrap();
    }
    for file in std::fs::read_dir(root().join("deploy/images")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), home.path().join(file.file_name())).unwrap();
    }
    let mut scan = python.program("checkov");
    scan.args(["--directory", "."]).current_dir(home.path());
    scan.args([
        "--framework",
        "kubernetes",
        "--framework",
        "dockerfile",
        "--compact",
    ]);
    // It asks its maker's server for nothing.
    scan.args(["--skip-download", "--soft-fail", "--output", "json"]);
    scan.env("LOG_LEVEL", "ERROR");
    let said: Value = serde_json::from_str(&servers::run_text(&mut scan, "").unwrap()).unwrap();
    let reports = said
        .as_array()
        .map_or(vec![&said], |all| all.iter().collect());
    let passed: u64 = reports
        .iter()
        .filter_map(|r| r["summary"]["passed"].as_u64())
        .sum();
    assert!(passed > 1_000, "{passed} checks passed");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for failed in reports
        .iter()
        .flat_map(|r| r["results"]["failed_checks"].as_array().unwrap())
    {
        let text = |key: &str| failed[key].as_str().unwrap().to_owned();
        let of = found.entry(text("check_id")).or_default();
        of.push(format!("{}: {}", text("resource"), text("check_name")));
    }
    let tolerated: BTreeSet<_> = TOLERATED.iter().map(|(id, _)| (*id).to_owned()).collect();
    let stale: Vec<_> = tolerated
        .iter()
        .filter(|id| !found.contains_key(*id))
        .collect();
    found.retain(|id, _| !tolerated.contains(id));
    assert!(found.is_empty(), "{found:#?}");
    assert!(
        stale.is_empty(),
        "found no more, so take them out of TOLERATED: {stale:?}"
    );
}
