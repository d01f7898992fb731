//! Consuming messages.

use std::sync::Arc;

use proto::ids::Pool;
use proto::message::{Body, Label, Queue};
use runtime::{CancellationToken, Problem, metrics, trace};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::Bus;
use crate::backend::{Delivery, Settle};
use crate::drive::{ConsumeOptions, drive};
use crate::keys::Keys;
use crate::seal::OpenError;

/// A message that was opened and understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// What its header says; the same as the body.
    pub label: Label,
    /// The message.
    pub body: Body,
    /// The pool whose key sealed it: a tenant of another pool is to be refused. None for closings, and where one
    /// process serves all pools.
    pub pool: Option<Pool>,
    /// How often it was handed out, this time included.
    pub deliveries: u32,
}

/// What became of a message. An error instead means that it can't be handled *now*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its effects are durable.
    Done,
    /// It can never be handled, for this reason (which must quote nothing of its content).
    Reject(String),
}

/// Hands the queue's messages to `handler` until `stop`, up to `options.prefetch` at a time, then finishes what is in
/// hand and returns; the caller bounds that, and dropping the future gives back what is left.
///
/// An error of the handler keeps the delivery in hand, pauses this consumer and calls the handler again after a
/// while. A panic gives it back; after the queue's delivery limit it goes to [`Queue::Dead`]. So does, at once and
/// alone, a message that can't be opened or understood, that lies on a queue where it doesn't belong, or that the
/// handler rejects.
///
/// # Errors
/// When the queue doesn't exist or was closed.
pub async fn consume<H, F, E>(
    bus: &Bus,
    queue: Queue,
    options: ConsumeOptions,
    stop: CancellationToken,
    handler: H,
) -> Result<(), Problem>
where
    H: Fn(Received) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Outcome, E>> + Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let (keys, from) = (bus.keys.clone(), queue.clone());
    let work = move |delivery: Delivery| {
        // Opened again for each try: that is rare, and holding a second copy of each body would not be.
        let span = trace::process(
            &from.to_string(),
            delivery.envelope.trace().map(AsRef::as_ref),
        );
        let called = span.in_scope(|| open(&keys, &from, &delivery).map(&handler));
        let queue = from.to_string();
        let work = async move {
            let work = match called {
                Ok(call) => call.await.inspect(|outcome| {
                    if let Outcome::Reject(_) = outcome {
                        metrics::messages::refused(&queue, "rejected");
                    }
                }),
                Err(refused) => {
                    metrics::messages::refused(&queue, refused.reason());
                    let (code, reason) = ("LW-2050", refused.to_string());
                    tracing::error!(
                        code,
                        queue,
                        reason,
                        "a message is not what a service has sealed for this queue"
                    );
                    Ok(Outcome::Reject(reason))
                }
            };
            work.map(Settle::from)
        };
        told(from.to_string(), span, work)
    };
    drive(&bus.backend, &queue, options, &stop, work).await
}

/// Counts a message that is worked on, and says how that ended.
pub(crate) async fn told<T, E>(
    queue: String,
    span: Span,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let began = Instant::now();
    let done = work.instrument(span.clone()).await;
    let failed = done.is_err().then_some("again");
    trace::ended(&span, failed);
    metrics::messages::processed(&queue, began.elapsed(), failed);
    done
}

fn open(keys: &Arc<Keys>, queue: &Queue, delivery: &Delivery) -> Result<Received, OpenError> {
    let opened = keys.open(&delivery.envelope)?;
    // Whoever operates the queue server can move messages between queues.
    if opened.body.queue().ok().as_ref() != Some(queue) {
        return Err(OpenError::Misplaced(queue.clone()));
    }
    Ok(Received {
        label: opened.label,
        body: opened.body,
        pool: opened.pool,
        deliveries: delivery.deliveries,
    })
}

impl From<Outcome> for Settle {
    fn from(outcome: Outcome) -> Settle {
        match outcome {
            Outcome::Done => Settle::Done,
            Outcome::Reject(reason) => Settle::Dead(reason),
        }
    }
}
