//! The configuration of an embedded installation: one TOML file.

use std::path::{Path, PathBuf};

use catalog::Privacy;
use exporter::SinkConfig;
use proto::ids::TenantId;
use proto::kind::RecordKind;
use runtime::Problem;
use runtime::config::{Layers, Settings, below};
use runtime::error::Exit;
use serde::{Deserialize, Serialize};
use token_broker::TenantConfig;

use crate::output;

/// The file. Relative paths in it are relative to the file's own directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the ledger, the queue and the state of each service rest. Private: mode 0700.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// The tenants to read.
    #[serde(default)]
    pub tenants: Vec<TenantConfig>,
    /// Where the inventory goes.
    #[serde(default)]
    pub sinks: Vec<SinkConfig>,
    /// Settings of the collector.
    #[serde(default)]
    pub collector: collector::Config,
    /// Settings of the normalizer.
    #[serde(default)]
    pub normalizer: normalizer::Config,
    /// What is left out of what is read of people, or replaced.
    #[serde(default)]
    pub privacy: Privacy,
    /// How Microsoft's services are called.
    #[serde(default)]
    pub outbound: runtime::http::Config,
    /// Services in other processes: commands go there, and nothing is done here.
    #[cfg(feature = "remote")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<Connect>,
}

/// `[connect]`: services in other processes, and the operator's certificate.
#[cfg(feature = "remote")]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// The token-broker; without it commands about tenants and their credentials don't work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_broker: Option<runtime::grpc::Remote>,
    /// The collector of a pool.
    pub collector: runtime::grpc::Remote,
    /// The normalizer, one or several replicas.
    pub normalizer: runtime::grpc::Remote,
    /// The exporter.
    pub exporter: runtime::grpc::Remote,
    /// The operator's certificate; without it plain text on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<runtime::tls::Config>,
}

fn default_data_dir() -> PathBuf {
    "leastwise-data".into()
}

impl Settings for Config {
    fn resolve(&mut self, base: &Path) {
        below(base, &mut self.data_dir);
        self.outbound.resolve(base);
        self.normalizer.resolve(base);
        self.tenants.iter_mut().for_each(|t| t.resolve(base));
        for sink in &mut self.sinks {
            sink.resolve(base);
        }
        #[cfg(feature = "remote")]
        if let Some(tls) = self.connect.as_mut().and_then(|c| c.tls.as_mut()) {
            tls.resolve(base);
        }
    }

    fn check(&self) -> Result<Vec<String>, Problem> {
        #[cfg(feature = "remote")]
        if let Some(connect) = &self.connect {
            let services = [&connect.collector, &connect.normalizer, &connect.exporter];
            for service in services.into_iter().chain(&connect.token_broker) {
                service.check(connect.tls.as_ref())?;
            }
            return Ok(vec!["services in other processes".to_owned()]);
        }
        if self.tenants.is_empty() {
            return Err(Problem::new(
                "LW-1005",
                "the configuration names no tenant.",
                "add a [[tenants]] section with id, client_id and a credential, for example client_secret_file",
            )
            .exit(Exit::Usage));
        }
        self.registry().check()?;
        self.outbound.check()?;
        self.collector().check()?;
        self.normalizer().check()?;
        self.exporter().check()?;
        self.people()?;
        Ok(vec![
            format!("{} tenants", self.tenants.len()),
            format!("{} sinks", self.sinks.len()),
            format!("data directory {}", self.data_dir.display()),
        ])
    }

    fn inspect(&self) -> Result<Vec<String>, Problem> {
        let now = runtime::Clock::system().micros() / 1_000_000;
        self.registry().check_credentials(now)?;
        let mut fine = vec!["each tenant's credentials can be used".to_owned()];
        fine.extend(self.normalizer.inspect()?);
        Ok(fine)
    }
}

impl Config {
    /// A sink that finds people by their sign-in names gets no pseudonyms.
    fn people(&self) -> Result<(), Problem> {
        for sink in self.sinks.iter().filter(|s| s.target.matches_people()) {
            let replaced = |tenant: &TenantId| {
                let treated = self.privacy.of(*tenant, RecordKind::User);
                treated.iter().any(|t| t.field == "userPrincipalName")
            };
            let tenants = self.tenants.iter().map(|t| t.id);
            let mut tenants = tenants.filter(|t| sink.allows(*t));
            if let Some(tenant) = tenants.find(replaced) {
                return Err(Problem::new(
                    "LW-6046",
                    format!(
                        "the sink `{}` finds people by their sign-in names, and [privacy] replaces those of tenant {tenant}.",
                        sink.name()
                    ),
                    "keep userPrincipalName of that tenant, or leave the tenant out of the sink's `tenants`",
                )
                .exit(Exit::Usage));
            }
        }
        Ok(())
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// As there.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let (path, set) = (path.to_owned(), Vec::new());
        Source { path, set }.load()
    }

    /// The tenants, as the token-broker has them.
    pub fn registry(&self) -> token_broker::Config {
        token_broker::Config {
            tenants: self.tenants.clone(),
        }
    }

    /// The settings of the collector, with what it shares with the normalizer.
    pub fn collector(&self) -> collector::Config {
        collector::Config {
            privacy: self.privacy.clone(),
            ..self.collector.clone()
        }
    }

    /// The settings of the normalizer, likewise.
    pub fn normalizer(&self) -> normalizer::Config {
        normalizer::Config {
            privacy: self.privacy.clone(),
            ..self.normalizer.clone()
        }
    }

    /// The sinks, as the exporter has them.
    pub fn exporter(&self) -> exporter::Config {
        exporter::Config {
            sinks: self.sinks.clone(),
            ..exporter::Config::default()
        }
    }
}

/// Where a command's configuration comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// `section.key=value`, the strongest.
    pub set: Vec<String>,
}

impl Source {
    /// Reads and checks.
    ///
    /// # Errors
    /// `LW-100x`, naming the place, what is wrong and what to do.
    pub fn load(&self) -> Result<Config, Problem> {
        let config = self.read()?;
        config.check()?;
        Ok(config)
    }

    /// `--check-config`: looks at everything that a start would look at, secrets included, and says what is fine.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Problem> {
        let config = self.read()?;
        let mut fine = config.check()?;
        fine.extend(config.inspect()?);
        let fine: String = fine.iter().map(|line| format!("fine: {line}\n")).collect();
        output::write(&fine)
    }

    /// `--dump-config`: what would be in effect, without secrets.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn dump(&self) -> Result<(), Problem> {
        output::write(&runtime::config::dump(&self.read()?)?)
    }

    fn read(&self) -> Result<Config, Problem> {
        let mut layers = Layers::file(&self.path)?.environment(runtime::config::environment());
        for assignment in &self.set {
            layers = layers.set(assignment)?;
        }
        let mut config: Config = layers.read()?;
        config.resolve(self.path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_people_by_their_names_gets_no_pseudonyms() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("leastwise.toml");
        for name in ["client", "hook"] {
            std::fs::write(dir.path().join(name), "0123456789abcdef0123").unwrap();
        }
        let checked = |sink: &str, privacy: &str| {
            let text = format!(
                "[[tenants]]\nid = 'aaaaaaaa-0000-0000-0000-000000000001'\n\
                 client_id = 'cccccccc-0000-0000-0000-000000000003'\nclient_secret_file = 'client'\n\
                 [[sinks]]\nkind = 'webhook'\nurl = 'https://example.org/'\nsecret_file = 'hook'\n{sink}\n\
                 [privacy.fields]\n{privacy}\n"
            );
            std::fs::write(&file, text).unwrap();
            Config::load(&file).map(drop)
        };
        let pseudonyms = "userPrincipalName = 'pseudonymise'";
        checked("matches_people = true", "").unwrap();
        checked("", pseudonyms).unwrap();
        let refused = checked("matches_people = true", pseudonyms).unwrap_err();
        assert_eq!(refused.code, "LW-6046", "{refused}");
        let other = "matches_people = true\ntenants = ['bbbbbbbb-0000-0000-0000-000000000002']";
        checked(other, pseudonyms).unwrap();
    }
}
