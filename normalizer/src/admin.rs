//! What operators see and decide.

mod aside;
mod breakdown;
mod changes;
mod explain;
mod history;
mod holders;
mod privacy;
mod reconcile;
mod run;
mod trend;

use proto::admin::v1::normalizer_admin_server::NormalizerAdmin;
use proto::admin::v1::{
    ApproveRequest, ApproveResponse, BreakdownRequest, BreakdownResponse, ChangesRequest,
    ChangesResponse, EraseRequest, EraseResponse, ExplainRequest, ExplainResponse, HistoryRequest,
    HistoryResponse, HoldersBatch, HoldersRequest, KindCount, LiftErasureRequest,
    LiftErasureResponse, ListErasedRequest, ListErasedResponse, ListRunsRequest, ListRunsResponse,
    ListSetAsideRequest, ListSetAsideResponse, NormalizerStatus, NormalizerStatusRequest,
    RejectRequest, RejectResponse, ReplaySetAsideRequest, ReplaySetAsideResponse, ShowRunRequest,
    ShowRunResponse, ShowSetAsideRequest, ShowSetAsideResponse, TrendRequest, TrendResponse,
};
use proto::kind::RecordKind;
use proto::message::Body;
use proto::pages::v1::{CheckRequested, Suspect};
use runtime::db::{Connection, query};
use runtime::error::Chain;
use runtime::grpc::{Act, Peer};
use runtime::row;
use tonic::{Request, Response, Status};

use crate::Normalizer;
use crate::error::Error;
use crate::feed::{Batches, unsigned};
use crate::ledger::absence::State;
use crate::ledger::pages::number;

const READ: &str = "read the state of the ledger";
const WRITE: &str = "decide on held removals";

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
    type HoldersStream = Batches<HoldersBatch>;

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let runs = self.runs(request.get_ref()).await?;
        Ok(Response::new(ListRunsResponse { runs }))
    }

    async fn show_run(
        &self,
        request: Request<ShowRunRequest>,
    ) -> Result<Response<ShowRunResponse>, Status> {
        self.details(request.get_ref()).await.map(Response::new)
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        self.explained(request.get_ref()).await.map(Response::new)
    }

    async fn history(
        &self,
        request: Request<HistoryRequest>,
    ) -> Result<Response<HistoryResponse>, Status> {
        self.history_of(request.get_ref()).await.map(Response::new)
    }

    async fn changes(
        &self,
        request: Request<ChangesRequest>,
    ) -> Result<Response<ChangesResponse>, Status> {
        let changes = self.changes_since(request.get_ref()).await;
        changes.map(Response::new)
    }

    async fn trend(
        &self,
        request: Request<TrendRequest>,
    ) -> Result<Response<TrendResponse>, Status> {
        let trend = self.trend_of(request.get_ref()).await?;
        Ok(Response::new(trend))
    }

    async fn breakdown(
        &self,
        request: Request<BreakdownRequest>,
    ) -> Result<Response<BreakdownResponse>, Status> {
        let broken_down = self.broken_down(request.get_ref()).await;
        broken_down.map(Response::new)
    }

    async fn holders(
        &self,
        request: Request<HoldersRequest>,
    ) -> Result<Response<Self::HoldersStream>, Status> {
        let stream = holders::stream(self.0.db.clone(), request.into_inner());
        Ok(Response::new(stream))
    }

    async fn list_set_aside(
        &self,
        request: Request<ListSetAsideRequest>,
    ) -> Result<Response<ListSetAsideResponse>, Status> {
        let which = request.into_inner();
        self.set_aside(which).await.map(Response::new)
    }

    async fn show_set_aside(
        &self,
        request: Request<ShowSetAsideRequest>,
    ) -> Result<Response<ShowSetAsideResponse>, Status> {
        let (act, peer) = (Act::of(&request), Peer::of(&request));
        let request = request.into_inner();
        let shown = self.set_aside_one(&request).await?;
        let ShowSetAsideRequest { id, who, why } = request;
        // What a certificate proves counts more than what somebody says.
        let who = peer.map_or(who, |identity| identity.to_string());
        tracing::warn!(id, who, why, "the source of a set-aside object was shown");
        act.note(format!("the source of set-aside object {id} was shown"));
        Ok(Response::new(shown))
    }

    async fn replay_set_aside(
        &self,
        request: Request<ReplaySetAsideRequest>,
    ) -> Result<Response<ReplaySetAsideResponse>, Status> {
        let act = Act::of(&request);
        let answer = self.replay(request.into_inner()).await?;
        let (all, due) = (answer.objects.len(), answer.due.len());
        let readable = answer.objects.iter().filter(|o| o.readable).count();
        act.note(format!(
            "{readable} of {all} set-aside objects can be read now, of {due} datasets"
        ));
        Ok(Response::new(answer))
    }

    async fn erase(
        &self,
        request: Request<EraseRequest>,
    ) -> Result<Response<EraseResponse>, Status> {
        self.erase_people(request).await
    }

    async fn list_erased(
        &self,
        request: Request<ListErasedRequest>,
    ) -> Result<Response<ListErasedResponse>, Status> {
        self.list_erased_people(request).await
    }

    async fn lift_erasure(
        &self,
        request: Request<LiftErasureRequest>,
    ) -> Result<Response<LiftErasureResponse>, Status> {
        self.lift_erasure_of(request).await
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

/// The kind of this name.
fn kind_called(name: &str) -> Result<RecordKind, Status> {
    RecordKind::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = RecordKind::ALL.iter().map(|k| k.name()).collect();
        let known = known.join(", ");
        Status::invalid_argument(format!("there is no kind {name:?}; there are {known}"))
    })
}

/// How many rows somebody gets who asks for `wanted`, or doesn't say.
fn limited(wanted: u32, unless: u32) -> u32 {
    match wanted {
        0 => unless,
        n => n.min(10_000),
    }
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
