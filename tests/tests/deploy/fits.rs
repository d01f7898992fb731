//! Names that one object uses and another one gives, and what configurations say.

use std::collections::BTreeSet;
use std::fs;

use runtime::config::{Layers, Settings};
use runtime::process::Service;
use serde_json::Value;

use super::manifests::{Manifests, called, list, name, selects};

/// What has to be there for these names: the component `servers`, or what somebody else runs.
const OUTSIDE: [&str; 2] = ["rabbitmq", "postgres-rw"];

/// What is wrong.
pub fn check(it: &Manifests) -> Vec<String> {
    let mut wrong = services(it);
    wrong.extend(scaled(it));
    for workload in it.workloads() {
        wrong.extend(configured(it, workload));
    }
    wrong
}

/// Each service selects the pods of one workload, at ports that they have.
fn services(it: &Manifests) -> Vec<String> {
    let mut wrong = Vec::new();
    for service in it.all("Service") {
        let selector = serde_json::json!({ "matchLabels": service["spec"]["selector"] });
        let chosen: Vec<_> = it
            .workloads()
            .filter(|w| selects(&selector, &w["spec"]["template"]["metadata"]["labels"]))
            .collect();
        let [workload] = chosen[..] else {
            wrong.push(format!(
                "{}: selects {} workloads",
                called(service),
                chosen.len()
            ));
            continue;
        };
        let there = ports(workload);
        for port in list(&service["spec"]["ports"]) {
            let target = (
                port["targetPort"].as_str().unwrap_or_default(),
                port["port"].as_u64(),
            );
            if !there
                .iter()
                .any(|(name, number)| target == (name, Some(*number)))
            {
                wrong.push(format!("{}: {port} leads nowhere", called(service)));
            }
        }
    }
    wrong
}

fn ports(workload: &Value) -> Vec<(String, u64)> {
    let container = &workload["spec"]["template"]["spec"]["containers"][0];
    let of = |port: &Value| {
        Some((
            port["name"].as_str()?.to_owned(),
            port["containerPort"].as_u64()?,
        ))
    };
    list(&container["ports"]).iter().filter_map(of).collect()
}

/// Autoscalers aim at what is there, and know how to ask.
fn scaled(it: &Manifests) -> Vec<String> {
    let mut wrong = Vec::new();
    for scaled in it.all("ScaledObject") {
        let spec = &scaled["spec"];
        let target = spec["scaleTargetRef"]["name"].as_str().unwrap_or_default();
        let Some(target) = it.named("Deployment", target) else {
            wrong.push(format!("{}: there is no {target}", called(scaled)));
            continue;
        };
        if !target["spec"]["replicas"].is_null() {
            wrong.push(format!("{}: its replicas are set by two", called(target)));
        }
        let least = spec["minReplicaCount"].as_u64().unwrap_or(0);
        if least == 0 || spec["maxReplicaCount"].as_u64() < Some(least) {
            wrong.push(format!("{}: from {least} replicas", called(scaled)));
        }
        let grace = target["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64();
        let down = &spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"];
        let quiet = down["stabilizationWindowSeconds"].as_u64();
        if quiet <= grace || spec["cooldownPeriod"].as_u64() <= grace {
            wrong.push(format!(
                "{}: a replica goes before the last one has gone",
                called(scaled)
            ));
        }
        for trigger in list(&spec["triggers"]) {
            let by = trigger["authenticationRef"]["name"]
                .as_str()
                .unwrap_or_default();
            if it.named("TriggerAuthentication", by).is_none() {
                wrong.push(format!("{}: nobody is {by}", called(scaled)));
            }
            // Over AMQP what is in hand doesn't count, and its replica is taken away.
            let metadata = &trigger["metadata"];
            if trigger["type"] == "rabbitmq"
                && (metadata["protocol"] != "http" || metadata["excludeUnacknowledged"] != "false")
            {
                wrong.push(format!("{}: counts only what waits", called(scaled)));
            }
        }
    }
    wrong
}

/// Its configuration is one that the program takes, and agrees with what surrounds it.
fn configured(it: &Manifests, workload: &Value) -> Vec<String> {
    let pod = &workload["spec"]["template"]["spec"];
    let image = pod["containers"][0]["image"].as_str().unwrap();
    let program = image.rsplit('/').next().unwrap().split(':').next().unwrap();
    let map = list(&pod["volumes"])
        .iter()
        .find(|v| v["name"] == "config")
        .unwrap();
    let map = it
        .named("ConfigMap", map["configMap"]["name"].as_str().unwrap())
        .unwrap();
    let text = map["data"][format!("{program}.toml")].as_str().unwrap();
    let read = match program {
        "token-broker" => settings::<token_broker::server::Settings>(text),
        "collector" => settings::<collector::server::Settings>(text),
        "normalizer" => settings::<normalizer::server::Settings>(text),
        _ => settings::<exporter::server::Settings>(text),
    };
    let mut wrong = match read {
        Ok((grpc, http, grace)) => {
            let expected = [("grpc".to_owned(), grpc), ("http".to_owned(), http)];
            let limit = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            [
                (ports(workload) != expected)
                    .then(|| format!("listens on {grpc} and {http}, and says otherwise")),
                (grace + 10 > limit)
                    .then(|| format!("may take {grace} s to stop, and is killed after {limit} s")),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        Err(why) => vec![why],
    };
    if let Ok(misspelt) = settings_misspelt(program, text) {
        wrong.push(format!("a misspelt key is taken: {misspelt:?}"));
    }
    wrong.extend(places(it, text));
    wrong.extend(identities(it, workload, map));
    wrong
        .into_iter()
        .map(|what| format!("{}: {what}", called(workload)))
        .collect()
}

/// As the program reads it: the ports of gRPC and of its page, and its grace.
fn settings<S: Service>(text: &str) -> Result<(u64, u64, u64), String> {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    fs::write(&file, text).unwrap();
    let layers = Layers::file(&file).map_err(|e| e.to_string())?;
    let read: S = layers.read().map_err(|e| e.to_string())?;
    Settings::check(&read).map_err(|e| e.to_string())?;
    let sections = read.sections();
    let port = |address: std::net::SocketAddr| u64::from(address.port());
    Ok((
        port(sections.grpc.listen),
        port(sections.http.listen),
        sections.grace.as_secs(),
    ))
}

fn settings_misspelt(program: &str, text: &str) -> Result<(u64, u64, u64), String> {
    let text = text.replace("[http]\nlisten", "[http]\nlisen");
    match program {
        "token-broker" => settings::<token_broker::server::Settings>(&text),
        "collector" => settings::<collector::server::Settings>(&text),
        "normalizer" => settings::<normalizer::server::Settings>(&text),
        _ => settings::<exporter::server::Settings>(&text),
    }
}

/// Hosts that a configuration names.
fn places(it: &Manifests, text: &str) -> Vec<String> {
    let known: BTreeSet<&str> = it.all("Service").map(name).chain(OUTSIDE).collect();
    let urls = text.split('"').filter_map(|word| word.split_once("://"));
    let hosts = urls
        .filter(|(scheme, _)| *scheme != "spiffe")
        .map(|(_, rest)| {
            let rest = rest.rsplit('@').next().unwrap();
            rest.split([':', '/']).next().unwrap()
        });
    let unknown = hosts.filter(|host| !known.contains(host));
    unknown.map(|host| format!("there is no {host}")).collect()
}

/// Identities that a configuration names are in certificates, its own among them.
fn identities(it: &Manifests, workload: &Value, map: &Value) -> Vec<String> {
    let certified: BTreeSet<&str> = it
        .all("Certificate")
        .flat_map(|c| list(&c["spec"]["uris"]))
        .filter_map(Value::as_str)
        .collect();
    let texts = map["data"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_str);
    let named = texts.flat_map(|text| text.split('"').filter(|word| word.starts_with("spiffe://")));
    let mut wrong: Vec<_> = named
        .filter(|identity| !certified.contains(identity))
        .map(|identity| format!("nobody is {identity}"))
        .collect();
    let volumes = list(&workload["spec"]["template"]["spec"]["volumes"]);
    let tls = volumes.iter().find(|v| v["name"] == "tls").unwrap();
    let own = it
        .all("Certificate")
        .find(|c| c["spec"]["secretName"] == tls["secret"]["secretName"]);
    // RabbitMQ knows it by the common name; one URI is all that a service may have.
    if own.is_none_or(|c| {
        c["spec"]["commonName"] != *name(workload) || list(&c["spec"]["uris"]).len() != 1
    }) {
        wrong.push("its certificate is not its own".into());
    }
    wrong
}
