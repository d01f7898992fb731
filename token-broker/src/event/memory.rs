//! What was told already.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::ids::TenantId;

use super::Kind;

/// What is told of at most once at a time: its kind, whose it is, and which of the app's or which caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub kind: Kind,
    pub tenant: Option<TenantId>,
    /// The app; empty where it is about none.
    pub app: String,
    /// Which of several: a credential's position, a role, a caller.
    pub part: String,
}

/// The last state that was told of each. It has as many entries as there are apps, credentials and callers.
#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<Key, (String, u64)>>);

impl Memory {
    /// Whether nobody was told of this state yet, or so long ago that it should be said again. `now` and `again` are in
    /// microseconds. After this call it was told.
    pub(super) fn is_new(&self, key: Key, state: String, now: u64, again: Option<u64>) -> bool {
        let mut told = self.told();
        if let Some((before, at)) = told.get(&key) {
            let old = again.is_some_and(|again| now.saturating_sub(*at) >= again);
            if *before == state && !old {
                return false;
            }
        }
        told.insert(key, (state, now));
        true
    }

    /// It is over: the next time is new.
    pub(super) fn forget(&self, over: impl Fn(&Key) -> bool) {
        self.told().retain(|key, _| !over(key));
    }

    fn told(&self) -> MutexGuard<'_, HashMap<Key, (String, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
