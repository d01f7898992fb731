//! Pods as restricted as they can be, and as stoppable as they must be.

use serde_json::{Value, json};

use super::manifests::{Manifests, called, list, name, selects};

/// What is wrong.
pub fn check(it: &Manifests) -> Vec<String> {
    let mut wrong = Vec::new();
    for (object, template) in it.templates() {
        let pod = &template["spec"];
        let container = &pod["containers"][0];
        let inside = &container["securityContext"];
        for (what, holds) in [
            ("has one container", list(&pod["containers"]).len() == 1),
            (
                "is not root",
                pod["securityContext"]["runAsNonRoot"] == true
                    && pod["securityContext"]["runAsUser"] == 65532,
            ),
            (
                "has the runtime's filter of system calls",
                pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
            ),
            ("gains nothing", inside["allowPrivilegeEscalation"] == false),
            (
                "has no capability",
                inside["capabilities"] == json!({ "drop": ["ALL"] }),
            ),
            (
                "can't write to its root",
                inside["readOnlyRootFilesystem"] == true,
            ),
            (
                "gets no token of Kubernetes'",
                pod["automountServiceAccountToken"] == false,
            ),
            (
                "knows no other service by its environment",
                pod["enableServiceLinks"] == false,
            ),
            (
                "says what it needs",
                container["resources"]["requests"]["memory"].is_string()
                    && container["resources"]["requests"]["cpu"].is_string(),
            ),
            (
                "says what it may take of the memory",
                container["resources"]["limits"]["memory"].is_string(),
            ),
            (
                "has an account that exists",
                it.named(
                    "ServiceAccount",
                    pod["serviceAccountName"].as_str().unwrap_or_default(),
                )
                .is_some(),
            ),
            (
                "is of this release",
                container["image"]
                    .as_str()
                    .is_some_and(|i| i.ends_with(concat!(":", env!("CARGO_PKG_VERSION")))),
            ),
            (
                "names no secret that may be absent",
                list(&pod["volumes"])
                    .iter()
                    .all(|v| v["secret"].is_null() || v["secret"]["optional"] == false),
            ),
        ] {
            if !holds {
                wrong.push(format!("{}: not so: {what}", called(object)));
            }
        }
    }
    for workload in it.workloads() {
        wrong.extend(budget(it, workload));
        wrong.extend(spread(workload));
    }
    let accounts = it
        .all("ServiceAccount")
        .filter(|a| a["automountServiceAccountToken"] != false);
    wrong.extend(accounts.map(|a| format!("{}: its token is mounted", called(a))));
    let namespace = it.named("Namespace", "leastwise").unwrap();
    if namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] != "restricted" {
        wrong.push("the namespace is not restricted".into());
    }
    wrong
}

/// A workload has one budget of its own, and is selected by nothing that selects another.
fn budget(it: &Manifests, workload: &Value) -> Vec<String> {
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    let mut wrong = Vec::new();
    let budgets: Vec<_> = it
        .all("PodDisruptionBudget")
        .filter(|b| selects(&b["spec"]["selector"], labels))
        .collect();
    if budgets.len() != 1 {
        wrong.push(format!(
            "{}: has {} disruption budgets",
            called(workload),
            budgets.len()
        ));
    }
    for other in it.workloads() {
        let taken = selects(&other["spec"]["selector"], labels);
        if taken != (name(other) == name(workload)) {
            wrong.push(format!(
                "{}: the selector of {} is wrong",
                called(workload),
                called(other)
            ));
        }
    }
    wrong
}

fn spread(workload: &Value) -> Vec<String> {
    let template = &workload["spec"]["template"];
    let constraints = list(&template["spec"]["topologySpreadConstraints"]);
    let over = |key: &str| {
        constraints
            .iter()
            .any(|c| c["topologyKey"] == key && c["labelSelector"] == workload["spec"]["selector"])
    };
    let keys = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
    let missing = keys.into_iter().filter(|key| !over(key));
    missing
        .map(|key| format!("{}: is not spread over {key}", called(workload)))
        .collect()
}
