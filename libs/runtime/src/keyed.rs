//! Keyed hashes (HMAC-SHA-256): whoever lacks the key can neither make one nor try values out.

use std::path::Path;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

use crate::Problem;
use crate::seal::{Purpose, read_bytes};

/// A key that hashes are made with.
pub struct Keyed {
    /// Tells one key from another without telling either.
    pub id: String,
    key: Key,
}

impl Keyed {
    /// Reads a key file, as [`crate::seal::make`] writes it.
    ///
    /// # Errors
    /// The purpose's code when it holds no key.
    pub fn open(purpose: Purpose, file: &Path) -> Result<Self, Problem> {
        Ok(Keyed::new(&*read_bytes(purpose, file)?))
    }

    /// From 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut keyed = Keyed {
            id: String::new(),
            key: Key::new(HMAC_SHA256, bytes),
        };
        let of_itself = keyed.hash(&["leastwise key id 1"]);
        keyed.id = of_itself[..8].iter().map(|b| format!("{b:02x}")).collect();
        keyed
    }

    /// The hash of these texts, each with its length, so that no two lists of them are one.
    pub fn hash(&self, texts: &[&str]) -> [u8; 32] {
        let mut all = Vec::new();
        for text in texts {
            all.extend((text.len() as u64).to_be_bytes());
            all.extend(text.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(sign(&self.key, &all).as_ref());
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_key_and_on_where_each_text_ends() {
        let (one, other) = (Keyed::new(&[1; 32]), Keyed::new(&[2; 32]));
        assert_eq!(
            one.hash(&["a", "b"]),
            Keyed::new(&[1; 32]).hash(&["a", "b"])
        );
        assert_ne!(one.hash(&["a", "b"]), other.hash(&["a", "b"]));
        assert_ne!(one.hash(&["a", "b"]), one.hash(&["ab", ""]));
        assert_ne!(one.id, other.id);
    }

    #[test]
    fn a_key_file_is_made_once_and_read() {
        let dir = tempfile::tempdir().unwrap();
        let (file, of) = (dir.path().join("key"), "a test");
        let purpose = Purpose {
            code: "LW-5040",
            of,
        };
        crate::seal::make(purpose, &file).unwrap();
        let first = Keyed::open(purpose, &file).unwrap();
        crate::seal::make(purpose, &file).unwrap();
        assert_eq!(Keyed::open(purpose, &file).unwrap().id, first.id);
        std::fs::write(&file, "AAAA").unwrap();
        assert_eq!(Keyed::open(purpose, &file).err().unwrap().code, "LW-5040");
    }
}
