//! Who holds which licences: a company that has grown, not noise.

use crate::catalog::sku::{
    COPILOT, EMS, FLOW_FREE, M365_E3, M365_E3_NO_TEAMS, M365_E5, M365_F3, OFFICE_E3, POWER_BI,
    PROJECT, ROOMS, TEAMS, UNATTENDED, VISIO,
};
use crate::licence::{ERRORS, Path, Paths, State};
use crate::names::{DEPARTMENTS, ENGINEERING, FINANCE, IT, LEGAL, MARKETING, SALES};
use crate::person::Kind;
use crate::rng::Rng;

/// What of a person decides on licences.
pub(crate) struct Holder {
    pub(crate) kind: Kind,
    pub(crate) enabled: bool,
    pub(crate) department: u8,
    pub(crate) first_day: i32,
    /// A meeting room's account.
    pub(crate) room: bool,
}

/// Groups of a tenant: each SKU has two, "everybody" and "pilot".
pub(crate) const fn group(sku: u8, pilot: bool) -> u8 {
    1 + sku * 2 + pilot as u8
}

/// The first licences of a person, and a SKU without any path (rare).
pub(crate) fn licences(holder: &Holder, rng: &mut Rng) -> (Paths, Option<u8>) {
    let mut paths = Paths::new();
    match holder.kind {
        Kind::Guest => {
            if rng.chance(40) {
                give(&mut paths, POWER_BI, 0, holder, rng);
            }
        }
        Kind::Service => {
            if rng.chance(300) {
                give(
                    &mut paths,
                    if rng.chance(700) { OFFICE_E3 } else { M365_E3 },
                    0,
                    holder,
                    rng,
                );
            }
        }
        // Half of the accounts that were switched off still hold what they had.
        Kind::Member if holder.enabled || rng.chance(550) => member(&mut paths, holder, rng),
        Kind::Member => {}
    }
    special(&mut paths, holder, rng);
    let orphan = (holder.kind == Kind::Member && rng.below(2_000) < 3).then_some(FLOW_FREE);
    (paths, orphan)
}

/// What few hold: rooms, robots, and suites that are sold without Teams, with it bought beside or not.
fn special(paths: &mut Paths, holder: &Holder, rng: &mut Rng) {
    // A stream of its own: what everybody holds does not depend on it.
    let rng = &mut Rng::new(rng.clone().next() ^ 0x5bec);
    match holder.kind {
        Kind::Service if holder.room => give(paths, ROOMS, 0, holder, rng),
        Kind::Service if rng.chance(60) => give(paths, UNATTENDED, 0, holder, rng),
        // Teams is in the suite already.
        Kind::Member
            if holder.department == SALES
                && paths.iter().any(|p| p.sku == M365_E3)
                && rng.chance(80) =>
        {
            give(paths, TEAMS, 0, holder, rng);
        }
        Kind::Member if paths.iter().any(|p| p.sku == M365_E3_NO_TEAMS) && rng.chance(700) => {
            give(paths, TEAMS, group(TEAMS, false), holder, rng);
        }
        _ => {}
    }
}

fn member(paths: &mut Paths, holder: &Holder, rng: &mut Rng) {
    let base = base(holder.department, rng);
    give(paths, base, group(base, false), holder, rng);
    if base == OFFICE_E3 {
        give(paths, EMS, group(EMS, false), holder, rng);
    }
    // The same SKU by several ways: pilots, and what somebody assigned by hand before the group came.
    if rng.chance(30) {
        give(paths, base, group(base, true), holder, rng);
    }
    if rng.chance(50) {
        give(paths, base, 0, holder, rng);
    }
    // Two suites at once: the duplicates that a licence manager looks for.
    if rng.chance(25) {
        let other = if base == M365_E3 { M365_E5 } else { M365_E3 };
        give(paths, other, 0, holder, rng);
    }
    let desk = base != M365_F3;
    for (sku, permille) in [
        (
            POWER_BI,
            if matches!(holder.department, FINANCE | SALES) {
                300
            } else {
                40
            },
        ),
        (
            VISIO,
            if matches!(holder.department, IT | ENGINEERING) {
                110
            } else {
                8
            },
        ),
        (
            PROJECT,
            if matches!(holder.department, IT | ENGINEERING) {
                60
            } else {
                5
            },
        ),
        (COPILOT, if base == M365_E5 { 350 } else { 60 }),
        (FLOW_FREE, 140),
    ] {
        if desk && rng.chance(permille) {
            let by_group = sku != FLOW_FREE && rng.chance(500);
            give(
                paths,
                sku,
                if by_group { group(sku, false) } else { 0 },
                holder,
                rng,
            );
        }
    }
}

/// The suite of a department.
pub(crate) fn base(department: u8, rng: &mut Rng) -> u8 {
    if DEPARTMENTS[usize::from(department)].frontline && !rng.chance(60) {
        return M365_F3;
    }
    match rng.below(100) {
        0..72 if matches!(department, LEGAL | MARKETING) => M365_E3_NO_TEAMS,
        0..72 => M365_E3,
        72..86 => M365_E5,
        _ => OFFICE_E3,
    }
}

fn give(paths: &mut Paths, sku: u8, group: u8, holder: &Holder, rng: &mut Rng) {
    let draw = rng.below(1000);
    let (state, error) = match draw {
        // More members than units are left: the group can't license them all.
        _ if sku == VISIO && group != 0 && draw.is_multiple_of(4) => (State::Error, 0),
        0..12 => (State::Error, rng.below(ERRORS.len() as u32) as u8),
        12..18 => (State::Disabled, 0),
        18..26 => (State::ActiveWithError, 2 + rng.below(4) as u8),
        _ => (State::Active, 0),
    };
    let since = -1 - rng.below(holder.first_day.unsigned_abs().clamp(1, 900)) as i32;
    // Through a group everybody has the same plans switched off.
    let drawn = off(rng);
    let off = if group == 0 { drawn } else { group_off(group) };
    paths.add(Path {
        sku,
        group,
        state,
        error,
        off,
        since: since.max(holder.first_day),
    });
}

/// The plans that a group switches off: those of pilots, and of one suite.
pub(crate) const fn group_off(group: u8) -> u8 {
    match group {
        g if g == self::group(M365_F3, false) => 0b0000_0100,
        g if g % 2 == 0 => 0b0000_0110,
        _ => 0,
    }
}

/// Plans switched off: mostly none, else a few of the first eight.
pub(crate) fn off(rng: &mut Rng) -> u8 {
    if rng.chance(120) {
        (rng.next() as u8) & (rng.next() as u8)
    } else {
        0
    }
}
