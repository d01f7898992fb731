//! The configuration files that an administrator would write.

use std::fmt::Write as _;
use std::path::Path;

use runtime::db::Roles;
use serde_json::Value;

use super::servers_of::SINK;
use super::{Args, OPERATOR, TRUST};

/// Everything that a file names.
pub struct World<'a> {
    pub home: &'a Path,
    pub args: &'a Args,
    /// RabbitMQ's.
    pub queue: u16,
    /// PostgreSQL's.
    pub database: u16,
    /// The gRPC ports of a service's replicas.
    pub ports: &'a dyn Fn(&str) -> Vec<u16>,
    pub tenants: &'a [Value],
}

impl World<'_> {
    /// The file of a replica.
    pub fn service(&self, service: &str, grpc: u16, http: u16) -> String {
        let mut text = format!("# The {service}.\nshutdown_grace_seconds = 5\n");
        let callers = match service {
            "token-broker" => vec!["collector"],
            "normalizer" => vec!["exporter"],
            _ => vec![],
        };
        let callers: Vec<_> = callers.iter().map(|c| format!("\"{TRUST}/{c}\"")).collect();
        _ = writeln!(text, "# The services that may call it.");
        _ = writeln!(text, "callers = [{}]", callers.join(", "));
        if service == "exporter" {
            text += "poll_seconds = 5\n";
        }
        if service != "token-broker" {
            let keys = self.secret(&format!("{service}.keys"));
            _ = writeln!(text, "queue_keys_file = \"{keys}\"");
        }
        _ = write!(
            text,
            "[tls]\n{}[grpc]\nlisten = \"127.0.0.1:{grpc}\"\n[http]\nlisten = \"127.0.0.1:{http}\"\n\
             [admin]\n\"{OPERATOR}\" = [\"viewer\", \"operator\", \"approver\", \"security\"]\n",
            self.identity(service)
        );
        if let Some(otlp) = &self.args.otlp {
            _ = write!(
                text,
                "[telemetry]\nmetrics_seconds = 1\n[telemetry.otlp]\nendpoint = \"{otlp}\"\n"
            );
        }
        match service {
            "token-broker" => {
                let database = self.database_of(service);
                let key = self.secret("store.key");
                _ = write!(
                    text,
                    "[store]\nkey_file = \"{key}\"\n[store.db]\n{database}"
                );
                text += &self.tenants();
            }
            "collector" => {
                text += &self.queue_and_database(service);
                _ = write!(
                    text,
                    "[token_broker]\n{}[collector]\nlateness_seconds = 0\nscheduled = {}\n",
                    self.remote("token-broker"),
                    !self.args.unscheduled
                );
            }
            "normalizer" => {
                text += &self.queue_and_database(service);
                let key = self.secret("at-rest.key");
                _ = write!(
                    text,
                    "[at_rest]\nkey_file = \"{key}\"\n[normalizer]\nlateness_seconds = 0\npseudonym_key_file = \"{}\"\n\
                     erasure_key_file = \"{}\"\n",
                    self.secret("pseudonym.key"),
                    self.secret("erasure.key")
                );
            }
            _ => {
                text += &self.queue_and_database(service);
                _ = write!(text, "[normalizer]\n{}", self.remote("normalizer"));
                text += &self.sinks();
            }
        }
        text
    }

    /// The operator's file.
    pub fn operator(&self) -> String {
        let mut text = "# Commands go to the services of `cargo xtask dev up`.\n".to_owned();
        for service in ["token-broker", "collector", "normalizer", "exporter"] {
            let key = service.replace('-', "_");
            _ = write!(text, "[connect.{key}]\n{}", self.remote(service));
        }
        _ = write!(text, "[connect.tls]\n{}", self.identity("operator"));
        text
    }

    fn secret(&self, name: &str) -> String {
        self.home.join("secrets").join(name).display().to_string()
    }

    fn pki(&self, name: &str) -> String {
        self.home.join("pki").join(name).display().to_string()
    }

    fn identity(&self, name: &str) -> String {
        format!(
            "ca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
            self.pki("ca.pem"),
            self.pki(&format!("{name}.pem")),
            self.pki(&format!("{name}.key"))
        )
    }

    fn remote(&self, service: &str) -> String {
        let ports = (self.ports)(service);
        let all: Vec<_> = ports
            .iter()
            .map(|port| format!("\"https://localhost:{port}\""))
            .collect();
        format!(
            "endpoint = [{}]\nidentity = \"{TRUST}/{service}\"\n",
            all.join(", ")
        )
    }

    fn queue_and_database(&self, service: &str) -> String {
        format!(
            "[bus]\nurl = \"amqps://localhost:{}\"\n{}[db]\n{}",
            self.queue,
            self.identity(service),
            self.database_of(service)
        )
    }

    fn database_of(&self, service: &str) -> String {
        let roles = Roles::of(service);
        format!(
            "url = \"{}\"\nca_file = \"{}\"\npassword_file = \"{}\"\n",
            self.database(&roles, &roles.runtime),
            self.pki("ca.pem"),
            self.secret(&roles.runtime)
        )
    }

    /// The URL of a database for a role.
    pub fn database(&self, roles: &Roles, role: &str) -> String {
        format!(
            "postgres://{role}@localhost:{}/{}",
            self.database, roles.database
        )
    }

    fn tenants(&self) -> String {
        let mut text = String::new();
        for (n, tenant) in self.tenants.iter().enumerate() {
            _ = write!(
                text,
                "[[tenants]]\nid = {}\nclient_id = {}\nclient_secret_file = \"{}\"\nauthority = {}\ngraph = {}\n",
                tenant["id"],
                tenant["clientId"],
                self.secret(&format!("tenant-{n}")),
                tenant["authority"],
                tenant["graph"],
            );
        }
        text
    }

    fn sinks(&self) -> String {
        let files = self.home.join("inventory");
        // The sink's tables are the exporter's own: it has their owner's role.
        let roles = Roles::of(SINK);
        format!(
            "[[sinks]]\nkind = \"files\"\npath = \"{}\"\n[[sinks]]\nkind = \"postgres\"\nurl = \"{}\"\n\
             ca_file = \"{}\"\npassword_file = \"{}\"\n",
            files.display(),
            self.database(&roles, &roles.owner),
            self.pki("ca.pem"),
            self.secret(&roles.owner)
        )
    }
}
