//! The queue with somebody who listens: every message that was published is kept as it was sealed.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bus::{Backend, Delivery, Envelope, Keys, PublishError, ReceiveError, Settle, Tag};
use proto::message::{Body, Queue};

/// See the [module](self); clones are one.
#[derive(Clone, Default)]
pub struct Overheard(Arc<Mutex<Vec<Envelope>>>);

impl Overheard {
    /// Wraps a queue.
    pub fn around(&self, inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(Listening {
            inner,
            heard: self.clone(),
        })
    }

    /// What was published since the last call, opened with the keys in this file.
    #[track_caller]
    #[allow(clippy::unwrap_used, reason = "a test's support")]
    pub fn take(&self, keys: &Path) -> Vec<Body> {
        let keys = Keys::load(keys).unwrap();
        let heard = std::mem::take(&mut *self.all());
        let open = |envelope: &Envelope| keys.open(envelope).unwrap().body;
        heard.iter().map(open).collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Envelope>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Overheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Overheard")
    }
}

struct Listening {
    inner: Arc<dyn Backend>,
    heard: Overheard,
}

#[async_trait]
impl Backend for Listening {
    async fn publish(&self, queue: &Queue, envelope: Envelope) -> Result<(), PublishError> {
        self.heard.all().push(envelope.clone());
        self.inner.publish(queue, envelope).await
    }
    async fn next(&self, queue: &Queue) -> Result<Delivery, ReceiveError> {
        self.inner.next(queue).await
    }
    async fn settle(&self, tag: Tag, how: Settle) -> Result<(), ReceiveError> {
        self.inner.settle(tag, how).await
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
