//! Who may open a connection to whom, computed from the network policies: each arrow of the picture, and no other.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::manifests::{Manifests, list, name, selects};

/// Somebody at one end.
struct Peer {
    name: String,
    at: At,
}

enum At {
    /// A pod: its namespace and labels.
    Pod(&'static str, Value),
    /// An address outside the cluster.
    Address(Ipv4Addr),
}

const OURS: &str = "leastwise";
/// Every port that anybody listens on, and two that nobody does.
const PORTS: [u64; 15] = [
    22, 53, 80, 443, 4317, 4369, 5432, 5671, 6443, 7443, 8000, 9464, 15671, 15672, 25672,
];

/// In every overlay.
const ALWAYS: [&str; 10] = [
    "COLLECTOR -> token-broker 7443",
    "exporter -> normalizer 7443",
    "COLLECTOR exporter normalizer -> rabbitmq 5671",
    "COLLECTOR exporter normalizer token-broker -> postgres 5432",
    "MIGRATE -> postgres 5432",
    "topology -> rabbitmq 15671",
    // Entra ID and Graph.
    "COLLECTOR token-broker -> internet 443",
    // Admin.
    "operator -> COLLECTOR exporter normalizer token-broker 7443",
    "monitoring -> COLLECTOR exporter normalizer token-broker 9464",
    "COLLECTOR exporter normalizer token-broker -> monitoring 4317",
];
/// From each of our pods.
const NAMES: &str = "dns 53";
/// With the component `keda`.
const SCALED: [&str; 2] = ["keda -> postgres 5432", "keda -> rabbitmq 15671"];
/// With the component `servers`: nodes among themselves, their operator, and Kubernetes' own interface, which no selector knows.
const SERVERS: [&str; 5] = [
    "rabbitmq -> rabbitmq 4369 25672",
    "postgres -> postgres 5432",
    "cnpg -> postgres 5432 8000",
    "postgres rabbitmq -> internet private elsewhere dns monitoring keda cnpg 443",
    "postgres rabbitmq -> internet private elsewhere dns monitoring keda cnpg 6443",
];

/// What is wrong.
pub fn check(it: &Manifests, overlay: &str) -> Vec<String> {
    let servers = ["dev", "high-availability"].contains(&overlay);
    let mut peers = peers(it);
    if !servers {
        // They are elsewhere or somebody else's; who may come in is not for our policies to say. Ours say who may go there.
        peers.retain(|p| !["keda", "cnpg"].contains(&&*p.name));
    }
    let mut allowed = BTreeSet::new();
    let ours = |peer: &Peer| matches!(peer.at, At::Pod(OURS, _));
    for from in &peers {
        // What others say among themselves is theirs.
        for to in peers.iter().filter(|to| ours(from) || ours(to)) {
            for port in PORTS {
                // A database that is not the overlay's lets everybody in, for all that we know.
                if leaves(it, from, to, port)
                    && (enters(it, from, to, port) || !servers && ours(from) && theirs(to))
                {
                    allowed.insert(format!("{} -> {} {port}", from.name, to.name));
                }
            }
        }
    }
    let mut expected = BTreeSet::new();
    let scaled = SCALED.iter().filter(|_| servers && overlay != "dev");
    for line in ALWAYS
        .iter()
        .chain(scaled)
        .chain(SERVERS.iter().filter(|_| servers))
    {
        expected.extend(arrows(&peers, line));
    }
    for from in peers.iter().filter(|p| matches!(p.at, At::Pod(OURS, _))) {
        expected.insert(format!("{} -> {NAMES}", from.name));
    }
    let extra = allowed
        .difference(&expected)
        .map(|a| format!("may, and should not: {a}"));
    let missing = expected
        .difference(&allowed)
        .map(|a| format!("should, and may not: {a}"));
    extra.chain(missing).collect()
}

fn theirs(to: &Peer) -> bool {
    ["rabbitmq", "postgres"].contains(&&*to.name)
}

/// Our pods as they are rendered, those that others make, and the world.
fn peers(it: &Manifests) -> Vec<Peer> {
    let pod = |name: &str, namespace, labels| Peer {
        name: name.to_owned(),
        at: At::Pod(namespace, labels),
    };
    let mut all: Vec<_> = it
        .templates()
        .map(|(object, template)| pod(name(object), OURS, template["metadata"]["labels"].clone()))
        .collect();
    all.extend([
        pod(
            "operator",
            OURS,
            json!({ "app.kubernetes.io/name": "operator" }),
        ),
        pod(
            "rabbitmq",
            OURS,
            json!({ "app.kubernetes.io/name": "rabbitmq" }),
        ),
        pod("postgres", OURS, json!({ "cnpg.io/cluster": "postgres" })),
        pod(
            "stranger",
            OURS,
            json!({ "app.kubernetes.io/name": "stranger" }),
        ),
        pod("dns", "kube-system", json!({ "k8s-app": "kube-dns" })),
        pod(
            "monitoring",
            "monitoring",
            json!({ "app.kubernetes.io/name": "collector" }),
        ),
        pod("keda", "keda", json!({})),
        pod("cnpg", "cnpg-system", json!({})),
        pod(
            "elsewhere",
            "elsewhere",
            json!({ "app.kubernetes.io/name": "token-broker" }),
        ),
    ]);
    let address = |name: &str, address: [u8; 4]| Peer {
        name: name.to_owned(),
        at: At::Address(address.into()),
    };
    all.extend([
        address("internet", [20, 190, 128, 1]),
        address("private", [10, 1, 2, 3]),
        address("metadata", [169, 254, 169, 254]),
    ]);
    all
}

/// The arrows of a line: who, to whom, at which ports.
fn arrows(peers: &[Peer], line: &str) -> Vec<String> {
    let (from, to) = line.split_once(" -> ").unwrap();
    let (ports, to): (Vec<&str>, Vec<&str>) =
        to.split(' ').partition(|word| word.parse::<u64>().is_ok());
    let named = |words: &[&str]| -> Vec<String> {
        let of = |word: &&str| -> Vec<String> {
            let every = |fits: &dyn Fn(&str) -> bool| {
                peers
                    .iter()
                    .map(|p| p.name.clone())
                    .filter(|n| fits(n))
                    .collect()
            };
            match *word {
                // Of every pool.
                "COLLECTOR" => every(&|n| n.starts_with("collector") && !n.contains("migrate")),
                "MIGRATE" => every(&|n| n.contains("migrate")),
                // Whoever is in nobody's list of exceptions.
                "private" => vec!["private".to_owned(), "metadata".to_owned()],
                other => every(&|n| n == other),
            }
        };
        words.iter().flat_map(of).collect()
    };
    let from: Vec<_> = from.split(' ').collect();
    let mut all = Vec::new();
    for from in named(&from) {
        for to in named(&to) {
            all.extend(ports.iter().map(|port| format!("{from} -> {to} {port}")));
        }
    }
    all
}

fn leaves(it: &Manifests, from: &Peer, to: &Peer, port: u64) -> bool {
    passes(it, from, to, port, "Egress", "egress", "to")
}

fn enters(it: &Manifests, from: &Peer, to: &Peer, port: u64) -> bool {
    passes(it, to, from, port, "Ingress", "ingress", "from")
}

/// Whether the policies on `own` let it and `other` talk. Who is no pod of ours has none.
fn passes(
    it: &Manifests,
    own: &Peer,
    other: &Peer,
    port: u64,
    sort: &str,
    rules: &str,
    side: &str,
) -> bool {
    let At::Pod(OURS, labels) = &own.at else {
        return true;
    };
    let of_it = it.all("NetworkPolicy").filter(|p| {
        list(&p["spec"]["policyTypes"]).contains(&sort.into())
            && selects(&p["spec"]["podSelector"], labels)
    });
    // The first policy denies everything, so there is always one.
    of_it.flat_map(|p| list(&p["spec"][rules])).any(|rule| {
        let ports = list(&rule["ports"]);
        let open = ports.is_empty() || ports.iter().any(|p| p["port"] == port);
        let peers = list(&rule[side]);
        open && (peers.is_empty() || peers.iter().any(|peer| is(other, peer)))
    })
}

fn is(who: &Peer, peer: &Value) -> bool {
    match &who.at {
        At::Address(address) => {
            let block = &peer["ipBlock"];
            let within = |cidr: &Value| cidr.as_str().is_some_and(|cidr| contains(cidr, *address));
            within(&block["cidr"]) && !list(&block["except"]).iter().any(within)
        }
        At::Pod(namespace, labels) => {
            if !peer["ipBlock"].is_null() {
                return false;
            }
            let home = match peer["namespaceSelector"].is_null() {
                true => *namespace == OURS,
                false => selects(
                    &peer["namespaceSelector"],
                    &json!({ "kubernetes.io/metadata.name": namespace }),
                ),
            };
            home && selects(&peer["podSelector"], labels)
        }
    }
}

fn contains(cidr: &str, address: Ipv4Addr) -> bool {
    let (network, length) = cidr.split_once('/').unwrap();
    let network: Ipv4Addr = network.parse().unwrap();
    let length: u32 = length.parse().unwrap();
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    network.to_bits() & mask == address.to_bits() & mask
}
