//! What people configure: which sinks there are.

mod selection;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDate;
use proto::ids::TenantId;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sink::Target;

pub use selection::Selection;
pub(crate) use selection::Shown;

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the inventory goes.
    pub sinks: Vec<SinkConfig>,
    /// How often the heads of all ledgers are asked for, in seconds: announcements may get lost.
    #[serde(with = "seconds")]
    pub poll: Duration,
    /// How long a lease on a sink lasts without a heartbeat, where several exporters share a database, in seconds.
    #[serde(with = "seconds")]
    pub lease: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sinks: Vec::new(),
            poll: Duration::from_secs(60),
            lease: Duration::from_secs(15),
        }
    }
}

/// One sink: what every sink can be told, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkConfig {
    /// How the sink is called in `status`; its kind when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The tenants that it may receive; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenants: Option<BTreeSet<TenantId>>,
    /// The last day on which its credentials are good, by whoever issued them; told of 30, 14, 7 days and one day before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<NaiveDate>,
    /// What it is, by `kind`, and the keys of its own. These refuse keys that nobody knows.
    #[serde(flatten)]
    pub target: Target,
}

impl SinkConfig {
    /// A sink that is called as its kind and may receive every tenant.
    pub fn new(target: impl Into<Target>) -> Self {
        SinkConfig {
            name: None,
            tenants: None,
            expires: None,
            target: target.into(),
        }
    }

    /// The same under a name of its own.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let name = Some(name.to_owned());
        SinkConfig { name, ..self }
    }

    /// How the sink is called.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kind())
    }

    /// What it is.
    pub fn kind(&self) -> &'static str {
        self.target.kind()
    }

    /// Whether it may receive this tenant.
    pub fn allows(&self, tenant: TenantId) -> bool {
        self.tenants.as_ref().is_none_or(|t| t.contains(&tenant))
    }

    /// Makes relative paths relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        self.target.resolve(base);
    }

    /// Where its data are: a path, or a URL without a password.
    pub fn location(&self) -> String {
        self.target.location()
    }
}

impl Config {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// `LW-6001` when a name or a path is empty or used twice, a sink may receive nobody or can't be reached like that,
    /// or `poll` is zero.
    pub fn check(&self) -> Result<(), Error> {
        let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
        for sink in &self.sinks {
            let wrong = |why: &str| Error::settings(sink.name(), why);
            if sink.name().is_empty() {
                return Err(wrong("its name is empty"));
            }
            if sink.tenants.as_ref().is_some_and(BTreeSet::is_empty) {
                return Err(wrong("`tenants` names none; leave it out to allow all"));
            }
            sink.target.check(sink.name())?;
            if sink.location().is_empty() {
                return Err(wrong("its path is empty"));
            }
            if !names.insert(sink.name()) {
                return Err(wrong("another sink has the same name"));
            }
            // Two sinks that replace each other's files would never come to rest.
            if !places.insert(sink.location()) {
                return Err(wrong("another sink has the same path"));
            }
        }
        if self.poll.is_zero() {
            return Err(Error::Config {
                what: "exporter.poll".into(),
                why: "it must be at least one second".into(),
            });
        }
        Ok(())
    }
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(d.as_secs())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Config, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn names_default_to_the_kind_and_unknown_keys_are_errors() {
        let c = parse(
            r#"{"sinks":[{"kind":"files","path":"out"},{"kind":"sqlite","name":"bi","path":"x.db"}],"poll":5}"#,
        );
        let c = c.unwrap();
        assert_eq!(
            c.sinks.iter().map(SinkConfig::name).collect::<Vec<_>>(),
            ["files", "bi"]
        );
        assert_eq!(c.poll, Duration::from_secs(5));
        assert!(parse(r#"{"sinks":[{"kind":"files","path":"out","pth":"x"}]}"#).is_err());
        assert!(parse(r#"{"sink":[]}"#).is_err());
        assert!(parse(r#"{"sinks":[{"kind":"file","path":"out"}]}"#).is_err());
        let json = r#"{"sinks":[{"kind":"files","path":"out","tenants":["aaaaaaaa-0000-0000-0000-000000000001"]}]}"#;
        let one = &parse(json).unwrap().sinks[0];
        assert!(one.allows("aaaaaaaa-0000-0000-0000-000000000001".parse().unwrap()));
        assert!(!one.allows("bbbbbbbb-0000-0000-0000-000000000002".parse().unwrap()));
        assert_eq!(serde_json::to_value(one).unwrap()["kind"], "files");
        assert_eq!(parse("{}").unwrap(), Config::default());
    }

    #[test]
    fn a_database_has_keys_of_its_own_and_needs_a_build_that_has_it() {
        let json = r#"{"sinks":[{"kind":"postgres","url":"postgres://role@localhost/inventory","password_file":"secret"}]}"#;
        let mut config = parse(json).unwrap();
        let sink = &mut config.sinks[0];
        sink.resolve(Path::new("/etc"));
        assert_eq!(sink.location(), "postgres://role@localhost/inventory");
        let Target::Postgres(postgres) = &sink.target else {
            panic!("{sink:?}");
        };
        assert_eq!(
            postgres.password_file.as_deref(),
            Some(Path::new("/etc/secret"))
        );
        let checked = config.check().map_err(runtime::Problem::from);
        match cfg!(feature = "postgres") {
            true => checked.unwrap(),
            false => {
                let problem = checked.unwrap_err();
                assert_eq!(problem.code, "LW-6001");
                assert!(problem.what.contains("no PostgreSQL"), "{problem}");
            }
        }
        assert!(parse(&json.replace("password_file", "password")).is_err());
        let config = parse(&json.replace("role@", "role:s3cret@")).unwrap();
        assert_eq!(
            config.sinks[0].location(),
            "postgres://role@localhost/inventory"
        );
        let problem = runtime::Problem::from(config.check().unwrap_err());
        assert_eq!(problem.code, "LW-6001");
        assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
    }

    #[test]
    fn two_sinks_share_neither_name_nor_path() {
        let files = |name: Option<&str>, path: &str| SinkConfig {
            name: name.map(Into::into),
            ..SinkConfig::new(crate::sink::files::Directory::new(path.into()))
        };
        let check = |sinks| {
            Config {
                sinks,
                ..Config::default()
            }
            .check()
            .map_err(|e| e.to_string())
        };
        assert!(check(vec![files(None, "a"), files(Some("b"), "b")]).is_ok());
        assert!(
            check(vec![files(None, "a"), files(None, "b")])
                .unwrap_err()
                .contains("same name")
        );
        assert!(
            check(vec![files(None, "a"), files(Some("b"), "a")])
                .unwrap_err()
                .contains("same path")
        );
        assert!(check(vec![files(None, "")]).is_err());
    }
}
