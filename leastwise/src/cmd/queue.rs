//! `leastwise queue`: what RabbitMQ has to know, and the keys of what goes through it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use bus::definitions::{accounts, collector, definitions};
use bus::{Keys, Topology};
use clap::{Args, Subcommand};
use proto::ids::Pool;
use runtime::Problem;
use runtime::config::secret;
use runtime::error::Exit;
use runtime::http::{self, Outbound};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::output;

/// What an installation of four processes needs at RabbitMQ: queues, accounts, keys.
#[derive(Args)]
pub struct Queue {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Print what RabbitMQ has to know, for `rabbitmqctl import_definitions`.
    Definitions(Pools),
    /// Tell it RabbitMQ by its management interface. Done again it changes nothing.
    Declare(Declare),
    /// Make keys for messages: a file for each service, with no more keys than it needs.
    Keys {
        #[command(flatten)]
        pools: Pools,
        /// Where the files go: NAME.keys, readable by you only. None may be there yet.
        directory: PathBuf,
    },
}

#[derive(Args)]
struct Pools {
    /// A pool of collectors; may be repeated.
    #[arg(long = "pool", default_value = "default", value_name = "NAME")]
    pools: Vec<Pool>,
    /// RabbitMQ's virtual host.
    #[arg(long, default_value = "/")]
    vhost: String,
}

#[derive(Args)]
struct Declare {
    #[command(flatten)]
    pools: Pools,
    /// Where RabbitMQ's management interface is: `https://host:15671`.
    #[arg(long, value_name = "URL")]
    management: url::Url,
    /// File with the name of an account that is an administrator there.
    #[arg(long, value_name = "FILE")]
    username_file: PathBuf,
    /// File with its password.
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// PEM file of authorities that are trusted beside the platform's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl Queue {
    /// Does it.
    ///
    /// # Errors
    /// `LW-4026` for keys, `LW-4032` when RabbitMQ doesn't take the definitions.
    pub async fn run(self) -> Result<ExitCode, Problem> {
        match self.act {
            Act::Definitions(pools) => output::write(&format!("{:#}\n", pools.definitions()))?,
            Act::Declare(declare) => declare.run().await?,
            Act::Keys { pools, directory } => keys(&pools.pools, &directory)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Pools {
    fn definitions(&self) -> Value {
        let topology = Topology::of_pools(self.pools.iter().cloned());
        definitions(&topology, &self.vhost, &accounts(&self.pools))
    }
}

impl Declare {
    async fn run(self) -> Result<(), Problem> {
        let loopback = matches!(self.management.host_str(), Some("localhost" | "127.0.0.1"));
        if self.management.scheme() != "https" && !loopback {
            return Err(refused(
                &self.management,
                "it is not https, and would show the password".into(),
            )
            .exit(Exit::Usage));
        }
        let way = http::Config {
            ca_file: self.ca_file.clone(),
            ..http::Config::default()
        };
        way.check()?;
        let (name, password) = (read(&self.username_file)?, read(&self.password_file)?);
        let both = format!("{}:{}", name.expose_secret(), password.expose_secret());
        let basic = base64::engine::general_purpose::STANDARD.encode(both);
        let to = self.management.join("api/definitions");
        let to = to.map_err(|e| refused(&self.management, e.to_string()).exit(Exit::Usage))?;
        let mut authorization = ::http::HeaderValue::try_from(format!("Basic {basic}"))
            .map_err(|e| refused(&self.management, e.to_string()))?;
        authorization.set_sensitive(true);
        let request = ::http::Request::post(to.as_str())
            .header(::http::header::AUTHORIZATION, authorization)
            .header(::http::header::CONTENT_TYPE, "application/json")
            .body(bytes::Bytes::from(self.pools.definitions().to_string()))
            .map_err(|e| refused(&self.management, e.to_string()))?;
        let answer = Outbound::open(&way)?.whole().oneshot(request).await;
        let answer = answer.map_err(|e| {
            let mut why = e.to_string();
            let mut cause = e.source();
            while let Some(deeper) = cause {
                why += &format!(": {deeper}");
                cause = deeper.source();
            }
            refused(&self.management, why)
        })?;
        if !answer.status().is_success() {
            let said = output::printable(&String::from_utf8_lossy(answer.body()));
            let why = format!(
                "it answered {}: {}",
                answer.status(),
                said.chars().take(300).collect::<String>()
            );
            return Err(refused(&self.management, why));
        }
        let pools: Vec<_> = self.pools.pools.iter().map(Pool::as_str).collect();
        output::write(&format!(
            "RabbitMQ knows the queues and accounts of the pools {}.\n",
            pools.join(", ")
        ))
    }
}

fn read(file: &Path) -> Result<secrecy::SecretString, Problem> {
    std::fs::read(file)
        .and_then(|content| secret(&content))
        .map_err(|e| {
            let what = format!("the secret file {} can't be used: {e}.", file.display());
            Problem::new(
                "LW-1009",
                what,
                "create the file, readable by this user only",
            )
            .exit(Exit::Usage)
        })
}

fn refused(management: &url::Url, why: String) -> Problem {
    let host = management.host_str().unwrap_or_default();
    let what = format!("RabbitMQ at {host} did not take the definitions: {why}.");
    let remedy = "see that its management plugin runs there, and that the account is an administrator; do it again";
    Problem::new("LW-4032", what, remedy)
}

fn keys(pools: &[Pool], directory: &Path) -> Result<(), Problem> {
    let all = Keys::generate_for_all(pools.iter().cloned());
    let mut files = vec![
        ("normalizer".to_owned(), None),
        ("exporter".to_owned(), Some(all.of_exporters())),
    ];
    files.extend(
        pools
            .iter()
            .map(|pool| (collector(pool), Some(all.of_collectors(pool)))),
    );
    let path = |name: &str| directory.join(format!("{name}.keys"));
    if let Some(there) = files
        .iter()
        .map(|(name, _)| path(name))
        .find(|path| path.exists())
    {
        let what = format!("{} exists already.", there.display());
        let remedy = "keep it: with new keys no message that is under way can be opened";
        return Err(Problem::new("LW-1006", what, remedy).exit(Exit::Usage));
    }
    std::fs::create_dir_all(directory).map_err(|e| {
        let what = format!("{} can't be made: {e}.", directory.display());
        Problem::new("LW-1006", what, "check the directory and its free space").exit(Exit::Io)
    })?;
    let mut told = String::new();
    for (name, part) in &files {
        part.as_ref().unwrap_or(&all).save(&path(name))?;
        told += &format!("{}\n", path(name).display());
    }
    output::write(&told)
}
