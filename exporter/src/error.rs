//! Why the inventory did not reach a sink.

use std::path::PathBuf;

use proto::ids::TenantId;
use runtime::Problem;
use runtime::error::Exit;

/// Why the inventory did not reach a sink. Nothing is lost: the ledger has it, and the sink gets it later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration contradicts itself.
    #[error("{what}: {why}")]
    Config {
        /// The sink or the key.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// How to reach a sink's database can't be right.
    #[error("sink `{sink}`")]
    Settings {
        /// The sink.
        sink: String,
        /// What is wrong, and what to do.
        #[source]
        source: Box<Problem>,
    },
    /// A sink needs PostgreSQL, which was not built in.
    #[error("sink `{sink}`: this build has no PostgreSQL")]
    NoPostgres {
        /// The sink.
        sink: String,
    },
    /// The ledger did not answer.
    #[error("the ledger does not answer ({call})")]
    Feed {
        /// What was asked.
        call: &'static str,
        /// Its answer.
        #[source]
        source: Box<tonic::Status>,
    },
    /// The ledger's answer stopped.
    #[error("the ledger's answer stopped before its end ({call})")]
    Stopped {
        /// What was asked.
        call: &'static str,
    },
    /// The ledger sent something that this release can't read.
    #[error("tenant {tenant}: the ledger sent a {kind} that can't be read")]
    Record {
        /// The tenant.
        tenant: TenantId,
        /// The record's kind.
        kind: String,
        /// Why. Its text names fields, never their content.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ledger sent an id that is none.
    #[error("the ledger named a malformed tenant")]
    Id(#[from] proto::ids::IdError),
    /// The exporter's own database fails.
    #[error("the exporter's database fails")]
    Store(#[source] runtime::db::Error),
    /// A file of a sink can't be written or read.
    #[error("{} can't be used", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes to the directory of a sink.
    #[error("another process delivers to {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The database of a sink can't be opened.
    #[error("the sink's database {place} can't be opened")]
    Open {
        /// Its file or URL.
        place: String,
        /// Why.
        #[source]
        source: Box<Problem>,
    },
    /// The database of a sink fails.
    #[error("the sink's database {place} fails")]
    Database {
        /// Its file or URL.
        place: String,
        /// Why.
        #[source]
        source: runtime::db::Error,
    },
    /// The tables of a sink's database are not as the sink made them.
    #[error("the sink's database {place}: {what}")]
    Altered {
        /// Its URL.
        place: String,
        /// What doesn't fit.
        what: String,
    },
    /// A sink's database can't hold every text.
    #[error("the sink's database {place} has the encoding {encoding}, not UTF8")]
    Encoding {
        /// Its URL.
        place: String,
        /// Its encoding.
        encoding: String,
    },
    /// A part of the exporter ended by itself.
    #[error("a task of the exporter ended unexpectedly")]
    Task(#[source] tokio::task::JoinError),
}

impl Error {
    /// Whether a disk has no room, or this user's share of it is used up.
    pub fn is_full_disk(&self) -> bool {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Error::File { source, .. } => {
                matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge)
            }
            Error::Database { source, .. } | Error::Store(source) => runtime::db::full_disk(source),
            _ => false,
        }
    }

    /// The database of a sink fails; `place` is its file or URL.
    pub(crate) fn database(place: &str, source: runtime::db::Error) -> Error {
        let place = place.to_owned();
        Error::Database { place, source }
    }

    /// What PostgreSQL means by its refusal, where that has a code of its own.
    fn refusal(&self) -> Option<Refusal> {
        let Error::Database { source, .. } = self else {
            return None;
        };
        let code = source.as_database_error()?.code()?;
        Some(match &*code {
            "42501" => Refusal::Rights,
            // A statement that took too long, one that waited too long for a lock, a transaction that waited too long.
            "57014" | "55P03" | "25P03" => Refusal::Time,
            code if code.len() == 5 && code.starts_with("23") => Refusal::Constraint,
            _ => return None,
        })
    }

    fn code(&self) -> &'static str {
        match self {
            e if e.is_full_disk() => "LW-6010",
            Error::Altered { .. } => "LW-6021",
            Error::Encoding { .. } => "LW-6024",
            e if e.refusal() == Some(Refusal::Rights) => "LW-6020",
            e if e.refusal() == Some(Refusal::Time) => "LW-6022",
            e if e.refusal() == Some(Refusal::Constraint) => "LW-6023",
            Error::Config { .. } | Error::Settings { .. } | Error::NoPostgres { .. } => "LW-6001",
            Error::Feed { .. } | Error::Stopped { .. } => "LW-6002",
            Error::Record { .. } | Error::Id(_) => "LW-6003",
            Error::Store(_) => "LW-6004",
            Error::File { .. } => "LW-6011",
            Error::InUse { .. } => "LW-6013",
            Error::Open { .. } | Error::Database { .. } => "LW-6012",
            Error::Task(_) => "LW-6005",
        }
    }

    fn remedy(&self) -> &str {
        match self {
            e if e.is_full_disk() => {
                "free space on the disk of the sink; what stands there is intact, and the rest follows by itself"
            }
            Error::Altered { .. } => {
                "undo it, or leave the field out with `shows`; or drop the table: the sink makes it anew and fills it. Columns, indexes and views of your own may stay"
            }
            Error::Encoding { .. } => "deliver to a database that was created with ENCODING 'UTF8'",
            e if e.refusal() == Some(Refusal::Rights) => {
                "start the exporter once with the role that owns the tables, and grant this one SELECT, INSERT, UPDATE and DELETE on all of them and TEMPORARY on the database; it is tried again by itself"
            }
            e if e.refusal() == Some(Refusal::Time) => {
                "see who holds locks on the sink's tables, or raise `statement_seconds`, `lock_seconds` or `idle_seconds` of the sink; it is tried again by itself"
            }
            e if e.refusal() == Some(Refusal::Constraint) => {
                "remove what somebody demands of the sink's tables (a constraint, a unique index, a column of their own without a default); it is tried again by itself"
            }
            Error::Config { .. } => "give each sink a name and a path of its own",
            Error::Settings { source, .. } => &source.remedy,
            Error::NoPostgres { .. } => {
                "deliver to PostgreSQL with the program `exporter`, or use another kind of sink"
            }
            Error::Feed { .. } | Error::Stopped { .. } => {
                "look at the normalizer; the exporter asks again by itself"
            }
            Error::Record { .. } | Error::Id(_) => {
                "use the same release of normalizer and exporter"
            }
            Error::Store(source) => runtime::db::advice(source),
            Error::Open { source, .. } => &source.remedy,
            Error::File { .. } => {
                "check that the path of the sink exists and that this user may write it; it is tried again by itself"
            }
            Error::Database { .. } => {
                "check that the file or the server of the sink can be reached and written; it is tried again by itself"
            }
            Error::InUse { .. } => {
                "give each installation a directory of its own; it is tried again by itself"
            }
            Error::Task(_) => "report this as a defect of Leastwise",
        }
    }
}

/// What PostgreSQL means by a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Rights,
    Time,
    Constraint,
}

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        let what = match &e {
            // What the system says about a file is half of the answer.
            Error::File { source, .. } => format!("{e}: {source}."),
            // So is what PostgreSQL says, unless it might quote what stands in a row.
            Error::Database { source, .. } if e.refusal().is_some() => {
                let said = source.as_database_error().map_or("", |d| d.message());
                format!("{e}: {said}.")
            }
            Error::Open { source, .. } | Error::Settings { source, .. } => {
                format!("{e}: {}", source.what)
            }
            _ => format!("{e}."),
        };
        let exit = match &e {
            Error::Config { .. } | Error::Settings { .. } | Error::NoPostgres { .. } => Exit::Usage,
            Error::File { .. } => Exit::Io,
            Error::InUse { .. } => Exit::Busy,
            e if e.is_full_disk() => Exit::Io,
            _ => Exit::Failure,
        };
        let remedy = e.remedy().to_owned();
        Problem::new(e.code(), what, remedy).exit(exit).caused_by(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_one_code_whoever_finds_it() {
        use std::io::{Error as Io, ErrorKind};
        let file = |kind: ErrorKind| Error::File {
            path: "out/user.ndjson".into(),
            source: Io::from(kind),
        };
        for kind in [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ] {
            assert_eq!(Problem::from(file(kind)).code, "LW-6010");
        }
        let store = Error::Store(runtime::db::Error::Io(ErrorKind::StorageFull.into()));
        let problem = Problem::from(store);
        assert_eq!(problem.code, "LW-6010");
        assert!(problem.remedy.contains("free space"));
        assert_eq!(
            Problem::from(file(ErrorKind::PermissionDenied)).code,
            "LW-6011"
        );
    }
}
