//! Signed notes of how far the log went, for a place that this process can't rewrite.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Says that the record with this number had this hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    pub size: u64,
    pub hash: String,
    pub time: String,
    /// Ed25519 (RFC 8032) over the three above, base64.
    pub signature: String,
}

fn text(size: u64, hash: &str, time: &str) -> String {
    format!("leastwise audit checkpoint\n{size}\n{hash}\n{time}\n")
}

impl Checkpoint {
    pub(super) fn is_signed_by(&self, key: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(&self.signature) else {
            return false;
        };
        let text = text(self.size, &self.hash, &self.time);
        UnparsedPublicKey::new(&ED25519, key)
            .verify(text.as_bytes(), &signature)
            .is_ok()
    }
}

/// Writes checkpoints.
pub(super) struct Notary {
    key: Ed25519KeyPair,
    /// The file beside the log, and the one elsewhere.
    files: Vec<PathBuf>,
}

impl Notary {
    /// Reads the key from the log's directory, or makes one there with its public part beside it.
    pub(super) fn open(directory: &Path, elsewhere: Option<&Path>) -> Result<Self> {
        let path = directory.join("checkpoint.key");
        let broken = |_| std::io::Error::other(format!("{} holds no key", path.display()));
        let key = match std::fs::read(&path) {
            Ok(der) => Ed25519KeyPair::from_pkcs8(&der).map_err(broken)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let key = Ed25519KeyPair::generate()
                    .map_err(|_| std::io::Error::other("no random numbers"))?;
                let der: Pkcs8V1Der<'_> = key
                    .as_der()
                    .map_err(|_| std::io::Error::other("the key has no form"))?;
                let mut file = private(&path)?;
                file.write_all(der.as_ref())?;
                file.sync_all()?;
                let public = STANDARD.encode(key.public_key().as_ref());
                std::fs::write(directory.join("checkpoint.pub"), format!("{public}\n"))?;
                key
            }
            Err(e) => return Err(e),
        };
        let beside = directory.join("checkpoints.ndjson");
        Ok(Notary {
            key,
            files: [beside]
                .into_iter()
                .chain(elsewhere.map(Path::to_owned))
                .collect(),
        })
    }

    /// Signs how far the log is, writes that into each file and into the process's own log.
    pub(super) fn note(&self, size: u64, hash: &str, time: String) -> Result<()> {
        let signature = self.key.sign(text(size, hash, &time).as_bytes());
        let note = Checkpoint {
            size,
            hash: hash.to_owned(),
            signature: STANDARD.encode(signature),
            time,
        };
        tracing::info!(
            records = note.size,
            hash = note.hash,
            time = note.time,
            signature = note.signature,
            "audit checkpoint"
        );
        let line = serde_json::to_string(&note).map_err(std::io::Error::other)? + "\n";
        for path in &self.files {
            let mut file = private(path)?;
            file.write_all(line.as_bytes())?;
            file.sync_data()?;
        }
        Ok(())
    }
}

fn private(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// The public key in a file that [`Notary::open`] wrote.
pub(super) fn public_key(path: &Path) -> Result<Vec<u8>> {
    let text = std::fs::read_to_string(path)?;
    STANDARD.decode(text.trim()).map_err(std::io::Error::other)
}
