//! The messages of the queue: which queue each one travels on, and how it is told from the others.
//!
//! No other file spells a queue's name.

use std::fmt;

use prost::Message as _;

use crate::ids::{Dataset, IdError, Pool, TenantId};
use crate::pages::v1::{
    CheckRequested, ClosingAnnounced, PageFetched, RunClosed, RunMode, RunSealed,
};

/// A queue, or what stands for one in an embedded installation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Pages of full runs.
    PageFull,
    /// Pages of runs that read named objects: small news doesn't wait behind big loads.
    PageSome,
    /// Seals.
    Seal,
    /// Verdicts for the collectors of a pool.
    Verdict(Pool),
    /// "Tenant T has closing n", for the exporters.
    Closing,
    /// Messages that could not be handled.
    Dead,
}

impl Queue {
    /// The queue of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Queue> {
        Some(match name {
            "page.full" => Queue::PageFull,
            "page.some" => Queue::PageSome,
            "seal" => Queue::Seal,
            "closing" => Queue::Closing,
            "dead" => Queue::Dead,
            _ => Queue::Verdict(name.strip_prefix("verdict.")?.parse().ok()?),
        })
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Queue::PageFull => f.write_str("page.full"),
            Queue::PageSome => f.write_str("page.some"),
            Queue::Seal => f.write_str("seal"),
            Queue::Verdict(pool) => write!(f, "verdict.{pool}"),
            Queue::Closing => f.write_str("closing"),
            Queue::Dead => f.write_str("dead"),
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a message without opening it; bound to its content when it is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Which message it is.
    pub kind: Kind,
    /// Raised by breaking changes only; a reader rejects a version that it doesn't know.
    pub version: u32,
    /// The tenant that the message is about.
    pub tenant: TenantId,
    /// The dataset, where the message has one.
    pub dataset: Option<Dataset>,
    /// The run, else 0.
    pub run: u64,
    /// The attempt, else 0.
    pub attempt: u64,
    /// The sequence number of a page, else 0.
    pub sequence: u32,
}

/// Which message it is. The numbers travel and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// [`PageFetched`]
    Page = 1,
    /// [`RunSealed`]
    Sealed = 2,
    /// [`RunClosed`]
    Closed = 3,
    /// [`CheckRequested`]
    Check = 4,
    /// [`ClosingAnnounced`]
    Closing = 5,
}

impl Kind {
    /// The kind with this number, if there is one.
    pub fn from_number(n: u8) -> Option<Kind> {
        [
            Kind::Page,
            Kind::Sealed,
            Kind::Closed,
            Kind::Check,
            Kind::Closing,
        ]
        .into_iter()
        .find(|k| *k as u8 == n)
    }
}

/// The version of each message that this build reads and writes.
pub const VERSION: u32 = 1;

/// Any message of the queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One page of a run.
    Page(PageFetched),
    /// A run was read to its end.
    Sealed(RunSealed),
    /// The ledger's verdict on a seal.
    Closed(RunClosed),
    /// Named objects are to be asked for.
    Check(CheckRequested),
    /// A ledger has a new closing.
    Closing(ClosingAnnounced),
}

/// A message that can't be understood.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not a message of this kind.
    #[error("the message is not a readable {kind:?}")]
    Malformed {
        /// The kind that its label names.
        kind: Kind,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
    /// Written by a newer release after a breaking change.
    #[error("the message {kind:?} has version {version}, this release reads {VERSION}")]
    Version {
        /// The kind that its label names.
        kind: Kind,
        /// The version that its label names.
        version: u32,
    },
    /// An id in the message is malformed.
    #[error("the message names a malformed id")]
    Id(#[from] IdError),
}

impl Body {
    /// The queue that the message travels on.
    ///
    /// # Errors
    /// When the pool that it names is malformed.
    pub fn queue(&self) -> Result<Queue, IdError> {
        Ok(match self {
            Body::Page(p) if p.mode() == RunMode::Some => Queue::PageSome,
            Body::Page(_) => Queue::PageFull,
            Body::Sealed(_) => Queue::Seal,
            Body::Closed(c) => Queue::Verdict(c.pool.parse()?),
            Body::Check(c) => Queue::Verdict(c.pool.parse()?),
            Body::Closing(_) => Queue::Closing,
        })
    }

    /// What is known of the message without opening it.
    ///
    /// # Errors
    /// When an id that it names is malformed.
    pub fn label(&self) -> Result<Label, IdError> {
        let (kind, tenant, dataset, run, attempt, sequence) = match self {
            Body::Page(p) => (
                Kind::Page,
                &p.tenant_id,
                Some(&p.dataset),
                p.run,
                p.attempt,
                p.sequence,
            ),
            Body::Sealed(s) => (
                Kind::Sealed,
                &s.tenant_id,
                Some(&s.dataset),
                s.run,
                s.attempt,
                0,
            ),
            Body::Closed(c) => (
                Kind::Closed,
                &c.tenant_id,
                Some(&c.dataset),
                c.run,
                c.attempt,
                0,
            ),
            Body::Check(c) => (Kind::Check, &c.tenant_id, Some(&c.dataset), 0, 0, 0),
            Body::Closing(c) => (Kind::Closing, &c.tenant_id, None, 0, 0, 0),
        };
        Ok(Label {
            kind,
            version: VERSION,
            tenant: tenant.parse()?,
            dataset: dataset.map(|d| d.parse()).transpose()?,
            run,
            attempt,
            sequence,
        })
    }

    /// The protobuf bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Body::Page(m) => m.encode_to_vec(),
            Body::Sealed(m) => m.encode_to_vec(),
            Body::Closed(m) => m.encode_to_vec(),
            Body::Check(m) => m.encode_to_vec(),
            Body::Closing(m) => m.encode_to_vec(),
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// When the version is unknown or the bytes are no message of this kind.
    pub fn decode(kind: Kind, version: u32, bytes: &[u8]) -> Result<Body, DecodeError> {
        if version != VERSION {
            return Err(DecodeError::Version { kind, version });
        }
        let body = match kind {
            Kind::Page => PageFetched::decode(bytes).map(Body::Page),
            Kind::Sealed => RunSealed::decode(bytes).map(Body::Sealed),
            Kind::Closed => RunClosed::decode(bytes).map(Body::Closed),
            Kind::Check => CheckRequested::decode(bytes).map(Body::Check),
            Kind::Closing => ClosingAnnounced::decode(bytes).map(Body::Closing),
        };
        body.map_err(|source| DecodeError::Malformed { kind, source })
    }
}
