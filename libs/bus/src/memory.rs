//! A queue in memory, for tests: it forgets everything with its process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use proto::message::Queue;

use crate::backend::{Backend, Delivery, Settle, Tag};
use crate::envelope::Envelope;
use crate::error::{PublishError, ReceiveError};
use crate::shelf::{Inner, Item, Shelf};
use crate::topology::Topology;

/// See the [module](self).
pub struct Memory {
    shelf: Shelf,
    /// The envelopes of what is in hand.
    out: Mutex<Out>,
}

#[derive(Default)]
struct Out {
    last: u64,
    envelopes: HashMap<Tag, Envelope>,
}

impl Memory {
    /// Empty queues.
    pub fn new(topology: Topology) -> Self {
        Memory {
            shelf: Shelf::new(topology),
            out: Mutex::default(),
        }
    }

    /// Gives everything in hand back, as a server does when its consumers' connections are gone.
    pub fn crash(&self) {
        self.shelf
            .in_hand()
            .into_iter()
            .for_each(|tag| self.abandon(tag));
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle_now(&self, tag: Tag, how: Settle) -> Option<()> {
        let mut inner = self.shelf.lock();
        let (_, change) = self.shelf.begin(&mut inner, tag, how)?;
        let envelope = self.out().envelopes.remove(&tag);
        self.shelf.finish(&mut inner, tag, change, envelope);
        Some(())
    }
}

#[async_trait]
impl Backend for Memory {
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError> {
        let bytes = envelope.bytes().len() as u64;
        let store = |inner: &mut Inner| {
            let mut out = self.out();
            out.last += 1;
            let item = Item {
                id: out.last,
                bytes,
                returned: 0,
                death: None,
                trace: envelope.trace().cloned(),
                envelope: Some(envelope),
            };
            self.shelf.offer(inner, queue, item);
        };
        self.shelf.reserved(queue, bytes, store).await
    }

    async fn next(&self, queue: &Queue) -> Result<Delivery, ReceiveError> {
        let missing = || ReceiveError::Undeclared {
            queue: queue.clone(),
        };
        let signals = self.shelf.signals(queue).ok_or_else(missing)?;
        loop {
            let mut arrived = std::pin::pin!(signals.arrived.notified());
            arrived.as_mut().enable();
            {
                let mut inner = self.shelf.lock();
                if inner.closed {
                    return Err(ReceiveError::Closed);
                }
                if let Some((tag, mut item)) = self.shelf.take(&mut inner, queue)
                    && let Some(envelope) = item.envelope.take()
                {
                    self.out().envelopes.insert(tag, envelope.clone());
                    return Ok(item.delivery(tag, envelope));
                }
            }
            arrived.await;
        }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        self.settle_now(tag, how).ok_or(ReceiveError::NotInHand)
    }

    fn abandon(&self, tag: Tag) {
        _ = self.settle_now(tag, Settle::GiveBack);
    }

    async fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        self.shelf.depth(queue)
    }

    async fn purge(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        let mut inner = self.shelf.lock();
        let missing = || ReceiveError::Undeclared {
            queue: queue.clone(),
        };
        let line = inner.lines.get_mut(queue).ok_or_else(missing)?;
        let gone = std::mem::take(&mut line.offered);
        for item in gone.values() {
            inner.cached -= item.envelope.as_ref().map_or(0, |e| e.bytes().len());
            self.shelf.release(&mut inner, queue, item.bytes);
        }
        Ok(gone.len() as u64)
    }

    async fn close(&self) {
        self.shelf.close();
    }
}
