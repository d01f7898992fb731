//! All users of one tenant on any day: the base function and a log of what changed.
//! Memory follows the changes, not the users.

use std::collections::HashMap;

use crate::catalog::SKUS;
use crate::change::{self, Change, What};
use crate::day;
use crate::group_day;
use crate::group_log::GroupLog;
use crate::installed;
use crate::licence::{Assigned, assigned};
use crate::person::{self, User};
use crate::storm::{self, Storm};

/// Days for which a deleted user or group can be restored.
pub(crate) const RETENTION: u32 = 30;

/// How many users hold each SKU.
pub(crate) type Consumed = [i64; SKUS];

/// Half a per cent of the users change on a day.
pub(crate) const CHURN: u32 = 500;

/// One tenant's history.
pub(crate) struct World {
    key: u64,
    users: u32,
    /// Of 100,000 users, those that change on a day.
    churn: u32,
    log: HashMap<u32, Vec<Change>>,
    /// Entry d - 1 is day d.
    days: Vec<Day>,
    pub(crate) groups: GroupLog,
    pub(crate) apps: installed::Cache,
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

/// Where a user is between joining and being forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    Unborn,
    Lives,
    /// Soft-deleted on this day.
    Deleted(u32),
    Purged,
}

impl World {
    pub(crate) fn new(key: u64, users: u32) -> Self {
        Self {
            key,
            users,
            churn: CHURN,
            log: HashMap::new(),
            days: Vec::new(),
            groups: GroupLog::new(users),
            apps: installed::Cache::default(),
        }
    }

    /// The same where so many of 100,000 users change on a day.
    pub(crate) fn churning(self, churn: u32) -> Self {
        Self { churn, ..self }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// Of so many users, those that change on a day.
    pub(crate) fn changing(&self, users: u32) -> u32 {
        (u64::from(users) * u64::from(self.churn) / 100_000) as u32
    }

    /// The number of users on day 0.
    pub(crate) fn at_first(&self) -> u32 {
        self.users
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
        self.life(index, day) == Life::Lives
    }

    /// Where user `index` is on `day`.
    pub(crate) fn life(&self, index: u32, day: u32) -> Life {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        self.life_in(log, index, day)
    }

    fn life_in(&self, log: &[Change], index: u32, day: u32) -> Life {
        let mut life = if index < self.users {
            Life::Lives
        } else {
            Life::Unborn
        };
        for change in log.iter().take_while(|c| c.day <= day) {
            life = match change.what {
                What::Joined | What::Restored => Life::Lives,
                What::Left => Life::Deleted(change.day),
                What::Purged => Life::Purged,
                _ => life,
            };
        }
        life
    }

    /// User `index` on `day`, or none if it doesn't live then.
    pub(crate) fn user(&self, index: u32, day: u32) -> Option<User> {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        (self.life_in(log, index, day) == Life::Lives).then(|| self.made(log, index, day))
    }

    /// User `index` on `day` if it lives or can be restored: who is deleted stays a member of groups.
    pub(crate) fn known(&self, index: u32, day: u32) -> Option<User> {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        matches!(
            self.life_in(log, index, day),
            Life::Lives | Life::Deleted(_)
        )
        .then(|| self.made(log, index, day))
    }

    fn made(&self, log: &[Change], index: u32, day: u32) -> User {
        let joined = log
            .first()
            .filter(|c| c.what == What::Joined)
            .map(|c| c.day);
        let mut user = person::make(self.key, index, joined);
        for change in log.iter().take_while(|c| c.day <= day) {
            change::apply(&mut user, change.what, change.day);
        }
        user.day = day;
        user
    }

    /// User `index` as it was at first, if it came until `day`; it may have left.
    pub(crate) fn first(&self, index: u32, day: u32) -> Option<User> {
        let log = self.log.get(&index).map_or(&[][..], Vec::as_slice);
        let joined = log
            .first()
            .filter(|c| c.what == What::Joined)
            .map(|c| c.day);
        let came = joined.map_or(index < self.users, |on| on <= day);
        came.then(|| person::make(self.key, index, joined))
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

    /// The users that are soft-deleted on a day, in the order in which they were deleted.
    pub(crate) fn deleted(&self, day: u32) -> Vec<u32> {
        let first = day.saturating_sub(RETENTION).max(1);
        let deleted_then = |d: u32| {
            let users = self.changed(d).iter().copied();
            users.filter(move |i| self.life(*i, day) == Life::Deleted(d))
        };
        (first..=day).flat_map(deleted_then).collect()
    }

    /// Makes the day after the last one.
    pub(crate) fn next_day(&mut self) {
        let day = self.days.len() as u32 + 1;
        let made = day::make(self, day);
        self.live_through(day, made);
    }

    /// Makes the day after the last one a stormy one; returns how many users it touched.
    pub(crate) fn stormy_day(&mut self, storm: Storm) -> usize {
        let day = self.days.len() as u32 + 1;
        let made = storm::make(self, day, storm);
        let touched = made.users.len();
        self.live_through(day, made.users);
        for (number, what) in made.groups {
            self.groups.add(day, number, what);
        }
        touched
    }

    /// Makes the day after the last one of exactly these changes, each of another user.
    fn live_through(&mut self, day: u32, made: Vec<(u32, Change)>) {
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
        let made = group_day::make(self, day);
        self.groups.live_through(day, made);
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
