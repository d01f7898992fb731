//! Looks for secrets in whatever was written, in each form that programs give to bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter ones would be found by chance.
const SHORTEST: usize = 8;
/// A private key is as good as known with so many bytes of it.
const WINDOW: usize = 24;
/// Whatever is signed as a token, ours or others': no output has a reason to hold one.
const TOKEN: &[u8] = b".eyJ";

/// Secrets, by what they are called.
#[derive(Default)]
pub struct Canaries {
    names: Vec<String>,
    forms: Vec<(usize, &'static str, Vec<u8>)>,
}

impl Canaries {
    /// A secret that is a text.
    pub fn text(&mut self, name: &str, secret: &str) {
        let secret = secret.trim();
        assert!(secret.len() >= SHORTEST, "{name} is short");
        self.bytes(name, secret.as_bytes());
    }

    /// The private key of a PEM file, at several places, of which each would do.
    pub fn key(&mut self, name: &str, pem: &str) {
        let begin = pem.find("PRIVATE KEY-----").unwrap();
        let body = pem[begin..].split("-----").nth(1).unwrap();
        let text: String = body.split_whitespace().collect();
        let der = STANDARD.decode(text);
        let der = der.unwrap();
        // What stands before is the same in every key of its kind.
        let (from, step) = match der.len() {
            0..200 => (36, WINDOW),
            _ => (300, 200),
        };
        for at in (from..der.len() - WINDOW).step_by(step) {
            self.bytes(name, &der[at..at + WINDOW]);
        }
    }

    /// A secret that is bytes.
    pub fn bytes(&mut self, name: &str, secret: &[u8]) {
        let number = self.names.iter().position(|n| n == name);
        let number = number.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let forms = forms(secret).into_iter();
        self.forms
            .extend(forms.map(|(form, bytes)| (number, form, bytes)));
    }

    /// Every one that is to be found, without asking what it is called.
    pub fn all(&self) -> impl Iterator<Item = (&str, &'static str, &[u8])> {
        let all = self.forms.iter();
        all.map(|(n, form, bytes)| (self.names[*n].as_str(), *form, bytes.as_slice()))
    }

    /// What looks for them.
    pub fn scanner(&self) -> Scanner<'_> {
        let patterns = self.forms.iter().map(|(_, _, bytes)| bytes.as_slice());
        let search = AhoCorasick::new(patterns.chain([TOKEN])).unwrap();
        Scanner {
            canaries: self,
            search,
            found: BTreeSet::new(),
            bytes: 0,
        }
    }
}

/// Collects what it finds.
pub struct Scanner<'a> {
    canaries: &'a Canaries,
    search: AhoCorasick,
    /// Which secret, as what, where.
    pub found: BTreeSet<String>,
    /// How much was looked at.
    pub bytes: usize,
}

impl Scanner<'_> {
    pub fn look(&mut self, place: &str, bytes: &[u8]) {
        self.bytes += bytes.len();
        for hit in self.search.find_overlapping_iter(bytes) {
            let found = match self.canaries.forms.get(hit.pattern().as_usize()) {
                Some((number, form, _)) => {
                    format!("{} as {form} in {place}", self.canaries.names[*number])
                }
                None if ends_in_header(&bytes[..hit.start()]) => format!("a token in {place}"),
                None => continue,
            };
            self.found.insert(found);
        }
    }

    /// Every file below a directory, but those that are there to hold a secret.
    pub fn look_below(&mut self, directory: &Path, but: &[PathBuf]) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if but.contains(&path) || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                self.look_below(&path, but);
            } else if path.is_file() {
                // One that has gone meanwhile was a temporary one.
                let content = std::fs::read(&path).unwrap_or_default();
                self.look(&path.display().to_string(), &content);
            }
        }
    }
}

/// Whether this ends with the header of a JWT.
fn ends_in_header(before: &[u8]) -> bool {
    let part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
    let length = before.iter().rev().take_while(|b| part(b)).count();
    let header = &before[before.len() - length..];
    header.windows(3).any(|w| w == b"eyJ")
}

/// The secret as it is, and as programs write bytes: in escapes, in URLs, hex, base64, as a list of numbers.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![("itself", secret.to_vec())];
    let mut add = |form, text: String| {
        if all.iter().all(|(_, known)| known != text.as_bytes()) {
            all.push((form, text.into_bytes()));
        }
    };
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = serde_json::to_string(text).unwrap();
        add("JSON", json[1..json.len() - 1].to_owned());
        // A log's line is JSON, and may hold a text that is.
        let twice = serde_json::to_string(&json[1..json.len() - 1]).unwrap();
        add("JSON in JSON", twice[1..twice.len() - 1].to_owned());
        let url = url::form_urlencoded::byte_serialize(secret).collect();
        add("a form's field", url);
    }
    let each = |write: fn(&mut String, u8)| {
        let mut text = String::new();
        secret.iter().for_each(|b| write(&mut text, *b));
        text
    };
    add("hex", each(|t, b| _ = write!(t, "{b:02x}")));
    add("HEX", each(|t, b| _ = write!(t, "{b:02X}")));
    let list = each(|t, b| _ = write!(t, "{b}, "));
    add("a list of numbers", list.trim_end_matches(", ").to_owned());
    let list = each(|t, b| _ = write!(t, "{b},"));
    add(
        "a list of numbers, close",
        list.trim_end_matches(',').to_owned(),
    );
    add("Rust's escapes", secret.escape_ascii().to_string());
    // Where in the encoded text it begins decides how it looks; its edges depend on what stands beside it.
    for shift in 0..3 {
        let text = [&b"\0\0\0"[..shift], secret].concat();
        let head = (shift * 8).div_ceil(6);
        let encoded = STANDARD_NO_PAD.encode(&text);
        let end = encoded.len() - usize::from(text.len() % 3 != 0);
        add("base64", encoded[head..end].to_owned());
        let encoded = URL_SAFE_NO_PAD.encode(&text);
        add("base64 for URLs", encoded[head..end].to_owned());
    }
    all
}

/// A search that finds nothing proves nothing: each form of each kind of secret is found where it stands.
#[test]
fn what_is_planted_is_found_in_each_form() {
    let mut canaries = Canaries::default();
    canaries.text("a text", "p\"ass wörd\\with/everything~");
    canaries.bytes("bytes", b"\0\x01\xfe\xff binary \n secret \x7f");
    canaries.key(
        "an RSA key",
        include_str!("../../graph-sim/data/keys/issuer-1.pem"),
    );
    let mut forms = 0;
    for (name, form, bytes) in canaries.all() {
        let mut scanner = canaries.scanner();
        scanner.look("a log", &[b"{\"message\":\"x=", bytes, b"\"}\n"].concat());
        let told = format!("{name} as {form} in a log");
        assert!(scanner.found.contains(&told), "{told}: {:?}", scanner.found);
        forms += 1;
    }
    assert!(forms > 40, "{forms}");

    // In the middle of something else, encoded as a whole.
    for before in ["", "u", "us", "user:"] {
        let text = STANDARD.encode(format!("{before}p\"ass wörd\\with/everything~:more"));
        let mut scanner = canaries.scanner();
        scanner.look("a header", text.as_bytes());
        assert_eq!(scanner.found.len(), 1, "{before}: {text}");
    }
    let mut scanner = canaries.scanner();
    scanner.look(
        "a log",
        b"authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln",
    );
    assert!(scanner.found.contains("a token in a log"));
    let mut scanner = canaries.scanner();
    scanner.look("a log", b"nothing at all, and eyJ, .eyJ, pass word");
    assert!(scanner.found.is_empty(), "{:?}", scanner.found);
}
