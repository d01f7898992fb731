//! The keys that wrap the keys of rows: in files, never in the database.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runtime::Problem;
use runtime::error::Exit;
use zeroize::Zeroizing;

/// Bytes of a nonce.
const NONCE: usize = 12;

/// A key of 256 bits.
pub(super) struct Kek {
    /// The beginning of its hash: tells which key a row needs without telling the key.
    pub id: String,
    key: RandomizedNonceKey,
}

impl Kek {
    /// From 32 bytes.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 32 {
            return None;
        }
        let text = Zeroizing::new([b"leastwise kek 1 ", bytes].concat());
        let hash = digest(&SHA256, &text);
        let id = hash.as_ref()[..8].iter().map(|b| format!("{b:02x}"));
        Some(Kek {
            id: id.collect(),
            key: RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?,
        })
    }

    /// `nonce || ciphertext || tag`, bound to what the content is.
    pub(super) fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut text = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(aad), &mut text)
            .unwrap_or_else(|_| unreachable!("what is sealed is small"));
        [&nonce.as_ref()[..], &text].concat()
    }

    /// What was sealed; none where key, place or content differ.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(aad), &mut text);
        let length = plain.ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// The keys at hand: the first one seals.
pub(super) struct Ring {
    file: PathBuf,
    old_files: Vec<PathBuf>,
    keys: RwLock<Vec<Arc<Kek>>>,
}

impl Ring {
    /// Reads every file.
    ///
    /// # Errors
    /// `LW-2060` when one holds no key.
    pub(super) fn open(file: &Path, old_files: &[PathBuf]) -> Result<Self, Problem> {
        Ok(Ring {
            keys: RwLock::new(read_all(file, old_files)?),
            file: file.to_owned(),
            old_files: old_files.to_vec(),
        })
    }

    /// Reads the files again. True when the first one holds another key now; what was sealed under the one before
    /// still opens.
    ///
    /// # Errors
    /// As [`Ring::open`]; the keys stay as they were.
    pub(super) fn refresh(&self) -> Result<bool, Problem> {
        let mut fresh = read_all(&self.file, &self.old_files)?;
        let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if fresh[0].id == held[0].id {
            return Ok(false);
        }
        fresh.append(&mut held);
        *held = fresh;
        Ok(true)
    }

    pub(super) fn current(&self) -> Arc<Kek> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys[0])
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Kek>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|k| k.id == id).cloned()
    }
}

fn read_all(file: &Path, old_files: &[PathBuf]) -> Result<Vec<Arc<Kek>>, Problem> {
    let old_files = old_files.iter().map(PathBuf::as_path);
    let files = std::iter::once(file).chain(old_files);
    files.map(|file| read(file).map(Arc::new)).collect()
}

/// Writes a new key, unless the file is there.
///
/// # Errors
/// `LW-2060` when it can't be written.
pub(super) fn make(file: &Path) -> Result<(), Problem> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = std::fs::OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(file);
    let mut created = match created {
        Ok(created) => created,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(e) => return Err(wrong(file, &e.to_string())),
    };
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *key)
        .unwrap_or_else(|_| unreachable!("the system gives random bytes"));
    let text = Zeroizing::new(STANDARD.encode(*key) + "\n");
    let written = created
        .write_all(text.as_bytes())
        .and_then(|()| created.sync_all());
    written.map_err(|e| wrong(file, &e.to_string()))
}

fn wrong(file: &Path, why: &str) -> Problem {
    Problem::new(
        "LW-2060",
        format!("the key file {} of the store can't be used: {why}.", file.display()),
        "it holds 32 random bytes in base64: (umask 077; openssl rand -base64 32 > <file>); keep a copy where backups of \
         the database are not",
    )
    .exit(Exit::Usage)
}

fn read(file: &Path) -> Result<Kek, Problem> {
    let wrong = |why: String| wrong(file, &why);
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let text = Zeroizing::new(text);
    let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| wrong("it is no base64".to_owned()))?;
    Kek::new(&bytes).ok_or_else(|| wrong(format!("it holds {} bytes", bytes.len())))
}
