//! The queue of a distributed installation: RabbitMQ.
//!
//! **A visible session loop.** [connect → look at the topology → serve until something goes wrong → wait → again].
//! Nothing recovers beneath it: whatever fails (a connection, a channel, a consumer that the server ended, a question
//! that is not answered) ends the session, is logged once with its code, and a new one begins. What was in hand comes
//! again, and its old [`Tag`] settles nothing any more.
//!
//! **Nothing is declared here.** The [`definitions`] are imported by whoever runs the server; services look whether
//! the queues exist. One of *our* queues that is missing there counts as an outage: publishers get
//! [`Unconfirmed`](PublishError::Unconfirmed), consumers wait. A queue that is not in the [`Topology`] is
//! [`Unroutable`](PublishError::Unroutable).
//!
//! **What is approximate.** RabbitMQ's limits are soft: a queue takes some more than allowed, and takes messages
//! again when a fifth is gone; messages in hand don't count. What is given back may be overtaken by what this
//! process had fetched already. A session that ends counts one delivery more for each message that was fetched,
//! also those that no handler has seen. [`depth`](Backend::depth) doesn't see what other processes have in hand.
//!
//! **Versions.** Tried on RabbitMQ 3.10. Used is only what 4.x documents too (prefetch per consumer, durable quorum
//! queues, an explicit delivery limit); not tried there: whether giving back counts as a delivery in the same way,
//! and how soft the limits are.

mod config;
mod definitions;
mod hands;
mod headers;
mod intake;
mod link;
mod publish;
mod session;
mod trouble;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lapin::types::FieldTable;
use proto::message::Queue;
use runtime::error::Chain;
use runtime::retry::Backoff;
use runtime::{CancellationToken, Problem};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::backend::{Backend, Delivery, Settle, Tag};
use crate::envelope::Envelope;
use crate::error::{PublishError, ReceiveError, Source};
use crate::topology::Topology;
use publish::{Fate, Lane, Lanes};
use session::Session;

pub use config::Config;
pub use definitions::{Account, Permission, Role, definitions, exchange};

/// Between two sessions.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(250),
    max: Duration::from_secs(10),
};
/// A queue server that confirms nothing for so long is not there for us.
const CONFIRM: Duration = Duration::from_secs(30);
/// How long a call waits for a session before it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// See the [module](self). Dropped without [`close`](Backend::close), it cuts its connections.
pub struct Amqp {
    shared: Arc<Shared>,
    lanes: Lanes,
    last_tag: AtomicU64,
    keeper: Mutex<JoinSet<()>>,
}

struct Shared {
    config: Config,
    topology: Arc<Topology>,
    state: watch::Sender<State>,
    closed: CancellationToken,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Arc<Session>),
    Down(String),
}

impl Amqp {
    /// Tries to connect, and returns when that has succeeded or failed once: a service starts without its queue
    /// server, says so in its log and by [`ready`](Self::ready), and connects when the server is there.
    ///
    /// # Errors
    /// `LW-1040` when the configuration is wrong.
    pub async fn connect(config: Config, topology: Topology) -> Result<Amqp, Problem> {
        config.check()?;
        let shared = Arc::new(Shared {
            config,
            topology: Arc::new(topology),
            state: watch::Sender::new(State::Connecting),
            closed: CancellationToken::new(),
        });
        let lanes = Lanes::new(&shared.topology);
        let mut first = shared.state.subscribe();
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(shared.clone()));
        // Err: never, we hold the sender.
        let _ = first.wait_for(|s| !matches!(s, State::Connecting)).await;
        Ok(Amqp {
            shared,
            lanes,
            last_tag: AtomicU64::new(0),
            keeper: Mutex::new(keeper),
        })
    }

    /// Whether messages can be published and consumed now.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn ready(&self) -> Result<(), String> {
        match &*self.shared.state.borrow() {
            _ if self.shared.closed.is_cancelled() => Err("the queue is closed".into()),
            State::Connecting => Err("connecting to the queue server".into()),
            State::Down(why) => Err(why.clone()),
            State::Up(session) if session.over.ended() => Err("the session ended".into()),
            State::Up(session) if session.is_blocked() => {
                Err("the queue server takes no messages: it is short of memory or disk".into())
            }
            State::Up(session) => match session.unconfirmed() {
                Some(waits) if waits > CONFIRM => Err(format!(
                    "the queue server has confirmed no message for {} seconds",
                    waits.as_secs()
                )),
                _ => Ok(()),
            },
        }
    }

    /// Whether everything that is to be read is: a connection alone says little.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn consuming(&self) -> Result<(), String> {
        let Some(session) = self.session_now() else {
            return Err("there is no session with the queue server".into());
        };
        let consumers = session.consumers();
        if consumers.is_empty() {
            return Err("no queue is read yet".into());
        }
        match consumers.iter().find(|(_, known)| !**known) {
            Some((queue, _)) => Err(format!(
                "the queue server knows no consumer of ours of {queue}"
            )),
            None => Ok(()),
        }
    }

    /// The session that is up now.
    fn session_now(&self) -> Option<Arc<Session>> {
        match &*self.shared.state.borrow() {
            State::Up(session) if !session.over.ended() => Some(session.clone()),
            _ => None,
        }
    }

    /// Waits for a session; none when closed.
    async fn session(&self) -> Option<Arc<Session>> {
        let mut state = self.shared.state.subscribe();
        loop {
            if self.shared.closed.is_cancelled() {
                return None;
            }
            state.mark_unchanged();
            if let Some(session) = self.session_now() {
                return Some(session);
            }
            tokio::select! {
                () = self.shared.closed.cancelled() => {}
                _ = state.changed() => {}
            }
        }
    }

    /// Waits for a session for a while.
    async fn session_soon(&self) -> Result<Option<Arc<Session>>, Source> {
        timeout(PATIENCE, self.session())
            .await
            .map_err(|_| self.ready().err().unwrap_or_default().into())
    }

    async fn publish_to(
        &self,
        lane: &Lane,
        queue: &Queue,
        envelope: Envelope,
    ) -> Result<(), PublishError> {
        let unconfirmed = |source| PublishError::Unconfirmed {
            queue: queue.clone(),
            source,
        };
        let (mut turn, mut tries) = (None, 0);
        loop {
            tokio::select! {
                biased;
                () = self.shared.closed.cancelled() => return Err(PublishError::Closed),
                () = lane.wait(&mut turn, tries) => {}
            }
            let session = self.session_soon().await.map_err(unconfirmed)?;
            let session = session.ok_or(PublishError::Closed)?;
            let headers = FieldTable::default();
            match session.publish(queue, envelope.clone(), headers).await {
                Some(Fate::Stored) => {
                    lane.set_full(false);
                    return Ok(());
                }
                Some(Fate::Full) => {
                    lane.set_full(true);
                    tries += 1;
                }
                Some(Fate::Returned) => {
                    return Err(unconfirmed(
                        "the queue server doesn't know the queue".into(),
                    ));
                }
                Some(Fate::Lost(e)) => return Err(unconfirmed(e.into())),
                None if self.shared.closed.is_cancelled() => return Err(PublishError::Closed),
                None => return Err(unconfirmed("the session ended".into())),
            }
        }
    }

    fn declared(&self, queue: &Queue) -> Result<(), ReceiveError> {
        if self.shared.topology.queues.contains(queue) {
            return Ok(());
        }
        Err(ReceiveError::Undeclared {
            queue: queue.clone(),
        })
    }

    async fn session_to_read(&self, queue: &Queue) -> Result<Arc<Session>, ReceiveError> {
        self.declared(queue)?;
        let session = self.session_soon().await;
        session
            .map_err(ReceiveError::Unavailable)?
            .ok_or(ReceiveError::Closed)
    }
}

#[async_trait]
impl Backend for Amqp {
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError> {
        let missing = || PublishError::Unroutable {
            queue: queue.clone(),
        };
        let lane = self.lanes.of(queue).ok_or_else(missing)?;
        self.publish_to(lane, queue, envelope).await
    }

    async fn next(&self, queue: &Queue) -> Result<Delivery, ReceiveError> {
        self.declared(queue)?;
        loop {
            let session = self.session().await.ok_or(ReceiveError::Closed)?;
            let tag = || Tag(self.last_tag.fetch_add(1, Ordering::SeqCst) + 1);
            tokio::select! {
                biased;
                () = self.shared.closed.cancelled() => return Err(ReceiveError::Closed),
                next = session.next(queue, tag) => if let Some(delivery) = next {
                    return Ok(delivery);
                },
            }
        }
    }

    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        // Without a session nothing is in hand.
        let session = self.session_now().ok_or(ReceiveError::NotInHand)?;
        let settled = session.while_up(session.settle(tag, how)).await;
        settled.unwrap_or(Err(ReceiveError::NotInHand))
    }

    fn abandon(&self, tag: Tag) {
        if let Some(session) = self.session_now() {
            session.abandon(tag);
        }
    }

    async fn depth(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        let session = self.session_to_read(queue).await?;
        let depth = session.while_up(session.depth(queue)).await;
        answer(depth)
    }

    async fn purge(&self, queue: &Queue) -> Result<u64, ReceiveError> {
        let session = self.session_to_read(queue).await?;
        let purged = session.while_up(session.purge(queue)).await;
        answer(purged)
    }

    async fn close(&self) {
        self.shared.closed.cancel();
        let mut keeper =
            std::mem::take(&mut *self.keeper.lock().unwrap_or_else(PoisonError::into_inner));
        while keeper.join_next().await.is_some() {}
    }
}

impl Drop for Amqp {
    fn drop(&mut self) {
        self.shared.closed.cancel();
        if let State::Up(session) = &*self.shared.state.borrow() {
            session.cut();
        }
    }
}

fn answer<T>(told: Option<Result<T, Problem>>) -> Result<T, ReceiveError> {
    match told {
        Some(told) => told.map_err(|e| ReceiveError::Unavailable(e.into())),
        None => Err(ReceiveError::Unavailable("the session ended".into())),
    }
}

/// Keeps a session up until the end.
async fn keep(shared: Arc<Shared>) {
    let (config, closed) = (&shared.config, &shared.closed);
    let mut random = fastrand::Rng::with_seed(std::process::id().into());
    let mut failures = 0;
    loop {
        let opening = Session::open(config, &shared.topology);
        let opened = tokio::select! {
            () = closed.cancelled() => return,
            opened = opening => opened,
        };
        let problem = match opened {
            Err(problem) => problem,
            Ok(session) => {
                let (session, begun) = (Arc::new(session), Instant::now());
                tracing::info!(server = %config.server(), "connected with the queue server");
                shared.state.send_replace(State::Up(session.clone()));
                let every = Duration::from_secs(config.check_seconds.into());
                let Some(problem) = session.serve(every, closed).await else {
                    session.close().await;
                    return;
                };
                session.cut();
                // Else a session that fails at once each time would be opened without a pause.
                if begun.elapsed() > BACKOFF.max {
                    failures = 0;
                }
                problem
            }
        };
        tracing::warn!(error = %Chain(&problem), "the queue can't be used");
        shared
            .state
            .send_replace(State::Down(Chain(&problem).to_string()));
        let pause = tokio::time::sleep(BACKOFF.delay(failures, random.f64()));
        failures += 1;
        tokio::select! {
            () = closed.cancelled() => return,
            () = pause => {}
        }
    }
}
