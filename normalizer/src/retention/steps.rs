//! What is removed when, a small transaction at a time.

use std::num::NonZeroU32;

use proto::ids::Timestamp;
use roaring::RoaringTreemap;
use runtime::CancellationToken;
use runtime::db::{Connection, query};

use crate::Normalizer;
use crate::config::Retention;
use crate::error::Error;
use crate::ledger::bulk::row_number;
use crate::ledger::pages::number;

const SWEEP: &str = "remove rows past their time";

/// Rows that are removed at once, which takes some milliseconds; of pages, which are large, fewer.
const CHUNK: u32 = 1_000;
const PAGES: u32 = 100;

/// What is older than these moments, microseconds since 1970, is past its time.
pub(super) struct Limits {
    inbox: i64,
    sources: i64,
    suspects: i64,
    set_aside: i64,
    history: i64,
    /// Closings from this one on are kept, and removed records from that one on.
    closings: i64,
    removed: i64,
    /// What explains residuals.
    moves: i64,
}

/// Graph keeps deleted users for so long, in days; by then their units are free.
const RECYCLE_BIN: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

impl Limits {
    /// Of a tenant.
    pub async fn of(
        c: &mut Connection,
        tenant: i64,
        retention: &Retention,
        now: Timestamp,
    ) -> Result<Limits, Error> {
        let before =
            |days: NonZeroU32| number(now.0.saturating_sub(u64::from(days.get()) * 86_400_000_000));
        Ok(Limits {
            inbox: before(retention.inbox_days),
            sources: before(retention.closings_days),
            suspects: before(retention.suspects_days),
            set_aside: before(retention.set_aside_days),
            history: before(retention.history_days),
            closings: change_before(c, tenant, before(retention.closings_days)).await?,
            removed: change_before(c, tenant, before(retention.removed_days)).await?,
            moves: before(RECYCLE_BIN),
        })
    }
}

/// The newest closing before a moment that changed a record. A sink that had everything at that moment, or at any later
/// one, has seen it or a later one: from it on everything is kept.
async fn change_before(c: &mut Connection, tenant: i64, moment: i64) -> Result<i64, Error> {
    let sql = "SELECT closing FROM closing WHERE tenant = ? AND closing < ? AND changed_records > 0
        ORDER BY closing DESC LIMIT 1";
    let q = query(sql).bind(tenant).bind(moment);
    let found: Option<i64> = q.fetch_optional(c).await.map_err(Error::db(SWEEP))?;
    Ok(found.unwrap_or(0))
}

/// The rows of one table that are past their time.
pub(super) struct Step {
    pub table: &'static str,
    limit: fn(&Limits) -> i64,
    /// How many rows are a chunk.
    rows: u32,
    /// What has to be noted before: of a tenant, below a limit, no more than a chunk, as in `remove`.
    before: Option<&'static str>,
    /// Removes the next ones of a tenant below a limit, no more than a chunk.
    remove: &'static str,
}

/// The oldest removed records.
macro_rules! removed_records {
    ($start:literal, $columns:literal, $end:literal) => {
        concat!(
            $start,
            "SELECT ",
            $columns,
            " FROM record r WHERE r.tenant = ? AND r.removed = 1 AND r.closing < ?
            ORDER BY r.closing, r.id LIMIT ?",
            $end
        )
    };
}

/// In this order. Numbers of runs and closings are microseconds since 1970 or higher: one that is lower than a limit is
/// older than that.
pub(super) const STEPS: &[Step] = &[
    Step {
        table: "inbox_page",
        limit: |l| l.inbox,
        rows: PAGES,
        before: None,
        remove: "DELETE FROM inbox_page WHERE id IN
            (SELECT id FROM inbox_page WHERE tenant = ? AND run < ? ORDER BY run LIMIT ?)",
    },
    // After their pages: without them a seal waits for nothing.
    Step {
        table: "inbox_seal",
        limit: |l| l.inbox,
        rows: CHUNK,
        before: None,
        remove: "DELETE FROM inbox_seal WHERE (tenant, dataset, run, attempt) IN
            (SELECT tenant, dataset, run, attempt FROM inbox_seal WHERE tenant = ? AND run < ? LIMIT ?)",
    },
    Step {
        table: "set_aside",
        limit: |l| l.set_aside,
        rows: CHUNK,
        before: None,
        remove: "DELETE FROM set_aside WHERE id IN
            (SELECT id FROM set_aside WHERE tenant = ? AND at < ? LIMIT ?)",
    },
    Step {
        table: "license_move",
        limit: |l| l.moves,
        rows: CHUNK,
        before: None,
        remove: "DELETE FROM license_move WHERE (tenant, sku, at, user_key) IN
            (SELECT tenant, sku, at, user_key FROM license_move WHERE tenant = ? AND at < ? LIMIT ?)",
    },
    Step {
        table: "consumed_change",
        limit: |l| l.moves,
        rows: CHUNK,
        before: None,
        remove: "DELETE FROM consumed_change WHERE (tenant, sku, at) IN
            (SELECT tenant, sku, at FROM consumed_change WHERE tenant = ? AND at < ? LIMIT ?)",
    },
    // A dataset that is read resolves its suspects itself, and what is held waits for somebody's decision.
    Step {
        table: "suspect",
        limit: |l| l.suspects,
        rows: CHUNK,
        before: None,
        remove: "DELETE FROM suspect WHERE (tenant, dataset, key) IN
            (SELECT s.tenant, s.dataset, s.key FROM suspect s
            JOIN dataset_state d ON d.tenant = s.tenant AND d.dataset = s.dataset
            WHERE s.tenant = ? AND d.read_end < ? AND s.state = 0 LIMIT ?)",
    },
    // An erasure may have raised the horizon higher.
    Step {
        table: "record",
        limit: |l| l.removed,
        rows: CHUNK,
        before: Some(removed_records!(
            "UPDATE tenant SET horizon = COALESCE((SELECT max(x.closing) FROM (",
            "r.closing",
            ") AS x WHERE x.closing > horizon), horizon) WHERE id = ?"
        )),
        remove: removed_records!(
            "DELETE FROM record WHERE (tenant, id) IN (",
            "r.tenant, r.id",
            ")"
        ),
    },
    // Of a closing some may go first: from the next one on the history is whole.
    Step {
        table: "record_history",
        limit: |l| l.history,
        rows: CHUNK,
        before: Some(
            "UPDATE tenant SET history_from = COALESCE((SELECT max(x.replaced) + 1 FROM
            (SELECT replaced FROM record_history WHERE tenant = ? AND replaced < ? ORDER BY replaced LIMIT ?) AS x),
            history_from) WHERE id = ?",
        ),
        remove: "DELETE FROM record_history WHERE (tenant, replaced, kind, key) IN
            (SELECT tenant, replaced, kind, key FROM record_history WHERE tenant = ? AND replaced < ?
            ORDER BY replaced, kind, key LIMIT ?)",
    },
    // Where nothing was applied there is no number. What is not published yet, and what holds a removal, is still needed.
    Step {
        table: "closing",
        limit: |l| l.closings,
        rows: CHUNK,
        before: None,
        remove: "DELETE FROM closing WHERE id IN
            (SELECT c.id FROM closing c WHERE c.tenant = ?
            AND CASE WHEN c.closing = 0 THEN c.closed_at ELSE c.closing END < ? AND c.verdict_published = 1
            AND c.announced = 1 AND NOT EXISTS (SELECT 1 FROM suspect s WHERE s.tenant = c.tenant
            AND s.dataset = c.dataset AND s.run = c.run) ORDER BY c.closing LIMIT ?)",
    },
];

impl Normalizer {
    /// Removes the next rows of a step, and says how many; none where somebody else has the tenant.
    pub(super) async fn chunk(
        &self,
        tenant: i64,
        step: &Step,
        limits: &Limits,
    ) -> Result<Option<u64>, Error> {
        let mut w = self.0.db.write().await.map_err(Error::db(SWEEP))?;
        if !alone(&mut w, tenant).await? {
            return Ok(None);
        }
        let limit = (step.limit)(limits);
        if let Some(sql) = step.before {
            let q = query(sql).bind(tenant).bind(limit).bind(step.rows);
            let q = q.bind(tenant).execute(&mut w).await;
            q.map_err(Error::db(SWEEP))?;
        }
        let q = query(step.remove).bind(tenant).bind(limit).bind(step.rows);
        let removed = q.execute(&mut w).await.map_err(Error::db(SWEEP))?;
        w.commit().await.map_err(Error::db(SWEEP))?;
        Ok(Some(removed))
    }

    /// Removes pages that no record and no former state names any more. A page that none names is never named again: a
    /// former state takes the page over from its record. So it is enough to look once, without the tenant's lock.
    pub(super) async fn forget_sources(
        &self,
        tenant: i64,
        limits: &Limits,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let mut read = self.0.db.read().await.map_err(Error::db(SWEEP))?;
        let old = "SELECT id FROM page_source WHERE tenant = ? AND run < ? ORDER BY id";
        let mut unnamed = RoaringTreemap::new();
        let q = query(old).bind(tenant).bind(limits.sources);
        q.each(&mut read, |id: i64| {
            unnamed.insert(row_number(id));
        })
        .await
        .map_err(Error::db(SWEEP))?;
        if unnamed.is_empty() {
            return Ok(true);
        }
        for named in [
            "SELECT source FROM record WHERE tenant = ? AND source IS NOT NULL",
            "SELECT source FROM record_history WHERE tenant = ? AND source IS NOT NULL",
        ] {
            let q = query(named).bind(tenant);
            q.each(&mut read, |id: i64| {
                unnamed.remove(row_number(id));
            })
            .await
            .map_err(Error::db(SWEEP))?;
        }
        drop(read);
        let ids: Vec<i64> = unnamed.iter().map(number).collect();
        for chunk in ids.chunks(CHUNK as usize) {
            if stop.is_cancelled() {
                return Ok(false);
            }
            let mut w = self.0.db.write().await.map_err(Error::db(SWEEP))?;
            if !alone(&mut w, tenant).await? {
                return Ok(false);
            }
            let q = query("DELETE FROM page_source WHERE id IN (??)").bind(chunk);
            let removed = q.execute(&mut w).await.map_err(Error::db(SWEEP))?;
            w.commit().await.map_err(Error::db(SWEEP))?;
            runtime::metrics::ledger::expired("page_source", removed);
        }
        Ok(true)
    }
}

/// Whether this process has the tenant now; it doesn't wait for whoever else has it.
async fn alone(c: &mut Connection, tenant: i64) -> Result<bool, Error> {
    let q = query("SELECT id FROM tenant WHERE id = ? FOR UPDATE SKIP LOCKED").bind(tenant);
    let locked: Option<i64> = q.fetch_optional(c).await.map_err(Error::db(SWEEP))?;
    Ok(locked.is_some())
}
