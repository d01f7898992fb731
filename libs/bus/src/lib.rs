//! The queue: publishing and consuming the messages of [`proto::message`], sealed, over any [`Backend`].
//!
//! The only crate that knows a queue. It knows nothing of what the messages mean, and no service knows which backend
//! it runs on: the composition root makes a [`Bus`], a service calls [`Bus::publish`] and [`consume`].

#[cfg(feature = "amqp")]
pub mod amqp;
mod backend;
mod consume;
mod dead;
mod drive;
pub mod embedded;
mod envelope;
mod error;
pub mod faulty;
mod keys;
pub mod memory;
mod pause;
mod seal;
mod shelf;
#[cfg(feature = "suite")]
pub mod suite;
mod topology;

use std::sync::Arc;

use proto::message::Body;
use runtime::{metrics, trace};
use tokio::time::Instant;
use tracing::Instrument as _;

pub use backend::{Backend, Death, Delivery, Settle, Tag};
pub use consume::{Outcome, Received, consume};
pub use dead::{DeadLetter, consume_dead};
pub use drive::ConsumeOptions;
pub use envelope::{Envelope, EnvelopeError, MAX_BYTES};
pub use error::{PublishError, ReceiveError, Source};
pub use keys::Keys;
pub use seal::{OpenError, Opened, SealError};
pub use topology::Topology;

/// A queue and the keys that its messages are sealed with.
#[derive(Clone)]
pub struct Bus {
    backend: Arc<dyn Backend>,
    keys: Arc<Keys>,
}

impl Bus {
    /// A bus over this backend.
    pub fn new(backend: Arc<dyn Backend>, keys: Keys) -> Bus {
        Bus {
            backend,
            keys: Arc::new(keys),
        }
    }

    /// Seals a message, hands it to the queue it belongs on, and returns when the queue has confirmed it. Callers
    /// keep a window of these under way: one at a time is about twenty times slower. Waits while the queue is full.
    ///
    /// # Errors
    /// See [`PublishError`]; after one that is retryable, the message may be on the queue or not.
    pub async fn publish(&self, body: &Body) -> Result<(), PublishError> {
        let queue = body.queue()?;
        let name = queue.to_string();
        let (span, began) = (trace::send(&name), Instant::now());
        let publish = async {
            let envelope = self.keys.seal(body)?;
            let envelope = envelope.with_trace(trace::current().map(Into::into));
            self.backend.publish(&queue, envelope).await
        };
        let published = publish.instrument(span.clone()).await;
        let failed = published.as_ref().err().map(PublishError::kind);
        trace::ended(&span, failed);
        metrics::messages::sent(&name, began.elapsed(), failed);
        published
    }

    /// The backend, for what is not about messages: depths, closing.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
