//! One session: two connections, from their opening to the first thing that goes wrong.
//!
//! Two, because the server stops reading a connection that publishes while it is short of memory: settlements on the
//! same one would wait too, and nothing would ever get less.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _};
use lapin::options::{
    BasicAckOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions,
    QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Event, ExchangeKind};
use proto::message::Queue;
use runtime::error::Chain;
use runtime::{CancellationToken, Problem};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::config::Config;
use super::definitions::exchange;
use super::hands::{Hand, Hands};
use super::headers;
use super::intake::{Intake, give_back, give_back_now};
use super::link::Link;
use super::publish::{Fate, Job, Publisher, Unconfirmed};
use super::trouble;
use crate::backend::{Death, Delivery, Settle, Tag};
use crate::envelope::Envelope;
use crate::error::ReceiveError;
use crate::topology::Topology;

/// For the answers to one round of questions.
const ANSWER: Duration = Duration::from_secs(10);
/// For the confirms that are under way when we stop.
const FLUSH: Duration = Duration::from_secs(5);

/// Ends a session: the first problem counts.
pub(super) struct Over {
    pub server: String,
    ended: CancellationToken,
    why: Mutex<Option<Problem>>,
}

impl Over {
    pub fn fail(&self, problem: Problem) {
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.ended.is_cancelled() {
            *why = Some(problem);
            self.ended.cancel();
        }
    }

    pub fn ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    pub async fn wait(&self) {
        self.ended.cancelled().await;
    }

    fn why(&self) -> Option<Problem> {
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.take()
    }
}

/// See the [module](self).
pub(super) struct Session {
    pub over: Arc<Over>,
    topology: Arc<Topology>,
    prefetch: u16,
    consuming: Arc<Link>,
    publishing: Arc<Link>,
    /// For questions, one on each connection.
    questions: Channel,
    publisher_questions: Channel,
    /// None while closing.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    blocked: watch::Receiver<bool>,
    unconfirmed: Unconfirmed,
    intakes: Mutex<BTreeMap<Queue, Arc<Intake>>>,
    hands: Hands,
    publisher: Mutex<JoinSet<()>>,
    tasks: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Connects, and looks whether everything that we need is declared.
    pub async fn open(config: &Config, topology: &Arc<Topology>) -> Result<Session, Problem> {
        let server = config.server();
        let (consuming, publishing) = tokio::try_join!(
            Link::open(config, "consumes"),
            Link::open(config, "publishes")
        )?;
        let over = Arc::new(Over {
            server: server.clone(),
            ended: CancellationToken::new(),
            why: Mutex::default(),
        });
        let (block, blocked) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(watch_events(consuming.events(), over.clone(), None));
        tasks.spawn(watch_events(publishing.events(), over.clone(), Some(block)));
        let channels = async {
            let questions = consuming.connection.create_channel().await?;
            let publisher_questions = publishing.connection.create_channel().await?;
            let channel = publishing.connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok((questions, publisher_questions, channel))
        };
        let (questions, publisher_questions, channel) = answered(&server, channels)
            .await?
            .map_err(|e| trouble::serving(&server, "a channel", e))?;
        let (jobs, received) = mpsc::channel(config.publish_window);
        let unconfirmed = Unconfirmed::default();
        let publisher = Publisher {
            unconfirmed: unconfirmed.clone(),
            channel,
            window: config.publish_window,
            blocked: blocked.clone(),
            over: over.clone(),
        };
        let mut publishers = JoinSet::new();
        publishers.spawn(publisher.run(received));
        let session = Session {
            over,
            topology: topology.clone(),
            prefetch: config.prefetch,
            consuming: Arc::new(consuming),
            publishing: Arc::new(publishing),
            questions,
            publisher_questions,
            jobs: Mutex::new(Some(jobs)),
            blocked,
            unconfirmed,
            intakes: Mutex::default(),
            hands: Hands::default(),
            publisher: Mutex::new(publishers),
            tasks: Mutex::new(tasks),
        };
        answered(&server, session.look()).await??;
        Ok(session)
    }

    /// How long messages have waited for the queue server, and none was confirmed.
    pub fn unconfirmed(&self) -> Option<Duration> {
        self.unconfirmed.waits()
    }

    /// The queues that are read, and whether the server knows the consumer.
    pub fn consumers(&self) -> BTreeMap<Queue, bool> {
        let intakes = lock(&self.intakes);
        let known =
            |(queue, intake): (&Queue, &Arc<Intake>)| (queue.clone(), intake.channel().is_some());
        intakes.iter().map(known).collect()
    }

    /// Waits for the end, and asks now and then whether it has come unnoticed. None when `stop` ended it.
    pub async fn serve(&self, every: Duration, stop: &CancellationToken) -> Option<Problem> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = self.over.wait() => return self.over.why(),
                () = tokio::time::sleep(every) => {}
            }
            let looked = answered(&self.over.server, async {
                self.look().await?;
                self.look_at_consumers().await
            });
            if let Err(problem) = looked.await.and_then(|looked| looked) {
                self.over.fail(problem);
            }
        }
    }

    /// What `call` answers; none when the session ends first: the client leaves some calls on a dead connection
    /// without an answer.
    pub async fn while_up<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = call => Some(answer),
            () = self.over.wait() => None,
        }
    }

    /// Whether everything that we need is declared.
    async fn look(&self) -> Result<(), Problem> {
        for queue in &self.topology.queues {
            self.ask(&self.questions, queue).await?;
        }
        // A connection that is blocked answers nothing.
        if *self.blocked.borrow() {
            return Ok(());
        }
        let passive = ExchangeDeclareOptions {
            passive: true,
            ..Default::default()
        };
        for queue in &self.topology.queues {
            let name = exchange(queue);
            self.publisher_questions
                .exchange_declare(
                    name.clone().into(),
                    ExchangeKind::Direct,
                    passive,
                    FieldTable::default(),
                )
                .await
                .map_err(|e| trouble::serving(&self.over.server, &format!("exchange {name}"), e))?;
        }
        Ok(())
    }

    /// Whether our consumers exist: after some failures, clients have been seen connected and consuming nothing.
    async fn look_at_consumers(&self) -> Result<(), Problem> {
        let intakes: Vec<_> = lock(&self.intakes).values().cloned().collect();
        for intake in intakes {
            let Some(channel) = intake.channel() else {
                continue;
            };
            let what = format!("the queue {}", intake.queue);
            intake
                .settled()
                .await
                .map_err(|e| trouble::serving(&self.over.server, &what, e))?;
            let (_, consumers) = self.ask(channel, &intake.queue).await?;
            if consumers == 0 {
                let what = format!("the server doesn't know our consumer of {}", intake.queue);
                return Err(trouble::stale(&self.over.server, &what));
            }
        }
        Ok(())
    }

    /// How many messages and consumers the queue has.
    async fn ask(&self, channel: &Channel, queue: &Queue) -> Result<(u32, u32), Problem> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..Default::default()
        };
        let declared = channel
            .queue_declare(queue.to_string().into(), passive, FieldTable::default())
            .await;
        let known = declared
            .map_err(|e| trouble::serving(&self.over.server, &format!("queue {queue}"), e))?;
        Ok((known.message_count(), known.consumer_count()))
    }

    /// Whether the server takes no messages now.
    pub fn is_blocked(&self) -> bool {
        *self.blocked.borrow()
    }

    /// Publishes; none when the session ended before it was known what became of the message.
    pub async fn publish(
        &self,
        queue: &Queue,
        envelope: Envelope,
        headers: FieldTable,
    ) -> Option<Fate> {
        let jobs = lock(&self.jobs).clone()?;
        let (reply, fate) = oneshot::channel();
        let job = Job {
            queue: queue.clone(),
            envelope,
            headers,
            reply,
        };
        jobs.send(job).await.ok()?;
        drop(jobs);
        let fate = fate.await.ok()?;
        if matches!(fate, Fate::Returned) {
            let what = format!("queue {queue} behind the exchange {}", exchange(queue));
            self.over.fail(trouble::missing(&self.over.server, &what));
        }
        Some(fate)
    }

    /// The reader of a queue, which is started when there is none.
    pub fn intake(&self, queue: &Queue) -> Arc<Intake> {
        let mut intakes = lock(&self.intakes);
        if let Some(intake) = intakes.get(queue) {
            return intake.clone();
        }
        let limit = self.topology.delivery_limit;
        let (intake, pump) = Intake::new(queue.clone(), self.prefetch, limit, self.over.clone());
        let intake = Arc::new(intake);
        intakes.insert(queue.clone(), intake.clone());
        let (link, task) = (self.consuming.clone(), intake.clone());
        lock(&self.tasks).spawn(async move {
            let channel = link.connection.create_channel().await;
            task.run(channel, pump).await;
        });
        intake
    }

    /// Waits for the next message of a queue; none when the session ends.
    pub async fn next(&self, queue: &Queue, tag: impl FnOnce() -> Tag) -> Option<Delivery> {
        let intake = self.intake(queue);
        let fetched = tokio::select! {
            biased;
            () = self.over.wait() => return None,
            fetched = intake.take() => fetched,
        };
        let tag = tag();
        let hand = Hand {
            intake,
            acker: fetched.acker,
            envelope: fetched.envelope.clone(),
            settling: false,
        };
        self.hands.insert(tag, hand);
        Some(Delivery {
            tag,
            envelope: fetched.envelope,
            deliveries: fetched.deliveries,
            death: fetched.death,
        })
    }

    pub async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        let settling = self.hands.settle(tag).ok_or(ReceiveError::NotInHand)?;
        let Hand {
            intake,
            acker,
            envelope,
            ..
        } = settling.hand.clone();
        let acked = match how {
            // There is nowhere to go from the queue of the dead.
            Settle::Dead(_) | Settle::GiveBack if intake.queue == Queue::Dead => {
                give_back(&acker).await
            }
            Settle::GiveBack => give_back(&acker).await,
            Settle::Done => acker.ack(BasicAckOptions::default()).await,
            Settle::Dead(reason) => {
                let death = Death {
                    queue: intake.queue.clone(),
                    reason,
                };
                self.bury(&death, envelope).await?;
                acker.ack(BasicAckOptions::default()).await
            }
        };
        settling.done();
        let sent = matches!(acked, Ok(true));
        // What a session could not tell before it ended comes again.
        if sent && intake.settled().await.is_ok() {
            Ok(())
        } else {
            Err(ReceiveError::NotInHand)
        }
    }

    /// First there, then gone here: in between, it is in both places.
    async fn bury(&self, death: &Death, envelope: Envelope) -> Result<(), ReceiveError> {
        let headers = headers::of_death(death);
        let why = match self.publish(&Queue::Dead, envelope, headers).await {
            Some(Fate::Stored) => return Ok(()),
            Some(Fate::Lost(e)) => e.into(),
            Some(Fate::Full | Fate::Returned) => "the queue of the dead refuses a message".into(),
            None => "the session ended".into(),
        };
        Err(ReceiveError::Unavailable(why))
    }

    pub fn abandon(&self, tag: Tag) {
        if let Some(settling) = self.hands.settle(tag) {
            give_back_now(&settling.hand.acker);
            settling.done();
        }
    }

    /// Messages in the queue, without those that other processes have in hand: RabbitMQ doesn't tell them.
    pub async fn depth(&self, queue: &Queue) -> Result<u64, Problem> {
        let intake = lock(&self.intakes).get(queue).cloned();
        let mut depth = self.hands.count(queue);
        let channel = intake.as_ref().and_then(|i| i.channel());
        let (ready, _) = self.ask(channel.unwrap_or(&self.questions), queue).await?;
        depth += u64::from(ready);
        if let Some(intake) = &intake {
            let waiting = intake.waiting().await;
            depth += waiting.map_err(|e| self.failed(queue, e))?;
        }
        Ok(depth)
    }

    pub async fn purge(&self, queue: &Queue) -> Result<u64, Problem> {
        let intake = lock(&self.intakes).get(queue).cloned();
        let channel = intake.as_ref().and_then(|i| i.channel());
        let purged = channel
            .unwrap_or(&self.questions)
            .queue_purge(queue.to_string().into(), QueuePurgeOptions::default())
            .await;
        let mut purged = u64::from(purged.map_err(|e| self.failed(queue, e))?);
        if let Some(intake) = &intake {
            let waiting = intake.drop_waiting().await;
            purged += waiting.map_err(|e| self.failed(queue, e))?;
        }
        Ok(purged)
    }

    fn failed(&self, queue: &Queue, error: lapin::Error) -> Problem {
        trouble::serving(&self.over.server, &format!("the queue {queue}"), error)
    }

    /// Finishes what is under way and says good-bye; the server gives back what is in hand.
    pub async fn close(&self) {
        // No more jobs: the publisher ends after its last confirm.
        drop(lock(&self.jobs).take());
        let mut publisher = std::mem::take(&mut *lock(&self.publisher));
        // Err: what was not confirmed by now, its publishers publish again.
        let _ = timeout(FLUSH, publisher.join_next()).await;
        tokio::join!(self.publishing.close(), self.consuming.close());
    }

    /// Ends both connections at once.
    pub fn cut(&self) {
        self.publishing.cut();
        self.consuming.cut();
    }
}

/// What the server says in time.
async fn answered<T>(server: &str, answer: impl Future<Output = T>) -> Result<T, Problem> {
    timeout(ANSWER, answer)
        .await
        .map_err(|_| trouble::stale(server, "the server doesn't answer"))
}

async fn watch_events(
    events: impl Stream<Item = Event>,
    over: Arc<Over>,
    block: Option<watch::Sender<bool>>,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                let problem = trouble::blocked(&over.server, &reason);
                tracing::warn!(error = %Chain(&problem), "publishers wait");
                block.iter().for_each(|b| _ = b.send_replace(true));
            }
            Event::ConnectionUnblocked => {
                tracing::info!(server = %over.server, "the queue server takes messages again");
                block.iter().for_each(|b| _ = b.send_replace(false));
            }
            Event::Error(e) => over.fail(trouble::serving(&over.server, "what it serves", e)),
            _ => {}
        }
    }
}
