//! A backend that misbehaves on purpose, the same way for the same seed, within what [`Backend`] allows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use proto::message::Queue;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::backend::{Backend, Delivery, Settle, Tag};
use crate::envelope::Envelope;
use crate::error::{PublishError, ReceiveError};

/// How likely each fault is, from 0 to 1. By default, nothing fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A message is stored twice.
    pub duplicate: f64,
    /// A message is stored, and the publisher gets an error.
    pub lose_confirm: f64,
    /// A message is lost, and the publisher gets an error.
    pub lose_message: f64,
    /// A delivery is overtaken by the next one.
    pub reorder: f64,
    /// A delivery comes late,
    pub delay: f64,
    /// by up to this much.
    pub longest_delay: Duration,
    /// A consumer dies after its work and before it says so: the delivery is given back.
    pub crash: f64,
}

/// How often each fault happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages stored twice.
    pub duplicate: u64,
    /// Messages stored with an error.
    pub lose_confirm: u64,
    /// Messages lost with an error.
    pub lose_message: u64,
    /// Deliveries held for the next one.
    pub reorder: u64,
    /// Deliveries that came late.
    pub delay: u64,
    /// Deliveries given back after their work.
    pub crash: u64,
    /// Messages lost by [`Faulty::lose`].
    pub lost: u64,
}

/// See the [module](self).
pub struct Faulty {
    inner: Arc<dyn Backend>,
    faults: Faults,
    state: Mutex<State>,
    /// Something held became due, or has to be waited for.
    changed: Notify,
}

struct State {
    random: fastrand::Rng,
    calm: bool,
    counts: Counts,
    held: BTreeMap<Queue, Vec<Held>>,
}

struct Held {
    until: Instant,
    /// Due as soon as another delivery has passed.
    overtake: bool,
    delivery: Delivery,
}

/// How long a delivery waits to be overtaken when nothing follows it.
const OVERTAKE: Duration = Duration::from_secs(1);

impl Faulty {
    /// Lets `inner` fail as `faults` say.
    pub fn new(inner: Arc<dyn Backend>, seed: u64, faults: Faults) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let state = State {
            random,
            calm: false,
            counts: Counts::default(),
            held: BTreeMap::new(),
        };
        Faulty {
            inner,
            faults,
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// No more faults from now on; what is held comes at once.
    pub fn calm(&self) {
        let mut state = self.state();
        state.calm = true;
        let now = Instant::now();
        state
            .held
            .values_mut()
            .flatten()
            .for_each(|h| h.until = now);
        drop(state);
        self.changed.notify_waiters();
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// The queue loses everything that is not in hand. Returns how much that was.
    ///
    /// # Errors
    /// When the backend can't.
    pub async fn lose(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        let held = self.state().held.remove(queue).unwrap_or_default();
        let mut lost = held.len() as u64;
        for h in held {
            self.inner.settle(h.delivery.tag, Settle::Done).await?;
        }
        lost += self.inner.purge(queue).await?;
        self.state().counts.lost += lost;
        tracing::info!(%queue, lost, "fault: the queue lost everything");
        Ok(lost)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The delivery, or none if it is held.
    fn pass(&self, queue: &Queue, delivery: Delivery) -> Option<Delivery> {
        let mut state = self.state();
        let (reorder, delay) = (
            state.happens(self.faults.reorder),
            state.happens(self.faults.delay),
        );
        let late = self.faults.longest_delay.mul_f64(state.random.f64());
        let now = Instant::now();
        if reorder || delay {
            let count = if reorder {
                &mut state.counts.reorder
            } else {
                &mut state.counts.delay
            };
            *count += 1;
            tracing::debug!(%queue, reorder, "fault: a delivery is held");
            let until = now + if reorder { OVERTAKE } else { late };
            state.held.entry(queue.clone()).or_default().push(Held {
                until,
                overtake: reorder,
                delivery,
            });
            drop(state);
            self.changed.notify_waiters();
            return None;
        }
        for h in state
            .held
            .get_mut(queue)
            .into_iter()
            .flatten()
            .filter(|h| h.overtake)
        {
            h.until = now;
        }
        drop(state);
        self.changed.notify_waiters();
        Some(delivery)
    }
}

impl State {
    fn happens(&mut self, probability: f64) -> bool {
        !self.calm && self.random.f64() < probability
    }

    /// What is due, or when something will be.
    fn due(&mut self, queue: &Queue) -> Result<Delivery, Option<Instant>> {
        let held = self.held.entry(queue.clone()).or_default();
        let first = held
            .iter()
            .enumerate()
            .min_by_key(|(_, h)| h.until)
            .map(|(i, h)| (i, h.until));
        match first {
            Some((i, until)) if until <= Instant::now() => Ok(held.remove(i).delivery),
            other => Err(other.map(|(_, until)| until)),
        }
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError> {
        let unconfirmed = |what: &str| PublishError::Unconfirmed {
            queue: queue.clone(),
            source: what.into(),
        };
        let (duplicate, lose_message, lose_confirm) = {
            let mut state = self.state();
            let Faults {
                duplicate,
                lose_message,
                lose_confirm,
                ..
            } = self.faults;
            (
                state.happens(duplicate),
                state.happens(lose_message),
                state.happens(lose_confirm),
            )
        };
        if lose_message {
            self.state().counts.lose_message += 1;
            tracing::debug!(%queue, "fault: a message is lost");
            return Err(unconfirmed("fault: the message is lost"));
        }
        self.inner.publish(queue, envelope.clone()).await?;
        if duplicate {
            self.state().counts.duplicate += 1;
            tracing::debug!(%queue, "fault: a message is stored twice");
            self.inner.publish(queue, envelope).await?;
        }
        if lose_confirm {
            self.state().counts.lose_confirm += 1;
            tracing::debug!(%queue, "fault: a confirm is lost");
            return Err(unconfirmed("fault: the confirm is lost"));
        }
        Ok(())
    }

    async fn next(&self, queue: &Queue) -> Result<Delivery, ReceiveError> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let due = match self.state().due(queue) {
                Ok(delivery) => return Ok(delivery),
                Err(due) => due,
            };
            let wait = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = changed => {}
                next = self.inner.next(queue) => {
                    if let Some(delivery) = self.pass(queue, next?) {
                        return Ok(delivery);
                    }
                }
                () = wait => {}
            }
        }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        let crash = how == Settle::Done && {
            let mut state = self.state();
            let crash = state.happens(self.faults.crash);
            state.counts.crash += u64::from(crash);
            crash
        };
        if crash {
            tracing::debug!("fault: a consumer died before it settled");
        }
        self.inner
            .settle(tag, if crash { Settle::GiveBack } else { how })
            .await
    }

    fn abandon(&self, tag: Tag) {
        self.inner.abandon(tag);
    }

    async fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        self.inner.depth(queue).await
    }

    async fn purge(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        self.inner.purge(queue).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
