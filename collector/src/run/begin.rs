//! Beginning a run: which kind, and what it must keep.

use std::collections::BTreeMap;

use proto::ids::{RunId, Timestamp};
use proto::rules::{Rule, on};

use super::{Cursor, Open, Rules, State, Todo};

impl State {
    /// Begins a run where none is open; an open one is gone on with. Nothing happens while a seal waits for its
    /// verdict: at most one run of a dataset is under way.
    pub fn begin(&mut self, rules: &Rules, now: Timestamp) {
        if self.open.is_some() || self.sealed.is_some() {
            return;
        }
        let cursor = &mut self.cursor;
        if cursor.declaration != rules.declaration {
            cursor.link = None;
            cursor.full = true;
            cursor.declaration = rules.declaration;
        }
        cursor.run = cursor.run.next(now);
        let full = !rules.by_delta
            || cursor.full
            || cursor.link.is_none()
            || cursor.base == RunId(0)
            || due(cursor.twice, rules, now)
            || cursor.stale(rules, now);
        let aged: BTreeMap<_, _> = cursor
            .check
            .iter()
            .filter(|(_, since)| aged(**since, rules, now))
            .map(copy)
            .collect();
        let mut open = Open {
            run: cursor.run,
            base: RunId(0),
            started_at: now,
            todo: Todo::Chain(None),
            // A full read keeps the link that is older than it: whatever changes meanwhile is named by it.
            link: cursor.link.clone(),
            twice: cursor.twice.filter(|_| !due(cursor.twice, rules, now)),
            // Those that are old enough are answered by this run.
            again: cursor
                .again
                .iter()
                .filter(|(_, n)| !ripe(n.at, rules, now))
                .map(copy)
                .collect(),
            check: BTreeMap::new(),
            removed: BTreeMap::new(),
            pages: Vec::new(),
            objects: 0,
            read: 0,
            repeated: 0,
            counted: None,
            one_chain: false,
            gaps: Vec::new(),
            data_as_of: String::new(),
            requests: 0,
            tenant_removed: false,
        };
        match &cursor.link {
            Some(link) if !full => {
                open.base = cursor.base;
                open.todo = Todo::Delta(link.clone());
                open.check = aged;
            }
            _ if rules.by_delta && (cursor.link.is_none() || !on(Rule::FullKeepsLink)) => {
                open.read_first(rules, now)
            }
            _ => {}
        }
        self.open = Some(open);
    }

    /// Says which part of the tenant's people is read, and what of them. Where it is another one than before, what an open
    /// run has read doesn't count, and everything is read again.
    pub fn narrow_to(&mut self, population: u64) {
        if self.sealed.is_some() || self.cursor.population == population {
            return;
        }
        self.open = None;
        self.cursor.full = true;
        self.cursor.population = population;
    }

    /// Begins, or makes of the run that is open, one that says that the tenant was taken out; and the other way round.
    pub fn begin_as(&mut self, removed: bool, rules: &Rules, now: Timestamp) {
        self.open.take_if(|open| open.tenant_removed && !removed);
        self.begin(rules, now);
        if let Some(open) = self.open.as_mut().filter(|_| removed) {
            open.base = RunId(0);
            open.restart_chain();
            open.gaps.clear();
            open.todo = Todo::Nothing;
            open.tenant_removed = true;
        }
    }

    /// Whether there is something to do at this moment that does not wait for the dataset's cadence.
    pub fn askable(&self, rules: &Rules, now: Timestamp) -> bool {
        if self.open.is_some() {
            return true;
        }
        let c = &self.cursor;
        self.sealed.is_none()
            && (c.full
                || c.run == RunId(0)
                || due(c.twice, rules, now)
                || c.check.values().any(|since| aged(*since, rules, now))
                || c.again.values().any(|n| ripe(n.at, rules, now)))
    }

    /// The next moment at which something becomes askable by age alone.
    pub fn next_age(&self, rules: &Rules) -> Option<Timestamp> {
        let c = &self.cursor;
        let times = c
            .twice
            .iter()
            .chain(c.check.values())
            .copied()
            .chain(c.again.values().map(|n| n.at));
        times.map(|t| t.plus(rules.lateness)).min()
    }

    /// Number of ids that wait to be asked for.
    pub fn waiting_ids(&self) -> usize {
        self.cursor.check.len() + self.cursor.again.len()
    }
}

impl Cursor {
    fn stale(&self, rules: &Rules, now: Timestamp) -> bool {
        self.last_full
            .is_some_and(|t| now.since(t) >= rules.full_every)
    }
}

impl Open {
    /// Makes this a first full read: it takes a link of its own before it reads, and is repeated later because
    /// this reading may come from replicas that are behind the link.
    pub(super) fn read_first(&mut self, rules: &Rules, now: Timestamp) {
        self.base = RunId(0);
        self.todo = Todo::TakeLink;
        self.read_twice(rules, now);
    }

    /// Whatever was to be asked again is covered by the repetition.
    pub(super) fn read_twice(&mut self, rules: &Rules, now: Timestamp) {
        self.twice = (!rules.lateness.is_zero() && on(Rule::FullKeepsLink)).then_some(now);
        self.again.clear();
        self.check.clear();
        self.removed.clear();
    }
}

fn due(twice: Option<Timestamp>, rules: &Rules, now: Timestamp) -> bool {
    twice.is_some_and(|t| ripe(t, rules, now))
}

fn ripe(at: Timestamp, rules: &Rules, now: Timestamp) -> bool {
    at.plus(rules.lateness) <= now
}

fn aged(since: Timestamp, rules: &Rules, now: Timestamp) -> bool {
    ripe(since, rules, now) || !on(Rule::SuspicionAges)
}

fn copy<T: Copy>((k, v): (&String, &T)) -> (String, T) {
    (k.clone(), *v)
}
