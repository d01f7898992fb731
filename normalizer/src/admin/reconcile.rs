//! Why Microsoft counts another number of units than users hold: what operators see of it.

use prost::Message as _;
use proto::admin::v1::{CountReading, Reconciliation, ResidualObject, ResidualReason};
use proto::inventory::v1::LicensePosition;
use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use super::READ;
use crate::config::Residual;
use crate::error::Error;
use crate::finding::kind::Kind;
use crate::position::count::works;
use crate::reconcile::facts::{Classes, Evidence, Facts, Object, Product};
use crate::reconcile::keep::{allowed, counts, explain};
use crate::reconcile::reason::{ANY, Class};
use crate::reconcile::times::Reading;
use crate::{called, store};

/// What explains the residual of a position; nothing where it has none.
pub(super) async fn reconciliation(
    c: &mut Connection,
    (tenant, body): (i64, &[u8]),
    limit: &Residual,
    most: u32,
) -> Result<Option<Reconciliation>, Error> {
    let damaged = |_| Error::Damaged { what: "record" };
    let position = LicensePosition::decode(body).map_err(damaged)?;
    if position.residual == 0 {
        return Ok(None);
    }
    let sku = position.sku_id.as_str();
    let product = Product {
        counts: counts(c, tenant, sku).await?,
        consumed: position.consumed_units.into(),
        kind: Kind::named(&position.kind),
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let only = [(sku.to_owned(), product)].into();
    let mut facts = Facts::gather(c, tenant, None, &only, most).await?;
    let before = facts.counted_before(c, (tenant, sku), &product).await?;
    let mut classes = facts.take(sku);
    if let Some(evidence) = classes.get_mut(&Class::InError) {
        evidence.more = failed(c, (tenant, sku), most).await?;
    }
    let times = &facts.times;
    let (before_at, users) = (times.before, times.users.unwrap_or_default());
    let reading = |reading: Option<Reading>, units: Option<i64>| {
        let (at, units) = (reading?.to, i32::try_from(units?).ok()?);
        Some(CountReading { at, units })
    };
    let settled = explain(position.residual.into(), &classes);
    let limit = allowed(limit, product.consumed);
    Ok(Some(Reconciliation {
        residual: position.residual,
        unexplained: small(settled.unexplained),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        before: reading(before_at, before),
        newest: reading(times.newest, Some(product.consumed)),
        users_from: users.from,
        users_to: users.to,
        incomplete_run: times.incomplete_run.unwrap_or(0),
        reasons: reasons(c, tenant, position.residual > 0, (settled.parts, classes)).await?,
    }))
}

/// Those that can make a difference of this sign.
async fn reasons(
    c: &mut Connection,
    tenant: i64,
    more: bool,
    (parts, mut classes): (Vec<(Class, i64)>, Classes),
) -> Result<Vec<ResidualReason>, Error> {
    let mut reasons = Vec::new();
    for (class, part) in parts {
        let Evidence {
            units,
            more: objects_more,
            less: objects_less,
        } = classes.remove(&class).unwrap_or_default();
        let (most, objects) = match more {
            true => (units.more, objects_more),
            false => (units.less, objects_less),
        };
        if most == 0 {
            continue;
        }
        let mut listed = Vec::with_capacity(objects.len());
        for Object { kind, key, why } in objects {
            listed.push(ResidualObject {
                name: name(c, tenant, kind, &key).await?.unwrap_or_default(),
                kind: kind.name().to_owned(),
                key,
                why: why.to_owned(),
            });
        }
        let consists_of_objects = !matches!(class, Class::Recounted) && most != ANY;
        reasons.push(ResidualReason {
            reason: class.name().to_owned(),
            units: small(part),
            at_most: (most != ANY).then(|| u32::try_from(most).unwrap_or(u32::MAX)),
            objects: consists_of_objects.then(|| u64::try_from(most).unwrap_or(0)),
            listed,
        });
    }
    Ok(reasons)
}

fn small(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(if n < 0 { i32::MIN } else { i32::MAX })
}

/// The first users to whom a product could not be assigned.
async fn failed(
    c: &mut Connection,
    (tenant, sku): (i64, &str),
    most: usize,
) -> Result<Vec<Object>, Error> {
    let (mut failed, mut after) = (Vec::new(), String::new());
    while failed.len() < most {
        let users = store::holders(c, tenant, &mut after).await?;
        if users.is_empty() {
            break;
        }
        let without = users.into_iter().filter(|user| {
            let ways = || {
                let ways = user.license_assignment_states.iter();
                ways.filter(|w| w.sku_id == sku)
            };
            ways().any(|w| w.state == "Error") && !ways().any(|w| works(&w.state))
        });
        failed.extend(without.map(|user| Object::failed(user.user_id)));
    }
    failed.truncate(most);
    Ok(failed)
}

async fn name(
    c: &mut Connection,
    tenant: i64,
    kind: RecordKind,
    key: &str,
) -> Result<Option<String>, Error> {
    let sql = "SELECT body FROM record WHERE tenant = ? AND kind = ? AND key = ? AND removed = 0";
    let q = query(sql).bind(tenant).bind(kind as i32).bind(key);
    let body: Option<Vec<u8>> = q.fetch_optional(c).await.map_err(Error::db(READ))?;
    Ok(body.and_then(|body| called::name(kind, &body)))
}
