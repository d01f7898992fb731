//! A ledger in memory that serves the feed, can be restored to an older state, and misbehaves on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use prost::Message as _;
use proto::feed::v1::feed_server::Feed;
use proto::feed::v1::{
    CountPendingRequest, CountPendingResponse, Cursor, DatasetState, FollowBatch, FollowRequest,
    Head, HeadsRequest, HeadsResponse, Record, SnapshotBatch, SnapshotRequest,
};
use proto::inventory::v1::{AssignedLicense, LicensePosition, User};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

/// Records in a batch: few, so that there are many.
const BATCH: usize = 2;

/// Closing and body; no body when removed.
pub type Row = (u64, Option<Vec<u8>>);

#[derive(Clone, Debug, Default)]
pub struct Tenant {
    /// By kind and key.
    pub rows: BTreeMap<(String, String), Row>,
    pub closings: BTreeSet<u64>,
    pub complete: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Calls {
    pub heads: u32,
    pub follow: u32,
    pub snapshot: u32,
}

#[derive(Default)]
pub struct Inner {
    pub tenants: BTreeMap<String, Tenant>,
    clock: u64,
    /// Batches to send before the right ones.
    pub replay: Vec<FollowBatch>,
    /// Everything sent by Follow.
    pub sent: Vec<FollowBatch>,
    /// Snapshots end without their last batch.
    pub torn: bool,
    /// The feed doesn't answer.
    pub down: bool,
    /// The order in which snapshots come is not that of the keys.
    pub reversed: bool,
    /// The kinds that each snapshot was asked for.
    pub asked: Vec<Vec<String>>,
    /// Users of A that change just before the next snapshot is taken, or its records were taken, or Follow answers.
    pub before_snapshot: Option<&'static str>,
    pub after_snapshot: Option<&'static str>,
    pub before_follow: Option<&'static str>,
    /// Follow has nothing to say.
    pub mute: bool,
}

#[derive(Clone)]
pub struct Ledger(pub Arc<Mutex<Inner>>, pub Arc<watch::Sender<Calls>>);

impl Default for Ledger {
    fn default() -> Self {
        Ledger(
            Arc::default(),
            Arc::new(watch::Sender::new(Calls::default())),
        )
    }
}

impl Ledger {
    pub fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    pub fn calls(&self) -> Calls {
        self.1.borrow().clone()
    }

    /// The next closings have numbers from here on: real ones are microseconds since 1970.
    pub fn at(&self, micros: u64) {
        self.with(|l| l.clock = micros);
    }

    /// One closing with these changes: (kind, key, body or removal).
    pub fn close(&self, tenant: &str, changes: Vec<(&str, String, Option<Vec<u8>>)>) -> u64 {
        self.with(|l| {
            l.clock += 10;
            let closing = l.clock;
            let t = l.tenants.entry(tenant.into()).or_insert_with(|| Tenant {
                complete: true,
                ..Tenant::default()
            });
            t.closings.extend([0, closing]);
            for (kind, key, body) in changes {
                t.rows.insert((kind.into(), key), (closing, body));
            }
            closing
        })
    }

    /// A user with this name and these products.
    pub fn user(&self, tenant: &str, id: &str, name: &str, skus: &[&str]) -> u64 {
        let user = User {
            tenant_id: tenant.into(),
            user_id: id.into(),
            display_name: Some(name.into()),
            user_principal_name: Some(format!("{id}@{}.example", &tenant[..1])),
            assigned_licenses: skus
                .iter()
                .map(|s| AssignedLicense {
                    sku_id: (*s).into(),
                    disabled_plans: vec![],
                })
                .collect(),
            ..User::default()
        };
        self.close(
            tenant,
            vec![("user", id.into(), Some(user.encode_to_vec()))],
        )
    }

    pub fn position(&self, tenant: &str, sku: &str, assigned: i32) -> u64 {
        let position = LicensePosition {
            tenant_id: tenant.into(),
            sku_id: sku.into(),
            assigned,
            ..LicensePosition::default()
        };
        self.close(
            tenant,
            vec![(
                "license_position",
                sku.into(),
                Some(position.encode_to_vec()),
            )],
        )
    }

    pub fn remove(&self, tenant: &str, kind: &str, key: &str) -> u64 {
        self.close(tenant, vec![(kind, key.into(), None)])
    }

    pub fn backup(&self) -> BTreeMap<String, Tenant> {
        self.with(|l| l.tenants.clone())
    }

    /// Puts an older state back; numbers go on where the clock is.
    pub fn restore(&self, backup: BTreeMap<String, Tenant>) {
        self.with(|l| l.tenants = backup);
    }

    fn count(&self, f: impl FnOnce(&mut Calls)) {
        self.1.send_modify(f);
    }

    fn tenant(&self, id: &str) -> Result<Tenant, Status> {
        self.with(|l| match l.down {
            true => Err(Status::unavailable("down")),
            false => l
                .tenants
                .get(id)
                .cloned()
                .ok_or_else(|| Status::not_found("no such tenant")),
        })
    }
}

fn record((kind, key): &(String, String), (closing, body): &Row) -> Record {
    Record {
        kind: kind.clone(),
        key: key.clone(),
        closing: *closing,
        removed: body.is_none(),
        body: body.clone().unwrap_or_default(),
    }
}

#[tonic::async_trait]
impl Feed for Ledger {
    async fn heads(&self, _: Request<HeadsRequest>) -> Result<Response<HeadsResponse>, Status> {
        let heads = self.with(|l| {
            if l.down {
                return Err(Status::unavailable("down"));
            }
            let head = |(id, t): (&String, &Tenant)| Head {
                tenant_id: id.clone(),
                closing: *t.closings.last().unwrap_or(&0),
                changed: t.rows.values().map(|r| r.0).max().unwrap_or(0),
                complete: t.complete,
            };
            Ok(l.tenants.iter().map(head).collect())
        })?;
        self.count(|c| c.heads += 1);
        Ok(Response::new(HeadsResponse { heads }))
    }

    type FollowStream = BoxStream<'static, Result<FollowBatch, Status>>;

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let request = request.into_inner();
        if let Some(name) = self.with(|l| l.before_follow.take()) {
            self.user(super::A, "u9", name, &[]);
        }
        let tenant = self.tenant(&request.tenant_id)?;
        if self.with(|l| l.mute) {
            return Ok(Response::new(stream::empty().boxed()));
        }
        let cursor = request.cursor.unwrap_or_default();
        self.count(|c| c.follow += 1);
        let head = *tenant.closings.last().unwrap_or(&0);
        let mut batches = self.with(|l| std::mem::take(&mut l.replay));
        if [cursor.as_of, cursor.mark]
            .iter()
            .all(|c| tenant.closings.contains(c))
        {
            let mut rows: Vec<_> = tenant
                .rows
                .iter()
                .map(|(k, r)| (r.0, format!("{}/{}", k.0, k.1), record(k, r)))
                .collect();
            // As the real one reads it: what names no kind comes before all of them.
            let key = if cursor.key.contains('/') {
                cursor.key.as_str()
            } else {
                ""
            };
            rows.retain(|r| (r.0, r.1.as_str()) > (cursor.closing, key));
            rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            let mut from = cursor;
            for chunk in rows.chunks(BATCH) {
                let (closing, key) = chunk.last().map(|r| (r.0, r.1.clone())).unwrap();
                let to = Cursor {
                    closing,
                    key,
                    as_of: head,
                    mark: head,
                };
                let records = chunk.iter().map(|r| r.2.clone()).collect();
                let from = std::mem::replace(&mut from, to.clone());
                batches.push(FollowBatch {
                    from: Some(from),
                    to: Some(to),
                    records,
                    snapshot_needed: false,
                });
            }
        } else {
            batches.push(FollowBatch {
                from: Some(cursor),
                snapshot_needed: true,
                ..FollowBatch::default()
            });
        }
        self.with(|l| l.sent.extend(batches.clone()));
        Ok(Response::new(
            stream::iter(batches.into_iter().map(Ok)).boxed(),
        ))
    }

    async fn count_pending(
        &self,
        request: Request<CountPendingRequest>,
    ) -> Result<Response<CountPendingResponse>, Status> {
        let CountPendingRequest { tenant_id, cursor } = request.into_inner();
        let (tenant, cursor) = (self.tenant(&tenant_id)?, cursor.unwrap_or_default());
        let after = |((kind, key), (closing, _)): &(&(String, String), &Row)| {
            (*closing, format!("{kind}/{key}")) > (cursor.closing, cursor.key.clone())
        };
        let records = tenant.rows.iter().filter(after).count();
        Ok(Response::new(CountPendingResponse {
            records: u32::try_from(records).unwrap(),
        }))
    }

    type SnapshotStream = BoxStream<'static, Result<SnapshotBatch, Status>>;

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let SnapshotRequest { tenant_id, kinds } = request.into_inner();
        if let Some(name) = self.with(|l| l.before_snapshot.take()) {
            self.user(super::A, "u9", name, &[]);
        }
        let tenant = self.tenant(&tenant_id)?;
        if let Some(name) = self.with(|l| l.after_snapshot.take()) {
            self.user(super::A, "u9", name, &[]);
        }
        self.with(|l| l.asked.push(kinds.clone()));
        self.count(|c| c.snapshot += 1);
        let as_of = *tenant.closings.last().unwrap_or(&0);
        let (torn, reversed) = self.with(|l| (l.torn, l.reversed));
        let mut records: Vec<_> = tenant
            .rows
            .iter()
            .filter(|(k, r)| r.1.is_some() && kinds.contains(&k.0))
            .map(|(k, r)| record(k, r))
            .collect();
        if reversed {
            records.reverse();
        }
        let complete = tenant.complete;
        let batch = move |records: &[Record]| SnapshotBatch {
            as_of,
            records: records.to_vec(),
            complete,
            ..SnapshotBatch::default()
        };
        let mut batches: Vec<_> = records
            .chunks(BATCH.max(records.len() / 10))
            .map(batch)
            .collect();
        if !torn {
            let users = DatasetState {
                dataset: "users".into(),
                run: 7,
                pages: 3,
                complete,
                ..DatasetState::default()
            };
            batches.push(SnapshotBatch {
                last: true,
                datasets: vec![users],
                ..batch(&[])
            });
        }
        Ok(Response::new(
            stream::iter(batches.into_iter().map(Ok)).boxed(),
        ))
    }
}
