//! The configuration files that an operator would write.

use std::fmt::Write as _;

use anyhow::Result;
use servers::Proxy;

use super::{Cluster, Replica, SERVICES, STATEFUL, Servers};

/// How an installation is set, where tests differ.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Replicas of each service.
    pub replicas: usize,
    /// How late Graph is reckoned to be, in seconds.
    pub lateness: u64,
    /// Seconds that a lease on a tenant lasts without a heartbeat.
    pub lease: u64,
    /// Seconds until a seal without a verdict is read again.
    pub verdict_within: u64,
    /// Whether datasets become due by their cadence.
    pub scheduled: bool,
    /// Seconds between two readings of a dataset; none: as usual.
    pub cadence: Option<u64>,
    /// The sink of files.
    pub files_sink: bool,
    /// The SQLite sink.
    pub sqlite_sink: bool,
    /// The PostgreSQL sink.
    pub postgres_sink: bool,
    /// Where the programs of an older release are, in which every replica is started first, on tables of its own format.
    pub older: Option<std::path::PathBuf>,
    /// Variables for every process.
    pub environment: Vec<(String, String)>,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            replicas: 2,
            lateness: 0,
            lease: 10,
            verdict_within: 60,
            scheduled: false,
            cadence: None,
            files_sink: true,
            sqlite_sink: true,
            postgres_sink: true,
            older: None,
            environment: Vec::new(),
        }
    }
}

/// Without TLS everybody is this.
const ANYBODY: &str = "spiffe://leastwise.test/anybody";

/// Writes the files of all replicas, and starts the proxies.
pub(super) fn write(
    cluster: &mut Cluster,
    servers: &Servers,
    tenants: &[graph_sim::TenantInfo],
) -> Result<()> {
    let home = cluster.home.path().to_owned();
    let keys = home.join("queue.keys");
    bus::Keys::load_or_create(&keys).map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut ports = std::collections::BTreeMap::new();
    for service in SERVICES {
        for n in 0..cluster.tuning.replicas {
            ports.insert((service, n), (servers::free_port()?, servers::free_port()?));
        }
    }
    for service in SERVICES {
        cluster.proxies.insert(service, Vec::new());
        cluster.replicas.insert(service, Vec::new());
    }
    for service in SERVICES {
        for n in 0..cluster.tuning.replicas {
            let mut through = |port: u16| -> Result<u16> {
                let proxy = Proxy::start(port)?;
                let port = proxy.port();
                cluster.proxies.entry(service).or_default().push(proxy);
                Ok(port)
            };
            let (grpc, http) = ports[&(service, n)];
            let mut text = String::new();
            if STATEFUL.contains(&service) {
                _ = writeln!(text, "queue_keys_file = \"{}\"", keys.display());
            }
            _ = writeln!(
                text,
                "shutdown_grace_seconds = 5\ncallers = [\"{ANYBODY}\"]"
            );
            match service {
                "token-broker" => {
                    text += &listening((grpc, http));
                    _ = writeln!(text, "[audit]\ndirectory = \"audit-{n}\"");
                    for (i, tenant) in tenants.iter().enumerate() {
                        let secret = home.join(format!("secret-{i}"));
                        std::fs::write(&secret, &tenant.client_secret)?;
                        super::private(&secret)?;
                        _ = write!(
                            text,
                            "[[tenants]]\nid = \"{}\"\nclient_id = \"{}\"\nclient_secret_file = \"{}\"\nauthority = \"{}\"\ngraph = \"{}\"\n",
                            tenant.id,
                            tenant.client_id,
                            secret.display(),
                            tenant.authority,
                            tenant.graph,
                        );
                    }
                }
                _ => {
                    if service == "exporter" {
                        _ = writeln!(
                            text,
                            "poll_seconds = 5\nlease_seconds = {}",
                            cluster.tuning.lease
                        );
                    }
                    let (queue, database) = (
                        through(servers.rabbit.port())?,
                        through(servers.postgres.port())?,
                    );
                    text += &common(
                        servers,
                        queue,
                        database,
                        &cluster.names[service],
                        (grpc, http),
                    );
                    let t = &cluster.tuning;
                    match service {
                        "collector" => {
                            let broker = through(ports[&("token-broker", n)].0)?;
                            _ = write!(
                                text,
                                "[token_broker]\nendpoint = \"http://127.0.0.1:{broker}\"\n[collector]\nlateness_seconds = {}\nlease_seconds = {}\nverdict_within_seconds = {}\nscheduled = {}\npublish_window = 4\n",
                                t.lateness, t.lease, t.verdict_within, t.scheduled
                            );
                            if let Some(seconds) = t.cadence {
                                text += "[collector.cadence]\n";
                                for dataset in catalog::ALL {
                                    _ = writeln!(text, "{} = {seconds}", dataset.name);
                                }
                            }
                        }
                        "normalizer" => {
                            _ = write!(text, "[normalizer]\nlateness_seconds = {}\n", t.lateness)
                        }
                        _ => {
                            let feeds: Vec<String> = (0..t.replicas)
                                .map(|m| {
                                    Ok(format!(
                                        "\"http://127.0.0.1:{}\"",
                                        through(ports[&("normalizer", (n + m) % t.replicas)].0)?
                                    ))
                                })
                                .collect::<Result<_>>()?;
                            _ = write!(text, "[normalizer]\nendpoint = [{}]\n", feeds.join(", "));
                            text += &sinks(servers, &cluster.tuning, &cluster.names["sink"], &home);
                        }
                    }
                }
            }
            let config = home.join(format!("{service}-{n}.toml"));
            std::fs::write(&config, text)?;
            cluster.replicas.entry(service).or_default().push(Replica {
                service,
                config,
                log: home.join(format!("{service}-{n}.log")),
                grpc,
                http,
                environment: cluster.tuning.environment.clone(),
                is_older: cluster.tuning.older.is_some(),
                older: cluster.tuning.older.clone(),
                child: None,
            });
        }
    }
    Ok(())
}

fn listening((grpc, http): (u16, u16)) -> String {
    format!(
        "[grpc]\nlisten = \"127.0.0.1:{grpc}\"\nplaintext_peer = \"{ANYBODY}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n[admin]\n\"{ANYBODY}\" = [\"viewer\", \"operator\", \"approver\"]\n"
    )
}

fn common(servers: &Servers, queue: u16, database: u16, name: &str, ports: (u16, u16)) -> String {
    format!(
        "[bus]\nurl = \"amqp://127.0.0.1:{queue}\"\nusername = \"guest\"\npassword_file = \"{}\"\n[db]\nurl = \"postgres://postgres@127.0.0.1:{database}/{name}\"\npassword_file = \"{}\"\n{}",
        servers.guest().display(),
        servers.password().display(),
        listening(ports)
    )
}

fn sinks(servers: &Servers, tuning: &Tuning, database: &str, home: &std::path::Path) -> String {
    let mut text = String::new();
    if tuning.postgres_sink {
        _ = write!(
            text,
            "[[sinks]]\nkind = \"postgres\"\nurl = \"postgres://postgres@127.0.0.1:{}/{database}\"\npassword_file = \"{}\"\n",
            servers.postgres.port(),
            servers.password().display()
        );
    }
    if tuning.files_sink {
        _ = write!(
            text,
            "[[sinks]]\nkind = \"files\"\npath = \"{}\"\n",
            home.join("inventory").display()
        );
    }
    if tuning.sqlite_sink {
        _ = write!(
            text,
            "[[sinks]]\nkind = \"sqlite\"\npath = \"{}\"\n",
            home.join("inventory.db").display()
        );
    }
    text
}
