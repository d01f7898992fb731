//! Two collectors over one database, driving `collector::run`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use collector::run::{Answer, Link, Open, Rules, State, Todo};
use proto::ids::{Attempt, Timestamp};
use proto::rules::{Rule, on};

use super::World;
use super::ledger::{Message, Page, Seal};
use super::tenant::{LAG, Set};

/// The database and the two processes.
#[derive(Clone, Default)]
pub struct Collectors {
    attempt: Attempt,
    /// The state of each dataset.
    pub states: BTreeMap<Set, State>,
    processes: [Option<Process>; 2],
}

#[derive(Clone)]
struct Process {
    set: Set,
    attempt: Attempt,
    sequence: u32,
    open: Open,
    /// A published page, to be stored as confirmed.
    pending: Option<(u32, Todo)>,
}

impl Collectors {
    /// A process ends between two steps.
    pub fn crash(&mut self, i: usize) {
        self.processes[i] = None;
    }

    /// Both end.
    pub fn crash_all(&mut self) {
        self.processes = [None, None];
    }

    /// A process works; another one starts when there is none, or by a lease that ran out under it.
    pub fn may_work(&self, i: usize, taken_over: bool) -> bool {
        self.processes[i].is_some() || self.processes.iter().all(Option::is_none) || taken_over
    }
}

/// While faults happen a full read is due now and then ("once a week"); afterwards the rules must heal by themselves.
fn rules(set: Set, late: bool, faults: bool) -> Rules {
    Rules {
        by_delta: set == Set::Users,
        declaration: 1,
        lateness: Duration::from_micros(if late { LAG } else { 0 }),
        full_every: if faults {
            Duration::from_micros(80)
        } else {
            Duration::MAX
        },
        verdict_within: Duration::from_micros(10),
    }
}

fn key(id: &str) -> u8 {
    id.parse().unwrap_or(u8::MAX)
}

fn version(link: &Link) -> u64 {
    link.0.parse().unwrap_or(0)
}

impl World {
    fn stale(&self) -> u64 {
        if self.faults && self.late { LAG } else { 0 }
    }

    fn lease(&mut self, i: usize) {
        let now = Timestamp(self.clock);
        let set = Set::ALL[self.r.usize(..2)];
        let c = &mut self.collectors;
        if on(Rule::Attempt) || c.attempt == Attempt(0) {
            c.attempt = c.attempt.next(now);
        }
        let state = c.states.entry(set).or_default();
        let rules = rules(set, self.late, self.faults);
        if state.open.is_none() && state.sealed.is_some() && self.r.f64() < 0.1 {
            state.give_up(&rules, now);
            state.cursor.unanswered = 0;
        }
        state.begin(&rules, now);
        if let Some(open) = state.open.clone() {
            self.collectors.processes[i] = Some(Process {
                set,
                attempt: c.attempt,
                sequence: 0,
                open,
                pending: None,
            });
        }
    }

    /// One step of one process: lease, or read a page, or store its confirmation, or seal.
    pub(super) fn collect(&mut self, i: usize) {
        let Some(mut p) = self.collectors.processes[i].take() else {
            return self.lease(i);
        };
        let now = Timestamp(self.clock);
        let held = self.collectors.attempt;
        let mine = self
            .collectors
            .states
            .get(&p.set)
            .and_then(|s| s.open.as_ref())
            .is_some_and(|open| open.run == p.open.run && held == p.attempt);
        // Reading and publishing need no database, so a process that was fenced goes on until it stores something.
        if p.pending.is_none() && self.publish(&mut p) {
            self.collectors.processes[i] = Some(p);
            return;
        }
        if !mine {
            return;
        }
        let rules = rules(p.set, self.late, self.faults);
        let Some(state) = self.collectors.states.get_mut(&p.set) else {
            return;
        };
        if p.pending.is_none() && p.open.todo == Todo::Nothing {
            let (run, set, by) = (p.open.run, p.set, p.attempt);
            let Some(sealed) = state.seal(by, now) else {
                return;
            };
            let read = &sealed.read;
            let pages = read
                .pages
                .iter()
                .flat_map(|(a, first, last)| (*first..=*last).map(|n| (*a, n)))
                .collect();
            let seal = Seal {
                set,
                run,
                by,
                full: read.is_full(),
                base: read.base,
                pages,
                started_at: read.started_at,
                sealed_at: now,
                check: read.check.clone(),
                removed: read.removed.clone(),
            };
            self.queue.push(Message::Seal(seal));
            return;
        }
        let again = state.cursor.again.clone();
        let Some(open) = state.open.as_mut() else {
            return;
        };
        if let Some((sequence, rest)) = p.pending.take() {
            open.confirmed(p.attempt, sequence, 1, rest.into());
        } else if p.open.todo == Todo::TakeLink {
            open.link_taken(Link(self.tenant.now.to_string()));
        } else if let Todo::Delta(link) = &p.open.todo {
            let lag = if self.faults { self.r.u64(..4) } else { 0 };
            let (named, seen) = self.tenant.delta(p.set, version(link), lag);
            let named = named
                .into_iter()
                .map(|(k, gone)| (k.to_string(), gone))
                .collect();
            open.delta_read(named, Link(seen.to_string()), &again, 1_000, &rules, now);
        }
        p.open = open.clone();
        self.collectors.processes[i] = Some(p);
    }

    /// Reads and publishes a page, where that is what comes next.
    fn publish(&mut self, p: &mut Process) -> bool {
        let stale = self.stale();
        let (body, rest) = match p.open.todo.clone() {
            Todo::Chain(from) => {
                let half = p.set.keys() / 2;
                let second = from.is_some();
                // A small collection comes as one answer.
                let places = match (p.set, second) {
                    (Set::Skus, _) => 0..u8::MAX,
                    (Set::Users, false) => 0..half,
                    (Set::Users, true) => half..u8::MAX,
                };
                let body = self.tenant.page(p.set, places, stale, &mut self.r);
                let last = second || p.set == Set::Skus;
                let rest = if last {
                    Todo::Nothing
                } else {
                    Todo::Chain(Some(Link("2".to_owned())))
                };
                (
                    body.into_iter()
                        .map(|(k, v)| (k, Page::Object(v)))
                        .collect(),
                    rest,
                )
            }
            Todo::Ids(ids) => {
                let asked: BTreeSet<String> = ids.iter().take(2).cloned().collect();
                let mut body = BTreeMap::new();
                for id in &asked {
                    let answer = match self.tenant.get(p.set, key(id), stale, &mut self.r) {
                        Some((value, _)) => Page::Object(value),
                        None if p.open.not_found(id) == Answer::Gone => Page::Gone,
                        None => Page::Missing,
                    };
                    body.insert(key(id), answer);
                }
                (body, Todo::Ids(ids.difference(&asked).cloned().collect()))
            }
            _ => return false,
        };
        let sequence = p.sequence;
        p.sequence += 1;
        p.pending = Some((sequence, rest));
        // Now and then a page is confirmed and lost all the same: its run never gets whole.
        if !(self.faults && self.r.f64() < 0.02) {
            let poison = self.faults && self.r.f64() < 0.02;
            self.queue.push(Message::Page {
                set: p.set,
                run: p.open.run,
                page: (p.attempt, sequence),
                body: (!poison).then_some(body),
            });
        }
        true
    }

    /// A collector takes a verdict.
    pub(super) fn verdict(&mut self) {
        if self.verdicts.is_empty() {
            return;
        }
        let verdict = self
            .verdicts
            .swap_remove(self.r.usize(..self.verdicts.len()));
        if self.faults && self.r.f64() < 0.1 {
            return;
        }
        let state = self.collectors.states.entry(verdict.set).or_default();
        match verdict.verdict {
            Some(v) => {
                state.verdict(v);
            }
            None => state.check(verdict.asked),
        }
    }
}
