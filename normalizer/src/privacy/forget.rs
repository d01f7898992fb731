//! Takes records out without a trace, from every table that knows them by their keys. A table that comes to know records
//! is added here.

use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use crate::error::Error;

const FORGET: &str = "forget records";

/// Forgets the records of these keys, removed ones too.
pub(super) async fn forget(
    c: &mut Connection,
    tenant: i64,
    kind: RecordKind,
    keys: &[String],
) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let q = query("DELETE FROM record WHERE tenant = ? AND kind = ? AND key IN (??)");
    let q = q.bind(tenant).bind(kind as i32).bind(keys);
    q.execute(c).await.map_err(Error::db(FORGET))?;
    if kind == RecordKind::User {
        let q = query("DELETE FROM license_move WHERE tenant = ? AND user_key IN (??)");
        let q = q.bind(tenant).bind(keys);
        q.execute(c).await.map_err(Error::db(FORGET))?;
    }
    if let Some(dataset) = catalog::ALL.into_iter().find(|d| d.kind == kind) {
        let q = query("DELETE FROM suspect WHERE tenant = ? AND dataset = ? AND key IN (??)");
        let q = q.bind(tenant).bind(dataset.name).bind(keys);
        q.execute(c).await.map_err(Error::db(FORGET))?;
    }
    Ok(())
}

/// A dataset has so many live records less: they were not removed by a run.
pub(super) async fn count_down(
    c: &mut Connection,
    tenant: i64,
    kind: RecordKind,
    records: u64,
) -> Result<(), Error> {
    if let Some(dataset) = catalog::ALL.into_iter().find(|d| d.kind == kind) {
        let q = query("UPDATE dataset_state SET live = live - ? WHERE tenant = ? AND dataset = ?");
        let q = q.bind(records).bind(tenant).bind(dataset.name);
        q.execute(c).await.map_err(Error::db(FORGET))?;
    }
    Ok(())
}
