//! Rendered objects, and how they are looked at.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// What is rendered, in the order of the table in docs/kubernetes.md.
pub const OVERLAYS: [&str; 4] = [
    "dev",
    "shared-pool",
    "dedicated-tenant",
    "high-availability",
];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// An overlay's objects.
pub struct Manifests(pub Vec<Value>);

impl Manifests {
    pub fn of(overlays: &Value, name: &str) -> Manifests {
        Manifests(overlays[name].as_array().unwrap().clone())
    }

    pub fn all<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |o| o["kind"] == kind)
    }

    pub fn named(&self, kind: &str, name: &str) -> Option<&Value> {
        self.all(kind).find(|o| o["metadata"]["name"] == name)
    }

    /// What keeps pods running.
    pub fn workloads(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(|o| {
            ["Deployment", "StatefulSet"]
                .iter()
                .any(|kind| o["kind"] == *kind)
        })
    }

    /// Everything that makes pods, with their template.
    pub fn templates(&self) -> impl Iterator<Item = (&Value, &Value)> {
        let jobs = self.all("Job");
        self.workloads()
            .chain(jobs)
            .map(|o| (o, &o["spec"]["template"]))
    }
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// What an object is called in a report.
pub fn called(object: &Value) -> String {
    format!("{} {}", object["kind"].as_str().unwrap(), name(object))
}

/// Whether a label selector, of whatever form, takes these labels. An empty one takes everything.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object();
    let equal = equal.is_none_or(|all| all.iter().all(|(key, value)| labels[key] == *value));
    let among = selector["matchExpressions"].as_array();
    let among = among.is_none_or(|all| {
        all.iter().all(|one| {
            assert_eq!(one["operator"], "In", "{one}");
            let label = &labels[one["key"].as_str().unwrap()];
            one["values"].as_array().unwrap().contains(label)
        })
    });
    equal && among
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
