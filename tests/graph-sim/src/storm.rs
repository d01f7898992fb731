//! Days on which a lot happens at once, on request.

use serde::{Deserialize, Serialize};

use crate::catalog::sku::{M365_E3, M365_E5};
use crate::change::{self, Change, What};
use crate::day::shuffle;
use crate::group;
use crate::mix;
use crate::property::Select;
use crate::rng::{self, Rng};
use crate::roster;
use crate::world::{Life, World};

/// More users at once than any storm needs.
const MOST: u32 = 1_000_000;

/// What happens on a stormy day, instead of what happens every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Storm {
    /// Another company is bought: so many users join.
    Merger {
        /// How many users.
        users: u32,
    },
    /// The largest licensing group licenses another suite: all of its members get that instead.
    Flip,
    /// So many users are deleted by mistake.
    Deletion {
        /// How many users.
        users: u32,
    },
    /// Users that are deleted and not yet forgotten come back.
    Restoration {
        /// How many at most.
        users: u32,
    },
}

/// The changes of users on a stormy day, and those of groups.
pub(crate) fn make(world: &World, day: u32, storm: Storm) -> Made {
    let (limit, live) = (world.limit(day - 1), world.live(day - 1));
    let all = |what: What| {
        let touched = Select(u128::MAX);
        move |index: u32| (index, Change { day, what, touched })
    };
    let mut made = Made::default();
    match storm {
        Storm::Merger { users } => {
            let new = limit..limit.saturating_add(users.min(MOST));
            made.users = new.map(all(What::Joined)).collect();
        }
        Storm::Flip => {
            let number = u32::from(mix::group(M365_E3, false));
            let group = world.groups.group(world.key(), number, day - 1);
            let now = group.and_then(|g| g.licence);
            let sku = if now == Some(M365_E3) {
                M365_E5
            } else {
                M365_E3
            };
            let what = What::Flipped {
                group: mix::group(M365_E3, false),
                sku,
            };
            for index in 0..limit {
                // Who is deleted stays in the group, so that a restored user has the new licence too.
                let Some(before) = world.known(index, day - 1) else {
                    continue;
                };
                if roster::path(number, &before).is_none() {
                    continue;
                }
                let mut after = before;
                change::apply(&mut after, what, day);
                let touched = change::touched(&before, &after);
                made.users.push((index, Change { day, what, touched }));
            }
            made.groups.push((number, group::What::Flipped(sku)));
        }
        Storm::Deletion { users } => {
            let mut rng = Rng::new(rng::mix(world.key() ^ 0x0005_7041, u64::from(day)));
            let mut living: Vec<u32> = (0..limit).filter(|i| world.lives(*i, day - 1)).collect();
            shuffle(&mut living, &mut rng);
            // The last two users stay, so that no tenant runs empty.
            living.truncate(users.min(live.saturating_sub(2)) as usize);
            made.users = living.into_iter().map(all(What::Left)).collect();
        }
        Storm::Restoration { users } => {
            let deleted = world.deleted(day - 1).into_iter();
            let in_time = deleted.filter(|i| match world.life(*i, day - 1) {
                Life::Deleted(on) => day - on < crate::world::RETENTION,
                _ => false,
            });
            made.users = in_time
                .take(users as usize)
                .map(all(What::Restored))
                .collect();
        }
    }
    made
}

/// What a stormy day brings.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) users: Vec<(u32, Change)>,
    pub(crate) groups: Vec<(u32, group::What)>,
}
