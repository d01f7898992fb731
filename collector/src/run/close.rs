//! Sealing a run, and what the ledger's verdict on it changes.

use std::collections::BTreeMap;

use proto::ids::{Attempt, RunId, Timestamp};
use proto::rules::{Rule, on};

use super::{Cursor, Open, Rules, Sealed, State};

/// What the ledger says of a seal.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The run.
    pub run: RunId,
    /// The attempt whose seal it is about.
    pub by: Attempt,
    /// The run was applied completely.
    pub complete: bool,
    /// The ledger can't apply it: read everything.
    pub needs_full: bool,
    /// Suspects that are to be asked for, and since when.
    pub suspects: BTreeMap<String, Timestamp>,
    /// The newest run that the ledger has applied.
    pub applied: RunId,
}

impl State {
    /// Seals the open run.
    pub fn seal(&mut self, by: Attempt, now: Timestamp) -> Option<&Sealed> {
        let read = self.open.take()?;
        if !on(Rule::LinkAfterClose) {
            self.cursor.advance(&read, BTreeMap::new());
        }
        self.sealed = Some(Sealed {
            read,
            by,
            at: now,
            published: false,
        });
        self.sealed.as_ref()
    }

    /// Takes a verdict. Returns whether it was the one waited for.
    pub fn verdict(&mut self, verdict: Verdict) -> bool {
        if verdict.needs_full {
            self.cursor.full = true;
        }
        self.cursor.run = self.cursor.run.max(verdict.applied);
        let Some(sealed) = self.sealed.take_if(|s| {
            s.read.run == verdict.run && (s.by == verdict.by || !on(Rule::VerdictNamesSeal))
        }) else {
            return false;
        };
        self.cursor.unanswered = 0;
        match sealed.read.gaps.is_empty() {
            true if sealed.read.is_full() => self.cursor.short = 0,
            true => {}
            false => self.cursor.short += 1,
        }
        if verdict.complete && !verdict.needs_full {
            self.cursor.advance(&sealed.read, verdict.suspects);
        }
        true
    }

    /// Held removals were approved: ask for them.
    pub fn check(&mut self, suspects: BTreeMap<String, Timestamp>) {
        self.cursor.check.extend(suspects);
    }

    /// Gives up a seal that got no verdict for too long: the run is read again, from the old cursor, under a new
    /// number. The wait doubles each time, so that an overload doesn't read itself again and again.
    pub fn give_up(&mut self, rules: &Rules, now: Timestamp) -> bool {
        let wait = rules
            .verdict_within
            .saturating_mul(2_u32.saturating_pow(self.cursor.unanswered.min(10)));
        if self.sealed.take_if(|s| now.since(s.at) >= wait).is_none() {
            return false;
        }
        self.cursor.unanswered += 1;
        true
    }
}

impl Cursor {
    fn advance(&mut self, read: &Open, suspects: BTreeMap<String, Timestamp>) {
        self.link.clone_from(&read.link);
        self.base = read.run;
        self.twice = read.twice;
        self.again.clone_from(&read.again);
        self.check = suspects;
        if read.is_full() {
            self.full = false;
            self.last_full = Some(read.started_at);
            self.known_objects = read.objects.max(read.distinct());
        }
    }
}
