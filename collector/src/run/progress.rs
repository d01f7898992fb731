//! Reading: what the delta named, what an answer by id means, which pages count.

use std::collections::{BTreeMap, BTreeSet};

use proto::ids::{Attempt, RunId, Timestamp};
use proto::rules::{Rule, on};

use super::{Link, Named, Open, Piece, Rest, Rules, Todo};

/// What Graph's answer to a question by id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 404, and the delta had named it removed, or it had been suspect for long enough.
    Gone,
    /// 404, and nobody had said that it is gone: it becomes a suspect.
    Missing,
}

impl Open {
    /// A delta link was taken before a first full read.
    pub fn link_taken(&mut self, link: Link) {
        self.link = Some(link);
        self.todo = Todo::Chain(None);
    }

    /// The delta was read to its end: `named` holds each id with "is it removed?". Nothing else of it is used,
    /// because its objects may be partial.
    pub fn delta_read(
        &mut self,
        named: BTreeMap<String, bool>,
        link: Link,
        asked_before: &BTreeMap<String, Named>,
        known_objects: u64,
        rules: &Rules,
        now: Timestamp,
    ) {
        self.link = Some(link);
        let due: BTreeMap<String, bool> = asked_before
            .iter()
            .filter(|(k, _)| !self.again.contains_key(*k))
            .map(|(k, n)| (k.clone(), n.removed))
            .collect();
        if full_is_cheaper(named.len() + due.len(), known_objects) {
            self.base = RunId(0);
            self.todo = Todo::Chain(None);
            self.read_twice(rules, now);
            return;
        }
        // The first answer may be older than the change that was named: ask once more, later.
        if !rules.lateness.is_zero() && on(Rule::AskedAgain) {
            self.again.extend(named.iter().map(|(k, removed)| {
                (
                    k.clone(),
                    Named {
                        at: now,
                        removed: *removed,
                    },
                )
            }));
        }
        self.removed = due;
        self.removed.extend(named);
        self.todo = Todo::Ids(
            self.removed
                .keys()
                .chain(self.check.keys())
                .cloned()
                .collect(),
        );
        self.settle();
    }

    /// The parents were listed for each of which something is read.
    pub fn parents_listed(&mut self, ids: BTreeSet<String>) {
        self.todo = Todo::Parents(ids);
        self.settle();
    }

    /// Graph refused the link: the run becomes a first full read.
    pub fn link_refused(&mut self, rules: &Rules, now: Timestamp) {
        self.link = None;
        self.restart_chain();
        self.read_first(rules, now);
    }

    /// What a 404 for this id means.
    pub fn not_found(&self, id: &str) -> Answer {
        let gone = match self.removed.get(id) {
            Some(said_gone) => *said_gone,
            // A change that the delta named is newer word than a suspicion: this 404 may come from a late replica.
            None => self.check.contains_key(id),
        };
        if gone || !on(Rule::MissingIsSuspect) {
            Answer::Gone
        } else {
            Answer::Missing
        }
    }

    /// The queue has confirmed a page, in the order of the pages: it counts, and reading goes on from `rest`.
    pub fn confirmed(&mut self, attempt: Attempt, sequence: u32, objects: u64, rest: Rest) {
        match self.pages.last_mut() {
            Some((a, _, last)) if *a == attempt && *last + 1 == sequence => *last = sequence,
            _ => self.pages.push((attempt, sequence, sequence)),
        }
        self.objects += objects;
        match (rest, &mut self.todo) {
            (Rest::Todo(rest), todo) => *todo = rest,
            (Rest::Piece(number, piece), Todo::Ranges(pieces)) => {
                // A range that was split meanwhile is no more.
                if let Some(place) = pieces.get_mut(&number) {
                    match piece {
                        Some(piece) => *place = piece,
                        None => _ = pieces.remove(&number),
                    }
                }
            }
            (Rest::Piece(..) | Rest::Same, _) => {}
        }
        self.settle();
    }

    /// The collection is read in these ranges.
    pub fn planned(&mut self, pieces: Vec<Piece>) {
        self.todo = Todo::Ranges((0..).zip(pieces).collect());
    }

    /// A range is read in smaller ones. Its pages count all the same: what stands on them twice is the same object.
    pub fn split(&mut self, number: u32, pieces: Vec<Piece>) {
        if let Todo::Ranges(all) = &mut self.todo
            && let Some(split) = all.remove(&number)
        {
            self.repeated += split.objects;
            let free = all.last_key_value().map_or(number, |(n, _)| *n).max(number) + 1;
            all.extend((free..).zip(pieces));
        }
    }

    /// What is left of the ranges, by number.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, &Piece)> {
        let pieces = match &self.todo {
            Todo::Ranges(pieces) => Some(pieces),
            _ => None,
        };
        pieces.into_iter().flatten().map(|(n, piece)| (*n, piece))
    }

    /// The chain has to start again: its pages don't count.
    pub fn restart_chain(&mut self) {
        self.pages.clear();
        self.objects = 0;
        self.read = 0;
        self.repeated = 0;
        self.counted = None;
        self.todo = Todo::Chain(None);
    }

    /// The chain starts again, and is one.
    pub fn restart_as_one(&mut self) {
        self.restart_chain();
        self.one_chain = true;
    }

    /// A page of Graph's holds so many objects.
    pub fn read(&mut self, objects: u64) {
        self.read += objects;
    }

    /// Objects that were read, each once.
    pub fn distinct(&self) -> u64 {
        self.read.saturating_sub(self.repeated)
    }

    /// Number of pages that count.
    pub fn page_count(&self) -> u32 {
        self.pages
            .iter()
            .map(|(_, first, last)| last - first + 1)
            .sum()
    }

    fn settle(&mut self) {
        let done = match &self.todo {
            Todo::Ids(ids) | Todo::Parents(ids) => ids.is_empty(),
            Todo::Ranges(pieces) => pieces.is_empty(),
            _ => false,
        };
        if done {
            self.todo = Todo::Nothing;
        }
    }
}

/// Named objects come 300 a request, pages of the collection 999.
fn full_is_cheaper(named: usize, known_objects: u64) -> bool {
    let named = named as u64;
    named > 300 && named / 300 > known_objects / 999
}
