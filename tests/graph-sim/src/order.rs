//! `$orderby`: the users of a tenant in an order, kept for the next pages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::filter::{Record, Val};
use crate::graph::Call;
use crate::property;
use crate::query;
use crate::reply::Failure;
use crate::user_query::Row;

/// Indices in order.
pub(crate) type Sorted = Arc<[u32]>;

/// Users in all orders that are kept: 16 MB of indices.
const KEPT: usize = 4_000_000;

/// `property`, `property asc` or `property desc`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Order {
    pub(crate) name: String,
    number: u8,
    descending: bool,
}

impl Order {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or("");
        let descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => {
                let message = format!("Syntax error in the $orderby expression '{text}'.");
                return Err(Failure::new(400, "BadRequest", message));
            }
        };
        if name.contains(',') {
            return Err(Failure::unsupported(
                "Sorting by more than one property is not supported.",
            ));
        }
        let number = property::number(name).ok_or_else(|| query::unknown_property(name, "user"))?;
        Ok(Self {
            name: name.to_owned(),
            number,
            descending,
        })
    }

    /// All living users in this order; who has no value comes first.
    pub(crate) fn sorted(&self, call: &Call) -> Sorted {
        let key = (call.tenant, call.day, self.number, self.descending);
        if let Some(known) = call.sim.orders().get(key) {
            return known;
        }
        let names = [(self.name.clone(), self.number)];
        let text = |index: u32| {
            let user = call.world.user(index, call.day)?;
            let row = Row {
                who: call.who,
                user: &user,
                names: &names,
            };
            Some(match row.value(&self.name) {
                Val::Text(text) => text.to_lowercase(),
                _ => String::new(),
            })
        };
        // The first bytes decide most comparisons; only for the others a user is made again.
        let head = |text: &str| {
            let mut head = [0; 8];
            head.iter_mut().zip(text.bytes()).for_each(|(h, b)| *h = b);
            u64::from_be_bytes(head)
        };
        let mut all: Vec<(u64, u32)> = (0..call.world.limit(call.day))
            .filter_map(|i| text(i).map(|t| (head(&t), i)))
            .collect();
        all.sort_unstable_by(|(a, i), (b, j)| {
            a.cmp(b)
                .then_with(|| text(*i).cmp(&text(*j)))
                .then(i.cmp(j))
        });
        if self.descending {
            all.reverse();
        }
        let sorted: Sorted = all.into_iter().map(|(_, i)| i).collect();
        call.sim.orders().put(key, sorted.clone());
        sorted
    }
}

type Key = (usize, u32, u8, bool);

/// The orders that were asked for last.
#[derive(Default)]
pub(crate) struct Orders(Mutex<VecDeque<(Key, Sorted)>>);

impl Orders {
    pub(crate) fn get(&self, key: Key) -> Option<Sorted> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|(k, _)| *k == key);
        found.map(|(_, sorted)| sorted.clone())
    }

    pub(crate) fn put(&self, key: Key, sorted: Sorted) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(k, _)| *k != key);
        kept.push_back((key, sorted));
        while kept.len() > 1 && kept.iter().map(|(_, s)| s.len()).sum::<usize>() > KEPT {
            kept.pop_front();
        }
    }
}
