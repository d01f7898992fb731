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
        source: sqlx::Error,
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
    /// For `map_err`: the database failed to do this.
    pub(crate) fn db(what: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
        move |source| Error::Database { what, source }
    }
}

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        match e {
            Error::Publish(e) => e.into(),
            Error::Database { ref source, .. } => {
                let advice = runtime::db::advice(source);
                Problem::new("LW-5001", format!("{e}."), advice).caused_by(e)
            }
            Error::Damaged { .. } => Problem::new(
                "LW-5002",
                format!("{e}."),
                "restore the ledger's database from a copy, or remove it: everything is read again then",
            ),
            Error::Task(_) => Problem::new(
                "LW-5003",
                format!("{e}."),
                "report this as a defect of Leastwise; a restart loses nothing",
            )
            .caused_by(e),
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
