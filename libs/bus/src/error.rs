//! What can go wrong between a service and its queue.

use proto::ids::IdError;
use proto::message::Queue;
use runtime::Problem;

use crate::envelope::MAX_BYTES;
use crate::seal::SealError;

/// An error of a backend, whichever it is.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// A message that was not published, or not surely.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Nobody declared the queue.
    #[error("the queue {queue} does not exist")]
    Unroutable {
        /// The queue that the message belongs on.
        queue: Queue,
    },
    /// The message names a malformed tenant, dataset or pool.
    #[error("the message names a malformed id")]
    Id(#[from] IdError),
    /// There is no key to seal it with.
    #[error("the message can't be sealed")]
    Seal(#[from] SealError),
    /// No queue takes messages of this size.
    #[error("the message has {bytes} bytes, a queue takes {MAX_BYTES}")]
    TooLarge {
        /// Its size when sealed.
        bytes: usize,
    },
    /// The queue did not say that it has the message: it may have it or not.
    #[error("the queue {queue} did not confirm a message")]
    Unconfirmed {
        /// The queue that the message belongs on.
        queue: Queue,
        /// Why.
        #[source]
        source: Source,
    },
    /// The process is shutting down.
    #[error("the queue is closed")]
    Closed,
}

impl PublishError {
    /// One word of a few, for metrics and traces.
    pub fn kind(&self) -> &'static str {
        match self {
            PublishError::Unroutable { .. } => "unroutable",
            PublishError::Id(_) => "id",
            PublishError::Seal(_) => "seal",
            PublishError::TooLarge { .. } => "too_large",
            PublishError::Unconfirmed { .. } => "unconfirmed",
            PublishError::Closed => "closed",
        }
    }

    /// Whether the same message may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, PublishError::Unconfirmed { .. })
    }
}

impl From<PublishError> for Problem {
    fn from(e: PublishError) -> Problem {
        let (code, remedy) = match &e {
            PublishError::Unroutable { .. } => ("LW-4020", MISSING_QUEUE),
            PublishError::Unconfirmed { .. } => (
                "LW-4021",
                "check that the queue is reachable and that its disk is not full; nothing is lost",
            ),
            PublishError::Seal(_) => (
                "LW-4022",
                "check that the key file names the page key of this pool",
            ),
            PublishError::Id(_) | PublishError::TooLarge { .. } => {
                ("LW-4023", "report this as a defect of Leastwise")
            }
            PublishError::Closed => ("LW-4024", ""),
        };
        let problem = Problem::new(code, format!("{e}."), remedy);
        match e {
            PublishError::Unconfirmed { source, .. } => problem.caused_by(source),
            PublishError::Seal(source) => problem.caused_by(source),
            PublishError::Id(source) => problem.caused_by(source),
            PublishError::Unroutable { .. }
            | PublishError::TooLarge { .. }
            | PublishError::Closed => problem,
        }
    }
}

const MISSING_QUEUE: &str = "declare the queue, or correct the name of the pool";

/// A queue that could not be read or settled.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Nobody declared the queue.
    #[error("the queue {queue} does not exist")]
    Undeclared {
        /// The queue.
        queue: Queue,
    },
    /// The delivery was settled or given back before.
    #[error("the delivery is no longer in hand")]
    NotInHand,
    /// The queue can't be used now.
    #[error("the queue is not available")]
    Unavailable(#[source] Source),
    /// The process is shutting down.
    #[error("the queue is closed")]
    Closed,
}

impl ReceiveError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, ReceiveError::Unavailable(_))
    }
}

impl From<ReceiveError> for Problem {
    fn from(e: ReceiveError) -> Problem {
        let (code, remedy) = match &e {
            ReceiveError::Undeclared { .. } => ("LW-4020", MISSING_QUEUE),
            ReceiveError::Closed => ("LW-4024", ""),
            ReceiveError::NotInHand | ReceiveError::Unavailable(_) => (
                "LW-4025",
                "check that the queue is reachable and that its disk is not full",
            ),
        };
        let problem = Problem::new(code, format!("{e}."), remedy);
        match e {
            ReceiveError::Unavailable(source) => problem.caused_by(source),
            ReceiveError::Undeclared { .. } | ReceiveError::NotInHand | ReceiveError::Closed => {
                problem
            }
        }
    }
}
