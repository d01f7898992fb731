//! Why the inventory did not reach a sink.

use std::path::PathBuf;

use proto::ids::TenantId;
use runtime::Problem;
use runtime::error::{Chain, Exit};

use crate::sink::{Fault, Refusal};

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
    /// A sink needs something else that was not built in.
    #[error("sink `{sink}`: this build has no {what}")]
    NotBuilt {
        /// The sink.
        sink: String,
        /// What it needs.
        what: &'static str,
    },
    /// A state would take the place of a much larger one.
    #[error(
        "tenant {tenant}: the sink shows {shown} records of the kind {kind}, and the ledger has {new}"
    )]
    Shrunk {
        /// The tenant.
        tenant: TenantId,
        /// The record's kind.
        kind: String,
        /// What the sink shows.
        shown: u64,
        /// What would take its place.
        new: u64,
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
    /// Somebody else delivered to a sink meanwhile.
    #[error("another exporter delivered to {place} meanwhile")]
    Moved {
        /// Its path or URL.
        place: String,
    },
    /// An object store doesn't do what it is asked for.
    #[error("the object store {place} fails")]
    Objects {
        /// Its URL.
        place: String,
        /// Which sort of failure it is.
        fault: ObjectsFault,
        /// Why, as the store says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
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
    /// A sink behind HTTP took nothing.
    #[error("sink `{sink}`")]
    Refused {
        /// The sink.
        sink: String,
        /// What it said.
        #[source]
        source: Refusal,
    },
    /// Something goes wrong with a vendor's system that has a word of its own.
    #[error("sink `{sink}`: {what}")]
    Vendor {
        /// The sink.
        sink: String,
        /// What happened. It names no people.
        what: String,
        /// What sort of failure it is.
        fault: Fault,
    },
    /// A sink that failed is left alone for a while.
    #[error("sink `{sink}` is left alone for a while")]
    Held {
        /// The sink.
        sink: String,
        /// Until when.
        until: tokio::time::Instant,
    },
    /// The way to a sink behind HTTP can't be made.
    #[error("sink `{sink}`")]
    Client {
        /// The sink.
        sink: String,
        /// What is wrong, and what to do.
        #[source]
        source: Box<Problem>,
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

/// How an object store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectsFault {
    /// It can't be reached, or answers with a failure of its own.
    Away,
    /// It refuses the keys, or they may not do that.
    Denied,
    /// There is no such bucket.
    Missing,
}

impl Error {
    /// What is wrong with the settings of a sink.
    pub(crate) fn settings(sink: &str, why: impl Into<String>) -> Error {
        Error::Config {
            what: format!("sink `{sink}`"),
            why: why.into(),
        }
    }

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
    fn denial(&self) -> Option<Denial> {
        let Error::Database { source, .. } = self else {
            return None;
        };
        let code = source.as_database_error()?.code()?;
        Some(match &*code {
            "42501" => Denial::Rights,
            // A statement that took too long, one that waited too long for a lock, a transaction that waited too long.
            "57014" | "55P03" | "25P03" => Denial::Time,
            code if code.len() == 5 && code.starts_with("23") => Denial::Constraint,
            _ => return None,
        })
    }

    fn code(&self) -> &'static str {
        match self {
            e if e.is_full_disk() => "LW-6010",
            Error::Altered { .. } => "LW-6021",
            Error::Encoding { .. } => "LW-6024",
            e if e.denial() == Some(Denial::Rights) => "LW-6020",
            e if e.denial() == Some(Denial::Time) => "LW-6022",
            e if e.denial() == Some(Denial::Constraint) => "LW-6023",
            Error::Config { .. }
            | Error::Settings { .. }
            | Error::Client { .. }
            | Error::NoPostgres { .. }
            | Error::NotBuilt { .. } => "LW-6001",
            Error::Shrunk { .. } => "LW-6030",
            Error::Moved { .. } => "LW-6034",
            Error::Objects { fault, .. } => match fault {
                ObjectsFault::Away => "LW-6031",
                ObjectsFault::Denied => "LW-6032",
                ObjectsFault::Missing => "LW-6033",
            },
            Error::Feed { .. } | Error::Stopped { .. } => "LW-6002",
            Error::Record { .. } | Error::Id(_) => "LW-6003",
            Error::Store(_) => "LW-6004",
            Error::File { .. } => "LW-6011",
            Error::InUse { .. } => "LW-6013",
            Error::Open { .. } | Error::Database { .. } => "LW-6012",
            Error::Refused { source, .. } => match source {
                Refusal::Transient { .. } | Refusal::Late => "LW-6040",
                Refusal::Throttled { .. } => "LW-6041",
                Refusal::Unauthorized { .. } => "LW-6042",
                Refusal::Misplaced { .. } => "LW-6043",
                Refusal::Permanent { .. } | Refusal::TooLarge => "LW-6044",
                Refusal::Unprepared { .. } => "LW-6050",
            },
            Error::Vendor { fault, .. } => fault.code(),
            Error::Held { .. } => "LW-6045",
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
            e if e.denial() == Some(Denial::Rights) => {
                "start the exporter once with the role that owns the tables, and grant this one SELECT, INSERT, UPDATE and DELETE on all of them and TEMPORARY on the database; it is tried again by itself"
            }
            e if e.denial() == Some(Denial::Time) => {
                "see who holds locks on the sink's tables, or raise `statement_seconds`, `lock_seconds` or `idle_seconds` of the sink; it is tried again by itself"
            }
            e if e.denial() == Some(Denial::Constraint) => {
                "remove what somebody demands of the sink's tables (a constraint, a unique index, a column of their own without a default); it is tried again by itself"
            }
            Error::Config { .. } => "give each sink a name and a path of its own",
            Error::Settings { source, .. } => &source.remedy,
            Error::NoPostgres { .. } => {
                "deliver to PostgreSQL with the program `exporter`, or use another kind of sink"
            }
            Error::NotBuilt { .. } => {
                "deliver with the program `exporter`, or use another format or kind of sink"
            }
            Error::Shrunk { .. } => {
                "what stands in the sink is intact; see with `leastwise changes` what is gone; if that is right, \
                 set the sink's `guard.percent` to 100, start again, and set it back once it is delivered"
            }
            Error::Moved { .. } => {
                "see that one installation alone delivers there; it is tried again by itself"
            }
            Error::Objects { fault, .. } => match fault {
                ObjectsFault::Away => {
                    "check that the endpoint can be reached and is the store's; it is tried again by itself"
                }
                ObjectsFault::Denied => {
                    "write valid keys of a role that may read, write, list and delete below the prefix; they are \
                     read again by themselves"
                }
                ObjectsFault::Missing => "create the bucket, or correct `url` and `region`",
            },
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
            Error::Client { source, .. } => &source.remedy,
            Error::Refused { source, .. } => match source {
                Refusal::Transient { .. } | Refusal::Late => {
                    "look whether it works and can be reached; it is tried again by itself"
                }
                Refusal::Throttled { .. } => {
                    "nothing, it goes on by itself; send less at once or a minute if it comes again and again"
                }
                Refusal::Unauthorized { .. } => {
                    "renew the credentials in the files that the sink's settings name, or the rights that they have there; they are read anew by themselves"
                }
                Refusal::Misplaced { .. } => "check the address in the sink's settings",
                Refusal::Unprepared { .. } => {
                    "set it up as the sink's page in docs says; it is tried again by itself"
                }
                Refusal::Permanent { .. } | Refusal::TooLarge => {
                    "see in the sink's documentation what its settings have to be"
                }
            },
            Error::Vendor { fault, .. } => fault.remedy(),
            Error::Held { .. } => "see the message before it; it is tried again by itself",
            Error::Task(_) => "report this as a defect of Leastwise",
        }
    }
}

/// What PostgreSQL means by a refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Denial {
    Rights,
    Time,
    Constraint,
}

impl From<Error> for Problem {
    fn from(e: Error) -> Problem {
        let what = match &e {
            // What the system says about a file is half of the answer.
            Error::File { source, .. } => format!("{e}: {source}."),
            Error::Objects { source, .. } => format!("{e}: {}.", Chain(source.as_ref())),
            // So is what PostgreSQL says, unless it might quote what stands in a row.
            Error::Database { source, .. } if e.denial().is_some() => {
                let said = source.as_database_error().map_or("", |d| d.message());
                format!("{e}: {said}.")
            }
            Error::Open { source, .. }
            | Error::Settings { source, .. }
            | Error::Client { source, .. } => {
                format!("{e}: {}", source.what)
            }
            Error::Refused { source, .. } => format!("{e}: {source}."),
            _ => format!("{e}."),
        };
        let exit = match &e {
            Error::Config { .. }
            | Error::Settings { .. }
            | Error::Client { .. }
            | Error::NoPostgres { .. }
            | Error::NotBuilt { .. } => Exit::Usage,
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
