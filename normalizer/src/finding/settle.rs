//! Notices what changed of a tenant's products, and derives anew what follows from it.
//!
//! What is known of each product, its name and the rules included, is stored as a fingerprint beside the findings. So
//! nothing has to know what can change it: a run of products or subscriptions, a new table of names or a new release.

use std::collections::{BTreeSet, HashMap};

use prost::Message;
use proto::inventory::v1::{SubscribedSku, Subscription};
use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use super::derive::Findings;
use super::product::{Product, Products};
use crate::error::Error;
use crate::ledger::bulk::Shared;
use crate::store;

const READ: &str = "read what findings follow from";
const STORE: &str = "store what findings follow from";

/// Brings the findings about users to the products of now.
pub(super) async fn settle(
    c: &mut Connection,
    run: &Shared,
    findings: &mut Findings,
) -> Result<(), Error> {
    let skus: Vec<SubscribedSku> = all(c, run.tenant, RecordKind::SubscribedSku).await?;
    let subscriptions: Vec<Subscription> = all(c, run.tenant, RecordKind::Subscription).await?;
    let names = &findings.names;
    let each = skus
        .iter()
        .map(|sku| Product::of(sku, &subscriptions, names));
    findings.products = Products::new(each.collect());
    findings.changed = changed(c, run.tenant, &findings.products).await?;
    if !findings.changed.is_empty() && is_held(c, run.tenant, &findings.changed).await? {
        users(c, run, findings).await?;
    }
    Ok(())
}

/// The live records of a kind of which a tenant has few.
async fn all<M: Message + Default>(
    c: &mut Connection,
    tenant: i64,
    kind: RecordKind,
) -> Result<Vec<M>, Error> {
    let sql = "SELECT body FROM record WHERE tenant = ? AND kind = ? AND removed = 0 ORDER BY key";
    let q = query(sql).bind(tenant).bind(kind as i32);
    let bodies: Vec<Vec<u8>> = q.fetch_all(c).await.map_err(Error::db(READ))?;
    let read = |body: Vec<u8>| M::decode(&body[..]).map_err(|_| Error::Damaged { what: "record" });
    bodies.into_iter().map(read).collect()
}

/// The products that are not what they were, or no longer there, and from now on are.
async fn changed(
    c: &mut Connection,
    tenant: i64,
    products: &Products,
) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT sku, fingerprint FROM finding_basis WHERE tenant = ?";
    let stored: Vec<(String, Vec<u8>)> = query(sql)
        .bind(tenant)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))?;
    let mut stored: HashMap<String, Vec<u8>> = stored.into_iter().collect();
    let mut changed = BTreeSet::new();
    for product in products.iter() {
        let fingerprint = product.fingerprint();
        if stored.remove(&product.sku_id).as_ref() == Some(&fingerprint) {
            continue;
        }
        changed.insert(product.sku_id.clone());
        let sql = "INSERT INTO finding_basis (tenant, sku, fingerprint) VALUES (?, ?, ?)
            ON CONFLICT (tenant, sku) DO UPDATE SET fingerprint = excluded.fingerprint";
        let q = query(sql).bind(tenant).bind(&product.sku_id);
        q.bind(&fingerprint[..])
            .execute(c)
            .await
            .map_err(Error::db(STORE))?;
    }
    let gone: Vec<&str> = stored.keys().map(String::as_str).collect();
    if !gone.is_empty() {
        let sql = "DELETE FROM finding_basis WHERE tenant = ? AND sku IN (??)";
        let q = query(sql).bind(tenant).bind(&gone);
        q.execute(c).await.map_err(Error::db(STORE))?;
    }
    changed.extend(stored.into_keys());
    Ok(changed)
}

/// Whether a user has or should have one of these products.
async fn is_held(c: &mut Connection, tenant: i64, skus: &BTreeSet<String>) -> Result<bool, Error> {
    let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
    let sql = "SELECT count(*) FROM license_count WHERE tenant = ? AND sku IN (??)
        AND (assigned > 0 OR in_error > 0)";
    let q = query(sql).bind(tenant).bind(&skus);
    let held: i64 = q.fetch_one(c).await.map_err(Error::db(READ))?;
    Ok(held > 0)
}

/// Looks at every user that has or should have a product that changed.
async fn users(c: &mut Connection, run: &Shared, findings: &mut Findings) -> Result<(), Error> {
    let first = !has_any(c, run.tenant).await?;
    let mut after = String::new();
    loop {
        let users = store::holders(c, run.tenant, &mut after).await?;
        if users.is_empty() {
            break;
        }
        for user in &users {
            let skus = user.skus();
            if skus.iter().any(|sku| findings.changed.contains(*sku)) {
                match first {
                    true => findings.is(user),
                    false => findings.anew(user),
                }
            }
        }
        findings.flush(c, run).await?;
    }
    Ok(())
}

/// Whether there is a finding: without any, as in the first run of a release that looks for them, none has to be
/// compared.
async fn has_any(c: &mut Connection, tenant: i64) -> Result<bool, Error> {
    let sql = "SELECT count(*) FROM (SELECT 1 AS one FROM record WHERE tenant = ? AND kind = ? LIMIT 1) AS any_finding";
    let q = query(sql).bind(tenant).bind(RecordKind::Finding as i32);
    let found: i64 = q.fetch_one(c).await.map_err(Error::db(READ))?;
    Ok(found > 0)
}
