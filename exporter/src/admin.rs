//! What operators see: where each (sink, tenant) stands.

use proto::admin::v1::exporter_admin_server::ExporterAdmin;
use proto::admin::v1::{ExporterStatus, ExporterStatusRequest, SinkStatus, WaitDeliveredRequest};
use tonic::{Request, Response, Status};

use crate::board::{Board, State};
use crate::feed::Heads;
use crate::service::Admin;

#[tonic::async_trait]
impl ExporterAdmin for Admin {
    async fn status(
        &self,
        _: Request<ExporterStatusRequest>,
    ) -> Result<Response<ExporterStatus>, Status> {
        Ok(Response::new(self.0.read(|s| status(s, &s.heads))))
    }

    async fn wait_delivered(
        &self,
        _: Request<WaitDeliveredRequest>,
    ) -> Result<Response<ExporterStatus>, Status> {
        delivered(&self.0).await.map(Response::new)
    }
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
