//! Which queues exist and what they hold.

use std::collections::BTreeSet;

use proto::ids::Pool;
use proto::message::Queue;

/// The declared queues and their limits. Publishing to any other queue is an error, never a silent loss.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The queues that exist.
    pub queues: BTreeSet<Queue>,
    /// A message that was given back this often goes to [`Queue::Dead`]. RabbitMQ is declared with the same number.
    pub delivery_limit: u32,
    /// A publisher waits while its queue holds this many messages. [`Queue::Dead`] has no limit: it must take what
    /// a consumer can't.
    pub max_messages: u64,
    /// A publisher waits while its queue holds this many bytes.
    pub max_bytes: u64,
}

impl Topology {
    /// Every queue of an installation with these pools.
    pub fn of_pools(pools: impl IntoIterator<Item = Pool>) -> Self {
        let fixed = [
            Queue::PageFull,
            Queue::PageSome,
            Queue::Seal,
            Queue::Closing,
            Queue::Dead,
        ];
        Self::new(
            fixed
                .into_iter()
                .chain(pools.into_iter().map(Queue::Verdict)),
        )
    }

    /// These queues, and [`Queue::Dead`], with the usual limits.
    pub fn new(queues: impl IntoIterator<Item = Queue>) -> Self {
        Topology {
            queues: queues.into_iter().chain([Queue::Dead]).collect(),
            delivery_limit: 100,
            max_messages: 10_000,
            max_bytes: 1 << 30,
        }
    }
}
