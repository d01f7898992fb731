//! Folds the pages of a run into the records of its dataset, writing only what differs.

use prost::Message as _;
use proto::kind::RecordKind;
use roaring::RoaringTreemap;
use runtime::db::Connection;

use super::absence::Keys;
use super::bulk::{self, Existing, Shared, row_number};
use crate::error::Error;
use crate::finding::derive::Findings;
use crate::history;
use crate::map::Mapped;
use crate::position::count::{self, BySku, Holder};
use crate::reconcile::moved::Moves;

/// What a run did to the records of its dataset.
pub(crate) struct Fold {
    pub shared: Shared,
    /// The dataset had no record before: nothing has to be compared.
    fresh: bool,
    /// Rows that were there before and that the run names, changed or not.
    seen: RoaringTreemap,
    /// Objects that stand in the ledger.
    pub applied: u64,
    /// Objects that a later page of the run replaced.
    pub discarded: u64,
    pub inserted: u64,
    pub revived: u64,
    pub updated: u64,
    pub removed: u64,
    /// What the run changes in the counters of products.
    pub licences: BySku,
    /// Products that changed.
    pub products: Keys,
    /// What is found about users.
    pub findings: Findings,
    /// Who gets or loses products; a first reading moves nobody.
    pub moves: Moves,
}

const COMPARE: &str = "compare records";
const WRITE: &str = "write records";

impl Fold {
    pub fn new(shared: Shared, fresh: bool, findings: Findings) -> Fold {
        Fold {
            shared,
            fresh,
            seen: RoaringTreemap::new(),
            applied: 0,
            discarded: 0,
            inserted: 0,
            revived: 0,
            updated: 0,
            removed: 0,
            licences: BySku::new(),
            products: Keys::new(),
            findings,
            moves: Moves::default(),
        }
    }

    /// Records that were written.
    pub fn changed(&self) -> u64 {
        self.inserted + self.revived + self.updated
    }

    /// Live records that the run names.
    pub fn named(&self) -> u64 {
        self.seen.len() + self.inserted
    }

    /// Takes a page: sorted by key, each key once.
    pub async fn page(&mut self, c: &mut Connection, page: &[Mapped]) -> Result<(), Error> {
        self.take(c, page).await?;
        self.findings.flush(c, &self.shared).await
    }

    async fn take(&mut self, c: &mut Connection, page: &[Mapped]) -> Result<(), Error> {
        if self.fresh {
            let all: Vec<&Mapped> = page.iter().collect();
            let new = bulk::insert_new(c, self.shared, &all)
                .await
                .map_err(Error::db(WRITE))?;
            if new == page.len() as u64 {
                self.inserted += new;
                self.applied += new;
                return self.note(&all);
            }
            // Some keys were on an earlier page too. What this page has just inserted bears its source.
            let twice: Vec<_> = self
                .existing(c, page)
                .await?
                .into_iter()
                .filter(|e| e.source != self.shared.source)
                .collect();
            let old = |r: &&Mapped| twice.iter().any(|e| e.key == r.key);
            let (again, first): (Vec<&Mapped>, Vec<&Mapped>) = all.into_iter().partition(old);
            self.inserted += new;
            self.applied += new;
            self.note(&first)?;
            let again: Vec<Mapped> = again.into_iter().cloned().collect();
            return self.compare(c, &again, twice).await;
        }
        let existing = self.existing(c, page).await?;
        self.compare(c, page, existing).await
    }

    async fn existing(&self, c: &mut Connection, page: &[Mapped]) -> Result<Vec<Existing>, Error> {
        let keys: Vec<&str> = page.iter().map(|r| r.key.as_str()).collect();
        bulk::existing(c, (self.shared.tenant, self.shared.kind), &keys)
            .await
            .map_err(Error::db(COMPARE))
    }

    async fn compare(
        &mut self,
        c: &mut Connection,
        page: &[Mapped],
        rows: Vec<Existing>,
    ) -> Result<(), Error> {
        let mut new = vec![true; page.len()];
        let mut differs = vec![false; page.len()];
        let (mut replaced, mut old_bodies) = (Vec::new(), Vec::new());
        for row in &rows {
            let Ok(at) = page.binary_search_by(|r| r.key.as_str().cmp(&row.key)) else {
                continue;
            };
            new[at] = false;
            let before = row.closing == self.shared.closing.to_db()
                || self.seen.contains(row_number(row.id));
            if before {
                self.discarded += 1;
            } else {
                self.applied += 1;
                self.seen.insert(row_number(row.id));
            }
            if row.removed {
                self.revived += 1;
            } else if row.hash == page[at].hash {
                continue;
            } else {
                self.updated += u64::from(row.closing != self.shared.closing.to_db());
                old_bodies.push(row.id);
            }
            replaced.push(row.id);
            differs[at] = true;
        }
        let inserted = new.iter().filter(|n| **n).count() as u64;
        self.inserted += inserted;
        self.applied += inserted;
        self.forget(c, &old_bodies).await?;
        history::keep(c, &self.shared, &replaced).await?;
        let write: Vec<&Mapped> = (0..page.len())
            .filter(|at| new[*at] || differs[*at])
            .map(|at| &page[at])
            .collect();
        bulk::upsert(c, self.shared, &write)
            .await
            .map_err(Error::db(WRITE))?;
        self.note(&write)
    }

    /// Takes away what followed from the old state of users.
    async fn forget(&mut self, c: &mut Connection, ids: &[i64]) -> Result<(), Error> {
        if self.shared.kind == RecordKind::User && !ids.is_empty() {
            for body in bulk::bodies(c, self.shared.tenant, ids)
                .await
                .map_err(Error::db("read users"))?
            {
                let user =
                    Holder::decode(&body[..]).map_err(|_| Error::Damaged { what: "record" })?;
                count::add(&mut self.licences, &user, -1);
                self.findings.was(&user);
                if !self.fresh {
                    self.moves.was(&user);
                }
            }
        }
        Ok(())
    }

    /// Notes what positions and findings follow from the written records.
    fn note(&mut self, written: &[&Mapped]) -> Result<(), Error> {
        for r in written {
            match self.shared.kind {
                RecordKind::User => {
                    let user = Holder::decode(&r.body[..]).map_err(|_| Error::Damaged {
                        what: "page of the inbox",
                    })?;
                    count::add(&mut self.licences, &user, 1);
                    self.findings.is(&user);
                    if !self.fresh {
                        self.moves.is(&user);
                    }
                }
                RecordKind::SubscribedSku => {
                    self.products.insert(r.key.clone());
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Of these keys, those of live records; they count as named by the run.
    pub async fn live<'k>(
        &mut self,
        c: &mut Connection,
        keys: &[&'k str],
    ) -> Result<Vec<&'k str>, Error> {
        let (tenant, kind) = (self.shared.tenant, self.shared.kind);
        let mut live = std::collections::HashSet::new();
        for chunk in keys.chunks(1_000) {
            for row in bulk::existing(c, (tenant, kind), chunk)
                .await
                .map_err(Error::db(COMPARE))?
            {
                if !row.removed {
                    if row.closing != self.shared.closing.to_db() {
                        self.seen.insert(row_number(row.id));
                    }
                    live.insert(row.key);
                }
            }
        }
        Ok(keys.iter().copied().filter(|k| live.contains(*k)).collect())
    }

    /// Live records that no page names.
    pub async fn unnamed(&self, c: &mut Connection) -> Result<Keys, Error> {
        let of = (self.shared.tenant, self.shared.kind);
        let keys = bulk::unseen(c, of, self.shared.closing, &self.seen)
            .await
            .map_err(Error::db(COMPARE))?;
        Ok(keys.into_iter().collect())
    }

    /// Removes records.
    pub async fn remove(&mut self, c: &mut Connection, keys: &Keys) -> Result<(), Error> {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for chunk in keys.chunks(1_000) {
            let rows = bulk::existing(c, (self.shared.tenant, self.shared.kind), chunk)
                .await
                .map_err(Error::db(COMPARE))?;
            let live: Vec<_> = rows.into_iter().filter(|r| !r.removed).collect();
            let ids: Vec<i64> = live.iter().map(|r| r.id).collect();
            self.forget(c, &ids).await?;
            self.moves.gone();
            self.findings.flush(c, &self.shared).await?;
            history::keep(c, &self.shared, &ids).await?;
            let keys: Vec<&str> = live.iter().map(|r| r.key.as_str()).collect();
            bulk::remove(c, self.shared, &keys)
                .await
                .map_err(Error::db("remove records"))?;
            self.removed += keys.len() as u64;
            if self.shared.kind == RecordKind::SubscribedSku {
                self.products.extend(live.into_iter().map(|r| r.key));
            }
        }
        Ok(())
    }
}
