//! The files that a tenant's credentials name: on disk, or sealed in the store.

use std::collections::BTreeMap;
use std::io::Result;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::store::SealedFiles;

/// Finds the content of a name: what is sealed comes before what is on disk.
#[derive(Clone, Default)]
pub(crate) struct Files {
    sealed: Option<Arc<SealedFiles>>,
    fresh: Arc<Fresh>,
}

/// Contents that are not stored yet, and when they came (microseconds since 1970).
#[derive(Default)]
pub(crate) struct Fresh {
    contents: Mutex<Contents>,
    at: u64,
}

impl Fresh {
    pub(crate) fn new(contents: Contents, at: u64) -> Arc<Self> {
        let contents = Mutex::new(contents);
        Arc::new(Fresh { contents, at })
    }

    /// As they are now.
    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that one user at a time replaces.
pub(crate) enum Held {
    Fresh(Arc<Fresh>, String),
    Stored(Box<crate::store::Held>),
}

impl Held {
    pub(crate) fn secret(&self) -> Result<SecretString> {
        match self {
            Held::Fresh(fresh, name) => {
                let contents = fresh.contents();
                runtime::config::secret(contents.get(name).map_or(&[], |c| c.as_slice()))
            }
            Held::Stored(held) => runtime::config::secret(&held.content),
        }
    }

    /// Puts this in its place.
    pub(crate) async fn replace(self, content: &[u8]) -> Result<()> {
        match self {
            Held::Fresh(fresh, name) => {
                fresh.contents().insert(name, content.to_vec().into());
                Ok(())
            }
            Held::Stored(held) => held.replace(content).await,
        }
    }
}

/// Contents by name.
pub(crate) type Contents = BTreeMap<String, Zeroizing<Vec<u8>>>;

impl Files {
    pub(crate) fn sealed(files: Arc<SealedFiles>) -> Self {
        Files {
            sealed: Some(files),
            fresh: Arc::default(),
        }
    }

    /// With these before the others.
    pub(crate) fn with(&self, fresh: Arc<Fresh>) -> Self {
        Files {
            sealed: self.sealed.clone(),
            fresh,
        }
    }

    /// The content, as it is now.
    pub(crate) fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
        if let Some(name) = path.to_str()
            && let Some(content) = self.fresh.contents().get(name)
        {
            return Ok(content.clone());
        }
        match self.sealed.as_ref().and_then(|sealed| sealed.read(path)) {
            Some(content) => content,
            None => std::fs::read(path).map(Zeroizing::new),
        }
    }

    /// A secret: the content without the newline that editors put behind it.
    pub(crate) fn secret(&self, path: &Path) -> Result<SecretString> {
        runtime::config::secret(&self.read(path)?)
    }

    /// Holds a file of the store until what comes in its place is there: others wait.
    pub(crate) async fn hold(&self, path: &Path) -> Result<Held> {
        let name = path.to_str().unwrap_or_default();
        if self.fresh.contents().contains_key(name) {
            return Ok(Held::Fresh(Arc::clone(&self.fresh), name.to_owned()));
        }
        match &self.sealed {
            Some(sealed) => Ok(Held::Stored(Box::new(sealed.hold(name).await?))),
            None => Err(std::io::Error::other(
                "what changes with each use is kept in the store: leastwise tenants add",
            )),
        }
    }

    /// When it was written, in microseconds since 1970; none where it isn't there.
    pub(crate) fn written(&self, path: &Path) -> Option<u64> {
        if path
            .to_str()
            .is_some_and(|name| self.fresh.contents().contains_key(name))
        {
            return Some(self.fresh.at);
        }
        if let Some(at) = self.sealed.as_ref().and_then(|sealed| sealed.written(path)) {
            return Some(at);
        }
        let at = std::fs::metadata(path).ok()?.modified().ok()?;
        let since = at.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_micros()).ok()
    }
}
