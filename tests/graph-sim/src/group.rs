//! The groups of a tenant. A number names a group; what it is at first is a pure function of the tenant's key.

use crate::catalog::{self, SKUS, sku::APPS_DEVICE};
use crate::mix;
use crate::names::DEPARTMENTS;
use crate::rng::{self, Rng};

/// Licensing groups have the numbers of [`crate::mix::group`], which are below this.
const LICENSING: u32 = 64;
const EVERYBODY: u32 = 80;
const GUESTS: u32 = 81;
const COMPANY: u32 = 82;
const EMPTY: u32 = 83;
const LARGE: u32 = 84;
/// Its members are shared computers.
pub(crate) const DEVICES: u32 = 85;
/// Groups that people have made start at this number.
pub(crate) const GROWN: u32 = 128;

/// What kind of group it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sort {
    /// Licenses its direct members.
    Licensing {
        sku: u8,
        pilot: bool,
    },
    /// Dynamic, by department.
    Department(u8),
    /// Dynamic: all members that may sign in.
    Everybody,
    /// Dynamic: all guests.
    Guests,
    /// Assigned, and made of the departments' groups.
    Company,
    Empty,
    /// Microsoft 365 group with a third of all people.
    Large,
    /// Licenses shared computers instead of people.
    Devices,
    Team,
    Unified,
    Security,
    /// Synchronised from a local directory.
    Synced,
    MailSecurity,
    Distribution,
}

/// A group on some day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    pub(crate) number: u32,
    pub(crate) sort: Sort,
    /// Two words of which the name is made, and how often it was changed.
    pub(crate) words: (u8, u8),
    pub(crate) renamed: u8,
    /// Day of its creation, relative to day 0.
    pub(crate) created: i32,
    /// The SKU that it licenses, which a flip changes.
    pub(crate) licence: Option<u8>,
    /// Day of the last flip.
    pub(crate) flipped: Option<u32>,
}

/// One change of one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Created,
    Renamed,
    Added(u32),
    Removed(u32),
    /// The group licenses another SKU than before.
    Flipped(u8),
    /// Deleted; a Microsoft 365 group can be restored for 30 days.
    Deleted,
    Restored,
    Purged,
}

/// How many groups people had made on day 0.
pub(crate) fn grown(users: u32) -> u32 {
    8 + users / 12
}

impl Sort {
    /// The kind of a number; none where there is no group.
    pub(crate) fn of(number: u32) -> Option<Self> {
        Some(match number {
            1..LICENSING => {
                let sku = ((number - 1) / 2) as u8;
                let pilot = number.is_multiple_of(2);
                let licensed =
                    usize::from(sku) < SKUS && !catalog::is_company_wide(sku) && sku != APPS_DEVICE;
                licensed.then_some(Self::Licensing { sku, pilot })?
            }
            LICENSING..EVERYBODY => {
                let department = (number - LICENSING) as u8;
                (usize::from(department) < DEPARTMENTS.len())
                    .then_some(Self::Department(department))?
            }
            EVERYBODY => Self::Everybody,
            GUESTS => Self::Guests,
            COMPANY => Self::Company,
            EMPTY => Self::Empty,
            LARGE => Self::Large,
            DEVICES => Self::Devices,
            GROWN.. => match (number - GROWN) % 8 {
                0 | 1 | 4 => Self::Team,
                2 => Self::Unified,
                3 => Self::Security,
                5 => Self::Synced,
                6 => Self::MailSecurity,
                _ => Self::Distribution,
            },
            _ => return None,
        })
    }

    /// A Microsoft 365 group.
    pub(crate) fn unified(self) -> bool {
        matches!(self, Self::Team | Self::Unified | Self::Large)
    }

    pub(crate) fn dynamic(self) -> bool {
        matches!(self, Self::Department(_) | Self::Everybody | Self::Guests)
    }

    pub(crate) fn security(self) -> bool {
        !self.unified() && self != Self::Distribution
    }

    pub(crate) fn mail(self) -> bool {
        self.unified() || matches!(self, Self::MailSecurity | Self::Distribution)
    }

    /// Groups whose members follow from the users themselves.
    pub(crate) fn derived(self) -> bool {
        matches!(
            self,
            Self::Licensing { .. }
                | Self::Department(_)
                | Self::Everybody
                | Self::Guests
                | Self::Large
        )
    }
}

/// Makes a group as it was at first; `created` is the day on which it was made after day 0.
pub(crate) fn make(key: u64, number: u32, created: Option<u32>) -> Option<Group> {
    let sort = Sort::of(number)?;
    let mut rng = Rng::new(rng::mix(key ^ 0x0067_709a, u64::from(number)));
    Some(Group {
        number,
        sort,
        words: (rng.below(256) as u8, rng.below(256) as u8),
        renamed: 0,
        created: created.map_or_else(|| -1 - rng.below(2_500) as i32, |day| day as i32),
        licence: match sort {
            Sort::Licensing { sku, .. } => Some(sku),
            Sort::Devices => Some(APPS_DEVICE),
            _ => None,
        },
        flipped: None,
    })
}

/// The indices of the users that a grown group had at first, among `users`.
pub(crate) fn first_members(key: u64, number: u32, users: u32) -> Vec<u32> {
    let mut rng = Rng::new(rng::mix(key ^ 0x03e3_be25, u64::from(number)));
    let size = match rng.below(100) {
        0..4 => 0,
        4..90 => 2 + rng.below(16),
        _ => 20 + rng.below(30),
    };
    let mut members: Vec<u32> = (0..size.min(users)).map(|_| rng.below(users)).collect();
    members.sort_unstable();
    members.dedup();
    members
}

/// The groups inside a group.
pub(crate) fn nested(number: u32) -> Vec<u32> {
    match Sort::of(number) {
        Some(Sort::Company) => (0..DEPARTMENTS.len() as u32)
            .map(|d| LICENSING + d)
            .collect(),
        // Members of a group inside a licensing group get no licence: the trap is here.
        Some(Sort::Licensing { sku, pilot: true }) => vec![GROWN + u32::from(sku) % 4 * 8 + 3],
        Some(Sort::Synced) => vec![number - 2],
        _ => Vec::new(),
    }
}

/// Licensing groups switch plans off for all of their members.
pub(crate) fn off(group: &Group) -> u8 {
    match group.sort {
        Sort::Licensing { .. } if group.flipped.is_none() => mix::group_off(group.number as u8),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_exists_and_nesting_ends() {
        let sorts: Vec<_> = (0..GROWN + 8).filter_map(Sort::of).collect();
        for sort in [Sort::Team, Sort::Synced, Sort::Distribution, Sort::Company] {
            assert!(sorts.contains(&sort));
        }
        for number in 1..GROWN + 64 {
            for inner in nested(number) {
                assert!(Sort::of(inner).is_some(), "{number} holds {inner}");
                assert!(nested(inner).is_empty(), "{number} holds {inner}");
            }
        }
        assert!(first_members(1, GROWN, 0).is_empty());
    }
}
