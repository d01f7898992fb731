//! What a queue has to offer. Everything above it (sealing, retries, dead letters, shutdown) is the same for all.

use async_trait::async_trait;
use proto::message::Queue;

use crate::envelope::Envelope;
use crate::error::{PublishError, ReceiveError};

/// A queue server, or what stands for one.
///
/// Delivery is at least once: a message comes again after a crash, and a publisher that got an error may have been
/// heard. Every effect of a message is idempotent, so neither needs healing here.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Hands a message over and returns when it is safe there. Waits while the queue is full.
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError>;

    /// Waits for the next message. Dropping the future loses nothing.
    async fn next(&self, queue: &Queue) -> Result<Delivery, ReceiveError>;

    /// Says what became of a delivery. Returns when the queue knows it.
    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError>;

    /// [`Settle::GiveBack`] for a place that can't wait: whoever held the delivery is gone.
    fn abandon(&self, tag: Tag);

    /// Messages in the queue, those in hand included.
    async fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError>;

    /// Removes every message that is not in hand, and says how many.
    async fn purge(&self, queue: &Queue) -> Result<u64, ReceiveError>;

    /// Writes down what is under way and refuses everything from then on. Waiting calls return with an error.
    async fn close(&self);
}

/// A message in hand: nobody else gets it until it is settled or its holder is gone.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names this delivery, not the message.
    pub tag: Tag,
    /// The message.
    pub envelope: Envelope,
    /// How often the message was handed out, this time included.
    pub deliveries: u32,
    /// On [`Queue::Dead`]: where it comes from and why.
    pub death: Option<Death>,
}

/// Names a delivery until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settle {
    /// It is done and goes away.
    Done,
    /// It goes to [`Queue::Dead`] for this reason.
    Dead(String),
    /// It goes back to the head of its queue and counts as delivered once more; to [`Queue::Dead`] when that was
    /// the last time allowed.
    GiveBack,
}

/// Why a message is on [`Queue::Dead`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The queue that it was taken from.
    pub queue: Queue,
    /// Why it could not be handled.
    pub reason: String,
}

impl Death {
    /// It was handed out as often as is allowed.
    pub(crate) fn worn_out(queue: &Queue, limit: u32) -> Death {
        Death {
            queue: queue.clone(),
            reason: format!("handed out {limit} times, and its consumer failed each time"),
        }
    }
}
