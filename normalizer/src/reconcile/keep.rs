//! Explains the residuals of the positions that a run touches, in its transaction.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::inventory::v1::LicensePosition;
use proto::kind::RecordKind;
use proto::pages::v1::RunSealed;
use runtime::Problem;
use runtime::db::{Connection, query};

use super::facts::{Classes, Facts, Product};
use super::kept;
use super::reason::{Class, Settled, Units, settle};
use super::times::PRODUCTS;
use crate::config::Residual;
use crate::error::Error;
use crate::finding::product::Products;
use crate::ledger::bulk::Shared;
use crate::ledger::pages::number;
use crate::position::count::{BySku, Counts};

/// By product: its position, or that there is none.
pub(crate) type Positions = BTreeMap<String, Option<LicensePosition>>;

/// What explains a residual.
pub(crate) fn explain(residual: i64, classes: &Classes) -> Settled {
    let units = classes.iter().map(|(class, e)| (*class, e.units));
    let units: BTreeMap<Class, Units> = units.collect();
    settle(residual, &units)
}

/// How many units may stay unexplained.
pub(crate) fn allowed(limit: &Residual, consumed: i64) -> i64 {
    i64::from(limit.units).max(consumed * i64::from(limit.percent) / 100)
}

/// Says of each position what of its residual is unexplained, and notes what that follows from.
pub(crate) async fn keep(
    c: &mut Connection,
    (run, seal): (&Shared, &RunSealed),
    positions: &mut Positions,
    (counts, products): (&BySku, &Products),
    limit: &Residual,
) -> Result<(), Error> {
    if seal.dataset == PRODUCTS {
        note_counts(c, (run.tenant, seal), positions).await?;
    }
    let there = || positions.values().flatten();
    let off = there().filter(|p| p.residual != 0).map(|p| {
        let product = Product {
            counts: counts.get(&p.sku_id).copied().unwrap_or_default(),
            consumed: p.consumed_units.into(),
            kind: products.get(&p.sku_id).map(|product| product.kind),
        };
        (p.sku_id.clone(), product)
    });
    let off: BTreeMap<String, Product> = off.collect();
    if !off.is_empty() {
        let mut facts = Facts::gather(c, run.tenant, Some(seal), &off, 0).await?;
        for position in positions.values_mut().flatten() {
            let classes = facts.take(&position.sku_id);
            let left = explain(position.residual.into(), &classes).unexplained;
            position.unexplained = i32::try_from(left).unwrap_or(position.residual);
            position.reconciled = left.abs() <= allowed(limit, position.consumed_units.into());
        }
    }
    let known = kept::residuals(c, run.tenant).await?;
    for (sku, position) in &*positions {
        let position = position.as_ref().filter(|p| p.residual != 0);
        let (was, is) = (known.get(sku).copied(), position.map(|p| p.reconciled));
        if was != is {
            kept::note(c, (run.tenant, sku), is).await?;
        }
        match position {
            Some(position) if is == Some(false) && was != Some(false) => tell(position),
            _ if was == Some(false) && is != Some(false) => {
                tracing::info!(tenant = %seal.tenant_id, sku, "a position is reconciled again");
            }
            _ => {}
        }
    }
    Ok(())
}

/// What Microsoft counted before stands in the positions that there were.
async fn note_counts(
    c: &mut Connection,
    (tenant, seal): (i64, &RunSealed),
    positions: &Positions,
) -> Result<(), Error> {
    let keys: Vec<&str> = positions.keys().map(String::as_str).collect();
    let sql = "SELECT key, body FROM record WHERE tenant = ? AND kind = ? AND removed = 0 AND key IN (??)";
    let q = query(sql)
        .bind(tenant)
        .bind(RecordKind::LicensePosition as i32)
        .bind(&keys);
    let found: Vec<(String, Vec<u8>)> =
        q.fetch_all(c).await.map_err(Error::db("read positions"))?;
    for (sku, body) in found {
        let was = LicensePosition::decode(&body[..])
            .map_err(|_| Error::Damaged { what: "record" })?
            .consumed_units;
        let is = positions.get(&sku).and_then(Option::as_ref);
        if is.is_some_and(|p| p.consumed_units != was) {
            kept::count_changed(c, (tenant, &sku), number(seal.sealed_at), was).await?;
        }
    }
    Ok(())
}

fn tell(position: &LicensePosition) {
    let LicensePosition {
        tenant_id,
        sku_part_number,
        sku_id,
        assigned,
        consumed_units,
        unexplained,
        ..
    } = position;
    let problem = Problem::new(
        "LW-5091",
        format!(
            "Microsoft counts {consumed_units} units of {sku_part_number} in use, users hold {assigned}, and nothing known \
             explains {unexplained} of the difference."
        ),
        format!("leastwise why position {sku_id} shows what does"),
    );
    tracing::warn!(tenant = %tenant_id, sku = %sku_id, %problem, "a position is not reconciled");
}

/// The counters of a product as they are stored.
pub(crate) async fn counts(c: &mut Connection, tenant: i64, sku: &str) -> Result<Counts, Error> {
    let mut counts = crate::position::update::counters(c, tenant, &[sku]).await?;
    Ok(counts.remove(sku).unwrap_or_default())
}
