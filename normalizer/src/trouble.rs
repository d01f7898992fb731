//! Datasets whose runs can't be applied at present. Each waits for itself and holds up no other. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::worker::BACKOFF;

/// A run is given up when it failed so often in a row for one reason that is its own. With the delays between, that
/// takes some seconds: nothing that passes by itself is its own.
const TRIES: u32 = 5;

/// A dataset of a tenant.
pub(crate) type Of = (i64, String);

/// What can't be applied, by tenant and dataset.
#[derive(Default)]
pub(crate) struct Troubles {
    aside: BTreeMap<Of, Trouble>,
    /// Failures so far: the newest has the highest number.
    counted: u64,
}

struct Trouble {
    /// The run and the attempt that sealed it, as far as known.
    seal: Option<(u64, u64)>,
    /// Tries in a row that failed.
    failures: u32,
    /// Those of them in a row with this reason, which is the run's own.
    own: u32,
    reason: String,
    problem: String,
    next: Instant,
    number: u64,
}

/// A try that failed.
pub(crate) struct Failure {
    /// The run and the attempt that sealed it, as far as known.
    pub seal: Option<(u64, u64)>,
    /// The reason lies in the run, not in the machine.
    pub own: bool,
    /// The error and its causes.
    pub reason: String,
    /// What an operator reads.
    pub problem: String,
}

impl Troubles {
    /// A try failed: the dataset is put aside for a while. True when its run is to be given up.
    pub fn failed(&mut self, of: &Of, failure: Failure, now: Instant) -> bool {
        self.counted += 1;
        let before = self.aside.remove(of);
        let failures = before.as_ref().map_or(0, |t| t.failures) + 1;
        let again = before.filter(|t| t.seal == failure.seal && t.reason == failure.reason);
        let own = match failure.own && failure.seal.is_some() {
            true => again.map_or(0, |t| t.own) + 1,
            false => 0,
        };
        let trouble = Trouble {
            seal: failure.seal,
            failures,
            own,
            reason: failure.reason,
            problem: failure.problem,
            next: now + delay(failures),
            number: self.counted,
        };
        self.aside.insert(of.clone(), trouble);
        own >= TRIES
    }

    /// Tenants of which a run can't be applied, with the newest problem of each.
    pub fn all(&self) -> BTreeMap<i64, String> {
        let mut trouble: Vec<_> = self.aside.iter().collect();
        trouble.sort_by_key(|(_, t)| t.number);
        let of = trouble
            .into_iter()
            .map(|((tenant, _), t)| (*tenant, t.problem.clone()));
        of.collect()
    }

    /// A try succeeded.
    pub fn succeeded(&mut self, of: &Of) {
        self.aside.remove(of);
    }

    /// Whether a dataset waits for its delay.
    pub fn waits(&self, of: &Of, now: Instant) -> bool {
        self.aside.get(of).is_some_and(|t| t.next > now)
    }

    /// Those whose delay is over.
    pub fn due(&self, now: Instant) -> Vec<Of> {
        let due = self.aside.iter().filter(|(_, t)| t.next <= now);
        due.map(|(of, _)| of.clone()).collect()
    }

    /// When the next delay is over.
    pub fn next(&self) -> Option<Instant> {
        self.aside.values().map(|t| t.next).min()
    }

    /// The newest failure that is not overcome, as a problem, and how many tries in a row it took.
    pub fn newest(&self) -> (String, u32) {
        let newest = self.aside.values().max_by_key(|t| t.number);
        newest.map_or_else(Default::default, |t| (t.problem.clone(), t.failures))
    }
}

fn delay(failures: u32) -> Duration {
    BACKOFF.delay(failures.saturating_sub(1), 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(run: u64, own: bool, reason: &str) -> Failure {
        Failure {
            seal: Some((run, 1)),
            own,
            reason: reason.into(),
            problem: format!("LW-5001: {reason}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_reason_of_its_own_gives_a_run_up() {
        let (mut t, now) = (Troubles::default(), Instant::now());
        let users = (1, "users".to_owned());
        for _ in 0..20 {
            assert!(!t.failed(&users, failure(7, false, "disk"), now));
        }
        for n in 1..5 {
            assert!(!t.failed(&users, failure(7, true, "odd"), now), "{n}");
        }
        assert!(!t.failed(&users, failure(7, true, "other"), now));
        assert!(!t.failed(&users, failure(8, true, "other"), now));
        for _ in 0..3 {
            assert!(!t.failed(&users, failure(8, true, "other"), now));
        }
        assert!(t.failed(&users, failure(8, true, "other"), now));
    }

    #[tokio::test(start_paused = true)]
    async fn each_waits_for_itself() {
        let (mut t, now) = (Troubles::default(), Instant::now());
        let (a, b) = ((1, "users".to_owned()), (2, "users".to_owned()));
        assert_eq!((t.next(), t.newest()), (None, (String::new(), 0)));
        t.failed(&a, failure(7, false, "a"), now);
        t.failed(&b, failure(7, false, "b"), now);
        t.failed(&b, failure(7, false, "b"), now);
        assert!(t.waits(&a, now) && t.waits(&b, now) && t.due(now).is_empty());
        assert_eq!(t.newest(), ("LW-5001: b".into(), 2));
        let first = t.next().unwrap();
        assert_eq!(t.due(first), std::slice::from_ref(&a));
        t.succeeded(&b);
        assert_eq!(t.newest(), ("LW-5001: a".into(), 1));
        t.succeeded(&a);
        assert_eq!((t.next(), t.newest().1), (None, 0));
    }
}
