//! Sealing what rests in a database (AES-256-GCM): the keys lie in files, never in the database.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::Problem;
use crate::error::Exit;

/// Bytes of a nonce.
const NONCE: usize = 12;

/// A key of 256 bits.
pub struct Key {
    /// The beginning of its hash: tells which key a row needs without telling the key.
    pub id: String,
    key: RandomizedNonceKey,
}

impl Key {
    /// From 32 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 32 {
            return None;
        }
        let text = Zeroizing::new([b"leastwise kek 1 ", bytes].concat());
        let hash = digest(&SHA256, &text);
        let id = hash.as_ref()[..8].iter().map(|b| format!("{b:02x}"));
        Some(Key {
            id: id.collect(),
            key: RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?,
        })
    }

    /// `nonce || ciphertext || tag`, bound to what the content is.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut text = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(aad), &mut text)
            .unwrap_or_else(|_| unreachable!("what is sealed is small"));
        [&nonce.as_ref()[..], &text].concat()
    }

    /// What was sealed; none where key, place or content differ.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(aad), &mut text);
        let length = plain.ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

/// What a key file is for, as its errors say it.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// The code of the error.
    pub code: &'static str,
    /// Of what the file is the key, for example `the store`.
    pub of: &'static str,
}

/// The keys at hand: the first one seals. One that is no longer named still opens until the process ends.
pub struct Ring {
    purpose: Purpose,
    file: PathBuf,
    old_files: Vec<PathBuf>,
    keys: RwLock<Vec<Arc<Key>>>,
}

impl Ring {
    /// Reads every file.
    ///
    /// # Errors
    /// The purpose's code when one holds no key.
    pub fn open(purpose: Purpose, file: &Path, old_files: &[PathBuf]) -> Result<Self, Problem> {
        Ok(Ring {
            purpose,
            keys: RwLock::new(read_all(purpose, file, old_files)?),
            file: file.to_owned(),
            old_files: old_files.to_vec(),
        })
    }

    /// Reads the files again. True when the first one holds another key now; what was sealed under the one before
    /// still opens.
    ///
    /// # Errors
    /// As [`Ring::open`]; the keys stay as they were.
    pub fn refresh(&self) -> Result<bool, Problem> {
        let mut fresh = read_all(self.purpose, &self.file, &self.old_files)?;
        let mut held = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if fresh[0].id == held[0].id {
            return Ok(false);
        }
        fresh.append(&mut held);
        *held = fresh;
        Ok(true)
    }

    /// The key that seals.
    pub fn current(&self) -> Arc<Key> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&keys[0])
    }

    /// The key of this id.
    pub fn get(&self, id: &str) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().find(|k| k.id == id).cloned()
    }
}

fn read_all(
    purpose: Purpose,
    file: &Path,
    old_files: &[PathBuf],
) -> Result<Vec<Arc<Key>>, Problem> {
    let old_files = old_files.iter().map(PathBuf::as_path);
    let files = std::iter::once(file).chain(old_files);
    files
        .map(|file| read(purpose, file).map(Arc::new))
        .collect()
}

/// Writes a new key (mode 0600), unless the file is there.
///
/// # Errors
/// The purpose's code when it can't be written.
pub fn make(purpose: Purpose, file: &Path) -> Result<(), Problem> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = std::fs::OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o600).open(file);
    let mut created = match created {
        Ok(created) => created,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(e) => return Err(wrong(purpose, file, &e.to_string())),
    };
    let mut key = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *key)
        .unwrap_or_else(|_| unreachable!("the system gives random bytes"));
    let text = Zeroizing::new(STANDARD.encode(*key) + "\n");
    let written = created
        .write_all(text.as_bytes())
        .and_then(|()| created.sync_all());
    written.map_err(|e| wrong(purpose, file, &e.to_string()))
}

fn wrong(purpose: Purpose, file: &Path, why: &str) -> Problem {
    Problem::new(
        purpose.code,
        format!("the key file {} of {} can't be used: {why}.", file.display(), purpose.of),
        "it holds 32 random bytes in base64: (umask 077; openssl rand -base64 32 > <file>); keep a copy where backups of \
         the database are not",
    )
    .exit(Exit::Usage)
}

fn read(purpose: Purpose, file: &Path) -> Result<Key, Problem> {
    let bytes = read_bytes(purpose, file)?;
    Key::new(&*bytes).ok_or_else(|| wrong(purpose, file, "it is no key"))
}

/// The 32 bytes that a key file holds.
pub(crate) fn read_bytes(purpose: Purpose, file: &Path) -> Result<Zeroizing<[u8; 32]>, Problem> {
    let wrong = |why: String| wrong(purpose, file, &why);
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let text = Zeroizing::new(text);
    let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| wrong("it is no base64".to_owned()))?;
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(wrong(format!("it holds {} bytes", bytes.len())));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}
