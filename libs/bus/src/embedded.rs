//! The queue of an embedded installation: one SQLite file.
//!
//! **Group commit.** One task writes. What was published, settled and asked for while it was busy goes into its next
//! transaction together, and only then is each confirmed.
//!
//! **Crashes.** Before messages are handed out, it is on record that they may be; what was on record when the process
//! died counts as given back when the file is opened again. Messages go on record some dozens at a time, so a few
//! that nobody had seen yet are counted too.
//!
//! **Size.** Pages of deleted messages are used again, so the file grows to what once waited, which the limits of the
//! [`Topology`] bound, and not beyond. The last moments before the *machine* stops may be lost
//! ([`Durability::Normal`](runtime::db::Durability)): the collector reads such a run again.
//!
//! What was published lately is also kept in memory, so that a consumer that keeps up reads nothing from the file. A
//! message's trace is only there: it is for whoever watches, and doesn't outlive the process.

mod sql;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use proto::message::Queue;
use runtime::Problem;
use runtime::db::{Db, Options};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::backend::{Backend, Delivery, Settle, Tag};
use crate::envelope::Envelope;
use crate::error::{PublishError, ReceiveError};
use crate::shelf::Shelf;
use crate::topology::Topology;
use writer::{Op, Writer};

/// The schema of the file, for tools that open it.
pub use sql::MIGRATIONS;

/// See the [module](self).
pub struct Embedded {
    shelf: Arc<Shelf>,
    db: Db,
    ops: mpsc::UnboundedSender<Op>,
    /// The writer. Dropping it stops it between two statements; SQLite then undoes its transaction.
    writer: Mutex<JoinSet<()>>,
}

impl Embedded {
    /// Opens the file, or makes it. What was in hand when its last process died is given back.
    ///
    /// # Errors
    /// `LW-4001` or `LW-4002` when the file can't be opened, `LW-4025` when it can't be read.
    pub async fn open(options: &Options, topology: Topology) -> Result<Embedded, Problem> {
        let db = Db::open(options, &sql::MIGRATIONS).await?;
        let shelf = Arc::new(Shelf::new(topology));
        let last = sql::load(&db, &shelf)
            .await
            .map_err(|e| ReceiveError::Unavailable(e.into()))?;
        let (ops, received) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(Writer::new(db.clone(), shelf.clone(), last).run(received));
        Ok(Embedded {
            shelf,
            db,
            ops,
            writer: Mutex::new(tasks),
        })
    }

    /// Whether the writer got it.
    fn send(&self, op: Op) -> bool {
        self.ops.send(op).is_ok()
    }
}

#[async_trait]
impl Backend for Embedded {
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError> {
        let bytes = envelope.bytes().len() as u64;
        self.shelf.reserved(queue, bytes, |_| ()).await?;
        let (reply, stored) = oneshot::channel();
        if !self.send(Op::Publish {
            queue: queue.clone(),
            envelope,
            reply,
        }) {
            return Err(PublishError::Closed);
        }
        match stored.await {
            Ok(stored) => stored.map_err(|e| PublishError::Unconfirmed {
                queue: queue.clone(),
                source: e.into(),
            }),
            Err(_) => Err(PublishError::Closed),
        }
    }

    async fn next(&self, queue: &Queue) -> Result<Delivery, ReceiveError> {
        let missing = || ReceiveError::Undeclared {
            queue: queue.clone(),
        };
        let signals = self.shelf.signals(queue).ok_or_else(missing)?;
        loop {
            let mut arrived = std::pin::pin!(signals.arrived.notified());
            arrived.as_mut().enable();
            let taken = {
                let mut inner = self.shelf.lock();
                if inner.closed {
                    return Err(ReceiveError::Closed);
                }
                let taken = self.shelf.take(&mut inner, queue);
                if taken.is_none()
                    && let Some(line) = inner.lines.get_mut(queue)
                    && !line.waiting.is_empty()
                    && !std::mem::replace(&mut line.offering, true)
                    && !self.send(Op::Offer(queue.clone()))
                {
                    return Err(ReceiveError::Closed);
                }
                taken
            };
            if let Some((tag, mut item)) = taken {
                let mut taken = Taken {
                    shelf: &self.shelf,
                    tag: Some(tag),
                };
                let envelope = match item.envelope.take() {
                    Some(envelope) => envelope,
                    None => sql::read(&self.db, item.id)
                        .await
                        .map_err(|e| ReceiveError::Unavailable(e.into()))?,
                };
                taken.tag = None;
                return Ok(item.delivery(tag, envelope));
            }
            arrived.await;
        }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        let (id, change) = self
            .shelf
            .begin(&mut self.shelf.lock(), tag, how)
            .ok_or(ReceiveError::NotInHand)?;
        let (reply, stored) = oneshot::channel();
        if !self.send(Op::Settle {
            tag,
            id,
            change,
            reply: Some(reply),
        }) {
            return Err(ReceiveError::Closed);
        }
        match stored.await {
            Ok(stored) => stored.map_err(|e| ReceiveError::Unavailable(e.into())),
            Err(_) => Err(ReceiveError::Closed),
        }
    }

    fn abandon(&self, tag: Tag) {
        if let Some((id, change)) = self
            .shelf
            .begin(&mut self.shelf.lock(), tag, Settle::GiveBack)
        {
            self.send(Op::Settle {
                tag,
                id,
                change,
                reply: None,
            });
        }
    }

    async fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        self.shelf.depth(queue)
    }

    async fn purge(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        let (reply, purged) = oneshot::channel();
        if self.shelf.signals(queue).is_none() {
            return Err(ReceiveError::Undeclared {
                queue: queue.clone(),
            });
        }
        if !self.send(Op::Purge {
            queue: queue.clone(),
            reply,
        }) {
            return Err(ReceiveError::Closed);
        }
        match purged.await {
            Ok(purged) => purged.map_err(|e| ReceiveError::Unavailable(e.into())),
            Err(_) => Err(ReceiveError::Closed),
        }
    }

    async fn close(&self) {
        self.shelf.close();
        let mut tasks =
            std::mem::take(&mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner));
        self.send(Op::Close);
        while tasks.join_next().await.is_some() {}
        self.db.close().await;
    }
}

/// A message that was taken and not yet handed out: it goes back when the caller doesn't wait for it.
struct Taken<'a> {
    shelf: &'a Shelf,
    tag: Option<Tag>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(tag) = self.tag {
            self.shelf.put_back(tag, None);
        }
    }
}
