//! What a database error means: for the operator, and for whoever decides whether to try again.

use super::Error;

/// What to do about a database error.
pub fn advice(e: &Error) -> &'static str {
    match e {
        e if full_disk(e) => "free some space on the disk, then start again: nothing is lost",
        Error::PoolTimedOut => {
            "see that the server is not overloaded, and has room for the `connections` of every replica (`max_connections` of PostgreSQL); it is tried again"
        }
        #[cfg(feature = "postgres")]
        e if super::postgres::is_of_postgres(e) => {
            "see that PostgreSQL runs, can be reached and takes this role; it is tried again"
        }
        _ => {
            "check that the directory exists, that this user may write it, and that the disk is not full"
        }
    }
}

/// Whether the disk is full (SQLITE_FULL, primary result code 13; the system's ENOSPC; PostgreSQL's 53100).
pub fn full_disk(e: &Error) -> bool {
    match e {
        Error::Database(d) => d.code().is_some_and(|c| c == "13" || c == "53100"),
        Error::Io(e) => e.kind() == std::io::ErrorKind::StorageFull,
        _ => false,
    }
}

/// Whether another transaction held a lock for too long (PostgreSQL only).
pub fn is_lock_timeout(e: &Error) -> bool {
    matches!(e, Error::Database(d) if d.code().is_some_and(|c| c == "55P03"))
}

/// Whether it is not the statement's fault: whatever else is tried now may fail too, and the same works later.
pub fn is_of_the_machine(e: &Error) -> bool {
    match e {
        Error::Database(d) => d.code().is_none_or(|code| match code.len() {
            5 => postgres(&code),
            // SQLite's extended result codes hold the primary one in their lowest byte.
            _ => code.parse::<u32>().map_or(true, |c| sqlite(c & 0xff)),
        }),
        Error::ColumnDecode { .. } | Error::Decode(_) | Error::Encode(_) | Error::RowNotFound => {
            false
        }
        // The file, the pool, the thread, the connection.
        _ => true,
    }
}

fn sqlite(primary: u32) -> bool {
    let (busy, full) = ([5, 6], [13]);
    let unusable = [3, 7, 8, 9, 10, 11, 14, 15, 22, 23, 26];
    [&busy[..], &full, &unusable]
        .iter()
        .any(|of| of.contains(&primary))
}

/// By the classes of PostgreSQL's documentation, appendix A.
fn postgres(code: &str) -> bool {
    let classes = [
        "08", // connection
        "25", // transaction state: read-only after a fail-over (25006), idle for too long (25P03)
        "28", // authorization
        "3D", // no such database
        "40", // serialization, deadlock, completion unknown
        "42", // no such table, no privilege: the schema isn't this release's
        "53", // resources: disk, memory, connections
        "55", // not in the prerequisite state: lock not available
        "57", // operator: shutdown, cancelled, statement timeout
        "58", // system: input and output
        "F0", // configuration file
        "XX", // internal, damaged data
    ];
    classes.iter().any(|class| code.starts_with(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_not_given_up_for_what_passes() {
        for code in [
            "57P01", "40001", "40P01", "53100", "25006", "55P03", "08006",
        ] {
            assert!(postgres(code), "{code}");
        }
        for code in ["22021", "23505", "P0001", "0A000"] {
            assert!(!postgres(code), "{code}");
        }
        assert!(sqlite(13) && !sqlite(19));
        assert!(is_of_the_machine(&Error::PoolTimedOut));
        assert!(!is_of_the_machine(&Error::RowNotFound));
    }
}
