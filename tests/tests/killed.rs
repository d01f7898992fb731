//! A reader that is killed in the middle goes on where the queue had confirmed. Fifty times of it:
//! `cargo xtask killed`.
#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

/// Pages that are published and not confirmed yet, and the one that is being asked for.
const UNCONFIRMED: usize = 9;

#[test]
fn a_killed_reader_reads_again_what_was_not_confirmed_and_nothing_else() {
    let tally = tests::killed::strike(5, 3);
    assert_eq!(tally.kills, 5, "{tally:?}");
    assert_eq!(tally.lost, 0, "{tally:?}");
    assert!(tally.pages >= 50, "{tally:?}");
    assert!(tally.most_after_a_kill <= UNCONFIRMED, "{tally:?}");
}
