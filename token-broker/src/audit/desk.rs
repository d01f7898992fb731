//! Where records come together until the writer takes all of them at once.
//!
//! How many that are at most is a matter of the gRPC server: each is of a call, of which a connection has 128 under way, and
//! an identity 256 connections.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use super::record::{self, Event};

/// What came together.
#[derive(Default)]
pub(super) struct Batch {
    /// What the records tell, one behind the other.
    told: Vec<u8>,
    /// Where each of them ends there.
    ends: Vec<usize>,
    /// Number of the last one.
    last: u64,
    /// Who waits for a checkpoint.
    checkpoints: Vec<oneshot::Sender<()>>,
}

impl Batch {
    /// What each record tells.
    pub(super) fn told(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| {
            let told = self.told.get(begin..end).unwrap_or_default();
            begin = end;
            told
        })
    }

    /// Who waits for a checkpoint.
    pub(super) fn checkpoints(&mut self) -> Vec<oneshot::Sender<()>> {
        std::mem::take(&mut self.checkpoints)
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.checkpoints.is_empty()
    }
}

/// What became of the records, by the numbers that they got here.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Those up to this one are durable, but for those that are lost.
    durable: u64,
    /// No record up to this one is answered for any more: the last of those that could not be written.
    lost: u64,
}

/// A record is not durable and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// The place itself.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// The first of a batch is there, or nothing more will come.
    called: Condvar,
    progress: watch::Sender<Progress>,
}

#[derive(Default)]
struct State {
    batch: Batch,
    /// Records that were ever laid down.
    laid: u64,
    closed: bool,
}

impl Desk {
    /// Lays a record down. Returns its number; one that comes after the end is lost.
    pub(super) fn note(&self, event: &Event<'_>) -> u64 {
        self.lay(|state| {
            state.laid += 1;
            record::tell(&mut state.batch.told, event);
            state.batch.ends.push(state.batch.told.len());
            state.batch.last = state.laid;
            state.laid
        })
        .unwrap_or(u64::MAX)
    }

    /// Asks for a checkpoint; nobody answers after the end.
    pub(super) fn checkpoint(&self) -> oneshot::Receiver<()> {
        let (done, answer) = oneshot::channel();
        self.lay(|state| state.batch.checkpoints.push(done));
        answer
    }

    fn lay<T>(&self, lay: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        let first = state.batch.is_empty();
        let laid = lay(&mut state);
        drop(state);
        if first {
            self.called.notify_one();
        }
        Some(laid)
    }

    /// Returns when the record with this number is durable.
    pub(super) async fn durable(&self, number: u64) -> Result<(), Lost> {
        let mut progress = self.progress.subscribe();
        let known = progress.wait_for(|p| number <= p.lost.max(p.durable)).await;
        match known.is_ok_and(|p| number > p.lost) {
            true => Ok(()),
            false => Err(Lost),
        }
    }

    /// Whether the last ones were lost.
    pub(super) fn loses(&self) -> bool {
        let progress = self.progress.borrow();
        progress.lost > progress.durable
    }

    /// Waits until something lies there; false when nothing will.
    pub(super) fn wait(&self) -> bool {
        let idle = |state: &mut State| state.batch.is_empty() && !state.closed;
        let state = self.called.wait_while(self.state(), idle);
        !state
            .unwrap_or_else(PoisonError::into_inner)
            .batch
            .is_empty()
    }

    /// Takes all that lies there. What was taken before comes back, for its memory.
    pub(super) fn take(&self, mut before: Batch) -> Batch {
        before.told.clear();
        before.ends.clear();
        std::mem::replace(&mut self.state().batch, before)
    }

    /// Says what became of a batch's records.
    pub(super) fn wrote(&self, batch: &Batch, durable: bool) {
        if batch.ends.is_empty() {
            return;
        }
        self.progress.send_modify(|progress| match durable {
            true => progress.durable = batch.last,
            false => progress.lost = batch.last,
        });
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.called.notify_one();
    }

    /// As [`Desk::close`], and nobody takes what lies there.
    pub(super) fn abandon(&self) {
        self.close();
        self.take(Batch::default());
        self.progress
            .send_modify(|progress| progress.lost = u64::MAX);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    fn write(desk: &Desk, durable: bool) {
        let batch = desk.take(Batch::default());
        desk.wrote(&batch, durable);
    }

    #[tokio::test]
    async fn what_was_lost_stays_lost_when_later_records_are_durable() {
        let desk = Desk::default();
        let note = || desk.note(&Event::new(Kind::Issue));
        let first = note();
        write(&desk, true);
        assert_eq!((desk.durable(first).await, desk.loses()), (Ok(()), false));
        let (second, third) = (note(), note());
        write(&desk, false);
        assert!(desk.loses());
        let fourth = note();
        // Nobody who asks only now hears anything else.
        write(&desk, true);
        for lost in [second, third] {
            assert_eq!(desk.durable(lost).await, Err(Lost));
        }
        assert_eq!((desk.durable(fourth).await, desk.loses()), (Ok(()), false));
        let fifth = note();
        desk.abandon();
        assert_eq!(desk.durable(fifth).await, Err(Lost));
        assert_eq!(desk.durable(note()).await, Err(Lost));
    }

    #[tokio::test]
    async fn a_record_is_waited_for_until_it_is_written() {
        let desk = Desk::default();
        let number = desk.note(&Event::new(Kind::Issue));
        let durable = desk.durable(number);
        tokio::pin!(durable);
        assert!(futures::poll!(&mut durable).is_pending());
        write(&desk, true);
        assert_eq!(durable.await, Ok(()));
    }
}
