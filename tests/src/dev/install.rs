//! Setting an installation up, in the order in which an administrator would.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use runtime::db::Roles;
use servers::{Pki, Process, Validity};

use super::config::World;
use super::{Args, Installation, OPERATOR, Replica, TRUST, servers_of};
use crate::cluster::{SERVICES, program};

/// How long everything may take to be ready on a machine that has much else to do.
const READY: Duration = Duration::from_secs(120);

impl Installation {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    /// When something doesn't start, with what it said last.
    pub fn start(args: &Args) -> Result<Installation> {
        Self::start_with(args, &|_, text| text)
    }

    /// As [`start`](Self::start), with other configuration files: told a service and the usual text, `adjust` says what
    /// stands there.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        args: &Args,
        adjust: &dyn Fn(&str, String) -> String,
    ) -> Result<Installation> {
        let home = tempfile::Builder::new()
            .prefix("leastwise-dev-")
            .tempdir()?;
        let at = |name: &str| home.path().join(name);
        for name in ["secrets", "bin", "run"] {
            fs::create_dir(at(name))?;
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o700))?;
        }

        // Who is who.
        let pki = Pki::new(at("pki"))?;
        for service in SERVICES {
            let uri = format!("{TRUST}/{service}");
            pki.issue(service, Some(&uri), &["localhost"], Validity::Good)?;
        }
        pki.issue("operator", Some(OPERATOR), &[], Validity::Good)?;

        // What services use.
        let postgres = servers_of::postgres(&pki, &at("secrets"))?;
        let rabbit = servers_of::rabbitmq(&pki)?;
        servers_of::queue_keys(&at("secrets"))?;
        servers_of::store_key(&at("secrets/store.key"))?;
        for key in ["at-rest", "pseudonym", "erasure"] {
            servers_of::store_key(&at(&format!("secrets/{key}.key")))?;
        }
        let (graph, ready) = servers_of::graph(&at("run/graph-sim"), args)?;
        let tenants = ready["tenants"].as_array().context("no tenants")?;
        for (n, tenant) in tenants.iter().enumerate() {
            let secret = tenant["clientSecret"].as_str().context("no secret")?;
            servers_of::private(&at(&format!("secrets/tenant-{n}")), secret)?;
        }

        // Who talks to whom.
        let mut ports: BTreeMap<&str, Vec<(u16, u16)>> = BTreeMap::new();
        for service in SERVICES {
            let pairs =
                (0..args.replicas).map(|_| Ok((servers::free_port()?, servers::free_port()?)));
            ports.insert(service, pairs.collect::<Result<_>>()?);
        }
        let grpc = |service: &str| ports[service].iter().map(|(grpc, _)| *grpc).collect();
        let world = World {
            home: home.path(),
            args,
            queue: rabbit.port(),
            database: postgres.port(),
            ports: &grpc,
            tenants,
        };
        fs::write(at("leastwise.toml"), world.operator())?;
        let mut replicas = Vec::new();
        for service in SERVICES {
            for (number, &(grpc, http)) in (0..).zip(&ports[service]) {
                let config = at(&format!("{service}-{number}.toml"));
                fs::write(&config, adjust(service, world.service(service, grpc, http)))?;
                if number == 0 {
                    let section = match service {
                        "token-broker" => "store.db",
                        _ => "db",
                    };
                    let roles = Roles::of(service);
                    let mut migrate = program(service);
                    migrate.arg("migrate").arg("--config").arg(&config);
                    let url = world.database(&roles, &roles.owner);
                    let secret = at("secrets").join(&roles.owner);
                    migrate.arg("--set").arg(format!("{section}.url={url}"));
                    migrate
                        .arg("--set")
                        .arg(format!("{section}.password_file={}", secret.display()));
                    let done = migrate.output()?;
                    if !done.status.success() {
                        let said = String::from_utf8_lossy(&done.stderr);
                        bail!("`{service} migrate` failed: {said}");
                    }
                }
                let mut command = program(service);
                command
                    .arg("--config")
                    .arg(&config)
                    .args(["--log-format", "json"]);
                if let Some(log) = &args.log {
                    command.env("LEASTWISE_LOG", log);
                }
                let directory = at(&format!("run/{service}-{number}"));
                replicas.push(Replica {
                    service,
                    number,
                    grpc,
                    http,
                    process: Process::start(&directory, &command)?,
                });
            }
        }
        let installation = Installation {
            replicas,
            graph,
            control: ready["control"].as_str().unwrap_or_default().to_owned(),
            rabbit,
            postgres,
            pki,
            home,
        };
        installation.write_scripts()?;
        for replica in &installation.replicas {
            replica.wait_until_ready()?;
        }
        Ok(installation)
    }

    /// Programs that have all that `psql` and `rabbitmqctl` have to be told.
    fn write_scripts(&self) -> Result<()> {
        servers_of::script(&self.path("bin/rabbitmqctl"), &self.rabbit.ctl_script())?;
        let psql = format!(
            "#!/bin/sh\n# {usage}\n[ $# -gt 0 ] || {{ echo '{usage}' >&2; exit 64; }}\n\
             service=$1 role=leastwise_$1; shift\n\
             [ \"${{1-}}\" != owner ] || {{ role=${{role}}_owner; shift; }}\n\
             export PGPASSWORD=\"$(cat '{home}/secrets/'\"$role\")\"\n\
             exec '{psql}' --no-psqlrc \"host=localhost port={port} dbname=leastwise_$service user=$role \
             sslmode=verify-full sslrootcert={home}/pki/ca.pem\" \"$@\"\n",
            usage = "psql collector|normalizer|exporter|inventory [owner] [what psql takes]",
            home = self.home.path().display(),
            psql = self.postgres.psql().display(),
            port = self.postgres.port(),
        );
        servers_of::script(&self.path("bin/psql"), &psql)
    }

    /// The first replica of a service.
    ///
    /// # Panics
    /// When there is no such service.
    pub fn of(&self, service: &str) -> &Replica {
        #[expect(clippy::expect_used, reason = "a mistake of the caller")]
        self.replicas
            .iter()
            .find(|r| r.service == service)
            .expect("a service of the installation")
    }
}

impl Replica {
    /// Asks its page: the answer with its status line.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn get(&self, path: &str) -> Result<String> {
        servers::get(self.http, path)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.process.log()).unwrap_or_default()
    }

    fn wait_until_ready(&self) -> Result<()> {
        let mut said = String::new();
        let ready = servers::wait_until("the service is ready", READY, || {
            if self.process.id().is_none() {
                bail!("it ended by itself");
            }
            said = self.get("/readyz").unwrap_or_default();
            Ok(said.contains(" 200 "))
        });
        ready.with_context(|| {
            format!(
                "{}-{}: {said}\n{}",
                self.service,
                self.number,
                self.process.last_words()
            )
        })
    }
}
