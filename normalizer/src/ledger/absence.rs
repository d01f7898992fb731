//! What absence means: who becomes a suspect, and what is removed. Pure.
//!
//! A record is removed when Graph said "gone" for its id; where objects can't be asked for by id, when one complete
//! answer that began late enough lacks it, or two, or all for long enough, as the dataset declares. Everything else is a suspicion (docs/protocol.md).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog::Absence;
use proto::ids::{RunId, Timestamp};
use proto::rules::{Rule, on};

use super::admit::Mode;
use super::guard;
use crate::config::Guard;

/// Keys of records of one dataset.
pub type Keys = BTreeSet<String>;

/// A record whose absence is suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// When it arose; where absence is proven by one answer or by time, when the record was last seen.
    pub since: Timestamp,
    /// What is to become of it.
    pub state: State,
    /// The run that raised it, or that was held.
    pub run: RunId,
}

/// What is to become of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The collector is to ask.
    Open,
    /// The guard keeps the record until somebody decides.
    Held,
    /// The guard is waived for this record: the collector is to ask.
    Approved,
}

/// One applied run, seen as a question about what is absent.
#[derive(Debug)]
pub struct Judgement<'a> {
    /// The run.
    pub run: RunId,
    /// What it read.
    pub mode: Mode,
    /// Every named page was usable.
    pub complete: bool,
    /// The tenant was removed from the registry: everything goes, the guard is waived.
    pub tenant_removed: bool,
    /// How it is proven that an object of the dataset is gone.
    pub absence: Absence,
    /// When the run began to read.
    pub started_at: Timestamp,
    /// When the newest run applied before had been read: no record was seen later.
    pub last_read_end: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// How late Graph may be.
    pub lateness: Duration,
    /// When removals are held.
    pub guard: Guard,
    /// Live records, the run's own included, before anything is removed.
    pub live: u64,
    /// Keys that the run answered with the object. Those of suspects suffice.
    pub answered: &'a Keys,
    /// Live records whose last answer was "gone".
    pub gone: &'a Keys,
    /// Live records whose last answer was "missing".
    pub missing: &'a Keys,
    /// Live records that no page names. Read of complete full runs only.
    pub absent: &'a Keys,
    /// Suspects before the run.
    pub suspects: BTreeMap<String, Suspicion>,
}

/// What follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records to remove.
    pub remove: Keys,
    /// Suspects after the run.
    pub suspects: BTreeMap<String, Suspicion>,
}

/// Judges a run.
pub fn judge(j: Judgement<'_>) -> Outcome {
    let mut suspects = j.suspects;
    suspects.retain(|key, _| !j.answered.contains(key));
    let raise = |since, state| Suspicion {
        since,
        state,
        run: j.run,
    };
    for key in j.missing {
        suspects
            .entry(key.clone())
            .or_insert(raise(j.now, State::Open));
    }

    let nothing = Keys::new();
    let absent = if j.complete && (j.mode == Mode::Full || j.tenant_removed) {
        j.absent
    } else {
        &nothing
    };
    if j.tenant_removed && j.complete {
        return Outcome {
            remove: absent.union(j.gone).cloned().collect(),
            suspects: BTreeMap::new(),
        };
    }

    // What Graph said is gone, and what an answer that came late enough lacks, may go now.
    let mut may_go: Keys = j.gone.clone();
    for key in absent {
        let suspect = suspects.get(key);
        let last_seen = suspect.map_or(j.last_read_end, |s| s.since);
        let proven = match j.absence {
            Absence::ById => !on(Rule::GoneById),
            Absence::OneAnswer => j.started_at >= last_seen.plus(j.lateness),
            // The first one made it a suspect.
            Absence::TwoReads => suspect.is_some_and(|s| j.started_at >= s.since.plus(j.lateness)),
            Absence::After(keep) => j.started_at >= last_seen.plus(keep),
        };
        if proven {
            may_go.insert(key.clone());
        }
    }
    let state_of = |key: &String| suspects.get(key).map(|s| s.state);
    // The held ones wait for somebody, so they neither count against an ordinary leaver nor lend him their number: he
    // is measured against those whose fate is open.
    let held = suspects.values().filter(|s| s.state == State::Held).count() as u64;
    let of = |state: fn(Option<State>) -> bool| {
        absent.union(&may_go).filter(|k| state(state_of(k))).count() as u64
    };
    let loose = of(|s| !matches!(s, Some(State::Held | State::Approved)));
    let hold = guard::hold(&j.guard, j.live.saturating_sub(held), loose);
    // A newer look at everything: what it still lacks of the held ones is let go of when that, together with what
    // this run lets go anyway, is no mass any more.
    let again = j.complete && j.mode == Mode::Full;
    let hold_on = guard::hold(&j.guard, j.live, loose + of(|s| s == Some(State::Held)));

    let mut remove = Keys::new();
    for key in absent.union(&may_go) {
        let before = suspects.get(key).copied();
        let state = before.map(|s| s.state);
        let first = match j.absence {
            Absence::ById | Absence::TwoReads => j.now,
            Absence::OneAnswer | Absence::After(_) => j.last_read_end,
        };
        let since = before.map_or(first, |s| s.since);
        if state == Some(State::Held) {
            if again {
                let state = if hold_on { State::Held } else { State::Open };
                suspects.insert(key.clone(), raise(since, state));
            } // else until somebody decides
        } else if hold && state != Some(State::Approved) {
            suspects.insert(key.clone(), raise(since, State::Held));
        } else if may_go.contains(key) {
            remove.insert(key.clone());
        } else {
            suspects
                .entry(key.clone())
                .or_insert(raise(since, State::Open));
        }
    }
    suspects.retain(|key, _| !remove.contains(key));
    Outcome { remove, suspects }
}

#[cfg(test)]
mod tests;
