//! When a user signed in last: what `signInActivity`, the devices and the usage reports follow.

use crate::calendar;
use crate::guid::{self, Kind as Guid};
use crate::json;
use crate::person::{Kind, User};
use crate::rng::{self, Rng};
use crate::tenant::Identity;

/// Sign-ins that succeeded are known apart since about this day (the end of 2023), relative to day 0.
const SUCCESS_KNOWN_SINCE: i32 = -1_050;

/// The days of the last sign-ins, relative to day 0; none where there was none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SignIns {
    pub(crate) interactive: Option<i32>,
    pub(crate) background: Option<i32>,
    pub(crate) successful: Option<i32>,
    second: u32,
}

/// How somebody works.
enum Habit {
    Never,
    /// Not since this day.
    Stale(i32),
    /// Every so many days.
    Every(i32),
}

/// The last sign-ins of a user on the day of which the user is shown; none if there never was one.
pub(crate) fn of(key: u64, user: &User) -> Option<SignIns> {
    on(key, user, user.day as i32)
}

/// The same as it was known on an earlier day.
pub(crate) fn on(key: u64, user: &User, today: i32) -> Option<SignIns> {
    let mut rng = Rng::new(rng::mix(key ^ 0x0051_6e1a, u64::from(user.index)));
    let habit = habit(user, &mut rng);
    let phase = rng.below(7) as i32;
    let lag = rng.below(2) as i32;
    let failed = rng.chance(40);
    // Who was switched off since then tried last on that day.
    let until = user.disabled_on.map_or(today, |day| today.min(day as i32));
    let last = match habit {
        Habit::Never => return None,
        Habit::Stale(day) => day,
        Habit::Every(days) => until - (until + phase).rem_euclid(days),
    };
    if last <= user.created {
        return None;
    }
    let robot = user.kind == Kind::Service;
    let background = (last - lag).max(user.created + 1);
    let success = if failed { last - 3 } else { last };
    let known = success > SUCCESS_KNOWN_SINCE.max(user.created);
    Some(SignIns {
        interactive: (!robot).then_some(last),
        background: Some(background),
        successful: known.then_some(success),
        second: (user.created_second + 7_919) % 86_400,
    })
}

fn habit(user: &User, rng: &mut Rng) -> Habit {
    let roll = rng.below(100);
    let stale = 40 + rng.below(if roll < 6 { 1_500 } else { 500 }) as i32;
    let off_from_the_start = !user.enabled && user.disabled_on.is_none();
    match user.kind {
        Kind::Guest => match roll {
            0..35 => Habit::Never,
            35..65 => Habit::Stale(-stale),
            _ => Habit::Every(30),
        },
        Kind::Service => match roll {
            0..20 => Habit::Never,
            _ if off_from_the_start => Habit::Stale(-stale),
            _ => Habit::Every(1),
        },
        Kind::Member => match roll {
            _ if off_from_the_start => Habit::Stale(-stale),
            0..3 => Habit::Never,
            3..10 => Habit::Stale(-stale),
            10..15 => Habit::Every(45),
            _ if !user.desk => Habit::Every(7),
            15..40 => Habit::Every(2),
            _ => Habit::Every(1),
        },
    }
}

/// Appends `signInActivity`; false if the user never signed in.
pub(crate) fn write(out: &mut Vec<u8>, who: &Identity, user: &User) -> bool {
    let Some(signs) = of(who.key, user) else {
        return false;
    };
    let mut open = b'{';
    for (number, name, day) in [
        (0_u64, "lastSignIn", signs.interactive),
        (1, "lastNonInteractiveSignIn", signs.background),
        (2, "lastSuccessfulSignIn", signs.successful),
    ] {
        out.push(std::mem::replace(&mut open, b','));
        json::string(out, &format!("{name}DateTime"));
        out.push(b':');
        match day {
            Some(day) => {
                out.push(b'"');
                calendar::write(out, day, signs.second);
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
        json::string(out, &format!("{name}RequestId"));
        out.push(b':');
        match day {
            Some(day) => {
                let event = rng::mix(u64::from(user.index) << 2 | number, day as u64) >> 8;
                out.push(b'"');
                guid::write(out, guid::of(who.key, Guid::SignIn, event));
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn sign_ins_never_go_back_and_never_come_before_the_account() {
        let mut world = World::new(5, 400);
        let mut before = std::collections::HashMap::new();
        for day in 0..20 {
            if day > 0 {
                world.next_day();
            }
            for user in (0..world.limit(day)).filter_map(|i| world.user(i, day)) {
                let Some(signs) = of(5, &user) else {
                    continue;
                };
                let last = signs.interactive.max(signs.background);
                assert!(last.is_some_and(|l| l > user.created && l <= day as i32));
                let earlier = before.insert(user.index, last);
                assert!(earlier.is_none_or(|e| e <= last), "user {}", user.index);
            }
        }
        let users: Vec<_> = (0..400).filter_map(|i| world.user(i, 19)).collect();
        assert!(
            users
                .iter()
                .any(|u| u.kind == Kind::Member && of(5, u).is_none())
        );
        let old = |u: &&User| {
            of(5, u)
                .and_then(|s| s.interactive)
                .is_some_and(|l| l < -100)
        };
        assert!(users.iter().any(|u| old(&u)));
    }
}
