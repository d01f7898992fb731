//! One record.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Serialize, Serializer};

/// What a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The process started.
    Start,
    /// A token was handed out.
    Issue,
    /// A caller got none.
    Denial,
    /// What an app may has changed.
    Drift,
    /// An operator changed something, or tried to.
    Change,
    /// An operator had permissions checked.
    Preflight,
}

/// What happened. Never holds a token or a secret.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Event<'a> {
    pub kind: Kind,
    /// The caller's identity; none for a caller in the own process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<&'a str>,
    /// Which credential the token was issued for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// The token's id, as the tenant's sign-in log names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uti: Option<&'a str>,
    /// Our code of a denial, or what has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
}

/// The position of a credential among its app's, and its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credential(pub usize, pub &'static str);

impl Serialize for Credential {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{} {}", self.0, self.1))
    }
}

impl Event<'_> {
    pub(crate) fn new(kind: Kind) -> Self {
        Event {
            kind,
            caller: None,
            tenant: None,
            dataset: None,
            app: None,
            credential: None,
            uti: None,
            detail: None,
        }
    }
}

/// What a caller sent, as far as it is noted: so many bytes at most.
pub(crate) fn bounded(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

/// What stands before the first record.
pub(super) const BEGINNING: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

const HASH: &str = ",\"hash\":\"";

/// Appends what a record tells, as JSON: made by whoever asks, so that the writer has little to do for each.
pub(super) fn tell(out: &mut Vec<u8>, event: &Event<'_>) {
    serde_json::to_writer(out, event)
        .unwrap_or_else(|_| unreachable!("texts in a struct always have a form in JSON"));
}

/// Appends the line of a record that [tells](tell) this; returns its hash. `time` is as [`time_text`] has it.
pub(super) fn write(out: &mut Vec<u8>, seq: u64, time: &str, prev: &str, told: &[u8]) -> String {
    let begin = out.len();
    // Both are one object; the closing bracket comes after the hash.
    let told = told.strip_prefix(b"{").unwrap_or(told);
    let told = told.strip_suffix(b"}").unwrap_or(told);
    let seq = seq.to_string();
    let head = [
        "{\"seq\":",
        &seq,
        ",\"time\":\"",
        time,
        "\",\"prev\":\"",
        prev,
        "\",",
    ];
    for part in head {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(told);
    let hash = hex(digest(&SHA256, out.get(begin..).unwrap_or_default()).as_ref());
    out.extend_from_slice(HASH.as_bytes());
    out.extend_from_slice(hash.as_bytes());
    out.extend_from_slice(b"\"}\n");
    hash
}

/// What chains a record to others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub seq: u64,
    pub prev: String,
    pub hash: String,
}

/// Reads a line and checks its hash; says what is wrong with it.
pub(super) fn read(line: &str) -> Result<Links, &'static str> {
    #[derive(serde::Deserialize)]
    struct Head {
        seq: u64,
        prev: String,
    }
    let (body, tail) = line.rsplit_once(HASH).ok_or("has no hash")?;
    let hash = tail.strip_suffix("\"}").ok_or("has no end")?;
    if hex(digest(&SHA256, body.as_bytes()).as_ref()) != hash {
        return Err("was changed: its hash is another");
    }
    let head: Head = serde_json::from_str(line).map_err(|_| "is no record")?;
    Ok(Links {
        seq: head.seq,
        prev: head.prev,
        hash: hash.to_owned(),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |d: u8| char::from(if d < 10 { b'0' + d } else { b'a' + d - 10 });
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// RFC 3339 with microseconds, of microseconds since 1970.
pub(super) fn time_text(micros: u64) -> String {
    let at = i64::try_from(micros).unwrap_or(i64::MAX);
    let at = chrono::DateTime::from_timestamp_micros(at).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
