//! What happened to a tenant's groups. Memory follows the changes, not the groups.

use std::collections::HashMap;

use crate::group::{self, GROWN, Group, What};

/// The history of all groups of a tenant.
pub(crate) struct GroupLog {
    log: HashMap<u32, Vec<(u32, What)>>,
    /// Entry d - 1 is day d.
    days: Vec<Day>,
    /// Groups that people had made on day 0.
    grown: u32,
}

struct Day {
    changed: Vec<u32>,
    /// One above the highest number that ever lived.
    limit: u32,
}

/// Where a group is between its creation and being forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    Unborn,
    Lives,
    /// Soft-deleted on this day.
    Deleted(u32),
    Purged,
}

impl GroupLog {
    pub(crate) fn new(users: u32) -> Self {
        Self {
            log: HashMap::new(),
            days: Vec::new(),
            grown: group::grown(users),
        }
    }

    /// One above the highest number on a day.
    pub(crate) fn limit(&self, day: u32) -> u32 {
        let sums = (day as usize)
            .checked_sub(1)
            .and_then(|at| self.days.get(at));
        sums.map_or(GROWN + self.grown, |d| d.limit)
    }

    /// The groups that changed by themselves on a day; nothing twice.
    pub(crate) fn changed(&self, day: u32) -> &[u32] {
        let sums = (day as usize)
            .checked_sub(1)
            .and_then(|at| self.days.get(at));
        sums.map_or(&[], |d| &d.changed)
    }

    /// What happened to a group up to `day`.
    pub(crate) fn past(&self, number: u32, day: u32) -> impl Iterator<Item = (u32, What)> {
        let log = self.log.get(&number).map_or(&[][..], Vec::as_slice);
        log.iter().copied().take_while(move |(d, _)| *d <= day)
    }

    /// Where a group is on a day.
    pub(crate) fn life(&self, number: u32, day: u32) -> Life {
        let first = number < GROWN + self.grown;
        let start = if first { Life::Lives } else { Life::Unborn };
        self.past(number, day)
            .fold(start, |life, (on, what)| match what {
                What::Created | What::Restored => Life::Lives,
                What::Deleted => Life::Deleted(on),
                What::Purged => Life::Purged,
                _ => life,
            })
    }

    /// A group on a day, if it lives.
    pub(crate) fn group(&self, key: u64, number: u32, day: u32) -> Option<Group> {
        (self.life(number, day) == Life::Lives)
            .then(|| self.known(key, number, day))
            .flatten()
    }

    /// A group on a day, whether it lives or not.
    pub(crate) fn known(&self, key: u64, number: u32, day: u32) -> Option<Group> {
        let created = self
            .past(number, day)
            .find(|(_, w)| *w == What::Created)
            .map(|(on, _)| on);
        let mut group = group::make(key, number, created)?;
        for (on, what) in self.past(number, day) {
            match what {
                What::Renamed => group.renamed = group.renamed.wrapping_add(1),
                What::Flipped(sku) => (group.licence, group.flipped) = (Some(sku), Some(on)),
                _ => {}
            }
        }
        Some(group)
    }

    pub(crate) fn live_through(&mut self, day: u32, made: Vec<(u32, What)>) {
        let mut limit = self.limit(day - 1);
        let mut changed = Vec::with_capacity(made.len());
        for (number, what) in made {
            self.log.entry(number).or_default().push((day, what));
            limit = limit.max(number + 1);
            changed.push(number);
        }
        self.days.push(Day { changed, limit });
    }

    /// Adds a change to a day that was already made.
    pub(crate) fn add(&mut self, day: u32, number: u32, what: What) {
        self.log.entry(number).or_default().push((day, what));
        if let Some(sums) = (day as usize)
            .checked_sub(1)
            .and_then(|at| self.days.get_mut(at))
            && !sums.changed.contains(&number)
        {
            sums.changed.push(number);
        }
    }
}
