//! What operators see and do: where each (sink, tenant) stands, what a sink would be sent, what it refused.

mod rehearsal;
mod sinks;

use proto::admin::v1::exporter_admin_server::ExporterAdmin;
use proto::admin::v1::{
    ExporterStatus, ExporterStatusRequest, ListRejectsRequest, ListRejectsResponse,
    ListSinksRequest, ListSinksResponse, ReplayRejectsResponse, ResyncSinkRequest,
    ResyncSinkResponse, SinkStatus, TestSinkRequest, TestSinkResponse, WaitDeliveredRequest,
};
use runtime::Problem;
use tonic::{Request, Response, Status};

use crate::board::{Board, State};
use crate::error::Error;
use crate::feed::Heads;
use crate::service::Admin;

#[tonic::async_trait]
impl ExporterAdmin for Admin {
    async fn status(
        &self,
        _: Request<ExporterStatusRequest>,
    ) -> Result<Response<ExporterStatus>, Status> {
        let board = &self.0.board;
        Ok(Response::new(board.read(|s| status(s, &s.heads))))
    }

    async fn wait_delivered(
        &self,
        _: Request<WaitDeliveredRequest>,
    ) -> Result<Response<ExporterStatus>, Status> {
        delivered(&self.0.board).await.map(Response::new)
    }

    async fn list_sinks(
        &self,
        _: Request<ListSinksRequest>,
    ) -> Result<Response<ListSinksResponse>, Status> {
        let sinks = sinks::list(&self.0).await.map_err(failed)?;
        Ok(Response::new(ListSinksResponse { sinks }))
    }

    async fn test_sink(
        &self,
        request: Request<TestSinkRequest>,
    ) -> Result<Response<TestSinkResponse>, Status> {
        let request = request.into_inner();
        let number = sinks::number(&self.0, &request.sink)?;
        let tenants = [request.tenant_id].into_iter().filter(|t| !t.is_empty());
        let tenants = sinks::tenants(&self.0, number, tenants.collect()).await?;
        let tested = rehearsal::test(&self.0, number, &tenants).await;
        Ok(Response::new(match tested {
            Ok(changes) => TestSinkResponse {
                changes,
                problem: String::new(),
            },
            Err(e) => TestSinkResponse {
                changes: Vec::new(),
                problem: Problem::from(e).to_string(),
            },
        }))
    }

    async fn resync_sink(
        &self,
        request: Request<ResyncSinkRequest>,
    ) -> Result<Response<ResyncSinkResponse>, Status> {
        let request = request.into_inner();
        let number = sinks::number(&self.0, &request.sink)?;
        let tenants = sinks::tenants(&self.0, number, request.tenant_ids).await?;
        let wished = self.0.store.wish(&request.sink, &tenants).await;
        wished.map_err(failed)?;
        self.0.board.request(true);
        let tenants = u32::try_from(tenants.len()).unwrap_or(u32::MAX);
        Ok(Response::new(ResyncSinkResponse { tenants }))
    }

    async fn list_rejects(
        &self,
        request: Request<ListRejectsRequest>,
    ) -> Result<Response<ListRejectsResponse>, Status> {
        let rejects = sinks::rejects(&self.0, request.into_inner()).await;
        let rejects = rejects.map_err(failed)?;
        Ok(Response::new(ListRejectsResponse { rejects }))
    }

    async fn replay_rejects(
        &self,
        request: Request<ListRejectsRequest>,
    ) -> Result<Response<ReplayRejectsResponse>, Status> {
        let which = sinks::which(request.into_inner());
        let rejects = self.0.store.replay(&which).await.map_err(failed)?;
        self.0.board.request(true);
        Ok(Response::new(ReplayRejectsResponse { rejects }))
    }
}

fn failed(e: Error) -> Status {
    Status::unavailable(Problem::from(e).to_string())
}

/// Waits until every sink has looked at heads that are newer than this call.
async fn delivered(board: &Board) -> Result<ExporterStatus, Status> {
    let request = board.request(true);
    board.until(|s| s.answered >= request || s.closed).await;
    let (round, heads) = board.read(|s| (s.round, s.heads.clone()));
    if round >= request {
        board
            .until(|s| s.closed || s.sinks.iter().all(|sink| sink.passed >= round))
            .await;
    }
    board.read(|s| match &s.failure {
        _ if s.closed => Err(Status::unavailable("the exporter is stopping")),
        Some(problem) if s.heads.is_empty() => Err(Status::unavailable(problem.clone())),
        _ => Ok(status(s, &heads)),
    })
}

fn status(state: &State, heads: &Heads) -> ExporterStatus {
    let mut sinks = Vec::new();
    for sink in &state.sinks {
        for (tenant, head) in heads {
            let standing = sink.tenants.get(tenant).cloned().unwrap_or_default();
            let problem = standing.problem.or_else(|| state.failure.clone());
            sinks.push(SinkStatus {
                sink: sink.name.clone(),
                tenant_id: tenant.to_string(),
                as_of: standing.as_of.0,
                head: head.changed.0,
                delivered: head.complete
                    && problem.is_none()
                    && standing.settled >= Some(head.closing),
                location: sink.location.clone(),
                written: standing.written,
                problem: problem.unwrap_or_default(),
            });
        }
    }
    ExporterStatus { sinks }
}
