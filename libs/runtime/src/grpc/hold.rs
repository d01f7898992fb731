//! Answers that leave only when something has happened, without that each call waits for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;

/// Does things in the order of their numbers, which begin at 1.
pub trait Journal: Send + Sync + 'static {
    /// Returns when what has this number is done. An error when it never will be.
    fn done(&self, number: u64) -> BoxFuture<'static, io::Result<()>>;
}

/// What the answers of a connection wait for: many calls then cost one wait. When it fails the connection ends, and
/// nothing of what waited has left.
#[derive(Clone)]
pub struct Hold(Arc<Inner>);

struct Inner {
    #[cfg(feature = "server")]
    journal: Arc<dyn Journal>,
    /// What is written from now on waits for this; 0 for nothing.
    number: AtomicU64,
}

impl Hold {
    #[cfg(feature = "server")]
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        let number = AtomicU64::new(0);
        Hold(Arc::new(Inner { journal, number }))
    }

    /// No answer that is given from now on leaves before that number is done.
    pub fn until(&self, number: u64) {
        self.0.number.fetch_max(number, Ordering::AcqRel);
    }

    /// What is written until now waits for this, if for anything.
    #[cfg(feature = "server")]
    pub(super) fn take(&self) -> Option<BoxFuture<'static, io::Result<()>>> {
        match self.0.number.swap(0, Ordering::AcqRel) {
            0 => None,
            number => Some(self.0.journal.done(number)),
        }
    }
}
