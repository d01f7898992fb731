//! Files that a pod names are in a volume that it mounts, and in what the volume is made of.

use std::collections::BTreeMap;

use serde_json::Value;

use super::manifests::{Manifests, called, list, root};

/// Secrets that nothing makes but whoever installs, and their keys: docs/install.md has a command for each.
pub const SECRETS: [(&str, &[&str]); 16] = [
    ("token-broker-db", &["password"]),
    ("token-broker-db-owner", &["password"]),
    ("token-broker-store", &["store.key"]),
    ("collector-db", &["password"]),
    ("collector-db-owner", &["password"]),
    ("collector-queue", &["keys"]),
    ("collector-contoso-db", &["password"]),
    ("collector-contoso-db-owner", &["password"]),
    ("collector-contoso-queue", &["keys"]),
    ("normalizer-db", &["password"]),
    ("normalizer-db-owner", &["password"]),
    ("normalizer-queue", &["keys"]),
    (
        "normalizer-keys",
        &["at-rest.key", "pseudonym.key", "erasure.key"],
    ),
    ("exporter-db", &["password"]),
    ("exporter-db-owner", &["password"]),
    ("exporter-queue", &["keys"]),
];
/// More of them.
pub const OTHERS: [(&str, &[&str]); 4] = [
    ("exporter-sink", &["password"]),
    ("scaler-db", &["password"]),
    ("scaler-queue", &["host"]),
    // Made by the operator of clusters, where that is used.
    ("rabbitmq-default-user", &["username", "password"]),
];

/// What is wrong.
pub fn check(it: &Manifests) -> Vec<String> {
    let mut wrong = Vec::new();
    let secrets = secrets(it);
    for (object, template) in it.templates() {
        let pod = &template["spec"];
        let container = &pod["containers"][0];
        let named = words(it, pod, container);
        for path in &named {
            if let Err(why) = found(it, &secrets, pod, container, path) {
                wrong.push(format!("{}: {path}: {why}", called(object)));
            }
        }
        for mount in list(&container["volumeMounts"]) {
            let below = format!("{}/", mount["mountPath"].as_str().unwrap());
            let federation = mount["name"] == "federation";
            if !federation && !named.iter().any(|path| path.starts_with(&below)) {
                wrong.push(format!("{}: nothing of {below} is used", called(object)));
            }
        }
    }
    for by in it.all("TriggerAuthentication") {
        for of in list(&by["spec"]["secretTargetRef"]) {
            let key = (of["name"].as_str().unwrap(), of["key"].as_str().unwrap());
            if !secrets.get(key.0).is_some_and(|keys| keys.contains(&key.1)) {
                wrong.push(format!("{}: there is no {key:?}", called(by)));
            }
        }
    }
    let page = std::fs::read_to_string(root().join("docs/install.md")).unwrap();
    let untold = SECRETS
        .iter()
        .chain(&OTHERS)
        .filter(|(name, _)| !page.contains(name));
    wrong
        .extend(untold.map(|(name, _)| format!("docs/install.md doesn't tell how to make {name}")));
    wrong
}

/// Secrets, with their keys.
fn secrets(it: &Manifests) -> BTreeMap<&str, Vec<&'static str>> {
    let certified = it.all("Certificate").map(|c| {
        let name = c["spec"]["secretName"].as_str().unwrap();
        (name, vec!["tls.crt", "tls.key", "ca.crt"])
    });
    let made = SECRETS
        .iter()
        .chain(&OTHERS)
        .map(|(name, keys)| (*name, keys.to_vec()));
    certified.chain(made).collect()
}

/// Absolute paths in its arguments, and in the configuration that these name.
fn words(it: &Manifests, pod: &Value, container: &Value) -> Vec<String> {
    let arguments: Vec<&str> = list(&container["args"])
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut all: Vec<String> = arguments
        .iter()
        .map(|a| a.rsplit('=').next().unwrap().to_owned())
        .collect();
    // A migration reads the whole file, and opens what it needs.
    let configured = !arguments.contains(&"migrate");
    for volume in list(&pod["volumes"]).iter().filter(|_| configured) {
        let Some(map) = volume["configMap"]["name"].as_str() else {
            continue;
        };
        let texts = it.named("ConfigMap", map).unwrap()["data"]
            .as_object()
            .unwrap()
            .values();
        for text in texts.filter_map(Value::as_str) {
            all.extend(text.split('"').map(str::to_owned));
        }
    }
    // What a migration opens of it.
    if !configured {
        all.extend(
            ["ca.crt", "tls.crt", "tls.key"].map(|name| format!("/var/run/leastwise/tls/{name}")),
        );
    }
    all.retain(|word| word.starts_with('/') && !word.contains('\n') && word.len() > 1);
    all
}

fn found(
    it: &Manifests,
    secrets: &BTreeMap<&str, Vec<&str>>,
    pod: &Value,
    container: &Value,
    path: &str,
) -> Result<(), String> {
    let mounts = list(&container["volumeMounts"]);
    let mount = mounts.iter().find(|m| {
        let at = m["mountPath"].as_str().unwrap();
        path.strip_prefix(at)
            .is_some_and(|rest| rest.starts_with('/'))
    });
    let Some(mount) = mount else {
        return Err("no volume is mounted there".into());
    };
    let file = &path[mount["mountPath"].as_str().unwrap().len() + 1..];
    let volume = list(&pod["volumes"])
        .iter()
        .find(|v| v["name"] == mount["name"]);
    let Some(volume) = volume else {
        // A volume that its StatefulSet claims.
        return Ok(());
    };
    if let Some(secret) = volume["secret"]["secretName"].as_str() {
        let keys = secrets
            .get(secret)
            .ok_or(format!("nobody makes the secret {secret}"))?;
        return match keys.contains(&file) {
            true => Ok(()),
            false => Err(format!("the secret {secret} has no {file}")),
        };
    }
    let map = volume["configMap"]["name"]
        .as_str()
        .ok_or("of what kind is its volume?")?;
    let map = it
        .named("ConfigMap", map)
        .ok_or("there is no such ConfigMap")?;
    match map["data"][file].is_string() {
        true => Ok(()),
        false => Err("the ConfigMap lacks it".into()),
    }
}
