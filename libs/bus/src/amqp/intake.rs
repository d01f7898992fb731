//! Reading one queue over one session: a consumer of the server's, and the deliveries that nobody has taken yet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::future::FutureExt as _;
use futures::stream::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel};
use proto::message::Queue;
use tokio::sync::{Notify, mpsc, oneshot};

use super::headers;
use super::session::Over;
use super::trouble;
use crate::backend::Death;
use crate::envelope::Envelope;

/// See the [module](self).
pub(super) struct Intake {
    pub queue: Queue,
    prefetch: u16,
    delivery_limit: u32,
    over: Arc<Over>,
    /// Set once the server knows the consumer.
    channel: OnceLock<Channel>,
    buffer: Mutex<VecDeque<Fetched>>,
    arrived: Notify,
    /// Asks the pump to take over what the client has read so far.
    sync: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// Settlements that were sent, and how many of them the server has certainly seen.
    settled: AtomicU64,
    seen: tokio::sync::Mutex<u64>,
}

/// A delivery that nobody has taken.
pub(super) struct Fetched {
    pub acker: Acker,
    pub envelope: Envelope,
    pub deliveries: u32,
    pub death: Option<Death>,
}

/// Moves deliveries from the client into the buffer.
pub(super) struct Pump(mpsc::UnboundedReceiver<oneshot::Sender<()>>);

impl Intake {
    pub fn new(queue: Queue, prefetch: u16, delivery_limit: u32, over: Arc<Over>) -> (Self, Pump) {
        let (sync, asked) = mpsc::unbounded_channel();
        let intake = Intake {
            queue,
            prefetch,
            delivery_limit,
            over,
            channel: OnceLock::new(),
            buffer: Mutex::default(),
            arrived: Notify::new(),
            sync,
            settled: AtomicU64::new(0),
            seen: tokio::sync::Mutex::new(0),
        };
        (intake, Pump(asked))
    }

    /// Starts the consumer and serves it. Returns only by failing the session.
    pub async fn run(&self, channel: lapin::Result<Channel>, pump: Pump) {
        let problem = match self.pump(channel, pump).await {
            Err(e) => trouble::serving(&self.over.server, &format!("the queue {}", self.queue), e),
            // The server says so when the queue is deleted or its leader is lost.
            Ok(()) => trouble::stale(
                &self.over.server,
                &format!("it ended our consumer of {}", self.queue),
            ),
        };
        self.over.fail(problem);
    }

    async fn pump(&self, channel: lapin::Result<Channel>, mut pump: Pump) -> lapin::Result<()> {
        let channel = channel?;
        self.qos(&channel).await?;
        let consume = BasicConsumeOptions::default();
        let mut consumer = channel
            .basic_consume(
                self.queue.to_string().into(),
                "".into(),
                consume,
                FieldTable::default(),
            )
            .await?;
        // Err: never, it is set here only.
        let _ = self.channel.set(channel);
        loop {
            tokio::select! {
                biased;
                delivery = consumer.next() => match delivery {
                    Some(delivery) => self.push(delivery?),
                    None => return Ok(()),
                },
                // Err: nobody waits any more.
                Some(asked) = pump.0.recv() => {
                    let _ = asked.send(());
                }
            }
        }
    }

    fn push(&self, delivery: lapin::message::Delivery) {
        let properties = &delivery.properties;
        let death = (self.queue == Queue::Dead)
            .then(|| headers::death(properties.headers().as_ref(), self.delivery_limit))
            .flatten();
        let fetched = Fetched {
            deliveries: headers::deliveries(properties),
            death,
            envelope: Envelope::from_bytes(delivery.data),
            acker: delivery.acker,
        };
        self.buffer().push_back(fetched);
        self.arrived.notify_one();
    }

    fn buffer(&self) -> MutexGuard<'_, VecDeque<Fetched>> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next delivery. Dropping the future loses nothing.
    pub async fn take(&self) -> Fetched {
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            {
                let mut buffer = self.buffer();
                if let Some(fetched) = buffer.pop_front() {
                    if !buffer.is_empty() {
                        self.arrived.notify_one();
                    }
                    return fetched;
                }
            }
            arrived.await;
        }
    }

    /// The consumer's channel, where there is one already.
    pub fn channel(&self) -> Option<&Channel> {
        self.channel.get()
    }

    /// How many deliveries nobody has taken, once everything that the server sent before is here.
    pub async fn waiting(&self) -> lapin::Result<u64> {
        self.arrive().await?;
        Ok(self.buffer().len() as u64)
    }

    /// Settles what nobody has taken.
    pub async fn drop_waiting(&self) -> lapin::Result<u64> {
        self.arrive().await?;
        let dropped = std::mem::take(&mut *self.buffer());
        for fetched in &dropped {
            fetched.acker.ack(BasicAckOptions::default()).await?;
        }
        self.settled().await?;
        Ok(dropped.len() as u64)
    }

    /// Waits until everything that the server sent before is in the buffer.
    async fn arrive(&self) -> lapin::Result<()> {
        let Some(channel) = self.channel() else {
            return Ok(());
        };
        self.qos(channel).await?;
        let (reply, done) = oneshot::channel();
        if self.sync.send(reply).is_ok() {
            // Err: the pump has ended, and the session with it.
            let _ = done.await;
        }
        Ok(())
    }

    /// Waits until the server has seen every settlement that was sent before. One question is enough for all that
    /// wait.
    pub async fn settled(&self) -> lapin::Result<()> {
        let mine = self.settled.fetch_add(1, Ordering::SeqCst) + 1;
        let mut seen = self.seen.lock().await;
        if *seen >= mine {
            return Ok(());
        }
        let all = self.settled.load(Ordering::SeqCst);
        if let Some(channel) = self.channel() {
            self.qos(channel).await?;
        }
        *seen = all;
        Ok(())
    }

    /// Also the cheapest question on a channel: the answer comes after what was sent before, in both directions. It
    /// changes nothing for a consumer that exists.
    async fn qos(&self, channel: &Channel) -> lapin::Result<()> {
        channel
            .basic_qos(self.prefetch, BasicQosOptions { global: false })
            .await
    }
}

/// Gives a delivery back.
pub(super) async fn give_back(acker: &Acker) -> lapin::Result<bool> {
    let requeue = BasicNackOptions {
        requeue: true,
        multiple: false,
    };
    acker.nack(requeue).await
}

/// As [`give_back`], where nobody can wait: the first poll hands it to the client.
pub(super) fn give_back_now(acker: &Acker) {
    _ = give_back(acker).now_or_never();
}
