//! Configuration: defaults in code, then one TOML file, then environment variables `LEASTWISE__SECTION__KEY`.

use std::collections::HashMap;
use std::path::Path;

use config::{Environment, File, FileFormat};
use serde::de::DeserializeOwned;

use crate::error::{Exit, Problem};

/// Reads the file and the variables into `T`, whose keys must all be known (`deny_unknown_fields`).
///
/// # Errors
/// `LW-1001` when the file can't be read, `LW-1002` when it doesn't fit `T`: an unknown key is answered with the
/// nearest known one.
pub fn load<T: DeserializeOwned>(
    path: &Path,
    environment: HashMap<String, String>,
) -> Result<T, Problem> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Problem::new(
            "LW-1001",
            format!(
                "the configuration file {} can't be read: {e}.",
                path.display()
            ),
            "`leastwise init` writes one; name it with --config",
        )
        .exit(Exit::Usage)
    })?;
    parse(&text, &path.display().to_string(), environment)
}

/// As [`load`], from a text; `place` names it in errors.
///
/// # Errors
/// As [`load`].
pub fn parse<T: DeserializeOwned>(
    text: &str,
    place: &str,
    environment: HashMap<String, String>,
) -> Result<T, Problem> {
    config::Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .add_source(
            // Without try_parsing: it would turn a secret such as 00123 into a number.
            Environment::with_prefix("LEASTWISE")
                .prefix_separator("__")
                .separator("__")
                .source(Some(environment)),
        )
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|e| {
            let message = e.to_string();
            let remedy = nearest(&message)
                .unwrap_or_else(|| "correct it; docs/configuration.md lists every key".into());
            Problem::new(
                "LW-1002",
                format!("{place}: {}.", message.trim_end_matches('.')),
                remedy,
            )
            .exit(Exit::Usage)
        })
}

/// From serde's "unknown field `x`, expected one of `a`, `b`": the known key that is nearest to `x`.
fn nearest(message: &str) -> Option<String> {
    let quoted: Vec<&str> = message
        .split("unknown field ")
        .nth(1)?
        .split(" for key ")
        .next()?
        .split('`')
        .skip(1)
        .step_by(2)
        .collect();
    let (unknown, known) = quoted.split_first()?;
    let best = known
        .iter()
        .min_by_key(|k| strsim::damerau_levenshtein(k, unknown))?;
    Some(format!(
        "did you mean `{best}`? Known here: {}",
        known.join(", ")
    ))
}

/// The environment variables of this process that configure Leastwise.
pub fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .filter(|(k, _)| k.starts_with("LEASTWISE__"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        data_dir: String,
        #[serde(default)]
        tenants: Vec<Tenant>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Tenant {
        client_id: String,
    }

    #[test]
    fn names_the_nearest_key() {
        let e = parse::<Sample>(
            "data_dir = 'x'\n[[tenants]]\nclient_idd = 'y'",
            "a.toml",
            HashMap::new(),
        )
        .unwrap_err();
        assert_eq!(e.code, "LW-1002");
        assert!(e.to_string().contains("did you mean `client_id`?"), "{e}");
        assert!(e.to_string().contains("a.toml"), "{e}");
    }

    #[test]
    fn environment_overrides_the_file_and_keeps_leading_zeros() {
        let env = HashMap::from([("LEASTWISE__DATA_DIR".to_owned(), "00123".to_owned())]);
        let s: Sample = parse(
            "data_dir = 'x'\n[[tenants]]\nclient_id = 'y'",
            "a.toml",
            env,
        )
        .unwrap();
        assert_eq!(
            (s.data_dir.as_str(), s.tenants[0].client_id.as_str()),
            ("00123", "y")
        );
    }
}
