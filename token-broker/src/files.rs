//! The files that a tenant's credentials name: on disk, or sealed in the store.

use std::collections::BTreeMap;
use std::io::Result;
use std::path::Path;
use std::sync::Arc;
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
    pub contents: Contents,
    pub at: u64,
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
    pub(crate) fn with(&self, fresh: Fresh) -> Self {
        Files {
            sealed: self.sealed.clone(),
            fresh: Arc::new(fresh),
        }
    }

    /// The content, as it is now.
    pub(crate) fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
        if let Some(content) = path.to_str().and_then(|name| self.fresh.contents.get(name)) {
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

    /// When it was written, in microseconds since 1970; none where it isn't there.
    pub(crate) fn written(&self, path: &Path) -> Option<u64> {
        if path
            .to_str()
            .is_some_and(|name| self.fresh.contents.contains_key(name))
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
