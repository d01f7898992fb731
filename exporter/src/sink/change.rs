//! Sinks that take changes one by one and keep no cursor: systems behind HTTP.
//!
//! All that such a sink says is what becomes of a record and how a batch is sent. When, in what order, how much at once
//! and what happens when it fails is [`delivery`](crate::delivery)'s, the same for all of them.

use std::time::Duration;

use async_trait::async_trait;
use proto::body::Body;
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use tokio::time::Instant;

/// What a sink takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most changes in a push.
    pub records: usize,
    /// Most bytes of payloads in a push; a single change may be larger.
    pub bytes: usize,
    /// Most pushes a minute; `None` where nobody counts them.
    pub pushes_a_minute: Option<u32>,
    /// A push that takes longer has failed.
    pub timeout: Duration,
}

/// A change on its way into a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The record's kind.
    pub kind: RecordKind,
    /// Its key within kind and tenant.
    pub key: String,
    /// Rises with each state of a key that the sink is sent, also where the ledger was restored; the same when a push is
    /// repeated. Of a ledger that was never restored it is the closing that changed the record.
    pub closing: Closing,
    /// What [`ChangeSink::render`] made of it; `None` when the record was removed.
    pub payload: Option<Vec<u8>>,
    /// The id that the sink gave it before.
    pub remote: Option<String>,
}

/// What became of a change in a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The sink has it.
    Done {
        /// The id that the sink gave the record.
        remote: Option<String>,
    },
    /// The sink refuses this one. The reason is stored and shown: it names fields, never their content.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// Why a sink took nothing of a push.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It wants to be left alone for a while (429, 503).
    #[error("it asks to wait ({why})")]
    Throttled {
        /// How long, where it said so.
        after: Option<Duration>,
        /// What it answered.
        why: String,
    },
    /// The push is too large (413): a smaller one may fit.
    #[error("the push is too large for it")]
    TooLarge,
    /// It doesn't take the credentials (401, 403).
    #[error("it refuses the credentials ({why})")]
    Unauthorized {
        /// What it answered, or which file can't be used.
        why: String,
    },
    /// This is no address that takes pushes (404, 410, a redirect, an address that is not allowed).
    #[error("it takes no records at this address ({why})")]
    Misplaced {
        /// Its HTTP status, where there was an answer.
        status: Option<u16>,
        /// What it answered.
        why: String,
    },
    /// It is not set up for what it shall take: a table, a column or an object that people make there is missing.
    #[error("it is not set up for Leastwise ({why})")]
    Unprepared {
        /// What is missing.
        why: String,
    },
    /// What passes by itself: the network, time-outs, a server that fails.
    #[error("it does not answer as it should ({why})")]
    Transient {
        /// What happened.
        why: String,
    },
    /// It refuses the push as a whole because of something in it (400, 422): the core finds out of what.
    #[error("it refuses the push ({why})")]
    Permanent {
        /// What it answered.
        why: String,
    },
    /// The time in which the push may be sent is over: another exporter may be at it.
    #[error("the time to send is over")]
    Late,
}

/// A sink that takes upserts and removals by natural key, as often as they come.
///
/// Pushes repeat after crashes, so a push of the same changes twice must be as one. Where the sink stands, what it was
/// sent and what it rejected is kept in the exporter's database.
#[async_trait]
pub trait ChangeSink: Send + Sync {
    /// What it takes at once.
    fn limits(&self) -> Limits;

    /// Whether it wants records of a kind.
    fn wants(&self, kind: RecordKind) -> bool;

    /// What is sent of a record; equal payloads are sent once. `None` when the sink shall not have this record: then it
    /// is removed where it was sent before.
    ///
    /// # Errors
    /// Why it can't be told to this sink, without the record's content; the record becomes a reject.
    fn render(
        &self,
        tenant: TenantId,
        kind: RecordKind,
        key: &str,
        body: &Body,
    ) -> Result<Option<Vec<u8>>, String>;

    /// A tenant's turn begins: another exporter or somebody else may have written to the sink since the last one. Of use
    /// to sinks that remember what they have read there.
    fn turn(&self, tenant: TenantId) {
        let _ = tenant;
    }

    /// Sends changes and says what became of each, in their order. No request begins after `until`.
    ///
    /// # Errors
    /// When nothing is known to have been taken.
    async fn push(
        &self,
        tenant: TenantId,
        changes: &[Change],
        until: Instant,
    ) -> Result<Vec<Taken>, Refusal>;

    /// Reaches the sink and shows the credentials, changing nothing.
    ///
    /// # Errors
    /// What a push would meet.
    async fn check(&self) -> Result<(), Refusal>;
}
