//! Brings the stored counters, positions and what is found about them up to what a run changed.

use std::collections::{BTreeSet, HashMap};

use prost::Message as _;
use proto::inventory::v1::SubscribedSku;
use proto::kind::RecordKind;
use proto::pages::v1::RunSealed;
use runtime::db::{Connection, query};
use runtime::row;

use super::count::{BySku, Counts};
use super::derive::position;
use super::recount;
use crate::config::Residual;
use crate::error::Error;
use crate::ledger::derived::{self, Wanted};
use crate::ledger::fold::Fold;
use crate::ledger::pages::number;
use crate::reconcile::keep::{self, Positions};
use crate::reconcile::kept;

/// Writes the positions and findings that follow from the records of a run, and says how many records that changed.
pub(crate) async fn update(
    c: &mut Connection,
    fold: &mut Fold,
    seal: &RunSealed,
    limit: &Residual,
) -> Result<u64, Error> {
    let run = fold.shared;
    fold.findings.end(c, &run).await?;
    let at = number(seal.sealed_at);
    fold.moves.store(c, run.tenant, at).await?;
    let mut skus: BTreeSet<String> = fold.products.iter().cloned().collect();
    skus.extend(fold.findings.changed.iter().cloned());
    skus.extend(
        fold.licences
            .iter()
            .filter(|(_, d)| **d != Counts::default())
            .map(|(sku, _)| sku.clone()),
    );
    let recounted = recount::if_needed(c, run.tenant).await?;
    skus.extend(recounted.iter().flatten().cloned());
    if matches!(run.kind, RecordKind::User | RecordKind::SubscribedSku) {
        // What explains a residual may have changed though nothing of the product has.
        skus.extend(kept::residuals(c, run.tenant).await?.into_keys());
    }
    let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
    if skus.is_empty() {
        return Ok(fold.findings.written);
    }
    let mut counts = counters(c, run.tenant, &skus).await?;
    if recounted.is_none() {
        let differences = fold.licences.iter();
        for (sku, difference) in differences.filter(|(_, d)| **d != Counts::default()) {
            let sum = counts.entry(sku.clone()).or_default();
            sum.add(difference, 1);
            store(c, run.tenant, sku, sum).await?;
        }
    }

    let owned = products_of(c, run.tenant, &skus).await?;
    let findings = &mut fold.findings;
    let position = |sku: &&str| {
        let count = counts.get(*sku).copied().unwrap_or_default();
        let kind = findings.products.get(sku).map(|product| product.kind);
        let of = (seal.tenant_id.as_str(), *sku, kind);
        let position = position(of, owned.get(*sku), &count, limit, &findings.names);
        ((*sku).to_owned(), position)
    };
    let mut positions: Positions = skus.iter().map(position).collect();
    let from = (&counts, &findings.products);
    keep::keep(c, (&run, seal), &mut positions, from, limit).await?;
    let mut wanted = Wanted::new();
    for (sku, position) in positions {
        findings.position(&sku, position.as_ref());
        let body = position.map(|p| bytes::Bytes::from(p.encode_to_vec()));
        wanted.insert(sku, body);
    }
    let positions = derived::bring(c, &run, RecordKind::LicensePosition, &wanted).await?;
    findings.flush(c, &run).await?;
    Ok(positions + findings.written)
}

const READ: &str = "read what positions follow from";

row! {
    struct Row {
        sku: String,
        assigned: i64,
        direct: i64,
        by_group: i64,
        both: i64,
        unknown: i64,
        in_error: i64,
        disabled: i64,
        assigned_blocked: i64,
        assigned_guests: i64,
        with_disabled_plans: i64,
    }
}

/// The stored counters of products.
pub(crate) async fn counters(
    c: &mut Connection,
    tenant: i64,
    skus: &[&str],
) -> Result<BySku, Error> {
    let sql = "SELECT sku, assigned, direct, by_group, \"both\", unknown, in_error, disabled, assigned_blocked, assigned_guests,
        with_disabled_plans FROM license_count WHERE tenant = ? AND sku IN (??)";
    let found: Vec<Row> = query(sql)
        .bind(tenant)
        .bind(skus)
        .fetch_all(c)
        .await
        .map_err(Error::db(READ))?;
    let counts = |r: Row| {
        let Row {
            sku,
            assigned,
            direct,
            by_group,
            both,
            unknown,
            in_error,
            disabled,
            assigned_blocked,
            assigned_guests,
            with_disabled_plans,
        } = r;
        (
            sku,
            Counts {
                assigned,
                direct,
                by_group,
                both,
                unknown,
                in_error,
                disabled,
                assigned_blocked,
                assigned_guests,
                with_disabled_plans,
            },
        )
    };
    Ok(found.into_iter().map(counts).collect())
}

pub(super) async fn store(
    c: &mut Connection,
    tenant: i64,
    sku: &str,
    n: &Counts,
) -> Result<(), Error> {
    let sql = "INSERT INTO license_count (tenant, sku, assigned, direct, by_group, \"both\", unknown, in_error,
        disabled, assigned_blocked, assigned_guests, with_disabled_plans)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (tenant, sku) DO UPDATE SET assigned = excluded.assigned, direct = excluded.direct,
        by_group = excluded.by_group, \"both\" = excluded.\"both\", unknown = excluded.unknown,
        in_error = excluded.in_error, disabled = excluded.disabled, assigned_blocked = excluded.assigned_blocked,
        assigned_guests = excluded.assigned_guests, with_disabled_plans = excluded.with_disabled_plans";
    let q = query(sql)
        .bind(tenant)
        .bind(sku)
        .bind(n.assigned)
        .bind(n.direct)
        .bind(n.by_group)
        .bind(n.both);
    let q = q
        .bind(n.unknown)
        .bind(n.in_error)
        .bind(n.disabled)
        .bind(n.assigned_blocked)
        .bind(n.assigned_guests)
        .bind(n.with_disabled_plans);
    q.execute(c)
        .await
        .map(drop)
        .map_err(Error::db("write counters of products"))
}

async fn products_of(
    c: &mut Connection,
    tenant: i64,
    skus: &[&str],
) -> Result<HashMap<String, SubscribedSku>, Error> {
    let sql = "SELECT key, body FROM record WHERE tenant = ? AND kind = ? AND removed = 0
        AND key IN (??)";
    let q = query(sql)
        .bind(tenant)
        .bind(RecordKind::SubscribedSku as i32)
        .bind(skus);
    let found: Vec<(String, Vec<u8>)> = q.fetch_all(c).await.map_err(Error::db(READ))?;
    let read =
        |(key, body): (String, Vec<u8>)| SubscribedSku::decode(&body[..]).map(|sku| (key, sku));
    found
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|_| Error::Damaged { what: "record" })
}
