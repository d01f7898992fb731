//! Where a sink stands in a tenant's ledger, and when a batch counts. Pure: no clock, no storage, no network.
//!
//! A batch names the cursor that it starts from and is taken only if that is the sink's cursor now. Before the sink is
//! touched the newest closing that the batch shows is stored as the *mark*; afterwards the cursor moves, and `as_of`
//! with it. A ledger that doesn't know `as_of` or `mark` isn't the one that the sink followed: it was restored, and the
//! sink gets a snapshot. The mark is what makes this true of a crash between the two as well.

use proto::feed::v1;
use proto::ids::Closing;
use proto::rules::{Rule, on};

/// Where a sink stands in a tenant's ledger. A new sink starts at the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The closing of the last record taken.
    pub closing: Closing,
    /// The kind and key of the last record taken.
    pub key: String,
    /// The newest closing of the ledger that the sink has seen.
    pub as_of: Closing,
    /// The `as_of` of the batch that is, or was last, on its way into the sink.
    pub mark: Closing,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// It follows the sink's cursor.
    Take,
    /// It starts from another cursor: it is late, repeated, or answers somebody else.
    Ignore,
}

/// Whether a batch that starts from `batch_from` counts on a sink that stands at `current`.
pub fn take(current: &Cursor, batch_from: &Cursor) -> Taking {
    if current == batch_from || !on(Rule::CursorCompareAndSet) {
        Taking::Take
    } else {
        Taking::Ignore
    }
}

/// The cursor to store before the sink is touched with what the ledger held at `as_of`.
#[must_use]
pub fn marked(current: &Cursor, as_of: Closing) -> Cursor {
    let mark = if on(Rule::MarkFirst) && on(Rule::AsOf) {
        as_of
    } else {
        current.mark
    };
    Cursor {
        mark,
        ..current.clone()
    }
}

/// The cursor after a batch that ends at `to`, stored with the batch.
#[must_use]
pub fn advanced(current: &Cursor, to: &Cursor) -> Cursor {
    let (as_of, mark) = if on(Rule::AsOf) {
        (to.as_of, to.as_of)
    } else {
        (current.as_of, current.mark)
    };
    Cursor {
        closing: to.closing,
        key: to.key.clone(),
        as_of,
        mark,
    }
}

/// Where a snapshot of the ledger at `as_of` ends, for [`advanced`]: before the first record of any later closing, in
/// whatever way a ledger orders the records of one.
#[must_use]
pub fn after_snapshot(as_of: Closing) -> Cursor {
    Cursor {
        closing: Closing(as_of.0 + 1),
        key: String::new(),
        as_of,
        mark: as_of,
    }
}

impl From<&v1::Cursor> for Cursor {
    fn from(c: &v1::Cursor) -> Self {
        Cursor {
            closing: Closing(c.closing),
            key: c.key.clone(),
            as_of: Closing(c.as_of),
            mark: Closing(c.mark),
        }
    }
}

impl From<&Cursor> for v1::Cursor {
    fn from(c: &Cursor) -> Self {
        v1::Cursor {
            closing: c.closing.0,
            key: c.key.clone(),
            as_of: c.as_of.0,
            mark: c.mark.0,
        }
    }
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;
