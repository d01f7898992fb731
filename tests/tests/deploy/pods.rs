//! Rendered pods, as podman can run them. What it doesn't do is done by hand or left out, and said in docs/kubernetes.md.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use servers::Podman;
use servers::podman::Network;

use super::manifests::{Manifests, called, list, name};

/// Whom every program runs as.
pub const USER: u32 = 65532;

/// What pods need that isn't in their manifests.
pub struct Kitchen<'a> {
    pub podman: &'a Podman,
    pub network: &'a Network<'a>,
    pub manifests: Manifests,
    /// Files of secrets: NAME/KEY.
    pub secrets: PathBuf,
    /// Where pods keep what they write, and their manifests lie.
    pub home: PathBuf,
    /// Names that are this machine.
    pub here: Vec<&'static str>,
    /// By program: variables that tests need, as shorter times.
    pub variables: BTreeMap<&'static str, Vec<(&'static str, String)>>,
}

impl Kitchen<'_> {
    /// Runs a workload's pod, under the name of its service.
    pub fn serve(&self, workload: &str, last: u8) -> Ipv4Addr {
        let object = self
            .manifests
            .workloads()
            .find(|w| name(w) == workload)
            .unwrap();
        let address = self.network.address(last);
        self.play(object, &self.pod(object, "Always"), Some(address));
        address
    }

    /// Runs a job to its end; what it said.
    pub fn work(&self, job: &str) -> String {
        let object = self.manifests.named("Job", job).unwrap();
        self.play(object, &self.pod(object, "Never"), None);
        let container = self.container(object);
        let code = self.podman.podman(&["wait", &container]).unwrap();
        let said = self
            .podman
            .podman(&["logs", &container])
            .unwrap_or_default();
        assert_eq!(code.trim(), "0", "{job}: {said}");
        self.podman
            .podman(&["pod", "rm", "--force", "--time", "1", job])
            .unwrap();
        said
    }

    fn play(&self, object: &Value, pod: &Value, address: Option<Ipv4Addr>) {
        let mut text = format!("---\n{pod:#}\n");
        for volume in list(&pod["spec"]["volumes"]) {
            if let Some(map) = volume["configMap"]["name"].as_str() {
                text += &format!(
                    "---\n{:#}\n",
                    self.manifests.named("ConfigMap", map).unwrap()
                );
            }
        }
        let file = self
            .home
            .join(format!("{}.yaml", called(object).replace(' ', "-")));
        fs::write(&file, text).unwrap();
        self.network.play(&file, address).unwrap();
    }

    /// The name of its only container.
    pub fn container(&self, object: &Value) -> String {
        let container = &object["spec"]["template"]["spec"]["containers"][0]["name"];
        format!("{}-{}", name(object), container.as_str().unwrap())
    }

    fn pod(&self, object: &Value, restart: &str) -> Value {
        let mut spec = object["spec"]["template"]["spec"].clone();
        let container = &mut spec["containers"][0];
        let image = container["image"].as_str().unwrap().to_owned();
        let program = image.rsplit('/').next().unwrap().split(':').next().unwrap();
        container["image"] = format!("localhost/leastwise/{program}:test").into();
        container["imagePullPolicy"] = "Never".into();
        // Probes run a shell and curl in the container, which has neither; readiness is asked for from outside. Ports would
        // be published on this machine.
        for unwanted in ["startupProbe", "livenessProbe", "readinessProbe", "ports"] {
            container.as_object_mut().unwrap().remove(unwanted);
        }
        let variables = self.variables.get(program).into_iter().flatten();
        let variables = variables.map(|(name, value)| json!({ "name": name, "value": value }));
        container["env"] = variables.collect();
        // No cluster, so no token of its.
        let mounts = container["volumeMounts"].as_array_mut().unwrap();
        mounts.retain(|m| m["name"] != "federation");
        mounts.push(
            json!({ "name": "graph", "mountPath": "/var/run/leastwise/graph", "readOnly": true }),
        );
        let mut volumes = list(&spec["volumes"]).to_vec();
        volumes.retain(|v| v["name"] != "federation");
        for claim in list(&object["spec"]["volumeClaimTemplates"]) {
            let own = self
                .home
                .join("claims")
                .join(name(object))
                .join(name(claim));
            fs::create_dir_all(&own).unwrap();
            chown(&own, Some(USER), Some(USER)).unwrap();
            volumes.push(directory(name(claim), &own));
        }
        for volume in &mut volumes {
            if let Some(secret) = volume["secret"]["secretName"].as_str() {
                // It gives secrets to everybody, whatever the mode: here they are directories with the mode that Kubernetes gives.
                *volume = directory(volume["name"].as_str().unwrap(), &self.secrets.join(secret));
            }
        }
        volumes.push(directory("graph", &self.secrets.join("graph")));
        spec["volumes"] = volumes.into();
        let gateway = self.network.gateway().to_string();
        spec["hostAliases"] = json!([{ "ip": gateway, "hostnames": self.here }]);
        spec["restartPolicy"] = restart.into();
        json!({
            "apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": { "name": name(object), "labels": object["spec"]["template"]["metadata"]["labels"] },
        })
    }

    /// Puts a secret's file down as Kubernetes mounts it: root's, and readable by the pod's group.
    pub fn secret(secrets: &Path, name: &str, key: &str, content: &[u8]) {
        let directory = secrets.join(name);
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join(key);
        fs::write(&file, content).unwrap();
        chown(&file, Some(0), Some(USER)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    }

    /// What its only process is, by what Linux says of it: nobody in the pod can say otherwise.
    pub fn confined(&self, workload: &str) {
        let object = self
            .manifests
            .workloads()
            .find(|w| name(w) == workload)
            .unwrap();
        let container = self.container(object);
        let said = self.podman.json(&["inspect", &container]).unwrap();
        let process = said[0]["State"]["Pid"].as_u64().unwrap();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = |key: &str| {
            let line = status
                .lines()
                .find(|l| l.starts_with(&format!("{key}:")))
                .unwrap();
            line.split_whitespace()
                .skip(1)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let nobody = vec![USER.to_string(); 4].join(" ");
        assert_eq!(line("Uid"), nobody, "{workload}");
        assert_eq!(line("Gid"), nobody, "{workload}");
        for capabilities in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(
                line(capabilities),
                "0000000000000000",
                "{workload}: {capabilities}"
            );
        }
        assert_eq!(line("NoNewPrivs"), "1", "{workload}");
        let mounts = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap();
        let root = mounts
            .lines()
            .find(|l| l.split(' ').nth(4) == Some("/"))
            .unwrap();
        let options = root.split(' ').nth(5).unwrap();
        assert!(options.split(',').any(|o| o == "ro"), "{workload}: {root}");
        for secret in ["tls", "db", "queue", "store", "keys", "sink"] {
            let at = format!(" /var/run/leastwise/{secret} ");
            let writable = mounts.lines().find(|l| {
                l.contains(&at) && !l.split(' ').nth(5).unwrap().split(',').any(|o| o == "ro")
            });
            assert_eq!(writable, None, "{workload}");
        }
        let filter = line("Seccomp");
        if filter != "2" {
            println!(
                "NOT SHOWN: a filter of system calls; this machine's runtime gives {workload} mode {filter}"
            );
        }
    }
}

fn directory(name: &str, path: &Path) -> Value {
    json!({ "name": name, "hostPath": { "path": path, "type": "Directory" } })
}
