//! All users of one tenant on any day: the base function and a log of what changed.
//! Memory follows the changes, not the users.

use std::collections::HashMap;

use crate::catalog::SKUS;
use crate::change::{self, Change, What};
use crate::day;
use crate::licence::{Assigned, assigned};
use crate::person::{self, User};

/// How many users hold each SKU.
pub(crate) type Consumed = [i64; SKUS];

/// One tenant's history.
pub(crate) struct World {
    key: u64,
    users: u32,
    log: HashMap<u32, Vec<Change>>,
    /// Entry d - 1 is day d.
    days: Vec<Day>,
}

/// The sums of one day.
pub(crate) struct Day {
    /// The users that changed, in the order of the changes; nobody twice.
    pub(crate) changed: Vec<u32>,
    /// One above the highest index that ever lived.
    pub(crate) limit: u32,
    pub(crate) live: u32,
    /// Difference of the consumed units to day 0.
    pub(crate) consumed: Consumed,
}

impl World {
    pub(crate) fn new(key: u64, users: u32) -> Self {
        Self {
            key,
            users,
            log: HashMap::new(),
            days: Vec::new(),
        }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// One above the highest index on a day.
    pub(crate) fn limit(&self, day: u32) -> u32 {
        self.sums(day).map_or(self.users, |d| d.limit)
    }

    /// The number of users on a day.
    pub(crate) fn live(&self, day: u32) -> u32 {
        self.sums(day).map_or(self.users, |d| d.live)
    }

    /// Difference of the consumed units of a day to day 0.
    pub(crate) fn consumed_since_start(&self, day: u32) -> Consumed {
        self.sums(day).map_or([0; SKUS], |d| d.consumed)
    }

    /// The consumed units of day 0: one pass over all users.
    pub(crate) fn count_day_zero(key: u64, users: u32) -> Consumed {
        let mut sum = [0; SKUS];
        for index in 0..users {
            let user = person::make(key, index, None);
            tally(&mut sum, &assigned(&user.paths, user.orphan), 1);
        }
        sum
    }

    /// Whether user `index` lives on `day`.
    pub(crate) fn lives(&self, index: u32, day: u32) -> bool {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        let past = || log.iter().take_while(|c| c.day <= day);
        let came = index < self.users || past().any(|c| c.what == What::Joined);
        came && !past().any(|c| c.what == What::Left)
    }

    /// User `index` on `day`, or none if it doesn't live then.
    pub(crate) fn user(&self, index: u32, day: u32) -> Option<User> {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        let past = log.iter().take_while(|c| c.day <= day);
        if !self.lives(index, day) {
            return None;
        }
        let joined = log
            .first()
            .filter(|c| c.what == What::Joined)
            .map(|c| c.day);
        let mut user = person::make(self.key, index, joined);
        for change in past {
            change::apply(&mut user, change.what, change.day);
        }
        Some(user)
    }

    /// The changes of user `index` after day `from` up to day `to`.
    pub(crate) fn changes(&self, index: u32, from: u32, to: u32) -> impl Iterator<Item = &Change> {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        log.iter().filter(move |c| c.day > from && c.day <= to)
    }

    /// The users that changed on a day, in a fixed order.
    pub(crate) fn changed(&self, day: u32) -> &[u32] {
        self.sums(day).map_or(&[], |d| &d.changed)
    }

    /// Makes the day after the last one.
    pub(crate) fn next_day(&mut self) {
        let day = self.days.len() as u32 + 1;
        let made = day::make(self, day);
        let mut sums = Day {
            changed: Vec::with_capacity(made.len()),
            limit: self.limit(day - 1),
            live: self.live(day - 1),
            consumed: self.consumed_since_start(day - 1),
        };
        for (index, change) in made {
            let before = self.user(index, day);
            self.log.entry(index).or_default().push(change);
            let after = self.user(index, day);
            for (user, sign) in [(&before, -1), (&after, 1)] {
                if let Some(user) = user {
                    tally(
                        &mut sums.consumed,
                        &assigned(&user.paths, user.orphan),
                        sign,
                    );
                    sums.live = sums.live.wrapping_add_signed(sign as i32);
                }
            }
            sums.limit = sums.limit.max(index + 1);
            sums.changed.push(index);
        }
        self.days.push(sums);
    }

    fn sums(&self, day: u32) -> Option<&Day> {
        let at = (day as usize).checked_sub(1)?;
        self.days.get(at)
    }
}

fn tally(sum: &mut Consumed, assigned: &Assigned, sign: i64) {
    for (units, held) in sum.iter_mut().zip(assigned) {
        *units += if held.is_some() { sign } else { 0 };
    }
}
