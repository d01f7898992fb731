//! Small statements that several files share.

use prost::Message;
use proto::ids::TenantId;
use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use crate::error::Error;
use crate::position::count::{COUNTING, Holder};

/// Users that are read at a time.
const HOLDERS: u32 = 1_000;

/// The number of a tenant, if the ledger knows it.
pub(crate) async fn tenant(c: &mut Connection, tenant: &str) -> Result<Option<i64>, Error> {
    let q = query("SELECT id FROM tenant WHERE tenant = ?").bind(tenant);
    q.fetch_optional(c)
        .await
        .map_err(Error::db("look for a tenant"))
}

/// The number of a tenant and its newest closing; zeros where the ledger doesn't know it.
pub(crate) async fn tenant_and_head(c: &mut Connection, tenant: &str) -> Result<(i64, i64), Error> {
    let q = query("SELECT id, closing FROM tenant WHERE tenant = ?").bind(tenant);
    let found = q
        .fetch_optional(c)
        .await
        .map_err(Error::db("look for a tenant"))?;
    Ok(found.unwrap_or_default())
}

/// The number of a tenant, given now if it has none.
pub(crate) async fn tenant_or_new(c: &mut Connection, id: TenantId) -> Result<i64, Error> {
    let id = id.to_string();
    if let Some(number) = tenant(c, &id).await? {
        return Ok(number);
    }
    let failed = "note a tenant";
    let sql = "INSERT INTO tenant (tenant, counted) VALUES (?, ?) ON CONFLICT (tenant) DO NOTHING";
    let new = query(sql).bind(&id).bind(COUNTING).execute(c).await;
    new.map_err(Error::db(failed))?;
    // If not by this statement, then by another process's, which it has waited for.
    let q = query("SELECT id FROM tenant WHERE tenant = ?").bind(&id);
    q.fetch_one(c).await.map_err(Error::db(failed))
}

/// The next live users of a tenant by key, behind `after`, which becomes the last one's; none when there are no more.
pub(crate) async fn users(
    c: &mut Connection,
    tenant: i64,
    after: &mut String,
) -> Result<Vec<Vec<u8>>, Error> {
    let sql =
        "SELECT key, body FROM record WHERE tenant = ? AND kind = ? AND key > ? AND removed = 0
        ORDER BY key LIMIT ?";
    let q = query(sql).bind(tenant).bind(RecordKind::User as i32);
    let q = q.bind(&*after).bind(HOLDERS);
    let users: Vec<(String, Vec<u8>)> = q.fetch_all(c).await.map_err(Error::db("read users"))?;
    if let Some((last, _)) = users.last() {
        after.clone_from(last);
    }
    Ok(users.into_iter().map(|(_, body)| body).collect())
}

/// The same, as far as positions and findings follow from them.
pub(crate) async fn holders(
    c: &mut Connection,
    tenant: i64,
    after: &mut String,
) -> Result<Vec<Holder>, Error> {
    let users = users(c, tenant, after).await?;
    users.iter().map(|body| read(body)).collect()
}

/// A stored record.
pub(crate) fn read<M: Message + Default>(body: &[u8]) -> Result<M, Error> {
    M::decode(body).map_err(|_| Error::Damaged { what: "record" })
}

/// Keeps other processes from changing what the ledger knows of a tenant, until the transaction ends.
pub(crate) async fn lock(c: &mut Connection, tenant: i64) -> Result<(), Error> {
    let q = query("SELECT id FROM tenant WHERE id = ? FOR UPDATE").bind(tenant);
    let locked: Result<Option<i64>, _> = q.fetch_optional(c).await;
    locked.map(drop).map_err(Error::db("lock a tenant"))
}

/// The newest applied run of a dataset; 0 before the first.
pub(crate) async fn applied(c: &mut Connection, tenant: i64, dataset: &str) -> Result<i64, Error> {
    let sql = "SELECT applied FROM dataset_state WHERE tenant = ? AND dataset = ?";
    let q = query(sql).bind(tenant).bind(dataset);
    Ok(q.fetch_optional(c)
        .await
        .map_err(Error::db("read the state of a dataset"))?
        .unwrap_or(0))
}

/// Whether every dataset that is read of the tenant has been applied, and the newest run of each is complete.
pub(crate) async fn complete(c: &mut Connection, tenant: i64) -> Result<bool, Error> {
    let failed = Error::db("read the state of datasets");
    let sql = "SELECT t.datasets, d.dataset, d.complete FROM tenant t LEFT JOIN dataset_state d ON d.tenant = t.id WHERE t.id = ?";
    let rows: Vec<(String, Option<String>, Option<bool>)> =
        query(sql).bind(tenant).fetch_all(c).await.map_err(failed)?;
    let Some((wanted, ..)) = rows.first() else {
        return Ok(false);
    };
    let done = |name: &str| {
        rows.iter()
            .any(|(_, d, complete)| d.as_deref() == Some(name) && *complete == Some(true))
    };
    let mut wanted = wanted.split_whitespace().peekable();
    match wanted.peek() {
        Some(_) => Ok(wanted.all(done)),
        None => Ok(rows.iter().all(|(_, _, complete)| *complete == Some(true))),
    }
}
