//! Counts all users of a tenant, where they were counted in another way before, as by an older release.

use runtime::db::{Connection, query};

use super::count::{self, BySku, COUNTING};
use super::update;
use crate::error::Error;
use crate::store;

const RECOUNT: &str = "count users anew";

/// Counts anew if needed, the run's users included, and says which products that may change.
pub(super) async fn if_needed(
    c: &mut Connection,
    tenant: i64,
) -> Result<Option<Vec<String>>, Error> {
    let q = query("SELECT counted FROM tenant WHERE id = ?").bind(tenant);
    let counted: i64 = q.fetch_one(c).await.map_err(Error::db(RECOUNT))?;
    if counted == COUNTING {
        return Ok(None);
    }
    let (mut counts, mut after) = (BySku::new(), String::new());
    loop {
        let users = store::holders(c, tenant, &mut after).await?;
        if users.is_empty() {
            break;
        }
        users.iter().for_each(|u| count::add(&mut counts, u, 1));
    }
    let q = query("DELETE FROM license_count WHERE tenant = ? RETURNING sku").bind(tenant);
    let before: Vec<String> = q.fetch_all(c).await.map_err(Error::db(RECOUNT))?;
    for (sku, count) in &counts {
        update::store(c, tenant, sku, count).await?;
    }
    let q = query("UPDATE tenant SET counted = ? WHERE id = ?").bind(COUNTING);
    q.bind(tenant)
        .execute(c)
        .await
        .map_err(Error::db(RECOUNT))?;
    let mut skus = before;
    skus.extend(counts.into_keys());
    Ok(Some(skus))
}
