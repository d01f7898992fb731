//! The one task that writes.

use std::sync::Arc;
use std::time::Duration;

use proto::message::Queue;
use runtime::db::{Db, Error};
use runtime::error::Chain;
use tokio::sync::{mpsc, oneshot};

use super::sql;
use crate::backend::Tag;
use crate::envelope::Envelope;
use crate::shelf::{Change, Item, Shelf};

/// What one transaction takes at most: large enough that its fixed costs vanish, small enough that nobody waits long.
const MOST_OPS: usize = 256;
const MOST_BYTES: usize = 4 << 20;

/// Messages that go on record for being handed out together.
const OFFER: usize = 64;

/// Envelopes kept in memory.
const CACHE: usize = 32 << 20;

/// Why a transaction failed; everybody in it is told.
type Failed = Arc<Error>;
type Reply<T = ()> = oneshot::Sender<Result<T, Failed>>;

/// What the writer is asked for. A reply that nobody waits for is no error.
pub(super) enum Op {
    Publish {
        queue: Queue,
        envelope: Envelope,
        reply: Reply,
    },
    Settle {
        tag: Tag,
        id: u64,
        change: Change,
        reply: Option<Reply>,
    },
    Offer(Queue),
    Purge {
        queue: Queue,
        reply: Reply<u64>,
    },
    Close,
}

pub(super) struct Writer {
    db: Db,
    shelf: Arc<Shelf>,
    last: u64,
}

/// What goes into one transaction.
#[derive(Default)]
struct Batch {
    publishes: Vec<(u64, Queue, Envelope, Reply)>,
    settles: Vec<(Tag, u64, Change, Option<Reply>)>,
    offers: Vec<(Queue, Vec<u64>)>,
    purges: Vec<(Queue, Vec<u64>, Reply<u64>)>,
    close: bool,
}

impl Writer {
    pub fn new(db: Db, shelf: Arc<Shelf>, last: u64) -> Self {
        Writer { db, shelf, last }
    }

    pub async fn run(mut self, mut ops: mpsc::UnboundedReceiver<Op>) {
        let mut again: Vec<Op> = Vec::new();
        loop {
            let mut batch = Batch::default();
            if again.is_empty() {
                let Some(op) = ops.recv().await else { return };
                again.push(op);
            } else {
                // Nobody repeats these if the writer doesn't.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let mut bytes: usize = again.drain(..).map(|op| self.sort(op, &mut batch)).sum();
            let mut taken = 1;
            while taken < MOST_OPS
                && bytes < MOST_BYTES
                && let Ok(op) = ops.try_recv()
            {
                bytes += self.sort(op, &mut batch);
                taken += 1;
            }
            self.choose(&mut batch);
            let close = batch.close;
            match self.store(&batch).await {
                Ok(()) => self.stored(batch),
                Err(e) => again = self.failed(batch, Arc::new(e)),
            }
            if close {
                return;
            }
        }
    }

    /// Puts an operation where it belongs. Returns the bytes that it writes.
    fn sort(&mut self, op: Op, batch: &mut Batch) -> usize {
        match op {
            Op::Publish {
                queue,
                envelope,
                reply,
            } => {
                self.last += 1;
                let bytes = envelope.bytes().len();
                batch.publishes.push((self.last, queue, envelope, reply));
                return bytes;
            }
            Op::Settle {
                tag,
                id,
                change,
                reply,
            } => batch.settles.push((tag, id, change, reply)),
            Op::Offer(queue) => batch.offers.push((queue, vec![])),
            Op::Purge { queue, reply } => batch.purges.push((queue, vec![], reply)),
            Op::Close => batch.close = true,
        }
        0
    }

    /// Which messages are offered and purged.
    fn choose(&self, batch: &mut Batch) {
        let mut inner = self.shelf.lock();
        for (queue, ids, _) in &mut batch.purges {
            if let Some(line) = inner.lines.get_mut(queue) {
                // Out of reach from now on; back again if it fails.
                line.waiting.append(&mut line.offered);
                ids.extend(line.waiting.keys());
            }
        }
        for (queue, ids) in &mut batch.offers {
            if let Some(line) = inner.lines.get(queue)
                && !batch.purges.iter().any(|(q, ..)| q == queue)
            {
                ids.extend(line.waiting.keys().take(OFFER));
            }
        }
        if batch.close {
            // What is on offer and not in hand was not handed out, and does not count as such.
            for (queue, line) in &mut inner.lines {
                let ids = line.offered.keys().copied().collect();
                line.waiting.append(&mut line.offered);
                batch.offers.retain(|(q, _)| q != queue);
                batch.offers.push((queue.clone(), ids));
            }
        }
    }

    async fn store(&self, batch: &Batch) -> Result<(), Error> {
        let mut write = self.db.write().await?;
        let rows: Vec<_> = batch
            .publishes
            .iter()
            .map(|(id, q, e, _)| (*id, q.to_string(), e.clone()))
            .collect();
        sql::insert(&mut write, &rows).await?;
        let mut gone: Vec<u64> = batch
            .purges
            .iter()
            .flat_map(|(_, ids, _)| ids)
            .copied()
            .collect();
        let mut returned = Vec::new();
        for (_, id, change, _) in &batch.settles {
            match change {
                Change::Remove => gone.push(*id),
                Change::Return => returned.push(*id),
                Change::Bury(death) => sql::bury(&mut write, sql::signed(*id), death).await?,
            }
        }
        sql::delete(&mut write, &gone).await?;
        sql::give_back(&mut write, &returned).await?;
        let offered: Vec<u64> = batch
            .offers
            .iter()
            .flat_map(|(_, ids)| ids)
            .copied()
            .collect();
        if batch.close {
            sql::withdraw(&mut write, &offered).await?;
            // Counted already.
            sql::withdraw(&mut write, &returned).await?;
        } else {
            sql::offer(&mut write, &offered).await?;
        }
        write.commit().await
    }

    fn stored(&self, batch: Batch) {
        let mut inner = self.shelf.lock();
        let inner = &mut *inner;
        for (queue, ids, reply) in batch.purges {
            let mut purged = 0;
            for id in ids {
                if let Some(item) = inner
                    .lines
                    .get_mut(&queue)
                    .and_then(|l| l.waiting.remove(&id))
                {
                    inner.cached -= item.envelope.as_ref().map_or(0, |e| e.bytes().len());
                    self.shelf.release(inner, &queue, item.bytes);
                    purged += 1;
                }
            }
            _ = reply.send(Ok(purged));
        }
        for (tag, _, change, reply) in batch.settles {
            self.shelf.finish(inner, tag, change, None);
            _ = reply.map(|r| r.send(Ok(())));
        }
        for (queue, ids) in batch.offers.into_iter().filter(|_| !batch.close) {
            let Some(line) = inner.lines.get_mut(&queue) else {
                continue;
            };
            line.offering = false;
            for id in ids {
                line.offered.extend(line.waiting.remove_entry(&id));
            }
            self.shelf.wake(&queue);
        }
        for (id, queue, envelope, reply) in batch.publishes {
            let bytes = envelope.bytes().len();
            let keep = inner.cached + bytes <= CACHE;
            let trace = envelope.trace().cloned();
            let envelope = keep.then_some(envelope);
            if let Some(line) = inner.lines.get_mut(&queue) {
                inner.cached += if keep { bytes } else { 0 };
                line.waiting.insert(
                    id,
                    Item {
                        id,
                        bytes: bytes as u64,
                        returned: 0,
                        death: None,
                        trace,
                        envelope,
                    },
                );
                self.shelf.wake(&queue);
            }
            _ = reply.send(Ok(()));
        }
    }

    /// Tells everybody, and returns what nobody would repeat.
    fn failed(&self, batch: Batch, e: Failed) -> Vec<Op> {
        tracing::error!(error = %Chain(&*e), "the queue's file can't be written");
        let mut inner = self.shelf.lock();
        let mut again: Vec<Op> = Vec::new();
        for (_, queue, envelope, reply) in batch.publishes {
            self.shelf
                .release(&mut inner, &queue, envelope.bytes().len() as u64);
            _ = reply.send(Err(e.clone()));
        }
        for (tag, id, change, reply) in batch.settles {
            match reply {
                Some(reply) => {
                    self.shelf.undo(&mut inner, tag);
                    _ = reply.send(Err(e.clone()));
                }
                None => again.push(Op::Settle {
                    tag,
                    id,
                    change,
                    reply,
                }),
            }
        }
        again.extend(
            batch
                .offers
                .into_iter()
                .filter(|_| !batch.close)
                .map(|(queue, _)| Op::Offer(queue)),
        );
        for (queue, _, reply) in batch.purges {
            self.shelf.wake(&queue);
            _ = reply.send(Err(e.clone()));
        }
        again
    }
}
