//! The bytes that travel: a clear header and a sealed content.
//!
//! ```text
//! bytes  what
//!     2  "LW"
//!     1  format of the envelope: 1
//!     1  kind of message
//!     4  version of the message
//!     8  run
//!     8  attempt
//!     4  sequence
//!    36  tenant, as text
//!     1  length of the dataset's name, 0 when there is none
//!     n  dataset
//!     8  key id
//!    12  nonce
//!     …  content, AES-256-GCM
//!    16  its tag
//! ```
//! Numbers are big-endian. Everything before the content is bound to it: see [`crate::seal`].

use std::sync::Arc;

use bytes::Bytes;
use proto::message::{Kind, Label};

/// The largest envelope that a queue takes; RabbitMQ 4 refuses more than 16 MiB.
pub const MAX_BYTES: usize = 16 << 20;

/// Of a `traceparent`: 55 today, and a later version may be longer.
const LONGEST_TRACE: usize = 256;

const MAGIC: &[u8; 2] = b"LW";
const FORMAT: u8 = 1;
const TENANT: usize = 36;

/// Names a key without telling anything about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub [u8; 8]);

impl std::fmt::Debug for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// A message as it travels. May hold anything until its [header](Envelope::label) was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    bytes: Bytes,
    /// Beside the bytes: it is not sealed, and nothing depends on it.
    trace: Option<Arc<str>>,
}

/// What stands before the sealed content.
pub(crate) struct Header {
    pub label: Label,
    pub key: KeyId,
    pub nonce: [u8; 12],
    /// Where the content begins.
    pub length: usize,
}

/// Bytes that are no envelope of this release.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// They end too early, or never were one.
    #[error("the bytes are not a message of Leastwise")]
    Foreign,
    /// Another format.
    #[error("the message has envelope format {0}, this release reads {FORMAT}")]
    Format(u8),
    /// Another kind.
    #[error("the message is of kind {0}, which this release doesn't know")]
    Kind(u8),
    /// Malformed tenant or dataset.
    #[error("the label of the message is malformed")]
    Label,
}

impl Envelope {
    /// Bytes that arrived.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Envelope {
            bytes: bytes.into(),
            trace: None,
        }
    }

    /// With the `traceparent` of whoever sends it.
    #[must_use]
    pub fn with_trace(mut self, trace: Option<Arc<str>>) -> Self {
        self.trace = trace.filter(|t| t.len() <= LONGEST_TRACE);
        self
    }

    /// The `traceparent` of whoever sent it, if that is known; it may be malformed.
    pub fn trace(&self) -> Option<&Arc<str>> {
        self.trace.as_ref()
    }

    /// The bytes that travel.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What is known of the message without opening it. Only [`crate::Keys::open`] shows whether it is true.
    ///
    /// # Errors
    /// When this is no envelope that this release can read.
    pub fn label(&self) -> Result<Label, EnvelopeError> {
        Header::read(&self.bytes).map(|h| h.label)
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Envelope({} bytes, {:?})",
            self.bytes.len(),
            self.label()
        )
    }
}

impl Header {
    pub fn write(label: &Label, key: KeyId, nonce: [u8; 12]) -> Vec<u8> {
        let dataset = label.dataset.as_ref().map_or("", |d| d.as_str());
        let mut out = Vec::with_capacity(128);
        out.extend(MAGIC);
        out.extend([FORMAT, label.kind as u8]);
        out.extend(label.version.to_be_bytes());
        out.extend(label.run.to_be_bytes());
        out.extend(label.attempt.to_be_bytes());
        out.extend(label.sequence.to_be_bytes());
        out.extend(label.tenant.to_string().as_bytes());
        // A dataset's name has 64 letters at most.
        out.push(u8::try_from(dataset.len()).unwrap_or(u8::MAX));
        out.extend(dataset.as_bytes());
        out.extend(key.0);
        out.extend(nonce);
        out
    }

    pub fn read(bytes: &[u8]) -> Result<Header, EnvelopeError> {
        let mut rest = Reader { bytes, at: 0 };
        if rest.array()? != *MAGIC {
            return Err(EnvelopeError::Foreign);
        }
        let [format, kind] = rest.array()?;
        if format != FORMAT {
            return Err(EnvelopeError::Format(format));
        }
        let label = Label {
            kind: Kind::from_number(kind).ok_or(EnvelopeError::Kind(kind))?,
            version: u32::from_be_bytes(rest.array()?),
            run: u64::from_be_bytes(rest.array()?),
            attempt: u64::from_be_bytes(rest.array()?),
            sequence: u32::from_be_bytes(rest.array()?),
            tenant: rest
                .text(TENANT)?
                .parse()
                .map_err(|_| EnvelopeError::Label)?,
            dataset: match rest.array()? {
                [0] => None,
                [n] => Some(
                    rest.text(usize::from(n))?
                        .parse()
                        .map_err(|_| EnvelopeError::Label)?,
                ),
            },
        };
        Ok(Header {
            label,
            key: KeyId(rest.array()?),
            nonce: rest.array()?,
            length: rest.at,
        })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], EnvelopeError> {
        let taken = self
            .bytes
            .get(self.at..self.at + n)
            .ok_or(EnvelopeError::Foreign)?;
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        self.take(N)?.try_into().map_err(|_| EnvelopeError::Foreign)
    }

    fn text(&mut self, n: usize) -> Result<&'a str, EnvelopeError> {
        std::str::from_utf8(self.take(n)?).map_err(|_| EnvelopeError::Label)
    }
}
