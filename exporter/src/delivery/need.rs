//! Whether a snapshot sink lacks something. Pure.

use proto::ids::Closing;

use crate::cursor::Cursor;
use crate::feed::Head;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing is missing.
    Nothing,
    /// No record changed, as far as the head tells; only the ledger knows whether it is the one that the sink shows.
    Ask,
    /// Records changed: those kinds of which the ledger has some.
    Changes,
    /// Everything: nobody knows what the sink lacks.
    Snapshot,
}

/// Whether a sink that shows `shown` lacks something. `checked` is the closing at which the ledger said that it
/// doesn't.
pub(super) fn need(
    head: &Head,
    cursor: &Cursor,
    shown: Option<Closing>,
    checked: Option<Closing>,
) -> Need {
    // Interrupted between mark and cursor: the sink shows the one or the other.
    let interrupted = cursor.mark != cursor.as_of;
    // Emptied, restored, or somebody else's.
    let other = shown != Some(cursor.as_of);
    // The ledger went back behind what the sink has seen.
    let back = head.closing < cursor.as_of;
    if interrupted || other || back {
        Need::Snapshot
    } else if head.changed > cursor.as_of {
        Need::Changes
    } else if checked == Some(head.closing) {
        Need::Nothing
    } else {
        Need::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::after_snapshot;

    #[test]
    fn only_what_was_checked_needs_nothing() {
        let head = |closing, changed| Head {
            closing: Closing(closing),
            changed: Closing(changed),
            complete: true,
        };
        let at = |n| after_snapshot(Closing(n));
        let shown = |n| Some(Closing(n));
        assert_eq!(need(&head(7, 5), &at(5), shown(5), None), Need::Ask);
        assert_eq!(need(&head(7, 5), &at(5), shown(5), shown(7)), Need::Nothing);
        assert_eq!(need(&head(8, 5), &at(5), shown(5), shown(7)), Need::Ask);
        assert_eq!(need(&head(8, 8), &at(5), shown(5), shown(7)), Need::Changes);
        assert_eq!(
            need(&head(4, 3), &at(5), shown(5), shown(7)),
            Need::Snapshot,
            "the ledger went back"
        );
        assert_eq!(
            need(&head(7, 5), &at(5), shown(4), shown(7)),
            Need::Snapshot,
            "the files were put back"
        );
        assert_eq!(
            need(&head(7, 5), &at(5), None, shown(7)),
            Need::Snapshot,
            "the files are gone"
        );
        let marked = Cursor {
            mark: Closing(6),
            ..at(5)
        };
        assert_eq!(
            need(&head(7, 5), &marked, shown(5), shown(7)),
            Need::Snapshot,
            "interrupted"
        );
        assert_eq!(
            need(&head(7, 5), &Cursor::default(), None, None),
            Need::Snapshot,
            "new"
        );
    }
}
