//! What happens to a tenant's groups on one day.

use std::collections::HashSet;

use crate::group::{GROWN, Sort, What};
use crate::group_log::Life;
use crate::rng::{self, Rng};
use crate::roster;
use crate::world::{RETENTION, World};

/// How many groups are asked before a change that fits none is dropped.
const TRIES: u32 = 60;

/// The changes of `day`, each of another group; the users have lived through the day already.
pub(crate) fn make(world: &World, day: u32) -> Vec<(u32, What)> {
    let mut rng = Rng::new(rng::mix(world.key() ^ 0x000d_a167, u64::from(day)));
    let limit = world.groups.limit(day - 1);
    let grown = limit - GROWN;
    let mut seen = HashSet::new();
    let mut changes = Vec::new();
    // Deleted for 30 days, or not restorable at all: gone for good.
    for number in world.groups.changed(day.saturating_sub(RETENTION)) {
        if world.groups.life(*number, day - 1) == Life::Deleted(day.saturating_sub(RETENTION)) {
            seen.insert(*number);
            changes.push((*number, What::Purged));
        }
    }
    // Two per cent of the groups change on a day.
    for _ in 0..(grown / 50).max(3) {
        let roll = rng.below(100);
        let found = (0..TRIES).find_map(|_| {
            let number = GROWN + rng.below(grown);
            if seen.contains(&number) || world.groups.life(number, day - 1) != Life::Lives {
                return None;
            }
            Some((number, draw(world, number, day, roll, &mut rng)?))
        });
        if let Some((number, what)) = found {
            seen.insert(number);
            changes.push((number, what));
        }
    }
    let recent = day.saturating_sub(RETENTION - 1).max(1)..day;
    for on in recent {
        for number in world.groups.changed(on) {
            let deleted = world.groups.life(*number, day - 1) == Life::Deleted(on);
            if deleted && rng.below(100) == 0 && seen.insert(*number) {
                changes.push((*number, What::Restored));
            }
        }
    }
    let new = (grown / 2_000).max(u32::from(rng.chance(300)));
    changes.extend((0..new).map(|n| (limit + n, What::Created)));
    changes
}

fn draw(world: &World, number: u32, day: u32, roll: u32, rng: &mut Rng) -> Option<What> {
    match roll {
        0..45 => {
            let user = rng.below(world.limit(day));
            let new = !roster::list(world, number, day - 1).contains(&user);
            (new && world.lives(user, day)).then_some(What::Added(user))
        }
        45..80 => {
            let members = roster::list(world, number, day - 1);
            let at = rng.below(members.len() as u32) as usize;
            Some(What::Removed(*members.get(at)?))
        }
        80..94 => Some(What::Renamed),
        // Groups that others are made of stay.
        _ if Sort::of(number)? == Sort::Security => None,
        _ if Sort::of(number)?.unified() => Some(What::Deleted),
        _ => Some(What::Purged),
    }
}
