//! Who gets or loses products by a run of users. Pure, apart from storing it.

use std::collections::{BTreeMap, HashMap};

use runtime::db::{AssertSqlSafe, Connection, placeholders, query};

use crate::error::Error;
use crate::position::count::Holder;

/// Of a product and a run so many users are kept by their keys; of the rest, as when a group's licence changes, only how
/// many they are.
const KEPT: usize = 1_000;

/// What happened to a user's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Gained,
    Lost,
    /// Lost because the user was removed.
    Gone,
}

/// How many units moved how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub gained: i64,
    pub lost: i64,
    pub gone: i64,
}

impl Sum {
    fn add(&mut self, what: Move) {
        match what {
            Move::Gained => self.gained += 1,
            Move::Lost => self.lost += 1,
            Move::Gone => self.gone += 1,
        }
    }
}

#[derive(Debug, Default)]
struct Of {
    first: BTreeMap<String, Move>,
    rest: Sum,
}

/// What a run moved, by product.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// What users held whose new state is still to come.
    was: HashMap<String, Vec<String>>,
    of: BTreeMap<String, Of>,
}

fn held(user: &Holder) -> Vec<String> {
    let held = user.assigned_licenses.iter();
    let mut held: Vec<String> = held.map(|l| l.sku_id.clone()).collect();
    held.sort_unstable();
    held.dedup();
    held
}

impl Moves {
    /// A user is no longer this.
    pub fn was(&mut self, user: &Holder) {
        self.was.insert(user.user_id.clone(), held(user));
    }

    /// A user is this now.
    pub fn is(&mut self, user: &Holder) {
        let was = self.was.remove(&user.user_id).unwrap_or_default();
        let is = held(user);
        for sku in is.iter().filter(|sku| !was.contains(sku)) {
            self.note(sku, &user.user_id, Move::Gained);
        }
        for sku in was.iter().filter(|sku| !is.contains(sku)) {
            self.note(sku, &user.user_id, Move::Lost);
        }
    }

    /// Users of whom no new state came are removed.
    pub fn gone(&mut self) {
        for (user, skus) in std::mem::take(&mut self.was) {
            for sku in skus {
                self.note(&sku, &user, Move::Gone);
            }
        }
    }

    fn note(&mut self, sku: &str, user: &str, what: Move) {
        let of = self.of.entry(sku.to_owned()).or_default();
        if of.first.len() < KEPT || of.first.contains_key(user) {
            of.first.insert(user.to_owned(), what);
        } else {
            of.rest.add(what);
        }
    }

    /// Writes them down, as of a moment.
    pub async fn store(&self, c: &mut Connection, tenant: i64, at: i64) -> Result<(), Error> {
        let mut rows: Vec<(&str, &str, Sum)> = Vec::new();
        for (sku, of) in &self.of {
            for (user, what) in &of.first {
                let mut sum = Sum::default();
                sum.add(*what);
                rows.push((sku, user, sum));
            }
            if of.rest != Sum::default() {
                rows.push((sku, "", of.rest));
            }
        }
        for chunk in rows.chunks(100) {
            let sql = format!(
                "INSERT INTO license_move (tenant, sku, at, user_key, gained, lost, gone) VALUES {}
                ON CONFLICT DO NOTHING",
                placeholders(chunk.len(), 7)
            );
            let mut q = query(AssertSqlSafe(sql));
            for (sku, user, sum) in chunk {
                q = q.bind(tenant).bind(*sku).bind(at).bind(*user);
                q = q.bind(sum.gained).bind(sum.lost).bind(sum.gone);
            }
            let stored = q.execute(c).await;
            stored.map_err(Error::db("note who got or lost products"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::count::Held;

    fn user(id: &str, skus: &[&str]) -> Holder {
        let held = skus.iter().map(|sku| Held {
            sku_id: (*sku).to_owned(),
            ..Held::default()
        });
        Holder {
            user_id: id.to_owned(),
            assigned_licenses: held.collect(),
            ..Holder::default()
        }
    }

    #[test]
    fn only_what_differs_moves() {
        let mut moves = Moves::default();
        moves.was(&user("a", &["e3", "ems"]));
        moves.is(&user("a", &["ems", "e5"]));
        moves.is(&user("new", &["e5"]));
        moves.was(&user("leaver", &["e5"]));
        moves.gone();
        let of = |sku: &str| -> Vec<(&str, Move)> {
            let first = moves.of[sku].first.iter();
            first.map(|(user, what)| (user.as_str(), *what)).collect()
        };
        assert_eq!(of("e3"), [("a", Move::Lost)]);
        assert_eq!(
            of("e5"),
            [
                ("a", Move::Gained),
                ("leaver", Move::Gone),
                ("new", Move::Gained)
            ]
        );
        assert!(!moves.of.contains_key("ems"));
    }

    #[test]
    fn of_many_only_the_number_is_kept() {
        let mut moves = Moves::default();
        for n in 0..KEPT + 7 {
            moves.is(&user(&n.to_string(), &["e5"]));
        }
        let of = &moves.of["e5"];
        assert_eq!((of.first.len(), of.rest.gained), (KEPT, 7));
    }
}
