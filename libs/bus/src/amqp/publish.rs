//! Publishing over one session: a window of messages that wait for their confirms.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use lapin::options::BasicPublishOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use proto::message::Queue;
use tokio::sync::{Mutex, MutexGuard, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::definitions::exchange;
use super::headers;
use super::session::Over;
use super::trouble;
use crate::envelope::Envelope;
use crate::topology::Topology;

/// Written to disk by a quorum queue in any case; said for what else may stand behind an exchange.
const PERSISTENT: u8 = 2;

/// A message on its way to the server.
pub(super) struct Job {
    pub queue: Queue,
    pub envelope: Envelope,
    pub headers: FieldTable,
    pub reply: oneshot::Sender<Fate>,
}

/// What became of it.
pub(super) enum Fate {
    /// The queue has it.
    Stored,
    /// The queue refused it, because it is full.
    Full,
    /// There is no such queue.
    Returned,
    /// Nobody knows.
    Lost(lapin::Error),
}

/// The task that publishes, until nobody can send it a job any more or the session ends.
///
/// A message that comes back unroutable is told by the confirm that the client reads next, whichever that is, so each
/// message carries a number, and everything that was confirmed at the same moment is looked through before any of
/// it is believed.
pub(super) struct Publisher {
    pub channel: Channel,
    pub window: usize,
    /// The server takes nothing now: it is short of memory or disk.
    pub blocked: watch::Receiver<bool>,
    pub over: Arc<Over>,
    pub unconfirmed: Unconfirmed,
}

/// Since when messages wait and none is confirmed.
#[derive(Clone, Default)]
pub(super) struct Unconfirmed(Arc<std::sync::Mutex<Option<Instant>>>);

impl Unconfirmed {
    /// How long messages have waited and none was confirmed; none where none waits.
    pub fn waits(&self) -> Option<Duration> {
        self.since().map(|at| at.elapsed())
    }

    /// One was confirmed, or is the first that waits.
    fn note(&self, waiting: usize) {
        *self.since() = (waiting > 0).then(Instant::now);
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    pub async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let (mut flying, mut returned, mut last) = (FuturesUnordered::new(), HashSet::new(), 0_u64);
        let mut open = true;
        while open || !flying.is_empty() {
            let blocked = *self.blocked.borrow_and_update();
            tokio::select! {
                biased;
                Some(first) = flying.next() => {
                    let mut confirmed: Vec<Confirmed> = vec![first];
                    while let Some(Some(more)) = flying.next().now_or_never() {
                        confirmed.push(more);
                    }
                    self.unconfirmed.note(flying.len());
                    returned.extend(confirmed.iter().filter_map(Confirmed::brings_back));
                    for Confirmed { number, reply, outcome } in confirmed {
                        let fate = self.fate(outcome, returned.remove(&number));
                        // Err: nobody waits any more.
                        let _ = reply.send(fate);
                    }
                }
                job = jobs.recv(), if open && !blocked && flying.len() < self.window => match job {
                    None => open = false,
                    Some(job) => {
                        last += 1;
                        flying.push(send(self.channel.clone(), job, last));
                        if flying.len() == 1 {
                            self.unconfirmed.note(1);
                        }
                    }
                },
                // Confirms of a dead connection may never be told. Their publishers learn by the end of this.
                () = self.over.wait() => return,
                Ok(()) = self.blocked.changed() => {}
            }
        }
    }

    fn fate(&self, confirmation: lapin::Result<Confirmation>, returned: bool) -> Fate {
        match confirmation {
            Ok(_) if returned => Fate::Returned,
            Ok(Confirmation::Ack(_)) => Fate::Stored,
            Ok(_) => Fate::Full,
            Err(e) => {
                let exchange = "an exchange that it publishes to";
                self.over
                    .fail(trouble::serving(&self.over.server, exchange, e.clone()));
                Fate::Lost(e)
            }
        }
    }
}

/// What the client tells of a message.
struct Confirmed {
    number: u64,
    reply: oneshot::Sender<Fate>,
    outcome: lapin::Result<Confirmation>,
}

impl Confirmed {
    /// The number of the message that came back with this confirm.
    fn brings_back(&self) -> Option<u64> {
        let Ok(Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) =
            &self.outcome
        else {
            return None;
        };
        let number = message.properties.message_id().as_ref()?;
        number.as_str().parse().ok()
    }
}

async fn send(channel: Channel, job: Job, number: u64) -> Confirmed {
    let (exchange, key) = (exchange(&job.queue).into(), job.queue.to_string().into());
    let mandatory = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let properties = BasicProperties::default()
        .with_message_id(number.to_string().into())
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers::with_trace(job.headers, &job.envelope));
    let sent = channel
        .basic_publish(exchange, key, mandatory, job.envelope.bytes(), properties)
        .await;
    // It was copied; it may be 10 MiB, and a window is full of them.
    drop(job.envelope);
    Confirmed {
        number,
        reply: job.reply,
        outcome: match sent {
            Ok(confirm) => confirm.await,
            Err(e) => Err(e),
        },
    }
}

/// Who may publish to which queue while it is full: one at a time tries, the others wait for their turn.
pub(super) struct Lanes(BTreeMap<Queue, Lane>);

#[derive(Default)]
pub(super) struct Lane {
    full: AtomicBool,
    turn: Mutex<()>,
}

impl Lanes {
    pub fn new(topology: &Topology) -> Lanes {
        let queues = topology.queues.iter();
        Lanes(queues.map(|q| (q.clone(), Lane::default())).collect())
    }

    /// None for a queue that nobody declared.
    pub fn of(&self, queue: &Queue) -> Option<&Lane> {
        self.0.get(queue)
    }
}

impl Lane {
    /// Waits for the turn to try, if the queue is full. `tries` counts how often the holder of `turn` has tried.
    pub async fn wait<'a>(&'a self, turn: &mut Option<MutexGuard<'a, ()>>, tries: u32) {
        if !self.full.load(Ordering::SeqCst) {
            return;
        }
        if turn.is_none() {
            *turn = Some(self.turn.lock().await);
        }
        // Else somebody else's try succeeded meanwhile.
        if self.full.load(Ordering::SeqCst) {
            let doubled =
                Duration::from_millis(20).saturating_mul(2_u32.saturating_pow(tries.min(10)));
            tokio::time::sleep(doubled.min(Duration::from_millis(500))).await;
        }
    }

    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }
}
