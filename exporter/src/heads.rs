//! The heads of all ledgers: one call when somebody asks, and once a minute, because announcements may get lost.

use std::time::Duration;

use runtime::CancellationToken;
use runtime::error::{Chain, Problem};
use runtime::retry::Backoff;

use crate::board::Board;
use crate::feed::Feed;

/// Delays while the ledger doesn't answer.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(60),
};

/// Keeps the board's heads fresh until `stop`.
pub(crate) async fn run(
    board: Board,
    feed: Feed,
    poll: Duration,
    stop: CancellationToken,
) -> Result<(), Problem> {
    board.request(false);
    let mut delay = poll;
    let mut failures = 0;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            () = board.until(|s| s.requested > s.answered) => {}
            () = tokio::time::sleep(delay) => { board.request(false); }
        }
        // Wishes that arrive during the call are not answered by it: what they know may be newer.
        let request = board.read(|s| s.requested);
        match stop.run_until_cancelled(feed.heads()).await {
            None => return Ok(()),
            Some(Ok(heads)) => {
                board.answer(request, heads);
                (failures, delay) = (0, poll);
            }
            Some(Err(e)) => {
                tracing::warn!(error = %Chain(&e), "the heads of the ledgers are not known");
                board.fail(request, Problem::from(e).to_string());
                delay = BACKOFF.delay(failures, 0.5).min(poll);
                failures += 1;
            }
        }
    }
}
