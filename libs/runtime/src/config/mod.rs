//! Configuration: defaults in code, then one TOML file, then environment variables `LEASTWISE__SECTION__KEY`, then
//! `--set section.key=value`.

mod dump;
mod layers;
mod nearest;
mod secret;

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use dump::dump;
pub use layers::{Layers, without_values};
pub use secret::{SecretFile, secret};

use crate::error::Problem;

/// What a program is configured by. Unknown keys are errors (`deny_unknown_fields`), and every key has a default or is
/// required.
pub trait Settings: DeserializeOwned + Serialize + Send + Sync + 'static {
    /// Makes relative paths relative to `base`, the directory of the configuration file.
    fn resolve(&mut self, base: &Path);

    /// Checks what types can't say: keys against each other, and that each named file can be used. Opens no
    /// connection. Returns what is fine, one line each, for `--check-config`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn check(&self) -> Result<Vec<String>, Problem>;

    /// What a start must not end by but `--check-config` shall find: secrets of single tenants, for example.
    ///
    /// # Errors
    /// The first thing that is wrong.
    fn inspect(&self) -> Result<Vec<String>, Problem> {
        Ok(Vec::new())
    }
}

/// Reads the file and the variables into `T`, whose keys must all be known (`deny_unknown_fields`).
///
/// # Errors
/// As [`Layers::read`].
pub fn load<T: DeserializeOwned>(
    path: &Path,
    environment: HashMap<String, String>,
) -> Result<T, Problem> {
    Layers::file(path)?.environment(environment).read()
}

/// As [`load`], from a text; `place` names it in errors.
///
/// # Errors
/// As [`Layers::read`].
pub fn parse<T: DeserializeOwned>(
    text: &str,
    place: &str,
    environment: HashMap<String, String>,
) -> Result<T, Problem> {
    Layers::text(text, place).environment(environment).read()
}

/// The environment variables of this process that configure Leastwise.
pub fn environment() -> HashMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .filter(|(k, _)| k.starts_with(layers::PREFIX))
        .collect()
}

/// A path of the configuration, relative to the directory of the configuration file.
pub fn below(base: &Path, path: &mut std::path::PathBuf) {
    *path = base.join(&*path);
}

/// For keys that take one value or a list of them.
///
/// # Errors
/// When it is neither.
pub fn one_or_many<'de, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    struct Either<T>(std::marker::PhantomData<T>);
    impl<'de, T: serde::Deserialize<'de>> serde::de::Visitor<'de> for Either<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            let one = serde::de::value::StrDeserializer::new(text);
            T::deserialize(one).map(|one| vec![one])
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }
    d.deserialize_any(Either(std::marker::PhantomData))
}
