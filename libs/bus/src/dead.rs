//! Consuming what could not be handled.

use proto::message::{Body, Label, Queue};
use runtime::{CancellationToken, Problem, metrics, trace};

use crate::Bus;
use crate::backend::{Death, Delivery, Settle};
use crate::consume::told;
use crate::drive::{ConsumeOptions, drive};

/// A message that could not be handled.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// What its header says, if that can be read. **Not proven** when `body` is none: anybody who can write to the
    /// queue may have made it up.
    pub label: Option<Label>,
    /// The queue that it comes from.
    pub queue: Queue,
    /// Why it could not be handled.
    pub reason: String,
    /// Its content, if it can be opened.
    pub body: Option<Body>,
}

/// Hands the messages of [`Queue::Dead`] to `handler` until `stop`. When it fails or panics, it is called again for
/// the same letter after a while: there is no other place to go to.
///
/// # Errors
/// When the queue doesn't exist or was closed.
pub async fn consume_dead<H, F, E>(
    bus: &Bus,
    stop: CancellationToken,
    handler: H,
) -> Result<(), Problem>
where
    H: Fn(DeadLetter) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let keys = bus.keys.clone();
    let work = move |delivery: Delivery| {
        let span = trace::process(
            &Queue::Dead.to_string(),
            delivery.envelope.trace().map(AsRef::as_ref),
        );
        let death = delivery.death.clone();
        // Only a stranger writes to this queue without a reason.
        let death = death.unwrap_or(Death {
            queue: Queue::Dead,
            reason: "published to the queue of the dead".into(),
        });
        let letter = DeadLetter {
            label: delivery.envelope.label().ok(),
            queue: death.queue,
            reason: death.reason,
            body: keys.open(&delivery.envelope).ok().map(|o| o.body),
        };
        metrics::messages::dead(&letter.queue.to_string(), letter.body.is_some());
        let call = span.in_scope(|| handler(letter));
        let work = async move { call.await.map(|()| Settle::Done) };
        told(Queue::Dead.to_string(), span, work)
    };
    let options = ConsumeOptions {
        prefetch: 1,
        ..Default::default()
    };
    drive(&bus.backend, &Queue::Dead, options, &stop, work).await
}
