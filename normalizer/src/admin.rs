//! What operators see and decide.

use prost::Message as _;
use proto::admin::v1::normalizer_admin_server::NormalizerAdmin;
use proto::admin::v1::{
    ApproveRequest, ApproveResponse, KindCount, ListRunsRequest, ListRunsResponse,
    NormalizerStatus, NormalizerStatusRequest, RejectRequest, RejectResponse, Run, Unfamiliar,
};
use proto::kind::RecordKind;
use proto::message::Body;
use proto::pages::v1::{CheckRequested, RunClosed, RunMode, Suspect};
use runtime::db::{Connection, query};
use runtime::error::Chain;
use runtime::grpc::{Act, Peer};
use runtime::row;
use tonic::{Request, Response, Status};

use crate::Normalizer;
use crate::error::Error;
use crate::feed::unsigned;
use crate::ledger::absence::State;
use crate::ledger::pages::number;

const READ: &str = "read the state of the ledger";
const WRITE: &str = "decide on held removals";

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
    }
}

row! {
    /// A removal that the guard holds.
    struct Held {
        tenant: String,
        pool: String,
        dataset: String,
        key: String,
        since: i64,
    }
}

#[tonic::async_trait]
impl NormalizerAdmin for Normalizer {
    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let limit = match request.into_inner().limit {
            0 => 50,
            n => n.min(10_000),
        };
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let sql = "SELECT t.tenant, c.dataset, c.run, c.mode, c.closing, c.pages, c.requests, c.started_at, c.closed_at,
                c.verdict, (SELECT count(*) FROM suspect s WHERE s.run = c.run AND s.state = 1 AND s.tenant = c.tenant
                AND s.dataset = c.dataset) AS held
            FROM closing c JOIN tenant t ON t.id = c.tenant ORDER BY c.id DESC LIMIT ?";
        let rows: Vec<RunRow> = query(sql)
            .bind(limit)
            .fetch_all(&mut read)
            .await
            .map_err(Error::db(READ))?;
        let runs = rows.into_iter().map(run).collect::<Result<_, _>>()?;
        Ok(Response::new(ListRunsResponse { runs }))
    }

    async fn approve(
        &self,
        request: Request<ApproveRequest>,
    ) -> Result<Response<ApproveResponse>, Status> {
        let (act, peer) = (Act::of(&request), Peer::of(&request));
        let ApproveRequest { run, who, why } = request.into_inner();
        // What a certificate proves counts more than what somebody says.
        let who = peer.map_or(who, |identity| identity.to_string());
        let mut w = self.0.db.write().await.map_err(Error::db(WRITE))?;
        let held = held(&mut w, run).await?;
        let sql = "UPDATE suspect SET state = ? WHERE run = ? AND state = ?";
        let q = query(sql)
            .bind(State::Approved.to_db())
            .bind(number(run))
            .bind(State::Held.to_db());
        q.execute(&mut w).await.map_err(Error::db(WRITE))?;
        w.commit().await.map_err(Error::db(WRITE))?;
        let released = held.len() as u64;
        tracing::warn!(run, who, why, released, "held removals were approved");
        act.note(format!("run {run}: {released} held removals were approved"));
        self.request_checks(held).await;
        Ok(Response::new(ApproveResponse { released }))
    }

    async fn reject(
        &self,
        request: Request<RejectRequest>,
    ) -> Result<Response<RejectResponse>, Status> {
        let (act, peer) = (Act::of(&request), Peer::of(&request));
        let RejectRequest { run, who, why } = request.into_inner();
        // What a certificate proves counts more than what somebody says.
        let who = peer.map_or(who, |identity| identity.to_string());
        let mut w = self.0.db.write().await.map_err(Error::db(WRITE))?;
        let dropped = held(&mut w, run).await?.len() as u64;
        let q = query("DELETE FROM suspect WHERE run = ? AND state = ?")
            .bind(number(run))
            .bind(State::Held.to_db());
        q.execute(&mut w).await.map_err(Error::db(WRITE))?;
        w.commit().await.map_err(Error::db(WRITE))?;
        tracing::warn!(run, who, why, dropped, "held removals were rejected");
        act.note(format!("run {run}: {dropped} held removals were rejected"));
        Ok(Response::new(RejectResponse { dropped }))
    }

    async fn status(
        &self,
        _: Request<NormalizerStatusRequest>,
    ) -> Result<Response<NormalizerStatus>, Status> {
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let mut counts = [0; 4];
        let tables = [
            "SELECT count(*) FROM inbox_page",
            "SELECT count(*) FROM inbox_seal",
            "SELECT count(*) FROM suspect WHERE state = 1",
            "SELECT count(*) FROM set_aside",
        ];
        for (count, sql) in counts.iter_mut().zip(tables) {
            let n: i64 = query(sql)
                .fetch_one(&mut moment)
                .await
                .map_err(Error::db(READ))?;
            *count = unsigned(n);
        }
        let sql = "SELECT t.tenant, r.kind, count(*) FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.removed = 0
            GROUP BY t.tenant, r.kind ORDER BY t.tenant, r.kind";
        let live: Vec<(String, i32, i64)> = query(sql)
            .fetch_all(&mut moment)
            .await
            .map_err(Error::db(READ))?;
        let kind = |(tenant_id, kind, n)| KindCount {
            tenant_id,
            kind: RecordKind::try_from(kind)
                .unwrap_or_default()
                .name()
                .to_owned(),
            live: unsigned(n),
        };
        let [waiting_pages, waiting_seals, held, set_aside] = counts;
        let records = live.into_iter().map(kind).collect();
        let (problem, failures) = self.troubles(|t| t.newest());
        Ok(Response::new(NormalizerStatus {
            waiting_pages,
            waiting_seals,
            records,
            held,
            set_aside,
            problem,
            failures,
        }))
    }
}

fn run(r: RunRow) -> Result<Run, Error> {
    let verdict =
        RunClosed::decode(&r.verdict[..]).map_err(|_| Error::Damaged { what: "verdict" })?;
    let counts = verdict.counts.unwrap_or_default();
    Ok(Run {
        tenant_id: r.tenant,
        dataset: r.dataset,
        run: unsigned(r.run),
        mode: if r.mode == RunMode::Some as i32 {
            "some"
        } else {
            "full"
        }
        .into(),
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

fn unfamiliar(u: proto::pages::v1::Unfamiliar) -> Unfamiliar {
    let (what, name, count) = (u.what, u.name, u.count);
    Unfamiliar { what, name, count }
}

/// What the guard holds of a run.
async fn held(c: &mut Connection, run: u64) -> Result<Vec<Held>, Status> {
    // A run that is being applied must not write over what is decided here.
    let sql =
        "SELECT id FROM tenant WHERE id IN (SELECT tenant FROM suspect WHERE run = ? AND state = ?)
        ORDER BY id FOR UPDATE";
    let q = query(sql).bind(number(run)).bind(State::Held.to_db());
    let locked: Result<Vec<i64>, _> = q.fetch_all(c).await;
    locked.map_err(Error::db(READ))?;
    let sql = "SELECT t.tenant, t.pool, s.dataset, s.key, s.since FROM suspect s JOIN tenant t ON t.id = s.tenant
        WHERE s.run = ? AND s.state = ? ORDER BY t.tenant, s.dataset, s.key";
    let q = query(sql).bind(number(run)).bind(State::Held.to_db());
    let held: Vec<Held> = q.fetch_all(c).await.map_err(Error::db(READ))?;
    match (held.first(), held.last()) {
        (Some(first), Some(last)) if first.tenant == last.tenant => Ok(held),
        // Numbers are unique within a dataset only; a decision must not reach another tenant by accident.
        (Some(_), Some(_)) => Err(Status::failed_precondition(
            "several tenants have a run of this number",
        )),
        _ => Err(Status::not_found(format!(
            "no run {run}, or it holds nothing"
        ))),
    }
}

impl Normalizer {
    /// Asks for the objects at once. If that gets lost, the next verdict names them too.
    async fn request_checks(&self, held: Vec<Held>) {
        for group in held.chunk_by(|a, b| a.dataset == b.dataset) {
            let Some(first) = group.first() else { continue };
            let check = CheckRequested {
                tenant_id: first.tenant.clone(),
                dataset: first.dataset.clone(),
                suspects: group
                    .iter()
                    .map(|h| Suspect {
                        id: h.key.clone(),
                        since: unsigned(h.since),
                    })
                    .collect(),
                pool: first.pool.clone(),
            };
            if let Err(e) = self.0.bus.publish(&Body::Check(check)).await {
                tracing::warn!(error = %Chain(&e), "a check could not be requested; the next verdict asks for it too");
            }
        }
    }
}
