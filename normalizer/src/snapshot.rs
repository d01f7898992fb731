//! All live records of a tenant as of one closing.

use futures::stream::{self, StreamExt as _};
use proto::feed::v1::{DatasetState, SnapshotBatch};
use proto::kind::RecordKind;
use runtime::db::{Connection, Db, query};
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::error::Error;
use crate::feed::{Batches, RECORDS, Row, record, unsigned};
use crate::store;

const READ: &str = "read a snapshot";
/// Batches that wait for a slow reader.
const AHEAD: usize = 2;

type Sending = Sender<Result<SnapshotBatch, Status>>;

/// The stream. Reading goes on only while it is polled, and dropping it ends the transaction.
pub(crate) fn stream(db: Db, tenant_id: String, kinds: Vec<RecordKind>) -> Batches<SnapshotBatch> {
    let (sender, receiver) = channel(AHEAD);
    let work = async move {
        if let Err(e) = read(&db, &tenant_id, &kinds, &sender).await {
            _ = sender.send(Err(e.into())).await;
        }
    };
    let work = stream::once(work).filter_map(|()| async { None });
    Box::pin(stream::select(ReceiverStream::new(receiver), work))
}

async fn read(db: &Db, tenant_id: &str, kinds: &[RecordKind], to: &Sending) -> Result<(), Error> {
    let mut moment = db.snapshot().await.map_err(Error::db(READ))?;
    let (tenant, as_of) = store::tenant_and_head(&mut moment, tenant_id).await?;
    let as_of = unsigned(as_of);
    let complete = store::complete(&mut moment, tenant).await?;
    let datasets = states(&mut moment, tenant).await?;

    for kind in kinds {
        let mut key = String::new();
        loop {
            let sql = "SELECT kind, key, closing, removed, body FROM record
                WHERE tenant = ? AND kind = ? AND key > ? AND removed = 0 ORDER BY key LIMIT ?";
            let q = query(sql)
                .bind(tenant)
                .bind(*kind as i32)
                .bind(key.clone())
                .bind(RECORDS);
            let rows: Vec<Row> = q.fetch_all(&mut moment).await.map_err(Error::db(READ))?;
            let Some(last) = rows.last() else { break };
            key.clone_from(&last.1);
            let end = rows.len() < RECORDS as usize;
            let records = rows.into_iter().map(record).collect();
            let batch = SnapshotBatch {
                as_of,
                records,
                last: false,
                complete,
                datasets: Vec::new(),
            };
            if to.send(Ok(batch)).await.is_err() {
                return Ok(()); // nobody listens any more
            }
            if end {
                break;
            }
        }
    }
    _ = to
        .send(Ok(SnapshotBatch {
            as_of,
            records: Vec::new(),
            last: true,
            complete,
            datasets,
        }))
        .await;
    Ok(())
}

async fn states(c: &mut Connection, tenant: i64) -> Result<Vec<DatasetState>, Error> {
    let sql = "SELECT dataset, applied, pages, objects, complete, changes FROM dataset_state WHERE tenant = ? ORDER BY dataset";
    let rows: Vec<(String, i64, i64, i64, bool, i64)> = query(sql)
        .bind(tenant)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))?;
    let state = |(dataset, run, pages, objects, complete, changes)| DatasetState {
        dataset,
        run: unsigned(run),
        pages: u32::try_from(pages).unwrap_or(u32::MAX),
        objects: unsigned(objects),
        complete,
        changes: unsigned(changes),
    };
    Ok(rows.into_iter().map(state).collect())
}
