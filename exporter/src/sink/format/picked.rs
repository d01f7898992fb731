//! The columns that a file shows, and the cells of a row in their places.

use proto::shape::Column;

use super::{Fault, Row};
use crate::cells::{self, Cell, Mismatch};
use crate::config::{Selection, Shown};
use crate::record::columns;

/// The columns of a kind that are shown.
pub(crate) struct Picked {
    all: &'static [Column],
    /// In the order in which they are shown.
    pub shown: Vec<Shown>,
    /// Where a column of the contract is shown, if it is.
    places: Vec<Option<usize>>,
}

impl Picked {
    pub(super) fn new(shows: &Selection, kind: &str) -> Self {
        let (all, shown) = (columns(kind), shows.columns(kind));
        let place = |n| shown.iter().position(|s| s.place == n);
        Picked {
            all,
            places: (0..all.len()).map(place).collect(),
            shown,
        }
    }

    /// The same without the columns that `keep` doesn't name, by their names in JSON.
    pub(super) fn only(mut self, keep: fn(&str) -> bool) -> Self {
        self.shown.retain(|s| keep(s.column.json));
        let place = |n| self.shown.iter().position(|s| s.place == n);
        self.places = (0..self.all.len()).map(place).collect();
        self
    }

    /// Names of columns as tables spell them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.shown
            .iter()
            .map(|s| s.name.as_deref().unwrap_or(s.column.name))
    }

    /// Gives each shown cell of a row with its place to `take`; the order is that of the contract.
    pub(super) fn each<E: Into<Fault>>(
        &self,
        row: &Row<'_>,
        mut take: impl FnMut(usize, &Shown, Cell<'_>) -> Result<(), E>,
    ) -> Result<(), Fault> {
        let (mut next, mut failed) = (0, None);
        let cells = cells::each(row, self.all, &mut |_, cell| {
            let place = self.places.get(next).copied().flatten();
            next += 1;
            let Some((place, shown)) = place.and_then(|p| Some((p, self.shown.get(p)?))) else {
                return Ok(());
            };
            take(place, shown, cell).map_err(|e| {
                failed = Some(e.into());
                Mismatch::new("not written")
            })
        });
        match (failed, cells) {
            (Some(fault), _) => Err(fault),
            (None, cells) => Ok(cells?),
        }
    }
}
