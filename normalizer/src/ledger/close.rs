//! The end of a run: the closing, its verdict and what is kept of the run.

use catalog::Absence;
use prost::Message as _;
use proto::admin::v1::{RunManifest, RunPages};
use proto::ids::{Closing, RunId, Timestamp};
use proto::pages::v1::{RunClosed, RunCounts, RunSealed, Suspect, Unfamiliar};
use runtime::db::{Connection, query};

use super::absence::State;
use super::gaps::Gaps;
use super::pages::number;
use super::suspects::Suspects;
use crate::error::Error;

/// What became of a run.
pub(crate) struct Closed<'a> {
    pub tenant: i64,
    pub seal: &'a RunSealed,
    pub closing: Closing,
    pub complete: bool,
    pub needs_full: bool,
    pub now: Timestamp,
    pub pages: u64,
    pub counts: RunCounts,
    pub gaps: Gaps,
    pub suspects: &'a Suspects,
    /// What objects have that this release doesn't know.
    pub unfamiliar: Vec<Unfamiliar>,
    /// Derived ones included.
    pub changed_records: u64,
    /// The newest run of the dataset that is applied now.
    pub applied: RunId,
}

impl<'a> Closed<'a> {
    /// A run of which nothing was applied.
    pub fn nothing(
        tenant: i64,
        seal: &'a RunSealed,
        needs_full: bool,
        applied: RunId,
        now: Timestamp,
    ) -> Closed<'a> {
        Closed {
            tenant,
            seal,
            closing: Closing(0),
            complete: false,
            needs_full,
            now,
            pages: 0,
            counts: RunCounts::default(),
            gaps: Gaps::default(),
            suspects: &NONE,
            unfamiliar: Vec::new(),
            changed_records: 0,
            applied,
        }
    }
}

static NONE: Suspects = Suspects::new();

/// Whether a seal still waits.
pub(super) async fn waits(
    c: &mut Connection,
    tenant: i64,
    seal: &RunSealed,
) -> Result<bool, Error> {
    let sql = "SELECT count(*) FROM inbox_seal WHERE tenant = ? AND dataset = ? AND run = ? AND attempt = ?";
    let q = query(sql)
        .bind(tenant)
        .bind(&seal.dataset)
        .bind(number(seal.run))
        .bind(number(seal.attempt));
    let n: i64 = q.fetch_one(c).await.map_err(Error::db("look for a seal"))?;
    Ok(n > 0)
}

/// Has the verdict on a seal published once more, if there is one already: the collector may have lost it. Says which
/// row holds it.
pub(crate) async fn ask_again(
    c: &mut Connection,
    tenant: i64,
    seal: &RunSealed,
) -> Result<Option<i64>, Error> {
    let sql = "UPDATE closing SET verdict_published = 0, asked = asked + 1
        WHERE tenant = ? AND dataset = ? AND run = ? AND attempt = ? RETURNING id";
    let q = query(sql)
        .bind(tenant)
        .bind(&seal.dataset)
        .bind(number(seal.run))
        .bind(number(seal.attempt));
    let rows = q.fetch_all(c).await;
    let rows: Vec<i64> = rows.map_err(Error::db("ask for a verdict again"))?;
    Ok(rows.last().copied())
}

/// Stores the closing with its verdict, which is published from there, and says which row holds it.
pub(crate) async fn close(c: &mut Connection, closed: Closed<'_>) -> Result<i64, Error> {
    let Closed {
        tenant,
        seal,
        closing,
        suspects,
        ..
    } = closed;
    // Where only time proves absence there is nothing to ask.
    let asked =
        catalog::find(&seal.dataset).is_none_or(|d| !matches!(d.absence(), Absence::After(_)));
    let named = suspects
        .iter()
        .filter(|(_, s)| asked && s.state != State::Held);
    let verdict = RunClosed {
        tenant_id: seal.tenant_id.clone(),
        dataset: seal.dataset.clone(),
        run: seal.run,
        attempt: seal.attempt,
        complete: closed.complete,
        needs_full: closed.needs_full,
        suspects: named
            .map(|(id, s)| Suspect {
                id: id.clone(),
                since: s.since.0,
            })
            .collect(),
        closing: closing.0,
        pool: seal.pool.clone(),
        counts: Some(closed.counts),
        applied: closed.applied.0,
        unfamiliar: closed.unfamiliar,
    };
    let manifest = manifest(seal, closed.needs_full, closed.closing, closed.gaps);
    let sql = "INSERT INTO closing (tenant, closing, dataset, run, attempt, mode, pages, requests, started_at, closed_at,
            changed_records, verdict, announced, manifest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id";
    query(sql)
        .bind(tenant)
        .bind(closing.to_db())
        .bind(&seal.dataset)
        .bind(number(seal.run))
        .bind(number(seal.attempt))
        .bind(seal.mode)
        .bind(number(closed.pages))
        .bind(seal.requests)
        .bind(number(seal.started_at))
        .bind(number(closed.now.0))
        .bind(number(closed.changed_records))
        .bind(verdict.encode_to_vec())
        .bind(closed.changed_records == 0)
        .bind(manifest.encode_to_vec())
        .fetch_one(c)
        .await
        .map_err(Error::db("store a closing"))
}

/// What is kept for whoever asks how the run was read.
fn manifest(seal: &RunSealed, needs_full: bool, closing: Closing, gaps: Gaps) -> RunManifest {
    let pages = seal.pages.iter().map(|p| RunPages {
        attempt: p.attempt,
        first: p.first,
        last: p.last,
    });
    RunManifest {
        attempt: seal.attempt,
        pages: pages.collect(),
        sealed_at: seal.sealed_at,
        base: seal.base,
        counted: seal.counted,
        data_as_of: seal.data_as_of.clone(),
        gaps: gaps.told(&seal.gaps),
        needs_full,
        overtaken: closing == Closing(0) && !needs_full,
        narrowed: seal.narrowed,
    }
}

/// Notes the newest closing of a tenant, and which of its datasets the newest seal names.
pub(super) async fn advance(
    c: &mut Connection,
    closed: (i64, Closing, bool),
    seal: &RunSealed,
) -> Result<(), Error> {
    let (tenant, closing, changed) = closed;
    let sql = "UPDATE tenant SET closing = ?, changed = CASE WHEN ? = 1 THEN ? ELSE changed END, pool = ?,
        datasets = CASE WHEN ? >= datasets_at THEN ? ELSE datasets END,
        datasets_at = CASE WHEN ? >= datasets_at THEN ? ELSE datasets_at END WHERE id = ?";
    let sealed_at = number(seal.sealed_at);
    query(sql)
        .bind(closing.to_db())
        .bind(changed)
        .bind(closing.to_db())
        .bind(&seal.pool)
        .bind(sealed_at)
        .bind(seal.datasets.join(" "))
        .bind(sealed_at)
        .bind(sealed_at)
        .bind(tenant)
        .execute(c)
        .await
        .map_err(Error::db("store a closing"))?;
    Ok(())
}

/// Forgets a seal and, once its run can't be applied any more, the pages of every run up to it. Other seals of these
/// runs stay until each has got its verdict.
pub(crate) async fn clear(
    c: &mut Connection,
    tenant: i64,
    seal: &RunSealed,
    pages: bool,
) -> Result<(), Error> {
    let failed = "clear the inbox";
    let sql = "DELETE FROM inbox_seal WHERE tenant = ? AND dataset = ? AND run = ? AND attempt = ?";
    let q = query(sql)
        .bind(tenant)
        .bind(&seal.dataset)
        .bind(number(seal.run))
        .bind(number(seal.attempt));
    q.execute(c).await.map_err(Error::db(failed))?;
    if pages {
        let sql = "DELETE FROM inbox_page WHERE tenant = ? AND dataset = ? AND run <= ?";
        let q = query(sql)
            .bind(tenant)
            .bind(&seal.dataset)
            .bind(number(seal.run));
        q.execute(c).await.map_err(Error::db(failed))?;
    }
    Ok(())
}
