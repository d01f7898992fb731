//! Ranges of addresses, asked of a million users: the address of a user follows from a few draws, so the rest of the
//! user is never made.

use crate::filter::{Expr, Literal, Op};
use crate::graph::Call;
use crate::order::Sorted;
use crate::person;
use crate::user_json;

const ADDRESS: &str = "userPrincipalName";

/// Bounds of `userPrincipalName` in lower case.
pub(crate) struct Range {
    bounds: Vec<(Op, String)>,
    key: u64,
    /// Users from here on joined later.
    joiners: u32,
    domain: String,
}

impl Range {
    /// The range that a filter is, if it is one.
    pub(crate) fn of(expr: &Expr, call: &Call) -> Option<Self> {
        let parts = match expr {
            Expr::And(parts) => parts.as_slice(),
            Expr::Compare(..) => std::slice::from_ref(expr),
            _ => return None,
        };
        let bound = |part: &Expr| match part {
            Expr::Compare(name, op, Literal::Text(text))
                if *op != Op::Ne && name.eq_ignore_ascii_case(ADDRESS) =>
            {
                Some((*op, text.clone()))
            }
            _ => None,
        };
        Some(Self {
            bounds: parts.iter().map(bound).collect::<Option<_>>()?,
            key: call.who.key,
            joiners: call.world.limit(0),
            domain: format!("@{}", call.who.domain.to_ascii_lowercase()),
        })
    }

    /// The users in the range who live on a day, by index, ascending.
    pub(crate) fn living(&self, call: &Call, day: u32) -> Vec<u32> {
        let all = self.sorted(call, day);
        let (mut from, mut to) = (0, all.len());
        for (op, text) in &self.bounds {
            let text = text.as_bytes();
            let below = || all.partition_point(|i| self.name(*i).as_slice() < text);
            let through = || all.partition_point(|i| self.name(*i).as_slice() <= text);
            match op {
                Op::Ge => from = from.max(below()),
                Op::Gt => from = from.max(through()),
                Op::Le => to = to.min(through()),
                Op::Lt => to = to.min(below()),
                Op::Eq => (from, to) = (from.max(below()), to.min(through())),
                Op::Ne => {}
            }
        }
        let mut found = all.get(from..to).unwrap_or_default().to_vec();
        found.sort_unstable();
        found
    }

    /// All who live on a day by their addresses, as an index has them.
    fn sorted(&self, call: &Call, day: u32) -> Sorted {
        // No property has this number.
        let key = (call.tenant, day, u8::MAX, false);
        if let Some(known) = call.sim.orders().get(key) {
            return known;
        }
        let living = (0..call.world.limit(day)).filter(|i| call.world.lives(*i, day));
        let mut names: Vec<(Vec<u8>, u32)> = living.map(|i| (self.name(i), i)).collect();
        names.sort_unstable();
        let sorted: Sorted = names.into_iter().map(|(_, i)| i).collect();
        call.sim.orders().put(key, sorted.clone());
        sorted
    }

    /// The address of the user with this index, living or not, in lower case.
    fn name(&self, index: u32) -> Vec<u8> {
        let person = person::named(self.key, index, index >= self.joiners);
        let mut name = Vec::with_capacity(80);
        user_json::nickname(&mut name, &person);
        name.make_ascii_lowercase();
        name.extend_from_slice(self.domain.as_bytes());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn the_address_is_that_of_the_whole_user() {
        let mut world = World::new(77, 500);
        for _ in 0..10 {
            world.next_day();
        }
        for index in 0..world.limit(10) {
            let Some(user) = world.user(index, 10) else {
                continue;
            };
            let (mut whole, mut short) = (Vec::new(), Vec::new());
            user_json::nickname(&mut whole, &user.named());
            user_json::nickname(&mut short, &person::named(77, index, index >= 500));
            assert_eq!(whole, short, "user {index}");
        }
    }
}
