//! Files in a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Place, Stored};
use crate::error::Error;
use crate::sink::files::{blocking, disk, leftovers};

/// A directory.
pub(in crate::sink) struct Local(PathBuf);

const MANIFEST: &str = "manifest.json";

impl Local {
    pub(in crate::sink) fn new(dir: PathBuf) -> Self {
        Local(dir)
    }
}

#[async_trait]
impl Place for Local {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    fn lock(&self, _: &Path) -> PathBuf {
        self.0.join(".lock")
    }

    async fn manifest(&self) -> Result<Option<Stored>, Error> {
        let path = self.0.join(MANIFEST);
        blocking(move || match fs::read(&path) {
            Ok(bytes) => Ok(Some(Stored {
                bytes,
                version: String::new(),
            })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(disk::at(&path)(e)),
        })
        .await
    }

    async fn missing(&self, parts: &BTreeMap<String, u64>) -> Result<BTreeSet<String>, Error> {
        let (dir, parts) = (self.0.clone(), parts.clone());
        blocking(move || {
            let there = |(name, bytes): &(String, u64)| {
                let found = fs::metadata(dir.join(name));
                found.is_ok_and(|m| m.is_file() && m.len() == *bytes)
            };
            let missing = parts.into_iter().filter(|part| !there(part));
            Ok(missing.map(|(name, _)| name).collect())
        })
        .await
    }

    async fn put(&self, from: &Path, name: &str) -> Result<(), Error> {
        let (from, to) = (from.to_owned(), self.0.join(name));
        blocking(move || {
            if let Some(home) = to.parent() {
                disk::create_dir(home)?;
                // The two directories above may be new as well.
                home.parent().map_or(Ok(()), disk::sync_parent)?;
                disk::sync_parent(home)?;
            }
            disk::put(&from, &to)
        })
        .await
    }

    async fn replace(&self, bytes: Vec<u8>, _: &Stored) -> Result<String, Error> {
        let path = self.0.join(MANIFEST);
        blocking(move || disk::write(&path, &bytes)).await?;
        Ok(String::new())
    }

    async fn remove(&self, _: Vec<String>, keep: BTreeSet<String>) {
        let dir = self.0.clone();
        let keep = keep.into_iter().map(PathBuf::from).collect();
        let removed = blocking(move || {
            leftovers::remove(&dir, &keep);
            Ok(())
        });
        if let Err(e) = removed.await {
            tracing::warn!(error = %e, "old files of a sink stay");
        }
    }
}
