//! Which pages a seal names, and whether all are there.

use std::collections::BTreeMap;

use proto::pages::v1::{PageRange, RunSealed};
use runtime::db::{Connection, query};

use crate::error::Error;

/// The pages that a seal names: sorted, each once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named(Vec<PageRange>);

impl Named {
    pub fn of(seal: &RunSealed) -> Named {
        let mut by_attempt: BTreeMap<u64, Vec<(u32, u32)>> = BTreeMap::new();
        for r in seal.pages.iter().filter(|r| r.first <= r.last) {
            by_attempt
                .entry(r.attempt)
                .or_default()
                .push((r.first, r.last));
        }
        let mut out: Vec<PageRange> = Vec::new();
        for (attempt, mut ranges) in by_attempt {
            ranges.sort_unstable();
            for (first, last) in ranges {
                match out.last_mut() {
                    Some(p) if p.attempt == attempt && first <= p.last.saturating_add(1) => {
                        p.last = p.last.max(last)
                    }
                    _ => out.push(PageRange {
                        attempt,
                        first,
                        last,
                    }),
                }
            }
        }
        Named(out)
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|r| u64::from(r.last - r.first) + 1).sum()
    }

    pub fn contains(&self, attempt: u64, sequence: u32) -> bool {
        self.0
            .iter()
            .any(|r| r.attempt == attempt && (r.first..=r.last).contains(&sequence))
    }

    /// Whether all of them are in the inbox.
    pub async fn all_there(
        &self,
        c: &mut Connection,
        tenant: i64,
        seal: &RunSealed,
    ) -> Result<bool, Error> {
        let sql = "SELECT count(*) FROM inbox_page
            WHERE tenant = ? AND dataset = ? AND run = ? AND attempt = ? AND sequence BETWEEN ? AND ?";
        for r in &self.0 {
            let there: i64 = query(sql)
                .bind(tenant)
                .bind(&seal.dataset)
                .bind(number(seal.run))
                .bind(number(r.attempt))
                .bind(r.first)
                .bind(r.last)
                .fetch_one(c)
                .await
                .map_err(Error::db("look for pages"))?;
            if u64::try_from(there).unwrap_or(0) < u64::from(r.last - r.first) + 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A number of a message as it is stored.
pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_ranges_count_once() {
        let range = |attempt, first, last| PageRange {
            attempt,
            first,
            last,
        };
        let pages = vec![
            range(2, 5, 9),
            range(1, 0, 3),
            range(2, 8, 10),
            range(2, 11, 11),
            range(1, 7, 6),
        ];
        let named = Named::of(&RunSealed {
            pages,
            ..Default::default()
        });
        assert_eq!(named, Named(vec![range(1, 0, 3), range(2, 5, 11)]));
        assert_eq!(named.count(), 11);
        assert!(named.contains(2, 11) && !named.contains(1, 5));
        let all = RunSealed {
            pages: vec![range(1, 0, u32::MAX)],
            ..Default::default()
        };
        assert_eq!(Named::of(&all).count(), 1 << 32);
    }
}
