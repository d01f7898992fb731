//! A ledger that was filled beforehand, behind the real feed service: what the exporter is given costs next to nothing.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use prost::Message as _;
use proto::feed::v1::feed_server::Feed;
use proto::feed::v1::{
    CountPendingRequest, CountPendingResponse, Cursor, FollowBatch, FollowRequest, Head,
    HeadsRequest, HeadsResponse, Record, SnapshotBatch, SnapshotRequest,
};
use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, User};
use tonic::{Request, Response, Status};

/// Records of a batch, as the ledger has most.
const BATCH: u64 = 1_000;
pub(super) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const SKUS: [&str; 2] = [
    "05e9a617-0261-4cee-bb44-138d3ef5d965",
    "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
];

/// One tenant's users, each with two licences, one of them by a group. Each batch is a closing.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Vec<FollowBatch>>);

impl Ledger {
    pub fn new(users: u64) -> Ledger {
        let batches = users.div_ceil(BATCH);
        let at = |closing| Cursor {
            closing,
            key: "user/~".into(),
            as_of: batches,
            mark: batches,
        };
        let batch = |n: u64| FollowBatch {
            from: Some(at(n)),
            to: Some(at(n + 1)),
            records: (n * BATCH..users.min((n + 1) * BATCH))
                .map(|user| record(user, n + 1))
                .collect(),
            snapshot_needed: false,
        };
        Ledger(Arc::new((0..batches).map(batch).collect()))
    }
}

#[tonic::async_trait]
impl Feed for Ledger {
    async fn heads(&self, _: Request<HeadsRequest>) -> Result<Response<HeadsResponse>, Status> {
        let closing = self.0.len() as u64;
        let head = Head {
            tenant_id: TENANT.into(),
            closing,
            changed: closing,
            complete: true,
        };
        Ok(Response::new(HeadsResponse { heads: vec![head] }))
    }

    type FollowStream = BoxStream<'static, Result<FollowBatch, Status>>;

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let cursor = request.into_inner().cursor.unwrap_or_default();
        let (all, first) = (self.0.clone(), cursor.closing);
        let left = stream::iter(first..all.len() as u64).map(move |n| {
            let batch = usize::try_from(n).ok().and_then(|n| all.get(n));
            let mut batch = batch.cloned().unwrap_or_default();
            if n == first {
                batch.from = Some(cursor.clone());
            }
            Ok(batch)
        });
        Ok(Response::new(left.boxed()))
    }

    type SnapshotStream = BoxStream<'static, Result<SnapshotBatch, Status>>;

    async fn snapshot(
        &self,
        _: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(Status::unimplemented("nobody needs it"))
    }

    async fn count_pending(
        &self,
        _: Request<CountPendingRequest>,
    ) -> Result<Response<CountPendingResponse>, Status> {
        Err(Status::unimplemented("nobody needs it"))
    }
}

fn record(n: u64, closing: u64) -> Record {
    let id = format!("{n:08x}-0000-4000-8000-000000000000");
    let text = |s: &str| Some(s.to_owned());
    let way = |(n, sku): (usize, &&str)| LicenseAssignmentState {
        sku_id: (*sku).into(),
        assigned_by_group: (n > 0).then(|| "9a7c1c1e-5b6f-4d2e-8f3a-0d1c2b3a4f5e".into()),
        state: "Active".into(),
        last_updated_date_time: text("2024-01-02T03:04:05Z"),
        ..LicenseAssignmentState::default()
    };
    let user = User {
        tenant_id: TENANT.into(),
        user_id: id.clone(),
        user_principal_name: Some(format!("given.surname{n}@contoso.example")),
        display_name: Some(format!("Given Surname {n}")),
        given_name: text("Given"),
        surname: Some(format!("Surname {n}")),
        mail: Some(format!("given.surname{n}@contoso.example")),
        account_enabled: Some(!n.is_multiple_of(20)),
        user_type: text("Member"),
        employee_id: Some(format!("E{n:07}")),
        department: text("Research and development"),
        company_name: text("Contoso"),
        job_title: text("Engineer"),
        office_location: text("12/1.034"),
        city: text("Leipzig"),
        country: text("Germany"),
        usage_location: text("DE"),
        created_date_time: text("2021-03-04T05:06:07Z"),
        assigned_licenses: SKUS
            .iter()
            .map(|sku| AssignedLicense {
                sku_id: (*sku).into(),
                disabled_plans: vec![],
            })
            .collect(),
        license_assignment_states: SKUS.iter().enumerate().map(way).collect(),
        ..User::default()
    };
    Record {
        kind: "user".into(),
        key: id,
        closing,
        removed: false,
        body: user.encode_to_vec(),
    }
}
