//! Ranges of addresses, asked of a million users: the address of a user follows from a few draws, so the rest of the
//! user is never made.

use crate::filter::{Expr, Literal, Op};
use crate::graph::Call;
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

    /// Whether the address of the user with this index, living or not, is in the range.
    pub(crate) fn holds(&self, index: u32) -> bool {
        let person = person::named(self.key, index, index >= self.joiners);
        let mut name = Vec::with_capacity(80);
        user_json::nickname(&mut name, &person);
        name.make_ascii_lowercase();
        name.extend_from_slice(self.domain.as_bytes());
        self.bounds.iter().all(|(op, text)| {
            let ordering = name.as_slice().cmp(text.as_bytes());
            match op {
                Op::Eq => ordering.is_eq(),
                Op::Ne => ordering.is_ne(),
                Op::Ge => ordering.is_ge(),
                Op::Gt => ordering.is_gt(),
                Op::Le => ordering.is_le(),
                Op::Lt => ordering.is_lt(),
            }
        })
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
