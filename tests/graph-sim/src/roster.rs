//! Who is in which group. Groups of licences, departments and the like follow from the users themselves, so that both
//! directions always agree; the others have a list.

use crate::device::{self, Device};
use crate::group::{self, Group, Sort, What};
use crate::group_log;
use crate::guid::{self, Kind as Guid};
use crate::licence::{Path, State};
use crate::person::{Kind, User};
use crate::world::World;

/// Whether a user is in a group whose members follow from the users.
pub(crate) fn belongs(sort: Sort, number: u32, user: &User) -> bool {
    match sort {
        Sort::Licensing { .. } => path(number, user).is_some(),
        Sort::Department(department) => user.employee && user.department == department,
        Sort::Everybody => user.kind == Kind::Member && user.enabled,
        Sort::Guests => user.kind == Kind::Guest,
        Sort::Large => user.index.is_multiple_of(3),
        _ => false,
    }
}

/// The path by which a licensing group licenses a user.
pub(crate) fn path(number: u32, user: &User) -> Option<&Path> {
    user.paths.iter().find(|p| u32::from(p.group) == number)
}

/// Whether a group can't license this member as it should.
pub(crate) fn fails(number: u32, user: &User) -> bool {
    path(number, user).is_some_and(|p| matches!(p.state, State::Error | State::ActiveWithError))
}

/// The users in the list of a group, ascending; those who are soft-deleted are among them.
pub(crate) fn list(world: &World, number: u32, day: u32) -> Vec<u32> {
    let listed = match Sort::of(number) {
        Some(sort) => !sort.derived() && number >= group::GROWN,
        None => false,
    };
    if !listed {
        return Vec::new();
    }
    let mut members = group::first_members(world.key(), number, world.at_first());
    for (_, what) in world.groups.past(number, day) {
        match what {
            What::Added(user) => {
                if let Err(at) = members.binary_search(&user) {
                    members.insert(at, user);
                }
            }
            What::Removed(user) => members.retain(|m| *m != user),
            _ => {}
        }
    }
    members
}

/// Who is in a group, counted with the groups inside it or not.
pub(crate) struct Audience {
    rules: Vec<(Sort, u32)>,
    listed: Vec<u32>,
}

impl Audience {
    pub(crate) fn of(world: &World, number: u32, day: u32, transitive: bool) -> Self {
        let mut audience = Self {
            rules: Vec::new(),
            listed: Vec::new(),
        };
        audience.take(world, number, day);
        if transitive {
            for inner in inside(world, number, day) {
                audience.take(world, inner.number, day);
            }
        }
        audience.listed.sort_unstable();
        audience.listed.dedup();
        audience
    }

    /// The owners of a group: the first two in its list that live. The other groups have none.
    pub(crate) fn owners(world: &World, number: u32, day: u32) -> Self {
        let members = list(world, number, day).into_iter();
        let living = members.filter(|m| world.lives(*m, day));
        Self {
            rules: Vec::new(),
            listed: living.take(2).collect(),
        }
    }

    fn take(&mut self, world: &World, number: u32, day: u32) {
        match Sort::of(number) {
            Some(sort) if sort.derived() => self.rules.push((sort, number)),
            _ => self.listed.extend(list(world, number, day)),
        }
    }

    pub(crate) fn holds(&self, user: &User) -> bool {
        let rule = |(sort, number): &(Sort, u32)| belongs(*sort, *number, user);
        self.listed.binary_search(&user.index).is_ok() || self.rules.iter().any(rule)
    }

    /// The users to look at, ascending from `start`: all of them only where a rule needs it.
    pub(crate) fn candidates(
        &self,
        world: &World,
        day: u32,
        start: u32,
    ) -> Box<dyn Iterator<Item = u32> + '_> {
        if self.rules.is_empty() {
            let from = self.listed.partition_point(|i| *i < start);
            Box::new(self.listed[from..].iter().copied())
        } else {
            Box::new(start..world.limit(day))
        }
    }
}

/// The devices in a group, by place from `start` on: shared computers in the group that licenses them.
pub(crate) fn devices(
    world: &World,
    number: u32,
    day: u32,
    start: u32,
) -> Box<dyn Iterator<Item = Device> + '_> {
    if number != group::DEVICES {
        return Box::new(std::iter::empty());
    }
    let shared = |d: &Device| d.shared && d.registered;
    Box::new(device::from(world, start, day).filter(shared))
}

/// The living groups inside a group.
pub(crate) fn inside(world: &World, number: u32, day: u32) -> Vec<Group> {
    let groups = &world.groups;
    group::nested(number)
        .into_iter()
        .filter_map(|n| groups.group(world.key(), n, day))
        .collect()
}

/// The derived groups of a user.
pub(crate) fn derived(user: &User) -> Vec<u32> {
    (1..group::GROWN)
        .filter_map(|number| Some((Sort::of(number)?, number)))
        .filter(|(sort, number)| belongs(*sort, *number, user))
        .map(|(_, number)| number)
        .collect()
}

/// The group that a GUID names, if there ever was one.
pub(crate) fn number(key: u64, guid: u128) -> Option<u32> {
    u32::try_from(guid::index(key, Guid::Group, guid)?).ok()
}

/// The number of groups that live on a day.
pub(crate) fn living(world: &World, day: u32) -> u32 {
    let groups = &world.groups;
    (1..groups.limit(day))
        .filter(|n| Sort::of(*n).is_some() && groups.life(*n, day) == group_log::Life::Lives)
        .count() as u32
}
