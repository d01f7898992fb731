//! Where records come together until the writer takes all of them at once.
//!
//! How many that are at most is a matter of the gRPC server: each waits with its call, of which a connection has 128 under
//! way, and an identity 256 connections.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::record::{self, Event};

/// What came together.
#[derive(Default)]
pub(super) struct Batch {
    /// What the records tell, one behind the other.
    told: Vec<u8>,
    /// Where each of them ends there,
    ends: Vec<usize>,
    /// and whom to tell that it is durable.
    noted: Vec<Waiting>,
    /// Who waits for a checkpoint.
    checkpoints: Vec<Waiting>,
}

/// Hears that it is done; when this is dropped, that it never will be.
pub(super) type Waiting = oneshot::Sender<Done>;

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

    /// Who waits for the records, and who for a checkpoint.
    pub(super) fn waiting(&mut self) -> (Vec<Waiting>, Vec<Waiting>) {
        let (noted, checkpoints) = (&mut self.noted, &mut self.checkpoints);
        (std::mem::take(noted), std::mem::take(checkpoints))
    }

    fn is_empty(&self) -> bool {
        self.noted.is_empty() && self.checkpoints.is_empty()
    }
}

/// That it is done; and who else is to hear so. The first one tells the others when it drops this: tasks wake each other
/// within their runtime for a fraction of what a thread outside pays for each.
#[derive(Default)]
pub(super) struct Done(Vec<Waiting>);

impl Drop for Done {
    fn drop(&mut self) {
        for other in self.0.drain(..) {
            // Who no longer waits has lost nothing.
            let _ = other.send(Done::default());
        }
    }
}

impl Done {
    /// Tells all of them.
    pub(super) fn tell(mut all: Vec<Waiting>) {
        while let Some(first) = all.pop() {
            match first.send(Done(all)) {
                Ok(()) => return,
                // It no longer waits: another one tells the others.
                Err(mut back) => all = std::mem::take(&mut back.0),
            }
        }
    }
}

/// The place itself.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// The first of a batch is there, or nothing more will come.
    called: Condvar,
}

#[derive(Default)]
struct State {
    batch: Batch,
    closed: bool,
}

impl Desk {
    /// Lays a record down. What is answered is durable; nobody answers once the desk is closed.
    pub(super) fn note(&self, event: &Event<'_>) -> oneshot::Receiver<Done> {
        self.lay(|batch, done| {
            record::tell(&mut batch.told, event);
            batch.ends.push(batch.told.len());
            batch.noted.push(done);
        })
    }

    /// Asks for a checkpoint.
    pub(super) fn checkpoint(&self) -> oneshot::Receiver<Done> {
        self.lay(|batch, done| batch.checkpoints.push(done))
    }

    fn lay(&self, lay: impl FnOnce(&mut Batch, Waiting)) -> oneshot::Receiver<Done> {
        let (done, answer) = oneshot::channel();
        let mut state = self.state();
        if !state.closed {
            let first = state.batch.is_empty();
            lay(&mut state.batch, done);
            drop(state);
            if first {
                self.called.notify_one();
            }
        }
        answer
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

    /// Takes nothing more; who waits hears that it is in vain.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.called.notify_one();
    }

    /// As [`Desk::close`], and nobody takes what lies there.
    pub(super) fn abandon(&self) {
        self.close();
        self.take(Batch::default());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
