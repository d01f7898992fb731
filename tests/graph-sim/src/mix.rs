//! Who holds which licences: a company that has grown, not noise.

use crate::catalog::sku::{
    COPILOT, EMS, FLOW_FREE, M365_E3, M365_E5, M365_F3, OFFICE_E3, POWER_BI, PROJECT, VISIO,
};
use crate::licence::{ERRORS, Path, Paths, State};
use crate::names::{DEPARTMENTS, ENGINEERING, FINANCE, IT, SALES};
use crate::person::Kind;
use crate::rng::Rng;

/// What of a person decides on licences.
pub(crate) struct Holder {
    pub(crate) kind: Kind,
    pub(crate) enabled: bool,
    pub(crate) department: u8,
    pub(crate) first_day: i32,
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
    let orphan = (holder.kind == Kind::Member && rng.below(2_000) < 3).then_some(FLOW_FREE);
    (paths, orphan)
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
        0..72 => M365_E3,
        72..86 => M365_E5,
        _ => OFFICE_E3,
    }
}

fn give(paths: &mut Paths, sku: u8, group: u8, holder: &Holder, rng: &mut Rng) {
    let (state, error) = match rng.below(1000) {
        0..12 => (State::Error, rng.below(ERRORS.len() as u32) as u8),
        12..18 => (State::Disabled, 0),
        18..26 => (State::ActiveWithError, 2 + rng.below(4) as u8),
        _ => (State::Active, 0),
    };
    let since = -1 - rng.below(holder.first_day.unsigned_abs().clamp(1, 900)) as i32;
    let off = off(rng);
    paths.add(Path {
        sku,
        group,
        state,
        error,
        off,
        since: since.max(holder.first_day),
    });
}

/// Plans switched off: mostly none, else a few of the first eight.
pub(crate) fn off(rng: &mut Rng) -> u8 {
    if rng.chance(120) {
        (rng.next() as u8) & (rng.next() as u8)
    } else {
        0
    }
}
