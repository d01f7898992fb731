//! What can go wrong in the normalizer.

use runtime::Problem;

/// An error of the normalizer. Holds no personal data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The ledger's database failed.
    #[error("the ledger's database failed to {what}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: runtime::db::Error,
    },
    /// A stored record, page or verdict can't be decoded.
    #[error("the ledger holds a damaged {what}")]
    Damaged {
        /// Of which table.
        what: &'static str,
    },
    /// A message could not be published.
    #[error("a message could not be published")]
    Publish(#[from] bus::PublishError),
    /// A task ended that never ends by itself.
    #[error("a task of the normalizer failed")]
    Task(#[source] tokio::task::JoinError),
}

impl Error {
    /// Whether it is not the run's fault: whatever else is tried now fails too, and the same run works later.
    pub(crate) fn is_of_the_machine(&self) -> bool {
        match self {
            Error::Database { source, .. } => runtime::db::is_of_the_machine(source),
            Error::Damaged { .. } => false,
            Error::Publish(_) | Error::Task(_) => true,
        }
    }

    /// Whether another process kept the rows for too long.
    pub(crate) fn is_lock_timeout(&self) -> bool {
        matches!(self, Error::Database { source, .. } if runtime::db::is_lock_timeout(source))
    }

    /// For `map_err`: the database failed to do this.
    pub(crate) fn db(what: &'static str) -> impl FnOnce(runtime::db::Error) -> Error {
        move |source| Error::Database { what, source }
    }
}

impl Error {
    /// As operators read it, without the cause.
    pub(crate) fn problem(&self) -> Problem {
        let what = format!("{self}.");
        match self {
            Error::Database { source, .. } => {
                Problem::new("LW-5001", what, runtime::db::advice(source))
            }
            Error::Damaged { .. } => Problem::new(
                "LW-5002",
                what,
                "restore the ledger's database from a copy, or remove it: everything is read again then",
            ),
            Error::Publish(_) | Error::Task(_) => Problem::new(
                "LW-5003",
                what,
                "report this as a defect of Leastwise; a restart loses nothing",
            ),
        }
    }
}

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        match e {
            Error::Publish(e) => e.into(),
            Error::Damaged { .. } => e.problem(),
            e => e.problem().caused_by(e),
        }
    }
}

impl From<Error> for tonic::Status {
    fn from(e: Error) -> tonic::Status {
        // The cause stays in the log: callers can do nothing with it.
        tracing::error!(error = %runtime::error::Chain(&e), "a request failed");
        tonic::Status::internal(e.to_string())
    }
}
