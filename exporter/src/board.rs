//! What everybody knows: the heads of the ledgers, and where each (sink, tenant) stands. Waiting is being woken.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::ids::{Closing, TenantId};
use tokio::sync::watch;

use crate::feed::Heads;

/// Shared by the tasks of one exporter.
#[derive(Clone)]
pub(crate) struct Board(Arc<watch::Sender<State>>);

/// Everything on the board.
#[derive(Default)]
pub(crate) struct State {
    /// Number of the newest wish for fresh heads.
    pub requested: u64,
    /// The newest wish of somebody who waits: failed tenants are tried at once, not after their delay.
    pub forced: u64,
    /// The newest wish that was answered, well or not.
    pub answered: u64,
    /// The wish that `heads` answered.
    pub round: u64,
    /// The heads of `round`.
    pub heads: Arc<Heads>,
    /// Why the newest wish could not be answered.
    pub failure: Option<String>,
    /// Every sink, in the order of the configuration.
    pub sinks: Vec<SinkState>,
    /// Nobody works any more.
    pub closed: bool,
    /// The trace of the newest announcement of each tenant.
    pub traces: BTreeMap<TenantId, String>,
}

/// A sink.
pub(crate) struct SinkState {
    /// How it is called.
    pub name: String,
    /// Where its data are.
    pub location: String,
    /// The newest round that was looked at to its end.
    pub passed: u64,
    /// Where it stands in each ledger.
    pub tenants: BTreeMap<TenantId, Standing>,
}

/// Where a sink stands in a tenant's ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The newest closing that it shows.
    pub as_of: Closing,
    /// The closing at which nothing was missing.
    pub settled: Option<Closing>,
    /// Records written or removed since the process started.
    pub written: u64,
    /// The oldest change that the sink is known to lack.
    pub oldest: Option<Closing>,
    /// The last failure.
    pub problem: Option<String>,
}

impl Board {
    pub(crate) fn new(sinks: impl IntoIterator<Item = (String, String)>) -> Self {
        let sinks = sinks
            .into_iter()
            .map(|(name, location)| SinkState {
                name,
                location,
                passed: 0,
                tenants: BTreeMap::new(),
            })
            .collect();
        Board(Arc::new(watch::Sender::new(State {
            sinks,
            ..State::default()
        })))
    }

    /// Asks for fresh heads and a look at every sink.
    pub(crate) fn request(&self, forced: bool) -> u64 {
        self.change(|s| {
            s.requested += 1;
            if forced {
                s.forced = s.requested;
            }
            s.requested
        })
    }

    /// A tenant's closing was announced, in the trace in which this is called.
    pub(crate) fn announced(&self, tenant: TenantId) {
        if let Some(trace) = runtime::trace::current() {
            self.change(|s| s.traces.insert(tenant, trace));
        }
    }

    /// Fresh heads, in answer to every wish up to this one.
    pub(crate) fn answer(&self, request: u64, heads: Heads) {
        self.change(|s| {
            s.traces.retain(|tenant, _| heads.contains_key(tenant));
            for sink in &mut s.sinks {
                for (tenant, head) in &heads {
                    let standing = sink.tenants.entry(*tenant).or_default();
                    if standing.settled < Some(head.changed) && standing.oldest.is_none() {
                        standing.oldest = Some(head.changed);
                    }
                }
                for (tenant, standing) in &mut sink.tenants {
                    // A ledger that went back is looked at before anything is said about it.
                    if heads
                        .get(tenant)
                        .is_none_or(|h| Some(h.closing) < standing.settled)
                    {
                        standing.settled = None;
                    }
                }
            }
            (s.answered, s.round, s.heads, s.failure) = (request, request, Arc::new(heads), None);
        });
    }

    /// There are no fresh heads.
    pub(crate) fn fail(&self, request: u64, problem: String) {
        self.change(|s| (s.answered, s.failure) = (request, Some(problem)));
    }

    /// The sink has looked at this round.
    pub(crate) fn passed(&self, sink: usize, round: u64) {
        self.change(|s| {
            if let Some(sink) = s.sinks.get_mut(sink) {
                sink.passed = round;
            }
        });
    }

    /// Notes where a sink stands.
    pub(crate) fn note(&self, sink: usize, tenant: TenantId, note: impl FnOnce(&mut Standing)) {
        self.change(|s| {
            if let Some(sink) = s.sinks.get_mut(sink) {
                note(sink.tenants.entry(tenant).or_default());
            }
        });
    }

    /// Nobody works any more: waiting is over.
    pub(crate) fn close(&self) {
        self.change(|s| s.closed = true);
    }

    /// Reads the board.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.borrow())
    }

    /// Waits until the condition holds.
    pub(crate) async fn until(&self, mut holds: impl FnMut(&State) -> bool) {
        // The sender lives as long as `self`, so waiting can't fail.
        let _ = self.0.subscribe().wait_for(|s| holds(s)).await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut out = None;
        self.0.send_modify(|s| out = Some(change(s)));
        match out {
            Some(out) => out,
            None => unreachable!("send_modify calls its closure"),
        }
    }
}
