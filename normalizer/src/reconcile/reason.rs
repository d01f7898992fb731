//! What the two countings may differ by, and what that explains of a difference. Pure.

use std::collections::BTreeMap;

/// A reason why Microsoft counts otherwise; they are taken away in this order: first what is known by its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Users that are counted here though Graph may no longer have them: their removal is held, or still to be proven.
    Suspected,
    /// Users that could not be read.
    SetAside,
    /// Users that were deleted: Graph frees their units, and doesn't say when.
    Deleted,
    /// Users that got or lost the product since Microsoft's count was read before.
    Moved,
    /// Microsoft's count itself changed between two readings, and the users were read between them.
    Recounted,
    /// People who were erased: they hold what they held.
    Erased,
    /// Users to whom the product could not be assigned.
    InError,
    /// Devices, servers and whole companies hold the product, and no user's record shows that.
    NotHeldByUsers,
    /// Users that are not read because the tenant has a population.
    OutsidePopulation,
}

impl Class {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Class::Suspected => "suspected",
            Class::SetAside => "set_aside",
            Class::Deleted => "deleted",
            Class::Moved => "moved",
            Class::Recounted => "recounted",
            Class::Erased => "erased",
            Class::InError => "in_error",
            Class::NotHeldByUsers => "not_held_by_users",
            Class::OutsidePopulation => "outside_population",
        }
    }
}

/// Nothing known limits it.
pub(crate) const ANY: i64 = i64::MAX;

/// By how many units a class may make Microsoft count more, or less, than users are counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Units {
    pub more: i64,
    pub less: i64,
}

impl Units {
    /// Microsoft may count so many more.
    pub fn more(more: i64) -> Units {
        Units { more, less: 0 }
    }

    /// Adds another object's.
    pub fn add(&mut self, other: Units) {
        self.more = self.more.saturating_add(other.more);
        self.less = self.less.saturating_add(other.less);
    }
}

/// What explains a difference, and what is left of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// By class, in order: the part of the difference that it accounts for.
    pub parts: Vec<(Class, i64)>,
    pub unexplained: i64,
}

/// Takes from a residual what each class may account for. None makes it larger, or turns its sign: what can't be told
/// apart is not counted against each other.
pub(crate) fn settle(residual: i64, units: &BTreeMap<Class, Units>) -> Settled {
    let mut left = residual;
    let part = |(class, units): (&Class, &Units)| {
        let part = match left > 0 {
            true => left.min(units.more),
            false => left.max(-units.less),
        };
        left -= part;
        (*class, part)
    };
    let parts = units.iter().map(part).collect();
    Settled {
        parts,
        unexplained: left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(units: &[(Class, i64, i64)]) -> BTreeMap<Class, Units> {
        let one = |(class, more, less): &(Class, i64, i64)| {
            let (more, less) = (*more, *less);
            (*class, Units { more, less })
        };
        units.iter().map(one).collect()
    }

    #[test]
    fn reasons_are_taken_away_in_order_and_the_rest_is_unexplained() {
        let known = of(&[(Class::Moved, 4, 1), (Class::SetAside, 3, 0)]);
        let settled = settle(10, &known);
        assert_eq!(settled.parts, [(Class::SetAside, 3), (Class::Moved, 4)]);
        assert_eq!(settled.unexplained, 3);
        let settled = settle(5, &known);
        assert_eq!(settled.parts, [(Class::SetAside, 3), (Class::Moved, 2)]);
        assert_eq!(settled.unexplained, 0);
        assert_eq!(settle(-3, &known).unexplained, -2);
        assert_eq!(settle(0, &known).unexplained, 0);
        assert_eq!(settle(7, &BTreeMap::new()).unexplained, 7);
    }

    #[test]
    fn what_nothing_limits_takes_what_the_others_leave() {
        let known = of(&[(Class::OutsidePopulation, ANY, 0), (Class::SetAside, 3, 0)]);
        let settled = settle(100, &known);
        assert_eq!(
            settled.parts,
            [(Class::SetAside, 3), (Class::OutsidePopulation, 97)]
        );
        assert_eq!(settled.unexplained, 0);
        assert_eq!(settle(-100, &known).unexplained, -100);
    }
}
