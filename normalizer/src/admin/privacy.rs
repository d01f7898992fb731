//! Erasing people, and letting them come back. What is noted of it names nobody: it would stay.

use proto::admin::v1::{
    EraseRequest, EraseResponse, LiftErasureRequest, LiftErasureResponse, ListErasedRequest,
    ListErasedResponse,
};
use runtime::grpc::{Act, Peer};
use tonic::{Request, Response, Status};

use crate::Normalizer;

impl Normalizer {
    pub(super) async fn erase_people(
        &self,
        request: Request<EraseRequest>,
    ) -> Result<Response<EraseResponse>, Status> {
        let (act, peer) = (Act::of(&request), Peer::of(&request));
        let request = request.into_inner();
        let answer = self
            .erase(&request.tenant_id.to_lowercase(), &request.users)
            .await?;
        // What a certificate proves counts more than what somebody says.
        let who = peer.map_or(request.who, |identity| identity.to_string());
        let (tenant, why) = (answer.tenant_id.as_str(), request.why);
        let people = answer.people.join(", ");
        let records: u64 = answer.records.iter().map(|r| r.records).sum();
        tracing::warn!(tenant, who, why, people, records, "people were erased");
        act.note(format!(
            "tenant {tenant}: {records} records of {people} were erased"
        ));
        Ok(Response::new(answer))
    }

    pub(super) async fn list_erased_people(
        &self,
        request: Request<ListErasedRequest>,
    ) -> Result<Response<ListErasedResponse>, Status> {
        let tenant_id = request.into_inner().tenant_id.to_lowercase();
        self.erased(&tenant_id).await.map(Response::new)
    }

    pub(super) async fn lift_erasure_of(
        &self,
        request: Request<LiftErasureRequest>,
    ) -> Result<Response<LiftErasureResponse>, Status> {
        let (act, peer) = (Act::of(&request), Peer::of(&request));
        let request = request.into_inner();
        let answer = self
            .lift(&request.tenant_id.to_lowercase(), &request.user)
            .await?;
        let who = peer.map_or(request.who, |identity| identity.to_string());
        let (tenant, person) = (answer.tenant_id.as_str(), answer.person.as_str());
        tracing::warn!(
            tenant,
            who,
            why = request.why,
            person,
            "somebody who was erased may come back"
        );
        act.note(format!(
            "tenant {tenant}: {person}, who was erased, may come back"
        ));
        Ok(Response::new(answer))
    }
}
