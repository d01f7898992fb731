//! Devices: up to four places belong to each user, and what stands there is a pure function of the tenant's key,
//! the place and the day.

use crate::person::{Kind, User};
use crate::rng::{self, Rng};
use crate::world::{Life, World};

/// Places of each user. Place `4 * i + slot` belongs to user `i`.
pub(crate) const SLOTS: u32 = 4;
/// Users without a desk who share one computer.
const SHARING: u32 = 8;
/// Days after which the device of somebody who left is not managed any more.
const RETIRED_AFTER: u32 = 14;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    Windows,
    Mac,
    Ios,
    Android,
}

/// A device on some day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    pub(crate) place: u32,
    /// Index of the user to whom it belongs.
    pub(crate) owner: u32,
    pub(crate) system: System,
    /// Position among the models of its system.
    pub(crate) model: u8,
    pub(crate) personal: bool,
    /// Several users and no owner.
    pub(crate) shared: bool,
    /// Another object of the device at the owner's first place, left behind by an installation.
    pub(crate) duplicate: bool,
    /// Whether Entra ID knows it.
    pub(crate) registered: bool,
    /// Whether Intune manages it.
    pub(crate) managed: bool,
    pub(crate) enabled: bool,
    pub(crate) compliant: bool,
    /// Days relative to day 0.
    pub(crate) since: i32,
    pub(crate) seen: i32,
    /// Numbers of which the small facts are made.
    pub(crate) draw: u64,
}

/// The devices of user `owner` on a day, by place.
pub(crate) fn of_user(world: &World, owner: u32, day: u32) -> impl Iterator<Item = Device> {
    let user = world.first(owner, day);
    let life = world.life(owner, day);
    let key = world.key();
    let one = move |slot: u32| make(key, user.as_ref()?, life, owner * SLOTS + slot, day);
    (0..SLOTS).filter_map(one)
}

/// The device at a place.
pub(crate) fn at(world: &World, place: u32, day: u32) -> Option<Device> {
    let owner = place / SLOTS;
    let user = world.first(owner, day)?;
    make(world.key(), &user, world.life(owner, day), place, day)
}

/// All devices from a place on.
pub(crate) fn from(world: &World, place: u32, day: u32) -> impl Iterator<Item = Device> + '_ {
    let owners = place / SLOTS..world.limit(day);
    owners
        .flat_map(move |owner| of_user(world, owner, day))
        .filter(move |d| d.place >= place)
}

/// The users of a shared computer, or the owner.
pub(crate) fn users(world: &World, device: &Device, day: u32) -> Vec<u32> {
    let all = if device.shared {
        device.owner..(device.owner + SHARING).min(world.limit(day))
    } else {
        device.owner..device.owner + 1
    };
    let works = |user: &User| !device.shared || (user.kind == Kind::Member && !user.desk);
    all.filter(|i| world.user(*i, day).is_some_and(|u| works(&u)))
        .collect()
}

fn make(key: u64, user: &User, life: Life, place: u32, day: u32) -> Option<Device> {
    let slot = place % SLOTS;
    let mut rng = Rng::new(rng::mix(key ^ 0x000d_e71c, u64::from(place)));
    let roll = rng.below(1_000);
    let windows = [System::Windows; 3];
    let (chance, systems, personal, shared, duplicate) = match (user.kind, slot) {
        (Kind::Service, 0) if user.is_room() => (900, windows, 0, false, false),
        (Kind::Member, 3) if !user.desk && user.index.is_multiple_of(SHARING) => {
            (900, windows, 0, true, false)
        }
        (Kind::Member, 0) if user.desk => {
            let systems = [System::Windows, System::Windows, System::Mac];
            (
                930,
                if user.department == 9 {
                    systems
                } else {
                    windows
                },
                0,
                false,
                false,
            )
        }
        (Kind::Member, 0) => (80, windows, 0, false, false),
        (Kind::Member, 1) => {
            let systems = [System::Ios, System::Android, System::Ios];
            let chance = if !user.desk { 250 } else { 620 };
            (chance, systems, 450, false, false)
        }
        (Kind::Member, 2) if user.desk && roll < 40 => (1_000, windows, 0, false, true),
        (Kind::Member, 2) if user.desk => (
            90,
            [System::Ios, System::Windows, System::Mac],
            200,
            false,
            false,
        ),
        _ => return None,
    };
    if roll >= chance {
        return None;
    }
    let system = systems[rng.below(3) as usize];
    // A duplicate is of the device beside it.
    let model = if duplicate { 0 } else { rng.below(8) as u8 };
    let personal = rng.chance(personal);
    let known = rng.below(1_000);
    let age = user.created.unsigned_abs().min(1_200);
    let since = match user.created {
        c if c >= 0 => c + 1,
        _ => -1 - rng.below(age.max(1)) as i32,
    };
    if since > day as i32 {
        return None;
    }
    let left = match life {
        Life::Lives => None,
        Life::Deleted(on) => Some(on),
        Life::Purged => Some(day.saturating_sub(crate::world::RETENTION)),
        Life::Unborn => return None,
    };
    let stale = duplicate || rng.chance(80);
    let every = [1, 1, 1, 2, 7][rng.below(5) as usize];
    let phase = rng.below(7) as i32;
    let until = left.map_or(day as i32, |on| on as i32);
    let seen = if stale {
        (-30 - rng.below(600) as i32).max(since)
    } else {
        (until - (until + phase).rem_euclid(every)).max(since)
    };
    let gone = left.is_some_and(|on| day - on > RETIRED_AFTER);
    let managed = !duplicate && !gone && known < if personal { 600 } else { 930 };
    Some(Device {
        place,
        owner: user.index,
        system,
        model,
        personal,
        shared,
        duplicate,
        registered: !(915..930).contains(&known),
        managed,
        enabled: left.is_none() && !rng.chance(20),
        compliant: managed && !stale && !rng.chance(120),
        since,
        seen,
        draw: rng.next(),
    })
}
