//! The layers that a configuration is made of, and whose mistake a mistake is.

use std::collections::HashMap;
use std::path::Path;

use config::{ConfigError, File, FileFormat};
use serde::de::DeserializeOwned;

use super::nearest::nearest;
use crate::error::{Exit, Problem};

/// Environment variables that begin like this override keys.
pub(super) const PREFIX: &str = "LEASTWISE__";

/// A configuration's sources, weakest first.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The file, and how errors name it.
    file: Option<(String, String)>,
    /// What overrides single keys: how errors name it, and the key with its value as TOML.
    over: Vec<(String, String)>,
}

impl Layers {
    /// Begins with a file.
    ///
    /// # Errors
    /// `LW-1001` when it can't be read.
    pub fn file(path: &Path) -> Result<Self, Problem> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Layers::text(&text, &path.display().to_string())),
            Err(e) => Err(Problem::new(
                "LW-1001",
                format!(
                    "the configuration file {} can't be read: {e}.",
                    path.display()
                ),
                "`leastwise init` writes one; name it with --config",
            )
            .exit(Exit::Usage)),
        }
    }

    /// Begins with a text that errors call `place`.
    pub fn text(text: &str, place: &str) -> Self {
        Layers {
            file: Some((place.to_owned(), text.to_owned())),
            over: Vec::new(),
        }
    }

    /// Adds environment variables. `LEASTWISE__COLLECTOR__POOL=eu` sets `collector.pool`; others are ignored.
    #[must_use]
    pub fn environment(mut self, variables: HashMap<String, String>) -> Self {
        let mut named: Vec<_> = variables.into_iter().collect();
        named.sort();
        for (name, value) in named {
            let Some(path) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let keys: Vec<String> = path
                .split("__")
                .map(|key| quoted(&key.to_lowercase()))
                .collect();
            let line = format!("{} = {}", keys.join("."), literal(&value));
            self.over.push((name, line));
        }
        self
    }

    /// Adds one `section.key=value` of the command line.
    ///
    /// # Errors
    /// `LW-1002` when it isn't of this form.
    pub fn set(mut self, assignment: &str) -> Result<Self, Problem> {
        let wrong = || {
            Problem::new(
                "LW-1002",
                "--set takes a key and a value.".to_owned(),
                "write --set section.key=value",
            )
            .exit(Exit::Usage)
        };
        let (key, value) = split(assignment).ok_or_else(wrong)?;
        if key.trim().is_empty() {
            return Err(wrong());
        }
        let line = format!("{key} = {}", literal(value));
        self.over.push((format!("--set {}", key.trim()), line));
        Ok(self)
    }

    /// Puts the layers together.
    ///
    /// # Errors
    /// `LW-1002` when they don't fit `T`: names the file, variable or flag, and for an unknown key the nearest known
    /// one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.without(None).map_err(|e| {
            let message = e.to_string();
            let place = self.culprit::<T>(&message);
            let message = without_values(&message);
            let remedy = nearest(&message)
                .unwrap_or_else(|| "correct it; docs/configuration.md lists every key".into());
            Problem::new(
                "LW-1002",
                format!("{place}: {}.", message.trim_end().trim_end_matches('.')),
                remedy,
            )
            .exit(Exit::Usage)
        })
    }

    /// The layer without which this error would not be.
    fn culprit<T: DeserializeOwned>(&self, message: &str) -> String {
        let guilty = (0..self.over.len()).find(|n| match self.without::<T>(Some(*n)) {
            Ok(_) => true,
            Err(other) => other.to_string() != message,
        });
        match (guilty, &self.file) {
            (Some(n), _) => self.over[n].0.clone(),
            (None, Some((place, _))) => place.clone(),
            (None, None) => "the configuration".to_owned(),
        }
    }

    fn without<T: DeserializeOwned>(&self, left_out: Option<usize>) -> Result<T, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some((_, text)) = &self.file {
            builder = builder.add_source(File::from_str(text, FileFormat::Toml));
        }
        for (n, (_, line)) in self.over.iter().enumerate() {
            if Some(n) != left_out {
                builder = builder.add_source(File::from_str(line, FileFormat::Toml));
            }
        }
        builder.build()?.try_deserialize()
    }
}

/// What a parser of TOML says, without the values that it quotes where it doesn't understand them: any of them may be a
/// secret that somebody wrote into the wrong place.
pub fn without_values(message: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == ' ';
    let quotes = |line: &&str| line.trim_start_matches(number).starts_with('|');
    let lines: Vec<&str> = message.lines().filter(|line| !quotes(line)).collect();
    let mut text = lines.join(": ");
    let value = text.find("string \"").zip(text.rfind("\", expected"));
    if let Some((from, until)) = value.filter(|(from, until)| from + 8 <= *until) {
        text.replace_range(from + 8..until, "…");
    }
    text
}

/// Splits at the first `=` outside of quotes: identities, which are keys, may hold one.
fn split(assignment: &str) -> Option<(&str, &str)> {
    let mut inside = false;
    let at = assignment.char_indices().find(|(_, c)| {
        inside ^= *c == '"';
        *c == '=' && !inside
    })?;
    Some((&assignment[..at.0], &assignment[at.0 + 1..]))
}

fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match key.is_empty() || !key.chars().all(bare) {
        true => literal(key),
        false => key.to_owned(),
    }
}

/// A value as TOML. Lists and tables are written as TOML; everything else is a text, which becomes a number or a
/// truth value where one is wanted. (Guessing would turn a secret such as 00123 into a number.)
fn literal(value: &str) -> String {
    if value.starts_with(['[', '{']) {
        return value.to_owned();
    }
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        data_dir: String,
        #[serde(default)]
        tenants: Vec<Tenant>,
        #[serde(default)]
        collector: Collector,
        #[serde(default)]
        admin: BTreeMap<String, String>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Tenant {
        client_id: String,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields, default)]
    struct Collector {
        lateness_seconds: u64,
        scheduled: bool,
        callers: Vec<String>,
    }

    impl Default for Collector {
        fn default() -> Self {
            Collector {
                lateness_seconds: 600,
                scheduled: true,
                callers: vec![],
            }
        }
    }

    const FILE: &str =
        "data_dir = 'x'\n[[tenants]]\nclient_id = 'y'\n[collector]\nlateness_seconds = 1";

    fn variables(list: &[(&str, &str)]) -> HashMap<String, String> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn refused(layers: Layers) -> String {
        let e = layers.read::<Sample>().unwrap_err();
        assert_eq!((&*e.code, e.exit), ("LW-1002", Exit::Usage));
        e.to_string()
    }

    #[test]
    fn flags_override_variables_override_the_file_overrides_defaults() {
        let s: Sample = Layers::text("data_dir = 'x'", "a.toml").read().unwrap();
        assert_eq!(s.collector.lateness_seconds, 600);
        let layers = Layers::text(FILE, "a.toml");
        let s: Sample = layers.clone().read().unwrap();
        assert_eq!(s.collector.lateness_seconds, 1);
        let layers = layers.environment(variables(&[
            ("LEASTWISE__DATA_DIR", "00123"),
            ("LEASTWISE__COLLECTOR__LATENESS_SECONDS", "2"),
            ("LEASTWISE__COLLECTOR__SCHEDULED", "false"),
            ("PATH", "/bin"),
        ]));
        let s: Sample = layers.clone().read().unwrap();
        assert_eq!(
            (s.data_dir.as_str(), s.collector.lateness_seconds),
            ("00123", 2)
        );
        assert!(!s.collector.scheduled);
        assert_eq!(s.tenants[0].client_id, "y");
        let layers = layers.set("collector.lateness_seconds=3").unwrap();
        let layers = layers.set("collector.callers=[\"spiffe://a/b\"]").unwrap();
        let layers = layers.set("admin.\"spiffe://T/Ann?x=y\"=viewer").unwrap();
        let s: Sample = layers.read().unwrap();
        assert_eq!(s.collector.lateness_seconds, 3);
        assert_eq!(s.collector.callers, ["spiffe://a/b"]);
        assert_eq!(s.admin["spiffe://T/Ann?x=y"], "viewer");
    }

    #[test]
    fn names_the_nearest_key_and_whose_mistake_it_is() {
        let file = "data_dir = 'x'\n[[tenants]]\nclient_idd = 'y'";
        let told = refused(Layers::text(file, "a.toml"));
        assert!(told.contains("did you mean `client_id`?"), "{told}");
        assert!(told.contains("a.toml"), "{told}");

        let wrong = variables(&[
            ("LEASTWISE__COLLECTOR__LATENES_SECONDS", "5"),
            ("LEASTWISE__DATA_DIR", "fine"),
        ]);
        let told = refused(Layers::text(FILE, "a.toml").environment(wrong));
        assert!(
            told.contains("LEASTWISE__COLLECTOR__LATENES_SECONDS:"),
            "{told}"
        );
        assert!(told.contains("did you mean `lateness_seconds`?"), "{told}");

        let told = refused(
            Layers::text(FILE, "a.toml")
                .set("colector.scheduled=true")
                .unwrap(),
        );
        assert!(told.contains("--set colector.scheduled:"), "{told}");
        assert!(told.contains("did you mean `collector`?"), "{told}");

        for malformed in ["", "x", "=5"] {
            assert_eq!(
                Layers::default().set(malformed).unwrap_err().code,
                "LW-1002"
            );
        }
        let told = refused(Layers::text(FILE, "a.toml").set("a b=\"[").unwrap());
        assert!(told.contains("--set a b:"), "{told}");
    }

    #[test]
    fn no_value_is_repeated() {
        for wrong in [
            "data_dir = 'x'\ncollector = 'hunter2'",
            "data_dir = 'x'\ncollector.lateness_seconds = 'hunter2'",
            "data_dir = 'hunter2",
            "data_dir = hunter2",
            "data_dir = 'x'\npassword = 'hunter2'",
        ] {
            let told = refused(Layers::text(wrong, "a.toml"));
            assert!(told.contains("a.toml: "), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let told = refused(Layers::text("data_dir = 'hunter2", "a.toml"));
        assert!(told.contains("line 1, column"), "{told}");
    }

    #[test]
    fn any_value_survives() {
        let odd = "a\"b\\c\nd\u{7f}é'";
        let env = variables(&[("LEASTWISE__DATA_DIR", odd)]);
        let s: Sample = Layers::default().environment(env).read().unwrap();
        assert_eq!(s.data_dir, odd);
    }
}
