//! The keys of pseudonyms and of who was erased: each in a file of its own, neither in the database.

use std::path::PathBuf;
use std::sync::Arc;

use runtime::Problem;
use runtime::error::Exit;
use runtime::keyed::Keyed;
use runtime::seal::{Purpose, make};

use crate::config::Config;

const PSEUDONYMS: Purpose = Purpose {
    code: "LW-5060",
    of: "pseudonyms",
};
const ERASED: Purpose = Purpose {
    code: "LW-5061",
    of: "erased people",
};

/// The keys at hand.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    pub pseudonyms: Option<Arc<Keyed>>,
    pub erased: Option<Arc<Keyed>>,
}

impl Keys {
    /// Reads what the configuration names.
    ///
    /// # Errors
    /// `LW-5060` and `LW-5061` when a file holds no key, `LW-5062` when pseudonyms are wanted and there is none.
    pub fn open(config: &Config) -> Result<Keys, Problem> {
        let open = |purpose, file: &Option<PathBuf>| {
            let keyed = file.as_ref().map(|file| Keyed::open(purpose, file));
            keyed.transpose().map(|keyed| keyed.map(Arc::new))
        };
        let keys = Keys {
            pseudonyms: open(PSEUDONYMS, &config.pseudonym_key_file)?,
            erased: open(ERASED, &config.erasure_key_file)?,
        };
        if config.privacy.needs_key() && keys.pseudonyms.is_none() {
            return Err(Problem::new(
                "LW-5062",
                "[privacy] wants pseudonyms, and there is no key that makes them (without userPrincipalName the rows of \
                 usage reports are keyed by one too).",
                "name a key file as normalizer.pseudonym_key_file: (umask 077; openssl rand -base64 32 > <file>)",
            )
            .exit(Exit::Usage));
        }
        Ok(keys)
    }

    /// In an installation in one process both files lie beside the databases, and are made where none is named.
    ///
    /// # Errors
    /// As [`Keys::open`], when one can't be written.
    pub fn embedded(config: &mut Config, dir: &std::path::Path) -> Result<(), Problem> {
        for (purpose, file, name) in [
            (PSEUDONYMS, &mut config.pseudonym_key_file, "pseudonym.key"),
            (ERASED, &mut config.erasure_key_file, "erasure.key"),
        ] {
            if file.is_none() {
                let own = dir.join(name);
                make(purpose, &own)?;
                *file = Some(own);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_need_a_key_and_an_embedded_installation_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[fields]\nmail = 'pseudonymise'";
        let none = std::collections::HashMap::new();
        let mut config = Config {
            privacy: runtime::config::parse(text, "test", none).unwrap(),
            ..Config::default()
        };
        assert_eq!(Keys::open(&config).err().unwrap().code, "LW-5062");
        Keys::embedded(&mut config, dir.path()).unwrap();
        let keys = Keys::open(&config).unwrap();
        let (one, other) = (keys.pseudonyms.unwrap(), keys.erased.unwrap());
        assert_ne!(one.id, other.id);
        std::fs::write(dir.path().join("pseudonym.key"), "").unwrap();
        assert_eq!(Keys::open(&config).err().unwrap().code, "LW-5060");
    }
}
