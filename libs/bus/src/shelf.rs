//! What the backends of this process know of their messages: which wait, which are in hand, who has to be woken.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::message::Queue;
use tokio::sync::Notify;

use crate::backend::{Death, Delivery, Settle, Tag};
use crate::envelope::Envelope;
use crate::error::{PublishError, ReceiveError};
use crate::topology::Topology;

/// The messages of all queues, behind a lock that is never held while waiting.
pub(crate) struct Shelf {
    pub topology: Topology,
    signals: BTreeMap<Queue, Arc<Signals>>,
    inner: Mutex<Inner>,
}

/// Who waits at a queue.
#[derive(Default)]
pub(crate) struct Signals {
    /// A message may be taken.
    pub arrived: Notify,
    /// A message may be published.
    pub space: Notify,
}

pub(crate) struct Inner {
    pub lines: BTreeMap<Queue, Line>,
    hand: HashMap<Tag, Hand>,
    next_tag: u64,
    /// Bytes of envelopes kept in memory.
    pub cached: usize,
    pub closed: bool,
}

/// One queue.
#[derive(Default)]
pub(crate) struct Line {
    /// Messages that can't be taken yet, because it is not on record that they may be handed out.
    pub waiting: BTreeMap<u64, Item>,
    /// Messages that can be taken.
    pub offered: BTreeMap<u64, Item>,
    /// All of them, those in hand and those about to be stored included.
    pub messages: u64,
    pub bytes: u64,
    /// Somebody is about to offer what waits.
    pub offering: bool,
}

/// One message.
pub(crate) struct Item {
    pub id: u64,
    pub bytes: u64,
    /// How often it was given back.
    pub returned: u32,
    pub death: Option<Death>,
    /// The envelope's, which may be in a file that doesn't keep it.
    pub trace: Option<Arc<str>>,
    pub envelope: Option<Envelope>,
}

struct Hand {
    queue: Queue,
    item: Item,
    settling: bool,
}

/// What a settlement does to a message.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Remove,
    Return,
    Bury(Death),
}

impl Shelf {
    pub fn new(topology: Topology) -> Self {
        let lines = topology
            .queues
            .iter()
            .map(|q| (q.clone(), Line::default()))
            .collect();
        let signals = topology
            .queues
            .iter()
            .map(|q| (q.clone(), Arc::default()))
            .collect();
        let inner = Inner {
            lines,
            hand: HashMap::new(),
            next_tag: 0,
            cached: 0,
            closed: false,
        };
        Shelf {
            topology,
            signals,
            inner: Mutex::new(inner),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None for a queue that nobody declared.
    pub fn signals(&self, queue: &Queue) -> Option<&Arc<Signals>> {
        self.signals.get(queue)
    }

    pub fn wake(&self, queue: &Queue) {
        if let Some(s) = self.signals(queue) {
            s.arrived.notify_one();
        }
    }

    /// From here on everything is refused, and whoever waits learns it.
    pub fn close(&self) {
        self.lock().closed = true;
        for s in self.signals.values() {
            s.arrived.notify_waiters();
            s.space.notify_waiters();
        }
    }

    /// Waits until there is space for a message and counts it in; `then` runs under the same lock.
    pub async fn reserved<T>(
        &self,
        queue: &Queue,
        bytes: u64,
        then: impl FnOnce(&mut Inner) -> T,
    ) -> Result<T, PublishError> {
        let missing = || PublishError::Unroutable {
            queue: queue.clone(),
        };
        let signals = self.signals(queue).ok_or_else(missing)?;
        loop {
            let mut space = std::pin::pin!(signals.space.notified());
            // Before the look, so that space made right after it is not missed.
            space.as_mut().enable();
            {
                let mut inner = self.lock();
                if inner.closed {
                    return Err(PublishError::Closed);
                }
                if self.reserve(&mut inner, queue, bytes).is_some() {
                    return Ok(then(&mut inner));
                }
            }
            space.await;
        }
    }

    /// Counts a message in that is about to be stored; none when the queue is full. A queue below its limit takes a
    /// message of any size, so that a large one doesn't wait for ever behind small ones.
    pub fn reserve(&self, inner: &mut Inner, queue: &Queue, bytes: u64) -> Option<()> {
        let limit = &self.topology;
        let line = inner.lines.get_mut(queue)?;
        if *queue != Queue::Dead
            && (line.messages >= limit.max_messages || line.bytes >= limit.max_bytes)
        {
            return None;
        }
        line.messages += 1;
        line.bytes += bytes;
        if line.messages < limit.max_messages && line.bytes < limit.max_bytes {
            self.signals(queue)?.space.notify_one();
        }
        Some(())
    }

    /// Counts a message out.
    pub fn release(&self, inner: &mut Inner, queue: &Queue, bytes: u64) {
        if let (Some(line), Some(signals)) = (inner.lines.get_mut(queue), self.signals(queue)) {
            line.messages = line.messages.saturating_sub(1);
            line.bytes = line.bytes.saturating_sub(bytes);
            signals.space.notify_one();
        }
    }

    /// Takes the first message that is offered.
    pub fn take(&self, inner: &mut Inner, queue: &Queue) -> Option<(Tag, Item)> {
        let line = inner.lines.get_mut(queue)?;
        let (_, mut item) = line.offered.pop_first()?;
        if !line.offered.is_empty() || !line.waiting.is_empty() {
            self.wake(queue);
        }
        let envelope = item.envelope.take();
        inner.cached -= envelope.as_ref().map_or(0, |e| e.bytes().len());
        inner.next_tag += 1;
        let tag = Tag(inner.next_tag);
        let handed = Item {
            envelope,
            death: item.death.clone(),
            trace: item.trace.clone(),
            ..item
        };
        inner.hand.insert(
            tag,
            Hand {
                queue: queue.clone(),
                item,
                settling: false,
            },
        );
        Some((tag, handed))
    }

    /// Undoes a [`take`](Self::take) that nobody has seen.
    pub fn put_back(&self, tag: Tag, envelope: Option<Envelope>) {
        let mut inner = self.lock();
        if let Some(Hand {
            queue, mut item, ..
        }) = inner.hand.remove(&tag)
        {
            item.envelope = envelope;
            self.offer(&mut inner, &queue, item);
        }
    }

    pub fn offer(&self, inner: &mut Inner, queue: &Queue, item: Item) {
        if let Some(line) = inner.lines.get_mut(queue) {
            inner.cached += item.envelope.as_ref().map_or(0, |e| e.bytes().len());
            line.offered.insert(item.id, item);
            self.wake(queue);
        }
    }

    /// What `how` means for the delivery, and the message's number; none if it isn't in hand or is being settled.
    pub fn begin(&self, inner: &mut Inner, tag: Tag, how: Settle) -> Option<(u64, Change)> {
        let hand = inner.hand.get_mut(&tag).filter(|h| !h.settling)?;
        hand.settling = true;
        let change = match how {
            Settle::Done => Change::Remove,
            // There is nowhere to go from the queue of the dead.
            Settle::Dead(_) | Settle::GiveBack if hand.queue == Queue::Dead => Change::Return,
            Settle::Dead(reason) => Change::Bury(Death {
                queue: hand.queue.clone(),
                reason,
            }),
            Settle::GiveBack if hand.item.returned + 1 >= self.topology.delivery_limit => {
                Change::Bury(Death::worn_out(&hand.queue, self.topology.delivery_limit))
            }
            Settle::GiveBack => Change::Return,
        };
        Some((hand.item.id, change))
    }

    /// The settlement is not on record: the delivery stays in hand.
    pub fn undo(&self, inner: &mut Inner, tag: Tag) {
        if let Some(hand) = inner.hand.get_mut(&tag) {
            hand.settling = false;
        }
    }

    /// The settlement is on record. `envelope` is for a backend that keeps messages nowhere else.
    pub fn finish(&self, inner: &mut Inner, tag: Tag, change: Change, envelope: Option<Envelope>) {
        let Some(Hand {
            queue, mut item, ..
        }) = inner.hand.remove(&tag)
        else {
            return;
        };
        item.envelope = envelope;
        match change {
            Change::Remove => self.release(inner, &queue, item.bytes),
            Change::Return => {
                item.returned += 1;
                self.offer(inner, &queue, item);
            }
            Change::Bury(death) => {
                self.release(inner, &queue, item.bytes);
                _ = self.reserve(inner, &Queue::Dead, item.bytes);
                item.returned = 0;
                item.death = Some(death);
                self.offer(inner, &Queue::Dead, item);
            }
        }
    }

    pub fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        let inner = self.lock();
        let line = inner
            .lines
            .get(queue)
            .ok_or_else(|| ReceiveError::Undeclared {
                queue: queue.clone(),
            })?;
        Ok(line.messages)
    }

    /// Every delivery in hand.
    pub fn in_hand(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.lock().hand.keys().copied().collect();
        tags.sort();
        tags
    }
}

impl Item {
    pub fn delivery(self, tag: Tag, envelope: Envelope) -> Delivery {
        Delivery {
            tag,
            envelope: envelope.with_trace(self.trace),
            deliveries: self.returned + 1,
            death: self.death,
        }
    }
}
