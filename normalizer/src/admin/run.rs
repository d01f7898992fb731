//! What operators see of runs.

use prost::Message as _;
use proto::admin::v1::{
    HeldRemoval, ListRunsRequest, Run, RunDetails, RunManifest, SetAsideCount, ShowRunRequest,
    ShowRunResponse, Unfamiliar,
};
use proto::pages::v1::{RunClosed, RunMode};
use runtime::db::{Connection, query};
use runtime::row;
use tonic::Status;

use super::{READ, limited};
use crate::error::Error;
use crate::feed::unsigned;
use crate::ledger::absence::State;
use crate::ledger::pages::number;
use crate::{Normalizer, called};

/// Reasons that are told apart.
const REASONS: u32 = 20;

row! {
    struct RunRow {
        tenant: String,
        dataset: String,
        run: i64,
        mode: i32,
        closing: i64,
        pages: i64,
        requests: u32,
        started_at: i64,
        closed_at: i64,
        verdict: Vec<u8>,
        held: i64,
        number: i64,
        manifest: Vec<u8>,
    }
}

/// The columns of [`RunRow`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT t.tenant, c.dataset, c.run, c.mode, c.closing, c.pages, c.requests, c.started_at, c.closed_at,
        c.verdict, (SELECT count(*) FROM suspect s WHERE s.run = c.run AND s.state = 1 AND s.tenant = c.tenant
        AND s.dataset = c.dataset) AS held, c.tenant AS number, c.manifest
    FROM closing c JOIN tenant t ON t.id = c.tenant",
            $rest
        )
    };
}

impl Normalizer {
    pub(super) async fn runs(&self, request: &ListRunsRequest) -> Result<Vec<Run>, Status> {
        let tenant = request.tenant_id.to_lowercase();
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let sql = match request.held {
            false => select!(" WHERE (? = '' OR t.tenant = ?) ORDER BY c.id DESC LIMIT ?"),
            true => select!(
                " WHERE (? = '' OR t.tenant = ?) AND (c.tenant, c.dataset, c.run)
                IN (SELECT h.tenant, h.dataset, h.run FROM suspect h WHERE h.state = 1)
                ORDER BY c.id DESC LIMIT ?"
            ),
        };
        let rows: Vec<RunRow> = query(sql)
            .bind(&tenant)
            .bind(&tenant)
            .bind(limited(request.limit, 50))
            .fetch_all(&mut read)
            .await
            .map_err(Error::db(READ))?;
        Ok(rows.iter().map(run).collect::<Result<_, _>>()?)
    }

    pub(super) async fn details(
        &self,
        request: &ShowRunRequest,
    ) -> Result<ShowRunResponse, Status> {
        let most = limited(request.most_held, 100);
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let sql = select!(" WHERE c.run = ? ORDER BY c.id");
        let rows: Vec<RunRow> = query(sql)
            .bind(number(request.run))
            .fetch_all(&mut moment)
            .await
            .map_err(Error::db(READ))?;
        if rows.is_empty() {
            let what = format!("no run {}, or it is no longer kept", request.run);
            return Err(Status::not_found(what));
        }
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            let manifest = RunManifest::decode(&row.manifest[..])
                .map_err(|_| Error::Damaged { what: "manifest" })?;
            runs.push(RunDetails {
                run: Some(run(&row)?),
                manifest: Some(manifest),
                held: held(&mut moment, &row, most).await?,
                set_aside: set_aside(&mut moment, &row).await?,
            });
        }
        Ok(ShowRunResponse { runs })
    }
}

fn run(r: &RunRow) -> Result<Run, Error> {
    let verdict =
        RunClosed::decode(&r.verdict[..]).map_err(|_| Error::Damaged { what: "verdict" })?;
    let counts = verdict.counts.unwrap_or_default();
    Ok(Run {
        tenant_id: r.tenant.clone(),
        dataset: r.dataset.clone(),
        run: unsigned(r.run),
        mode: mode(r.mode),
        closing: unsigned(r.closing),
        complete: verdict.complete,
        pages: u32::try_from(r.pages).unwrap_or(u32::MAX),
        fetched: counts.fetched,
        applied: counts.applied,
        set_aside: counts.set_aside,
        discarded: counts.discarded,
        changed: counts.changed,
        removed: counts.removed,
        suspects: counts.suspects,
        held: unsigned(r.held),
        gaps: counts.gaps,
        started_at: unsigned(r.started_at),
        closed_at: unsigned(r.closed_at),
        requests: r.requests,
        unfamiliar: verdict.unfamiliar.into_iter().map(unfamiliar).collect(),
    })
}

/// How people call a stored mode.
pub(super) fn mode(stored: i32) -> String {
    match stored == RunMode::Some as i32 {
        true => "some".to_owned(),
        false => "full".to_owned(),
    }
}

fn unfamiliar(u: proto::pages::v1::Unfamiliar) -> Unfamiliar {
    let (what, name, count) = (u.what, u.name, u.count);
    Unfamiliar { what, name, count }
}

async fn held(c: &mut Connection, run: &RunRow, most: u32) -> Result<Vec<HeldRemoval>, Error> {
    let Some(dataset) = catalog::find(&run.dataset) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT s.key, s.since, r.body FROM suspect s
        LEFT JOIN record r ON r.tenant = s.tenant AND r.kind = ? AND r.key = s.key
        WHERE s.tenant = ? AND s.dataset = ? AND s.run = ? AND s.state = ? ORDER BY s.key LIMIT ?";
    let rows: Vec<(String, i64, Option<Vec<u8>>)> = query(sql)
        .bind(dataset.kind as i32)
        .bind(run.number)
        .bind(&run.dataset)
        .bind(run.run)
        .bind(State::Held.to_db())
        .bind(most)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))?;
    // What is held bears the run that would have removed it: its mode tells how.
    let why = match run.mode == RunMode::Some as i32 {
        true => "Graph answered that it is gone",
        false => "a whole reading did not contain it",
    };
    let held = |(key, since, body): (String, i64, Option<Vec<u8>>)| HeldRemoval {
        key,
        name: body
            .and_then(|body| called::name(dataset.kind, &body))
            .unwrap_or_default(),
        since: unsigned(since),
        why: why.to_owned(),
    };
    Ok(rows.into_iter().map(held).collect())
}

async fn set_aside(c: &mut Connection, run: &RunRow) -> Result<Vec<SetAsideCount>, Error> {
    let sql = "SELECT reason, count(*) AS objects FROM set_aside WHERE tenant = ? AND dataset = ? AND run = ?
        GROUP BY reason ORDER BY objects DESC, reason LIMIT ?";
    let rows: Vec<(String, i64)> = query(sql)
        .bind(run.number)
        .bind(&run.dataset)
        .bind(run.run)
        .bind(REASONS)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))?;
    let count = |(reason, objects)| SetAsideCount {
        reason,
        objects: unsigned(objects),
    };
    Ok(rows.into_iter().map(count).collect())
}
