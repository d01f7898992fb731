//! The loop of every consumer: take, work, settle; pause, give back, stop.

use std::sync::Arc;
use std::time::Duration;

use proto::message::Queue;
use proto::rules::{Rule, on};
use runtime::error::Chain;
use runtime::retry::Backoff;
use runtime::{CancellationToken, Problem};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::backend::{Backend, Delivery, Settle, Tag};
use crate::error::ReceiveError;
use crate::pause::Pause;

/// How to consume.
#[derive(Clone, Copy, Debug)]
pub struct ConsumeOptions {
    /// Deliveries in hand at a time.
    pub prefetch: usize,
    /// Delays while the handler fails.
    pub backoff: Backoff,
    /// A delivery whose handler has failed for so long is given back. RabbitMQ closes the channel of a consumer
    /// that holds one for 30 minutes.
    pub hold: Duration,
    /// Spreads the delays.
    pub seed: u64,
}

impl Default for ConsumeOptions {
    fn default() -> Self {
        ConsumeOptions {
            prefetch: 16,
            backoff: Backoff {
                base: Duration::from_millis(500),
                max: Duration::from_secs(30),
            },
            hold: Duration::from_secs(15 * 60),
            seed: 0,
        }
    }
}

/// Runs `work` on the queue's deliveries until `stop`, then finishes what is in hand. Dropped earlier, it gives that
/// back.
pub(crate) async fn drive<W, F, E>(
    backend: &Arc<dyn Backend>,
    queue: &Queue,
    options: ConsumeOptions,
    stop: &CancellationToken,
    work: W,
) -> Result<(), Problem>
where
    W: Fn(Delivery) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Settle, E>> + Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let pause = Arc::new(Pause::new(options.backoff, options.seed));
    let mut hands = JoinSet::new();
    let (mut failures, mut not_before) = (0, Instant::now());
    // Kept while hands come and go: beginning again each time would read the same message again and again.
    let mut taking = None;
    loop {
        if taking.is_none() && hands.len() < options.prefetch.max(1) {
            taking = Some(Box::pin(take(backend, queue, &pause, not_before)));
        }
        let next = async {
            match &mut taking {
                Some(taking) => taking.await,
                None => std::future::pending().await,
            }
        };
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = hands.join_next() => {
                if note_panic(queue, ended) && *queue == Queue::Dead {
                    // It comes again without end: there is nowhere else to go.
                    not_before = Instant::now() + pause.delay(0);
                    taking = None;
                }
                continue;
            }
            taken = next => taken,
        };
        taking = None;
        match taken {
            Ok(delivery) => {
                failures = 0;
                let hand = Hand {
                    backend: backend.clone(),
                    tag: Some(delivery.tag),
                    pause: pause.clone(),
                };
                let task = work_and_settle(
                    hand,
                    delivery,
                    work.clone(),
                    options.hold,
                    stop.clone(),
                    queue.clone(),
                );
                hands.spawn(task);
            }
            Err(e) if e.is_retryable() => {
                tracing::warn!(%queue, error = %Chain(&e), "the queue can't be read; trying again");
                not_before = Instant::now() + pause.delay(failures);
                failures += 1;
            }
            Err(e) => {
                while let Some(ended) = hands.join_next().await {
                    note_panic(queue, ended);
                }
                return Err(e.into());
            }
        }
    }
    drop(taking);
    while let Some(ended) = hands.join_next().await {
        note_panic(queue, ended);
    }
    Ok(())
}

/// The next delivery, while nothing fails. Dropping the future loses nothing.
async fn take(
    backend: &Arc<dyn Backend>,
    queue: &Queue,
    pause: &Pause,
    not_before: Instant,
) -> Result<Delivery, ReceiveError> {
    sleep_until(not_before).await;
    loop {
        pause.over().await;
        tokio::select! {
            biased;
            () = pause.begun() => {}
            next = backend.next(queue) => return next,
        }
    }
}

/// Whether the handler crashed.
fn note_panic(queue: &Queue, ended: Result<(), JoinError>) -> bool {
    if ended.is_err() {
        // Not the panic's text: it may quote a message.
        tracing::error!(%queue, "a handler crashed; its message was given back");
    }
    ended.is_err()
}

async fn work_and_settle<W, F, E>(
    mut hand: Hand,
    delivery: Delivery,
    work: W,
    hold: Duration,
    stop: CancellationToken,
    queue: Queue,
) where
    W: Fn(Delivery) -> F,
    F: Future<Output = Result<Settle, E>>,
    E: std::error::Error + 'static,
{
    if !on(Rule::AckAfterCommit) {
        hand.settle(Settle::Done, &queue).await;
    }
    let until = Instant::now() + hold;
    let how = loop {
        match work(delivery.clone()).await {
            Ok(how) => {
                hand.pause.succeeded();
                break how;
            }
            Err(e) => {
                hand.pause.failed();
                tracing::warn!(%queue, error = %Chain(&e), "a message can't be handled now; trying again");
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break Settle::GiveBack,
            () = sleep_until(until) => {
                // Another delivery finds out whether the stage works again.
                hand.pause.succeeded();
                break Settle::GiveBack;
            }
            () = hand.pause.turn() => {}
        }
    };
    if let Settle::Dead(reason) = &how {
        tracing::warn!(%queue, label = ?delivery.envelope.label().ok(), reason, "a message was rejected");
    }
    hand.settle(how, &queue).await;
}

/// A delivery that goes back when its task ends without settling it, be it by a panic.
struct Hand {
    backend: Arc<dyn Backend>,
    tag: Option<Tag>,
    pause: Arc<Pause>,
}

impl Hand {
    /// Tries a few times; then the message comes again, which is allowed.
    async fn settle(&mut self, how: Settle, queue: &Queue) {
        let Some(tag) = self.tag else { return };
        for attempt in 0..5 {
            match self.backend.settle(tag, how.clone()).await {
                Err(e) if e.is_retryable() => {
                    tracing::warn!(%queue, error = %Chain(&e), "a message can't be settled; trying again");
                    tokio::time::sleep(self.pause.delay(attempt)).await;
                }
                Err(e) => {
                    tracing::debug!(%queue, error = %Chain(&e), "a message was not settled");
                    break;
                }
                Ok(()) => {
                    self.tag = None;
                    return;
                }
            }
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(tag) = self.tag {
            self.backend.abandon(tag);
        }
    }
}
