//! What people configure: which sinks there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The exporter's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the inventory goes.
    pub sinks: Vec<SinkConfig>,
    /// How often the heads of all ledgers are asked for, in seconds: announcements may get lost.
    #[serde(with = "seconds")]
    pub poll: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sinks: Vec::new(),
            poll: Duration::from_secs(60),
        }
    }
}

/// One sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SinkConfig {
    /// A directory with the current inventory: one file of JSON lines a kind, and a manifest.
    Files {
        /// How the sink is called in `status`; `files` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The directory; created where it is missing.
        path: PathBuf,
    },
    /// A SQLite file with a view for each kind.
    Sqlite {
        /// How the sink is called in `status`; `sqlite` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The file; created where it is missing.
        path: PathBuf,
    },
}

impl SinkConfig {
    /// How the sink is called.
    pub fn name(&self) -> &str {
        match self {
            SinkConfig::Files { name, .. } | SinkConfig::Sqlite { name, .. } => {
                name.as_deref().unwrap_or(self.kind())
            }
        }
    }

    /// What it is.
    pub fn kind(&self) -> &'static str {
        match self {
            SinkConfig::Files { .. } => "files",
            SinkConfig::Sqlite { .. } => "sqlite",
        }
    }

    /// Makes a relative path relative to `base`.
    pub fn resolve(&mut self, base: &Path) {
        let (SinkConfig::Files { path, .. } | SinkConfig::Sqlite { path, .. }) = self;
        *path = base.join(&*path);
    }

    /// Where its data are.
    pub fn path(&self) -> &Path {
        match self {
            SinkConfig::Files { path, .. } | SinkConfig::Sqlite { path, .. } => path,
        }
    }
}

impl Config {
    /// Checks what the types can't.
    ///
    /// # Errors
    /// `LW-6001` when a name or a path is empty or used twice, or `poll` is zero.
    pub fn check(&self) -> Result<(), Error> {
        let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for sink in &self.sinks {
            let wrong = |why: &'static str| Error::Config {
                what: format!("sink `{}`", sink.name()),
                why,
            };
            if sink.name().is_empty() {
                return Err(wrong("its name is empty"));
            }
            if sink.path().as_os_str().is_empty() {
                return Err(wrong("its path is empty"));
            }
            if !names.insert(sink.name()) {
                return Err(wrong("another sink has the same name"));
            }
            // Two sinks that replace each other's files would never come to rest.
            if !paths.insert(sink.path()) {
                return Err(wrong("another sink has the same path"));
            }
        }
        if self.poll.is_zero() {
            return Err(Error::Config {
                what: "exporter.poll".into(),
                why: "it must be at least one second",
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
        assert_eq!(parse("{}").unwrap(), Config::default());
    }

    #[test]
    fn two_sinks_share_neither_name_nor_path() {
        let files = |name: Option<&str>, path: &str| SinkConfig::Files {
            name: name.map(Into::into),
            path: path.into(),
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
