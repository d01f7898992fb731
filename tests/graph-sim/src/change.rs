//! What happens to users: one change is small, and applying it is a pure function.

use crate::catalog::GIVEN;
use crate::licence::{ERRORS, Path, State, assigned};
use crate::mix;
use crate::names::{DEPARTMENTS, LAST};
use crate::person::User;
use crate::property::{Prop, Select};
use crate::rng::Rng;

/// One change of one user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) day: u32,
    pub(crate) what: What,
    /// The properties that differ afterwards.
    pub(crate) touched: Select,
}

/// The kinds of change; positions are those of the user's paths at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Joined,
    /// Deleted, and restorable for 30 days.
    Left,
    Restored,
    /// Deleted for good.
    Purged,
    /// The group through which a path leads now licenses another SKU.
    Flipped {
        group: u8,
        sku: u8,
    },
    Given(Path),
    Taken {
        at: u8,
    },
    MadeDirect {
        at: u8,
    },
    Turned {
        at: u8,
        state: State,
        error: u8,
    },
    Moved {
        department: u8,
        job: u8,
    },
    Renamed {
        last: u8,
    },
    Disabled,
}

/// The kinds that are drawn for a day, apart from joining and leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    Given,
    Taken,
    MadeDirect,
    Turned,
    Moved,
    Renamed,
    Disabled,
}

/// Draws a change that fits this user, or none.
pub(crate) fn draw(user: &User, draw: Draw, day: u32, rng: &mut Rng) -> Option<What> {
    let path =
        |wanted: &dyn Fn(&Path) -> bool| user.paths.iter().position(wanted).map(|at| at as u8);
    Some(match draw {
        Draw::Given => {
            let sku = rng.below(GIVEN) as u8;
            let mut paths = user.paths;
            let new = Path {
                sku,
                group: 0,
                state: State::Active,
                error: 0,
                off: mix::off(rng),
                since: day as i32,
            };
            (user.enabled && paths.add(new)).then_some(What::Given(new))?
        }
        Draw::Taken => What::Taken {
            at: path(&|p| p.group == 0)?,
        },
        Draw::MadeDirect => {
            let at = path(&|p| {
                p.group != 0 && !user.paths.iter().any(|q| q.sku == p.sku && q.group == 0)
            })?;
            What::MadeDirect { at }
        }
        Draw::Turned => {
            let at = rng.below(user.paths.iter().count() as u32) as u8;
            let was = user.paths.iter().nth(usize::from(at))?.state;
            let (state, error) = match rng.below(4) {
                _ if was != State::Active => (State::Active, 0),
                0 | 1 => (State::Error, rng.below(ERRORS.len() as u32) as u8),
                2 => (State::ActiveWithError, 5),
                _ => (State::Disabled, 0),
            };
            What::Turned { at, state, error }
        }
        Draw::Moved => {
            let department = rng.below(DEPARTMENTS.len() as u32) as u8;
            let job = rng.below(3) as u8;
            (user.employee && department != user.department)
                .then_some(What::Moved { department, job })?
        }
        Draw::Renamed => {
            let last = rng.below(LAST.len() as u32) as u8;
            (user.employee && last != user.last).then_some(What::Renamed { last })?
        }
        Draw::Disabled => user.enabled.then_some(What::Disabled)?,
    })
}

/// Makes the change; joining, leaving and coming back change nothing of the person.
pub(crate) fn apply(user: &mut User, what: What, day: u32) {
    match what {
        What::Joined | What::Left | What::Restored | What::Purged => {}
        What::Flipped { group, sku } => user.paths.flip(group, sku, day as i32),
        What::Given(path) => {
            user.paths.add(path);
        }
        What::Taken { at } => user.paths.remove(usize::from(at)),
        What::MadeDirect { at } => {
            if let Some(path) = user.paths.get_mut(usize::from(at)) {
                path.group = 0;
                path.since = day as i32;
            }
        }
        What::Turned { at, state, error } => {
            if let Some(path) = user.paths.get_mut(usize::from(at)) {
                (path.state, path.error, path.since) = (state, error, day as i32);
            }
        }
        What::Moved { department, job } => (user.department, user.job) = (department, job),
        What::Renamed { last } => user.last = last,
        What::Disabled => (user.enabled, user.disabled_on) = (false, Some(day)),
    }
}

/// The properties that differ between two states of one user.
pub(crate) fn touched(before: &User, after: &User) -> Select {
    let mut touched = Select::EMPTY;
    let mut mark = |differs: bool, prop: Prop| {
        if differs {
            touched.add(prop as u8);
        }
    };
    mark(before.enabled != after.enabled, Prop::AccountEnabled);
    mark(before.last != after.last, Prop::DisplayName);
    mark(before.last != after.last, Prop::Surname);
    mark(before.department != after.department, Prop::Department);
    mark(
        (before.department, before.job) != (after.department, after.job),
        Prop::JobTitle,
    );
    mark(before.paths != after.paths, Prop::LicenseAssignmentStates);
    let (was, is) = (
        assigned(&before.paths, before.orphan),
        assigned(&after.paths, after.orphan),
    );
    mark(was != is, Prop::AssignedLicenses);
    touched
}
