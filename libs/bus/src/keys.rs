//! The keys that messages are sealed with, and their file.
//!
//! ```text
//! # Whoever reads this file can read and forge every message of the queue.
//! leastwise-keys 1
//! page * 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! closing 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
//! ```
//! `page` is followed by the pool that the key belongs to, or by `*` where one process serves all. The first line
//! of a name is the current key, a second one the previous: it opens what is still under way and seals nothing.
//! A service lists only the keys that it has a right to.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use proto::ids::Pool;
use proto::message::Kind;
use runtime::Problem;
use runtime::error::Exit;
use zeroize::Zeroizing;

use crate::envelope::KeyId;

const MAGIC: &str = "leastwise-keys 1";

/// The keys of a process. Prints without them.
pub struct Keys {
    pages: Vec<Pages>,
    closing: Option<Pair>,
}

/// The page keys of one pool; of all pools when `pool` is none.
struct Pages {
    pool: Option<Pool>,
    pair: Pair,
}

struct Pair {
    current: Key,
    previous: Option<Key>,
}

/// 256 bits from which a tenant's key is derived.
pub(crate) struct Key {
    secret: Zeroizing<[u8; 32]>,
    pub id: KeyId,
}

impl Keys {
    /// New keys for an installation in which one process serves all pools.
    pub fn generate() -> Keys {
        Keys {
            pages: vec![Pages {
                pool: None,
                pair: Pair::generate(),
            }],
            closing: Some(Pair::generate()),
        }
    }

    /// New keys for one pool.
    pub fn generate_for(pool: Pool) -> Keys {
        Keys::generate_for_all([pool])
    }

    /// New keys for an installation with these pools.
    pub fn generate_for_all(pools: impl IntoIterator<Item = Pool>) -> Keys {
        let pages = pools.into_iter().map(|pool| Pages {
            pool: Some(pool),
            pair: Pair::generate(),
        });
        Keys {
            pages: pages.collect(),
            closing: Some(Pair::generate()),
        }
    }

    /// Those that the collectors of a pool have a right to.
    pub fn of_collectors(&self, pool: &Pool) -> Keys {
        let pages = self.pages.iter().filter(|p| p.pool.as_ref() == Some(pool));
        Keys {
            pages: pages.map(Pages::copy).collect(),
            closing: None,
        }
    }

    /// Those that exporters have a right to.
    pub fn of_exporters(&self) -> Keys {
        Keys {
            pages: Vec::new(),
            closing: self.closing.as_ref().map(Pair::copy),
        }
    }

    /// New current keys; today's current ones stay valid for what is under way.
    #[must_use]
    pub fn rotate(self) -> Keys {
        let pages = self.pages.into_iter().map(|p| Pages {
            pool: p.pool,
            pair: p.pair.rotate(),
        });
        Keys {
            pages: pages.collect(),
            closing: self.closing.map(Pair::rotate),
        }
    }

    /// Reads the file; makes it, with mode 0600, when there is none.
    ///
    /// # Errors
    /// `LW-4026` when it can't be read or written, is malformed, or can be read by everybody.
    pub fn load_or_create(path: &Path) -> Result<Keys, Problem> {
        if !path.exists() {
            Keys::generate().save(path)?;
        }
        Keys::load(path)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// `LW-4026` when it can't be read, is malformed, or can be read by everybody.
    pub fn load(path: &Path) -> Result<Keys, Problem> {
        let text = Zeroizing::new(
            std::fs::read_to_string(path).map_err(|e| unusable(path, "can't be read", e))?,
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(path)
                .map_err(|e| unusable(path, "can't be read", e))?
                .permissions()
                .mode();
            if mode & 0o007 != 0 {
                return Err(unusable(
                    path,
                    "can be read by everybody",
                    std::io::ErrorKind::PermissionDenied.into(),
                ));
            }
        }
        parse(&text)
            .ok_or_else(|| unusable(path, "is malformed", std::io::ErrorKind::InvalidData.into()))
    }

    /// Writes the file whole or not at all, with mode 0600.
    ///
    /// # Errors
    /// `LW-4026` when it can't be written.
    pub fn save(&self, path: &Path) -> Result<(), Problem> {
        let write = || {
            let beside = path.with_extension("new");
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside)?;
            file.write_all(self.text().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(beside, path)
        };
        write().map_err(|e| unusable(path, "can't be written", e))
    }

    fn text(&self) -> Zeroizing<String> {
        // Room for all of it: a string that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(1024 + 256 * self.pages.len()));
        text.push_str("# Whoever reads this file can read and forge every message of the queue.\n");
        text.push_str(MAGIC);
        text.push('\n');
        let pages = self.pages.iter().map(|p| {
            (
                p.pool
                    .as_ref()
                    .map_or("page *".into(), |n| format!("page {n}")),
                &p.pair,
            )
        });
        for (name, pair) in pages.chain(self.closing.iter().map(|p| ("closing".into(), p))) {
            for key in [Some(&pair.current), pair.previous.as_ref()]
                .into_iter()
                .flatten()
            {
                text.push_str(&name);
                text.push(' ');
                key.secret.iter().for_each(|b| _ = write!(text, "{b:02x}"));
                text.push('\n');
            }
        }
        text
    }

    /// The key that seals messages of this kind. `pool` is the one that the message names, if it names one; a
    /// process that holds one page key seals with that.
    pub(crate) fn sealing(&self, kind: Kind, pool: Option<&str>) -> Option<&Key> {
        if kind == Kind::Closing {
            return self.closing.as_ref().map(|p| &p.current);
        }
        let fits = |p: &&Pages| match (&p.pool, pool) {
            (None, _) => true,
            (Some(own), Some(named)) => own.as_str() == named,
            (Some(_), None) => self.pages.len() == 1,
        };
        self.pages.iter().find(fits).map(|p| &p.pair.current)
    }

    /// The key of this id, if it may open messages of this kind, and the pool that it belongs to.
    pub(crate) fn opening(&self, kind: Kind, id: KeyId) -> Option<(&Key, Option<&Pool>)> {
        if kind == Kind::Closing {
            return Some((self.closing.as_ref()?.find(id)?, None));
        }
        self.pages
            .iter()
            .find_map(|p| Some((p.pair.find(id)?, p.pool.as_ref())))
    }
}

impl Pages {
    fn copy(&self) -> Pages {
        Pages {
            pool: self.pool.clone(),
            pair: self.pair.copy(),
        }
    }
}

impl Pair {
    fn copy(&self) -> Pair {
        let copy = |key: &Key| Key {
            secret: key.secret.clone(),
            id: key.id,
        };
        Pair {
            current: copy(&self.current),
            previous: self.previous.as_ref().map(copy),
        }
    }

    fn generate() -> Pair {
        Pair {
            current: Key::generate(),
            previous: None,
        }
    }

    fn rotate(self) -> Pair {
        Pair {
            current: Key::generate(),
            previous: Some(self.current),
        }
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|k| k.id == id)
    }
}

impl Key {
    fn generate() -> Key {
        let mut secret = Zeroizing::new([0; 32]);
        // Only a system without entropy fails here, and nothing may run on one.
        #[expect(clippy::expect_used, reason = "no key is better than a guessable one")]
        aws_lc_rs::rand::fill(secret.as_mut()).expect("the system's random numbers");
        Key::new(secret)
    }

    fn new(secret: Zeroizing<[u8; 32]>) -> Key {
        let mut id = [0; 8];
        expand(&secret, &[b"leastwise key id"], &mut id);
        Key {
            secret,
            id: KeyId(id),
        }
    }

    /// The key of one tenant.
    pub fn derive(&self, tenant: &str) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0; 32]);
        expand(
            &self.secret,
            &[b"leastwise tenant ", tenant.as_bytes()],
            out.as_mut(),
        );
        out
    }
}

fn expand(secret: &[u8; 32], info: &[&[u8]], out: &mut [u8]) {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let prk: Prk = Salt::new(HKDF_SHA256, b"leastwise bus 1").extract(secret);
    // HKDF-SHA256 gives up to 8,160 bytes; 32 and 8 are asked for.
    #[expect(
        clippy::expect_used,
        reason = "only a longer output than HKDF has can fail"
    )]
    prk.expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("a short output");
}

fn parse(text: &str) -> Option<Keys> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    if lines.next()? != MAGIC {
        return None;
    }
    let mut keys = Keys {
        pages: vec![],
        closing: None,
    };
    for line in lines {
        let mut words = line.split_whitespace();
        match (words.next()?, words.next()?, words.next(), words.next()) {
            ("page", pool, Some(hex), None) => {
                let pool: Option<Pool> = if pool == "*" {
                    None
                } else {
                    Some(pool.parse().ok()?)
                };
                let key = secret(hex)?;
                match keys.pages.iter_mut().find(|p| p.pool == pool) {
                    Some(known) => second(&mut known.pair, key)?,
                    None => keys.pages.push(Pages {
                        pool,
                        pair: Pair {
                            current: key,
                            previous: None,
                        },
                    }),
                }
            }
            ("closing", hex, None, None) => match (&mut keys.closing, secret(hex)?) {
                (Some(pair), key) => second(pair, key)?,
                (none, key) => {
                    *none = Some(Pair {
                        current: key,
                        previous: None,
                    })
                }
            },
            _ => return None,
        }
    }
    Some(keys)
}

fn second(pair: &mut Pair, key: Key) -> Option<()> {
    pair.previous.replace(key).is_none().then_some(())
}

fn secret(hex: &str) -> Option<Key> {
    let mut secret = Zeroizing::new([0; 32]);
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (i, byte) in secret.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(Key::new(secret))
}

fn unusable(path: &Path, how: &str, e: std::io::Error) -> Problem {
    Problem::new(
        "LW-4026",
        format!("the key file {} {how}.", path.display()),
        "check the file; it must belong to this user with mode 0600",
    )
    .exit(Exit::Io)
    .caused_by(e)
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pages = self.pages.iter().map(|p| (&p.pool, p.pair.current.id));
        write!(
            f,
            "Keys({:?}, closing {:?})",
            pages.collect::<Vec<_>>(),
            self.closing.as_ref().map(|p| p.current.id)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_both_keys_of_a_rotation_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let first = Keys::load_or_create(&path).unwrap();
        let old = first.sealing(Kind::Page, None).unwrap().id;
        first.rotate().save(&path).unwrap();
        let both = Keys::load_or_create(&path).unwrap();
        assert!(both.sealing(Kind::Page, None).unwrap().id != old);
        assert!(both.opening(Kind::Page, old).is_some());
        assert!(
            both.opening(Kind::Closing, old).is_none(),
            "a page key opens no closing"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(Keys::load(&path).unwrap_err().code, "LW-4026");
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        let keys = Keys::generate();
        let text = keys.text();
        let secret = text
            .lines()
            .last()
            .unwrap()
            .split_whitespace()
            .last()
            .unwrap()
            .to_owned();
        assert!(!format!("{keys:?}").contains(&secret[..8]));
    }

    #[test]
    fn a_malformed_file_is_refused() {
        let hex = "0".repeat(64);
        for bad in [
            "",
            "page * 00",
            &format!("{MAGIC}\npage * 12"),
            &format!("{MAGIC}\nclosing {hex} {hex} x"),
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        let thrice = format!("{MAGIC}\n{}", format!("closing {hex}\n").repeat(3));
        assert!(parse(&thrice).is_none());
        assert!(
            parse(&format!("{MAGIC}\npage default {hex}\n"))
                .unwrap()
                .closing
                .is_none()
        );
    }

    #[test]
    fn a_pools_key_seals_only_for_that_pool() {
        let keys = Keys::generate_for("eu".parse().unwrap());
        assert!(keys.sealing(Kind::Closed, Some("us")).is_none());
        assert!(keys.sealing(Kind::Closed, Some("eu")).is_some());
        assert!(keys.sealing(Kind::Page, None).is_some());
    }
}
