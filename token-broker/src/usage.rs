//! Which datasets were asked for, and when: what nobody asks for needs no permission.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use catalog::Declaration;
use proto::ids::TenantId;

use crate::excess::needless;
use crate::store::Asked;

/// A permission is unused when nothing that needs it was asked for during so many days.
const DAYS: u64 = 30;

/// Days since 1970 on which datasets were asked for.
#[derive(Default)]
pub(crate) struct Usage(Mutex<State>);

#[derive(Default)]
struct State {
    days: HashMap<TenantId, HashMap<String, Days>>,
    /// Noted, and not yet stored.
    fresh: Vec<(TenantId, String)>,
}

#[derive(Clone, Copy)]
struct Days {
    first: u64,
    last: u64,
}

/// What is known of a tenant's datasets.
pub(crate) struct Seen {
    /// The first day of which something is known.
    pub since: u64,
    last: HashMap<String, u64>,
    today: u64,
}

impl Usage {
    /// Goes on from what was stored.
    pub(crate) fn load(&self, stored: Vec<Asked>) {
        let mut state = self.state();
        for (tenant, dataset, first, last) in stored {
            let known = state.days.entry(tenant).or_default();
            let days = known.entry(dataset).or_insert(Days { first, last });
            days.first = days.first.min(first);
            days.last = days.last.max(last);
        }
    }

    /// A dataset is asked for; `now` in microseconds since 1970.
    pub(crate) fn note(&self, tenant: TenantId, dataset: &str, now: u64) {
        let today = day(now);
        let mut state = self.state();
        let known = state.days.entry(tenant).or_default();
        match known.get_mut(dataset) {
            Some(days) if days.last >= today => return,
            Some(days) => days.last = today,
            None => {
                let days = Days {
                    first: today,
                    last: today,
                };
                known.insert(dataset.to_owned(), days);
            }
        }
        state.fresh.push((tenant, dataset.to_owned()));
    }

    /// What is to be stored; it counts as stored then.
    pub(crate) fn take_fresh(&self) -> Vec<(TenantId, String)> {
        std::mem::take(&mut self.state().fresh)
    }

    /// What is known of a tenant; `now` in microseconds since 1970.
    pub(crate) fn of(&self, tenant: TenantId, now: u64) -> Seen {
        let state = self.state();
        let days = state.days.get(&tenant);
        let today = day(now);
        let all = days.into_iter().flatten();
        Seen {
            since: all.clone().map(|(_, d)| d.first).min().unwrap_or(today),
            last: all.map(|(name, d)| (name.clone(), d.last)).collect(),
            today,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The day of a moment (microseconds since 1970).
pub(crate) fn day(now: u64) -> u64 {
    now / 86_400_000_000
}

impl Seen {
    /// Permissions without which everything that was asked for of late is covered as well. None before that is known for
    /// long enough.
    pub(crate) fn unused(&self, roles: &[&str], datasets: &[&'static Declaration]) -> Vec<String> {
        if self.today.saturating_sub(self.since) < DAYS {
            return Vec::new();
        }
        let of_late = |d: &&&'static Declaration| {
            let last = self.last.get(d.name);
            last.is_some_and(|last| self.today.saturating_sub(*last) < DAYS)
        };
        let used: Vec<_> = datasets.iter().filter(of_late).copied().collect();
        needless(roles.to_vec(), &used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000_000;

    #[test]
    fn what_nobody_asked_for_in_thirty_days_needs_no_permission() {
        let tenant: TenantId = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let datasets: Vec<_> = catalog::ALL.to_vec();
        let roles = ["User.Read.All", "Organization.Read.All"];
        let usage = Usage::default();
        usage.note(tenant, "organization", 1_000 * DAY);
        usage.note(tenant, "users", 1_000 * DAY);
        usage.note(tenant, "users", 1_000 * DAY + 1);
        assert_eq!(usage.take_fresh().len(), 2);
        usage.note(tenant, "users", 1_029 * DAY);
        let unused = |day: u64| usage.of(tenant, day * DAY).unused(&roles, &datasets);
        assert!(unused(1_029).is_empty(), "too early to tell");
        assert_eq!(unused(1_030), ["Organization.Read.All"]);
        assert_eq!(unused(1_059), roles);
        usage.load(vec![(tenant, "organization".to_owned(), 990, 1_058)]);
        assert_eq!(unused(1_059), ["User.Read.All"]);
    }
}
