//! The feed: what a sink lacks, found by its cursor.

use std::pin::Pin;

use futures::stream::{Stream, try_unfold};
use proto::feed::v1::feed_server::Feed;
use proto::feed::v1::{
    CountPendingRequest, CountPendingResponse, Cursor, FollowBatch, FollowRequest, Head,
    HeadsRequest, HeadsResponse, Record, SnapshotBatch, SnapshotRequest,
};
use proto::kind::RecordKind;
use proto::rules::{Rule, on};
use runtime::db::{Connection, query};
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::ledger::pages::number;
use crate::{Normalizer, store};

/// A stream of a response.
pub(crate) type Batches<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
/// Where counting what somebody lacks ends: it shall cost less than sending it.
const MOST_PENDING: u32 = 10_000;
/// Records of a batch: some hundred kilobytes.
pub(crate) const RECORDS: u32 = 1_000;
const READ: &str = "read the feed";

#[tonic::async_trait]
impl Feed for Normalizer {
    type FollowStream = Batches<FollowBatch>;
    type SnapshotStream = Batches<SnapshotBatch>;

    async fn heads(&self, _: Request<HeadsRequest>) -> Result<Response<HeadsResponse>, Status> {
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let sql =
            "SELECT id, tenant, closing, changed FROM tenant WHERE closing > 0 ORDER BY tenant";
        let tenants: Vec<(i64, String, i64, i64)> = query(sql)
            .fetch_all(&mut moment)
            .await
            .map_err(Error::db(READ))?;
        let mut heads = Vec::with_capacity(tenants.len());
        for (id, tenant_id, closing, changed) in tenants {
            let complete = store::complete(&mut moment, id).await?;
            heads.push(Head {
                tenant_id,
                closing: unsigned(closing),
                changed: unsigned(changed),
                complete,
            });
        }
        Ok(Response::new(HeadsResponse { heads }))
    }

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let FollowRequest {
            tenant_id,
            cursor,
            max_records,
        } = request.into_inner();
        let most = if max_records == 0 {
            RECORDS
        } else {
            max_records.min(RECORDS)
        };
        let me = self.clone();
        let cursor = cursor.unwrap_or_default();
        // Whoever begins with nothing lacks no removal of before.
        let began = (cursor == Cursor::default()).then_some(i64::MAX);
        let batches = try_unfold(Some((cursor, began)), move |from| {
            let (me, tenant_id) = (me.clone(), tenant_id.clone());
            async move {
                let Some((cursor, began)) = from else {
                    return Ok(None);
                };
                let Some(batch) = me.batch(&tenant_id, cursor, began, most).await? else {
                    return Ok(None);
                };
                let to = batch.to.clone().filter(|_| !batch.snapshot_needed);
                let next = to.map(|to| {
                    let began = began.map(|began| began.min(number(to.as_of)));
                    (to, began)
                });
                Ok::<_, Status>(Some((batch, next)))
            }
        });
        Ok(Response::new(Box::pin(batches)))
    }

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let SnapshotRequest { tenant_id, kinds } = request.into_inner();
        let kinds: Vec<RecordKind> = match kinds.is_empty() {
            true => RecordKind::ALL.to_vec(),
            false => RecordKind::ALL
                .into_iter()
                .filter(|k| kinds.iter().any(|n| n == k.name()))
                .collect(),
        };
        Ok(Response::new(crate::snapshot::stream(
            self.0.db.clone(),
            tenant_id,
            kinds,
        )))
    }

    async fn count_pending(
        &self,
        request: Request<CountPendingRequest>,
    ) -> Result<Response<CountPendingResponse>, Status> {
        let CountPendingRequest { tenant_id, cursor } = request.into_inner();
        let records = self.pending(&tenant_id, cursor.unwrap_or_default()).await?;
        Ok(Response::new(CountPendingResponse { records }))
    }
}

impl Normalizer {
    /// The batch after a cursor; none when there is nothing more. Check, head and rows are of one moment. `began` is the
    /// head at which the stream began, if that was with nothing.
    async fn batch(
        &self,
        tenant_id: &str,
        from: Cursor,
        began: Option<i64>,
        most: u32,
    ) -> Result<Option<FollowBatch>, Error> {
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let (tenant, head) = store::tenant_and_head(&mut moment, tenant_id).await?;
        let known = !on(Rule::AsOf) || knows(&mut moment, tenant, &from).await?;
        if !known || forgotten(&mut moment, tenant, &from, began).await? {
            return Ok(Some(FollowBatch {
                from: Some(from),
                to: None,
                records: Vec::new(),
                snapshot_needed: true,
            }));
        }
        let records = after(&mut moment, tenant, &from, most).await?;
        let Some(last) = records.last() else {
            return Ok(None);
        };
        let head = unsigned(head);
        let to = Cursor {
            closing: last.closing,
            key: sort_key(last),
            as_of: head,
            mark: head,
        };
        Ok(Some(FollowBatch {
            from: Some(from),
            to: Some(to),
            records,
            snapshot_needed: false,
        }))
    }
}

impl Normalizer {
    /// How many records whoever stands at a cursor lacks, up to [`MOST_PENDING`].
    async fn pending(&self, tenant_id: &str, from: Cursor) -> Result<u32, Error> {
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let (tenant, _) = store::tenant_and_head(&mut moment, tenant_id).await?;
        let whole = !knows(&mut moment, tenant, &from).await?
            || forgotten(&mut moment, tenant, &from, None).await?;
        let q = match whole {
            true => query(
                "SELECT count(*) FROM (SELECT 1 FROM record WHERE tenant = ? AND removed = 0 LIMIT ?) AS pending",
            )
            .bind(tenant),
            false => {
                let (kind, key) = place(&from);
                query(
                    "SELECT count(*) FROM (SELECT 1 FROM record
                    WHERE tenant = ? AND (closing, kind, key) > (?, ?, ?) LIMIT ?) AS pending",
                )
                .bind(tenant)
                .bind(number(from.closing))
                .bind(kind)
                .bind(key)
            }
        };
        let q = q.bind(MOST_PENDING);
        let count: i64 = q.fetch_one(&mut moment).await.map_err(Error::db(READ))?;
        Ok(u32::try_from(count).unwrap_or(MOST_PENDING))
    }
}

/// The kind and key of the last record that a cursor has seen.
fn place(cursor: &Cursor) -> (i32, &str) {
    let (kind, key) = cursor.key.split_once('/').unwrap_or_default();
    (RecordKind::from_name(kind).map_or(0, |k| k as i32), key)
}

/// Whether this ledger made what the cursor has seen; else it was restored since.
async fn knows(c: &mut Connection, tenant: i64, cursor: &Cursor) -> Result<bool, Error> {
    let mark = if on(Rule::MarkFirst) { cursor.mark } else { 0 };
    for closing in [cursor.as_of, mark].into_iter().filter(|n| *n != 0) {
        let sql = "SELECT EXISTS (SELECT 1 FROM closing WHERE tenant = ? AND closing = ?)";
        let q = query(sql).bind(tenant).bind(number(closing));
        if !q.fetch_one(c).await.map_err(Error::db(READ))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether removals that the cursor has not seen may have been forgotten. They are known up to the head at which a stream
/// began that began with nothing.
async fn forgotten(
    c: &mut Connection,
    tenant: i64,
    cursor: &Cursor,
    began: Option<i64>,
) -> Result<bool, Error> {
    let q = query("SELECT horizon FROM tenant WHERE id = ?").bind(tenant);
    let horizon: Option<i64> = q.fetch_optional(c).await.map_err(Error::db(READ))?;
    let horizon = horizon.unwrap_or(0);
    Ok(horizon > 0
        && number(cursor.closing) <= horizon
        && began.is_none_or(|began| began < horizon))
}

async fn after(
    c: &mut Connection,
    tenant: i64,
    cursor: &Cursor,
    most: u32,
) -> Result<Vec<Record>, Error> {
    let (kind, key) = place(cursor);
    let sql = "SELECT kind, key, closing, removed, body FROM record
        WHERE tenant = ? AND (closing, kind, key) > (?, ?, ?) ORDER BY closing, kind, key LIMIT ?";
    let q = query(sql)
        .bind(tenant)
        .bind(number(cursor.closing))
        .bind(kind)
        .bind(key)
        .bind(most);
    let rows: Vec<Row> = q.fetch_all(c).await.map_err(Error::db(READ))?;
    Ok(rows.into_iter().map(record).collect())
}

/// A record as it is selected.
pub(crate) type Row = (i32, String, i64, bool, Vec<u8>);

pub(crate) fn record((kind, key, closing, removed, body): Row) -> Record {
    let kind = RecordKind::try_from(kind)
        .unwrap_or_default()
        .name()
        .to_owned();
    Record {
        kind,
        key,
        closing: unsigned(closing),
        removed,
        body,
    }
}

fn sort_key(r: &Record) -> String {
    format!("{}/{}", r.kind, r.key)
}

pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
