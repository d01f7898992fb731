//! Requests that take far longer than others are sent a second time once nothing else is left to do: one slow answer would
//! hold up everything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::graph::{Graph, Reply};
use crate::graph_error::GraphError;
use crate::run::Link;

/// Answers before it is known how long they take.
const ENOUGH: usize = 16;
/// So many times as long as half of the answers take is far longer.
const FAR: u32 = 3;
/// Requests of which one may be sent a second time.
const OF: usize = 10;

/// See the [module](self).
pub struct Again {
    seen: Mutex<Seen>,
    /// How long an answer may take; none while there is something else to do.
    patience: watch::Sender<Option<Duration>>,
}

#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    sent: usize,
}

impl Seen {
    /// Half of the answers take no longer.
    fn median(&mut self) -> Option<Duration> {
        let middle = self.took.len() / 2;
        let enough = self.took.len() >= ENOUGH;
        enough.then(|| *self.took.select_nth_unstable(middle).1)
    }

    /// Whether one more request may be sent a second time.
    fn take(&mut self) -> bool {
        let may = (self.sent + 1) * OF <= self.took.len();
        self.sent += usize::from(may);
        may
    }
}

impl Default for Again {
    fn default() -> Self {
        Again {
            seen: Mutex::default(),
            patience: watch::Sender::new(None),
        }
    }
}

impl Again {
    /// Whether requests wait for their turn: these come first.
    pub fn others_wait(&self, wait: bool) {
        let patience = match wait {
            true => None,
            false => self.with(Seen::median).map(|median| median * FAR),
        };
        self.patience.send_if_modified(|p| {
            let new = *p != patience;
            *p = patience;
            new
        });
    }

    /// GET of a link, asked for once more where the answer takes too long; the first answer counts.
    pub async fn get(&self, graph: &Graph, link: &Link) -> Result<Reply, GraphError> {
        let start = Instant::now();
        let first = graph.get(link);
        tokio::pin!(first);
        let reply = tokio::select! {
            reply = &mut first => reply,
            () = self.too_late(start) => tokio::select! {
                reply = first => reply,
                reply = graph.get(link) => reply,
            },
        };
        self.with(|seen| seen.took.push(start.elapsed()));
        reply
    }

    /// Returns when a request that began then may be sent a second time.
    async fn too_late(&self, start: Instant) {
        let mut patience = self.patience.subscribe();
        loop {
            let now = *patience.borrow_and_update();
            let changed = patience.changed();
            match now {
                // Err: nobody is there who could be late.
                None => _ = changed.await,
                Some(after) => tokio::select! {
                    _ = changed => {}
                    () = sleep_until(start + after) => match self.with(Seen::take) {
                        true => return,
                        false => std::future::pending().await,
                    },
                },
            }
        }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Seen) -> T) -> T {
        f(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_ten_may_be_sent_a_second_time() {
        let mut seen = Seen::default();
        assert!(!seen.take() && seen.median().is_none());
        seen.took = (1..=20).map(Duration::from_secs).collect();
        assert_eq!(seen.median(), Some(Duration::from_secs(11)));
        assert!(seen.take() && seen.take() && !seen.take());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_late_while_others_wait() {
        let again = Again::default();
        let took = |seen: &mut Seen| seen.took = vec![Duration::from_secs(1); 20];
        again.with(took);
        let start = Instant::now();
        let late = again.too_late(start);
        tokio::pin!(late);
        let hour = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(hour, &mut late).await.is_err());
        again.others_wait(false);
        late.await;
        let start = Instant::now();
        again.too_late(start).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        // Enough were sent a second time.
        let third = again.too_late(Instant::now());
        assert!(tokio::time::timeout(hour, third).await.is_err());
    }
}
