//! A ledger that is restored, batches that are lost, late and repeated, and crashes between any two steps; in the end
//! the sink shows what the ledger holds. And without any one of the three rules it doesn't.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proto::ids::Closing;
use proto::rules::{Rule, without};

use super::*;

/// Small and repeatable.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

#[derive(Clone)]
struct Ledger {
    /// Key to value (absent when removed) and closing.
    rows: BTreeMap<u64, (Option<u64>, u64)>,
    closings: BTreeSet<u64>,
}

struct Batch {
    from: Cursor,
    to: Cursor,
    /// The content; `whole` when it is a snapshot.
    rows: Vec<(u64, Option<u64>)>,
    whole: bool,
}

struct World {
    random: Random,
    clock: u64,
    ledger: Ledger,
    backup: Option<Ledger>,
    air: Vec<Batch>,
    sink: BTreeMap<u64, u64>,
    cursor: Cursor,
    faults: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let ledger = Ledger {
            rows: BTreeMap::new(),
            closings: BTreeSet::from([0]),
        };
        World {
            random: Random(seed),
            clock: 100,
            ledger,
            backup: None,
            air: Vec::new(),
            sink: BTreeMap::new(),
            cursor: Cursor::default(),
            faults: true,
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }

    fn change(&mut self) {
        self.clock += 1;
        let (key, value) = (self.random.below(5), self.random.below(4));
        let value = (value > 0).then_some(value);
        if self.ledger.rows.get(&key).and_then(|r| r.0) != value {
            self.ledger.rows.insert(key, (value, self.clock));
        }
        self.ledger.closings.insert(self.clock);
    }

    fn ask(&mut self) {
        let head = *self.ledger.closings.last().unwrap_or(&0);
        let known = [self.cursor.as_of, self.cursor.mark]
            .iter()
            .all(|c| self.ledger.closings.contains(&c.0));
        let from = self.cursor.clone();
        if !known {
            let rows = self
                .ledger
                .rows
                .iter()
                .filter(|(_, r)| r.0.is_some())
                .map(|(k, r)| (*k, r.0))
                .collect();
            self.air.push(Batch {
                from,
                to: after_snapshot(Closing(head)),
                rows,
                whole: true,
            });
            return;
        }
        let mut rows: Vec<_> = self
            .ledger
            .rows
            .iter()
            .map(|(k, r)| (r.1, k.to_string(), *k, r.0))
            .collect();
        rows.retain(|r| (r.0, &r.1) > (from.closing.0, &from.key));
        rows.sort();
        rows.truncate(1 + self.random.below(3) as usize);
        if let Some(last) = rows.last() {
            let to = Cursor {
                closing: Closing(last.0),
                key: last.1.clone(),
                as_of: Closing(head),
                mark: Closing(head),
            };
            self.air.push(Batch {
                from,
                to,
                rows: rows.iter().map(|r| (r.2, r.3)).collect(),
                whole: false,
            });
        }
    }

    fn deliver(&mut self) {
        if self.air.is_empty() {
            return;
        }
        let n = self.random.below(self.air.len() as u64) as usize;
        let stays = self.faults && self.chance(20);
        let b = &self.air[n];
        if take(&self.cursor, &b.from) == Taking::Take {
            let mark = marked(&self.cursor, b.to.as_of);
            let (next, rows, whole) = (advanced(&mark, &b.to), b.rows.clone(), b.whole);
            self.cursor = mark;
            if whole {
                self.sink.clear();
            }
            for (key, value) in rows {
                match value {
                    Some(value) => self.sink.insert(key, value),
                    None => self.sink.remove(&key),
                };
            }
            if !(self.faults && self.chance(15)) {
                self.cursor = next; // else: crashed between the mark and the cursor
            }
        }
        if !stays {
            self.air.remove(n);
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..20 if self.faults => self.change(),
            20..23 if self.faults => self.backup = Some(self.ledger.clone()),
            23..26 if self.faults => {
                if let Some(backup) = self.backup.clone() {
                    self.ledger = backup;
                    self.clock += 1;
                }
            }
            26..60 => self.ask(),
            _ => self.deliver(),
        }
    }

    fn history(seed: u64) -> bool {
        let mut world = World::new(seed);
        (0..150).for_each(|_| world.step());
        world.faults = false;
        (0..400).for_each(|_| world.step());
        let live = world
            .ledger
            .rows
            .iter()
            .filter_map(|(k, r)| r.0.map(|v| (*k, v)))
            .collect();
        world.sink == live
    }
}

const HISTORIES: u64 = 5_000;

#[test]
fn the_sink_shows_the_ledger_after_any_history() {
    let bad: Vec<u64> = (0..HISTORIES)
        .filter(|seed| !World::history(*seed))
        .collect();
    assert_eq!(bad, [0; 0]);
}

#[test]
fn no_rule_is_idle() {
    for rule in [Rule::CursorCompareAndSet, Rule::AsOf, Rule::MarkFirst] {
        without(Some(rule));
        let found = (0..HISTORIES).any(|seed| !World::history(seed));
        without(None);
        assert!(found, "{rule:?} can be left out");
    }
}

prop_compose! {
    fn any_cursor()(closing in 0_u64..9, key in "[a-c]{0,2}", as_of in 0_u64..9, mark in 0_u64..9) -> Cursor {
        Cursor { closing: Closing(closing), key, as_of: Closing(as_of), mark: Closing(mark) }
    }
}

proptest! {
    #[test]
    fn a_batch_counts_once(current in any_cursor(), from in any_cursor(), to in any_cursor()) {
        prop_assert_eq!(take(&current, &from) == Taking::Take, current == from);
        let mark = marked(&current, to.as_of);
        prop_assert_eq!(&mark, &Cursor { mark: to.as_of, ..current.clone() });
        let next = advanced(&mark, &to);
        prop_assert_eq!((next.closing, &next.key, next.as_of, next.mark), (to.closing, &to.key, to.as_of, to.as_of));
        if next != current {
            prop_assert_eq!(take(&next, &current), Taking::Ignore);
        }
    }

    #[test]
    fn a_snapshot_takes_its_closing_and_nothing_later(as_of in 0_u64..99, key in "[a-z]+/[0-9a-f~]+") {
        let end = after_snapshot(Closing(as_of));
        prop_assert!((as_of, key.as_str()) < (end.closing.0, end.key.as_str()));
        prop_assert!((as_of + 1, key.as_str()) > (end.closing.0, end.key.as_str()));
    }

    #[test]
    fn travels_unchanged(cursor in any_cursor()) {
        prop_assert_eq!(Cursor::from(&v1::Cursor::from(&cursor)), cursor);
    }
}
