//! User `i` of a tenant on the first day that it exists: a pure function of the tenant's key and `i`.

use crate::licence::Paths;
use crate::mix::{self, Holder};
use crate::names::{COUNTRIES, DEPARTMENTS, FIRST, LAST, PARTNERS, SERVICES, pick};
use crate::rng::{self, Rng};

/// What kind of account it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Member,
    Guest,
    Service,
}

/// A user in positions of tables; text comes into being only when it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct User {
    pub(crate) index: u32,
    pub(crate) kind: Kind,
    pub(crate) enabled: bool,
    pub(crate) first: u8,
    pub(crate) last: u8,
    /// The last name that the address was made of; it stays when the person is renamed.
    pub(crate) last_in_address: u8,
    pub(crate) department: u8,
    pub(crate) job: u8,
    pub(crate) country: u8,
    pub(crate) city: u8,
    pub(crate) office: u16,
    /// Day on which the account was created, relative to day 0, and the second of that day.
    pub(crate) created: i32,
    pub(crate) created_second: u32,
    /// Synchronised from a local directory: yes, was once, never.
    pub(crate) synced: Option<bool>,
    pub(crate) employee: bool,
    pub(crate) contractor: bool,
    /// Old objects have neither.
    pub(crate) typed: bool,
    pub(crate) located: bool,
    pub(crate) paths: Paths,
    pub(crate) orphan: Option<u8>,
    /// Whether the first department works at desks; habits outlast a move.
    pub(crate) desk: bool,
    /// The day of which this is the state.
    pub(crate) day: u32,
    /// Day on which the account was switched off, if it was on at first.
    pub(crate) disabled_on: Option<u32>,
}

/// What the address of a user is made of; it never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    pub(crate) index: u32,
    pub(crate) kind: Kind,
    pub(crate) first: u8,
    pub(crate) last: u8,
}

/// What the address of user `index` is made of, without making the rest of the user.
pub(crate) fn named(key: u64, index: u32, joiner: bool) -> Named {
    name(&mut Rng::new(seed(key, index)), index, joiner).0
}

fn seed(key: u64, index: u32) -> u64 {
    rng::mix(key ^ 0x0075_5e12, u64::from(index))
}

/// The name, and the day before day 0 on which the account was created unless the user joined later.
fn name(rng: &mut Rng, index: u32, joiner: bool) -> (Named, i32) {
    let kind = match rng.below(1000) {
        _ if joiner => Kind::Member,
        0..75 => Kind::Guest,
        75..110 => Kind::Service,
        _ => Kind::Member,
    };
    let created = if joiner {
        0
    } else {
        -1 - rng.below(3_600) as i32
    };
    let last = rng.below(LAST.len() as u32) as u8;
    let first = match kind {
        Kind::Service => rng.below(SERVICES.len() as u32),
        _ => rng.below(FIRST.len() as u32),
    } as u8;
    let named = Named {
        index,
        kind,
        first,
        last,
    };
    (named, created)
}

/// Makes user `index`; `joined` is the day on which a joiner came.
pub(crate) fn make(key: u64, index: u32, joined: Option<u32>) -> User {
    let mut rng = Rng::new(seed(key, index));
    let (
        Named {
            kind, first, last, ..
        },
        created,
    ) = name(&mut rng, index, joined.is_some());
    let member = kind == Kind::Member;
    let created = joined.map_or(created, |day| day as i32);
    let disabled = if member { 45 } else { 90 };
    let mut user = User {
        index,
        kind,
        enabled: joined.is_some() || !rng.chance(disabled),
        first,
        last,
        last_in_address: last,
        department: pick(DEPARTMENTS, |d| d.weight, rng.below(100)),
        job: pick(&[70, 22, 8], |w| *w, rng.below(100)),
        country: pick(COUNTRIES, |c| c.weight, rng.below(100)),
        city: rng.below(2) as u8,
        office: 100 + rng.below(700) as u16,
        created,
        created_second: rng.below(86_400),
        synced: match rng.below(100) {
            0..70 if member => Some(true),
            70..74 => Some(false),
            _ => None,
        },
        employee: member,
        contractor: rng.chance(80),
        typed: created > -3_300 || !rng.chance(300),
        located: member || rng.chance(400),
        paths: Paths::new(),
        orphan: None,
        desk: true,
        day: joined.unwrap_or(0),
        disabled_on: None,
    };
    user.desk = !DEPARTMENTS[usize::from(user.department)].frontline;
    let holder = Holder {
        kind,
        enabled: user.enabled,
        department: user.department,
        first_day: created,
        room: user.is_room(),
    };
    (user.paths, user.orphan) = mix::licences(&holder, &mut rng);
    user
}

impl User {
    pub(crate) fn named(&self) -> Named {
        Named {
            index: self.index,
            kind: self.kind,
            first: self.first,
            last: self.last_in_address,
        }
    }

    /// A meeting room's account.
    pub(crate) fn is_room(&self) -> bool {
        self.kind == Kind::Service && SERVICES[usize::from(self.first)].1 == "svc-room"
    }

    pub(crate) fn partner(&self) -> &'static str {
        self.named().partner()
    }
}

impl Named {
    /// The domain that a guest comes from.
    pub(crate) fn partner(&self) -> &'static str {
        PARTNERS[usize::from(self.last) % PARTNERS.len()]
    }
}
