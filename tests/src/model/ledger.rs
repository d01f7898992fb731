//! The ledger in memory, driving `normalizer::ledger`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use normalizer::ledger::absence::{State as Suspected, Suspicion};
use normalizer::ledger::{Admission, Judgement, Mode, State, admit, judge};
use proto::ids::{Attempt, Closing, RunId, Timestamp};
use proto::rules::{Rule, on};

use super::World;
use super::tenant::{LAG, Set};

/// What a page says of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Page {
    /// Here it is.
    Object(u8),
    /// 404, and somebody had said that it is gone.
    Gone,
    /// 404, and nobody had.
    Missing,
}

/// What travels to the ledger.
#[derive(Clone)]
pub enum Message {
    /// A page; without a body it can't be used.
    Page {
        set: Set,
        run: RunId,
        page: (Attempt, u32),
        body: Option<BTreeMap<u8, Page>>,
    },
    /// A seal.
    Seal(Seal),
}

/// A sealed run; `check` and `removed` are there for the invariant only.
#[derive(Clone)]
pub struct Seal {
    pub set: Set,
    pub run: RunId,
    pub by: Attempt,
    pub full: bool,
    pub base: RunId,
    pub pages: BTreeSet<(Attempt, u32)>,
    pub started_at: Timestamp,
    pub sealed_at: Timestamp,
    pub check: BTreeMap<String, Timestamp>,
    pub removed: BTreeMap<String, bool>,
}

/// What travels back: a verdict, or a wish to have objects asked for.
pub struct Verdict {
    pub set: Set,
    pub verdict: Option<collector::run::Verdict>,
    pub asked: BTreeMap<String, Timestamp>,
}

/// Pages of a run: bodies by attempt and sequence; `None` can't be used.
type Pages = BTreeMap<(Set, RunId, (Attempt, u32)), Option<BTreeMap<u8, Page>>>;

/// The ledger's database.
#[derive(Clone, Default)]
pub struct Ledger {
    pages: Pages,
    seals: BTreeMap<(Set, RunId), Seal>,
    states: BTreeMap<Set, State>,
    read_until: BTreeMap<Set, Timestamp>,
    suspects: BTreeMap<Set, BTreeMap<String, Suspicion>>,
    /// Value (`None`: removed) and the closing that wrote it.
    pub rows: BTreeMap<(Set, u8), (Option<u8>, Closing)>,
    /// Every closing, ascending.
    pub closings: Vec<Closing>,
}

impl Ledger {
    /// What is in the inventory.
    pub fn live(&self) -> BTreeMap<(Set, u8), u8> {
        self.rows
            .iter()
            .filter_map(|(k, (value, _))| Some((*k, (*value)?)))
            .collect()
    }

    /// The newest closing.
    pub fn head(&self) -> Closing {
        self.closings.last().copied().unwrap_or_default()
    }
}

impl World {
    /// The ledger takes a message; now and then it takes it once more later.
    pub(super) fn normalize(&mut self) -> Result<(), String> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let j = self.r.usize(..self.queue.len());
        let repeated = self.faults && self.r.f64() < 0.15;
        let message = if repeated {
            self.queue[j].clone()
        } else {
            self.queue.swap_remove(j)
        };
        let (set, run) = match &message {
            Message::Page { set, run, .. } => (*set, *run),
            Message::Seal(seal) => (seal.set, seal.run),
        };
        let applied = self
            .ledger
            .states
            .get(&set)
            .map(|s| s.applied)
            .unwrap_or_default();
        if run <= applied && on(Rule::Ascending) {
            return Ok(());
        }
        match message {
            Message::Page {
                set,
                run,
                page,
                body,
            } => {
                self.ledger.pages.entry((set, run, page)).or_insert(body);
            }
            Message::Seal(seal) => {
                self.ledger.seals.insert((set, run), seal);
            }
        }
        for at in self.ledger.seals.keys().copied().collect::<Vec<_>>() {
            self.apply(at)?;
        }
        Ok(())
    }

    fn apply(&mut self, at: (Set, RunId)) -> Result<(), String> {
        let (set, run) = at;
        let l = &mut self.ledger;
        let Some(seal) = l.seals.get(&at).cloned() else {
            return Ok(());
        };
        let state = l.states.entry(set).or_default();
        let mode = if seal.full { Mode::Full } else { Mode::Some };
        let admission = admit(
            normalizer::ledger::Seal {
                run,
                mode,
                base: seal.base,
            },
            *state,
        );
        if admission == Admission::Drop {
            l.seals.remove(&at);
            self.answer(&seal, false, false, BTreeMap::new());
            return Ok(());
        }
        let bodies: Vec<&Option<BTreeMap<u8, Page>>> = seal
            .pages
            .iter()
            .filter_map(|page| l.pages.get(&(set, run, *page)))
            .collect();
        if bodies.len() < seal.pages.len() {
            return Ok(());
        }
        if admission == Admission::NeedsFull {
            l.seals.remove(&at);
            self.answer(&seal, false, true, BTreeMap::new());
            return Ok(());
        }
        let complete = bodies.iter().all(|b| b.is_some());
        let (mut answered, mut gone, mut missing) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut values = BTreeMap::new();
        for (key, page) in bodies.into_iter().flatten().flatten() {
            let id = key.to_string();
            let live = l.rows.get(&(set, *key)).is_some_and(|(v, _)| v.is_some());
            match page {
                Page::Object(value) => {
                    values.insert(*key, *value);
                    answered.insert(id);
                }
                Page::Gone if live => {
                    gone.insert(id);
                }
                Page::Missing if live => {
                    missing.insert(id);
                }
                _ => {}
            }
        }
        let closing = l
            .closings
            .last()
            .copied()
            .unwrap_or_default()
            .next(Timestamp(self.clock));
        let mine = |(s, _): &(Set, u8)| *s == set;
        let live: BTreeSet<String> = l
            .rows
            .iter()
            .filter(|(k, (v, _))| mine(k) && v.is_some())
            .map(|((_, k), _)| k.to_string())
            .collect();
        let absent: BTreeSet<String> = if seal.full {
            live.difference(&answered).cloned().collect()
        } else {
            BTreeSet::new()
        };
        let before = l.suspects.remove(&set).unwrap_or_default();
        let last_read_end = l.read_until.get(&set).copied().unwrap_or_default();
        let seen_until = |id: &String| before.get(id).map_or(last_read_end, |s| s.since);
        // What is never asked for by id must have been there since it was last seen, not only since this run began.
        let last_seen: BTreeMap<String, Timestamp> = absent
            .iter()
            .map(|id| (id.clone(), seen_until(id)))
            .collect();
        let outcome = judge(Judgement {
            run,
            mode,
            complete,
            tenant_removed: false,
            absence: match set {
                Set::Users => catalog::Absence::ById,
                _ => catalog::Absence::OneAnswer,
            },
            started_at: seal.started_at,
            last_read_end,
            now: Timestamp(self.clock),
            lateness: Duration::from_micros(if self.late { LAG } else { 0 }),
            guard: normalizer::Config::default().guard,
            live: live.len() as u64,
            answered: &answered,
            gone: &gone,
            missing: &missing,
            absent: &absent,
            suspects: before,
        });
        for (key, value) in values {
            let row = l.rows.entry((set, key)).or_insert((None, closing));
            if row.0 != Some(value) {
                *row = (Some(value), closing);
            }
        }
        for id in &outcome.remove {
            let key = id.parse().unwrap_or(u8::MAX);
            let said = seal.removed.get(id).copied().unwrap_or(false);
            let since = match set {
                Set::Users => seal.check.get(id).copied().unwrap_or(seal.started_at),
                Set::Skus => last_seen.get(id).copied().unwrap_or(seal.started_at),
            };
            if !said && self.tenant.existed_since(set, key, since.0) {
                return Err(format!("removed {set:?} {key}, which existed all the time"));
            }
            l.rows.insert((set, key), (None, closing));
        }
        let open = outcome
            .suspects
            .iter()
            .filter(|(_, s)| s.state != Suspected::Held);
        let named = open.map(|(id, s)| (id.clone(), s.since)).collect();
        l.suspects.insert(set, outcome.suspects);
        let state = l.states.entry(set).or_default();
        state.applied = state.applied.max(run);
        if complete {
            state.whole = state.whole.max(run);
        }
        if seal.full {
            l.read_until.insert(set, seal.sealed_at);
        }
        l.closings.push(closing);
        l.pages.retain(|(s, r, _), _| (*s, *r) != at);
        l.seals.remove(&at);
        self.answer(&seal, complete, false, named);
        Ok(())
    }

    fn answer(
        &mut self,
        seal: &Seal,
        complete: bool,
        needs_full: bool,
        suspects: BTreeMap<String, Timestamp>,
    ) {
        let applied = self
            .ledger
            .states
            .get(&seal.set)
            .map(|s| s.applied)
            .unwrap_or_default();
        let verdict = collector::run::Verdict {
            run: seal.run,
            by: seal.by,
            complete,
            needs_full,
            suspects,
            applied,
        };
        self.verdicts.push(Verdict {
            set: seal.set,
            verdict: Some(verdict),
            asked: BTreeMap::new(),
        });
    }

    /// An operator approves whatever the guard holds.
    pub(super) fn approve(&mut self) {
        for (set, suspects) in &mut self.ledger.suspects {
            let held = suspects
                .iter_mut()
                .filter(|(_, s)| s.state == Suspected::Held);
            let asked: BTreeMap<String, Timestamp> = held
                .map(|(id, s)| {
                    s.state = Suspected::Approved;
                    (id.clone(), s.since)
                })
                .collect();
            if !asked.is_empty() {
                self.verdicts.push(Verdict {
                    set: *set,
                    verdict: None,
                    asked,
                });
            }
        }
    }
}
