//! Why a run could not go on.

use std::time::Duration;

use bus::PublishError;
use runtime::Problem;

use crate::graph_error::GraphError;
use crate::run::{Rules, State};

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Graph, or the way to it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The collector's database.
    #[error("the collector's database failed")]
    Store(#[from] runtime::db::Error),
    /// The state in the database can't be read.
    #[error("the state of a dataset in the collector's database can't be read")]
    State(#[from] serde_json::Error),
    /// The queue.
    #[error("a page or seal could not be published")]
    Publish(#[from] PublishError),
    /// Another process has the tenant now, or the run is no longer the open one.
    #[error("the lease on the tenant was lost")]
    Fenced,
    /// A newer release has read this dataset by a newer declaration.
    #[error(
        "the dataset was last read by a newer release (its declaration has version {theirs}, here it is {ours})"
    )]
    Newer {
        /// Of the stored cursor.
        theirs: u32,
        /// Of this release.
        ours: u32,
    },
    /// Only a part of the tenant's people is read, and nothing tells who the dataset's objects are about.
    #[error(
        "only a part of the tenant's people is read, and nothing in this dataset tells whom its objects are about"
    )]
    Untold,
    /// The page chain started again too often.
    #[error("Graph let the continuation of a page expire {0} times in a row")]
    Restarts(u32),
}

impl Error {
    /// That a newer release reads this dataset.
    pub(crate) fn newer(state: &State, rules: &Rules) -> Error {
        Error::Newer {
            theirs: state.cursor.declaration,
            ours: rules.declaration,
        }
    }

    /// What an operator reads.
    pub fn problem(&self) -> Problem {
        let chain = runtime::error::Chain(self).to_string();
        match self {
            Error::Graph(e) => e.problem(),
            Error::Store(e) => Problem::new("LW-4050", format!("{chain}."), runtime::db::advice(e)),
            Error::State(_) => Problem::new(
                "LW-4051",
                format!("{chain}."),
                "restore the data directory or start with a new one",
            ),
            Error::Publish(_) => Problem::new(
                "LW-4052",
                format!("{chain}."),
                "see that the queue runs and has space; it is tried again",
            ),
            Error::Fenced => Problem::new(
                "LW-4053",
                format!("{chain}."),
                "nothing: the other process goes on",
            ),
            Error::Newer { .. } => Problem::new(
                "LW-4054",
                format!("{chain}."),
                "nothing while an upgrade is under way; to go back for good, delete the dataset's row from the \
                 collector's database: everything is read again",
            ),
            Error::Untold => Problem::new(
                "LW-3013",
                format!("{chain}."),
                "take the dataset out of the tenant's `datasets`, or take [tenants.population] out",
            ),
            Error::Restarts(_) => Problem::new(
                "LW-3008",
                format!("{chain}."),
                "it is tried again later; a smaller page size may help",
            ),
        }
    }

    /// When to try again, where that is known and nobody has to do anything for it: a token, or a budget, comes back.
    pub fn again(&self) -> Option<Duration> {
        match self {
            Error::Graph(GraphError::Token { again, .. }) => *again,
            Error::Graph(GraphError::UsedUp { wait, .. }) => Some(*wait),
            _ => None,
        }
    }

    /// Whether the dataset is left out until a permission, a licence or the configuration changes.
    pub fn is_skip(&self) -> bool {
        matches!(
            self,
            Error::Untold
                | Error::Graph(
                    GraphError::Denied { .. }
                        | GraphError::NotInCloud { .. }
                        | GraphError::Unlicensed { .. }
                )
        )
    }
}
