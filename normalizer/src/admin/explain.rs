//! Where records come from: the answers of Graph that they, or what they are derived from, were read of.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::admin::v1::{
    AssignmentWay, ExplainRequest, ExplainResponse, Explained, Origin, OriginPage,
};
use proto::inventory::v1::Finding;
use proto::kind::RecordKind;
use runtime::db::{Connection, query};
use runtime::row;
use tonic::Status;

use super::{READ, kind_called, reconcile};
use crate::error::Error;
use crate::feed::unsigned;
use crate::{Normalizer, called, store};

row! {
    struct Found {
        tenant: String,
        number: i64,
        key: String,
        closing: i64,
        removed: bool,
        body: Vec<u8>,
        attempt: Option<i64>,
        sequence: Option<i64>,
        sha256: Option<Vec<u8>>,
        request_id: Option<String>,
    }
}

impl Normalizer {
    pub(super) async fn explained(
        &self,
        request: &ExplainRequest,
    ) -> Result<ExplainResponse, Status> {
        let kind = kind_called(&request.kind)?;
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let found = find(&mut moment, &request.tenant_id, kind, &request.key).await?;
        if found.is_empty() {
            return Err(Status::not_found(format!(
                "the ledger has no {} with the key {:?}",
                kind.name(),
                request.key
            )));
        }
        let mut records = Vec::new();
        for found in found {
            let mut explained = explain(&mut moment, kind, &found).await?;
            if kind == RecordKind::LicensePosition && !found.removed {
                let of = (found.number, found.body.as_slice());
                let most = super::limited(request.most_objects, 20);
                let limit = &self.0.config.residual;
                explained.reconciliation =
                    reconcile::reconciliation(&mut moment, of, limit, most).await?;
            }
            records.push(explained);
        }
        Ok(ExplainResponse { records })
    }
}

/// The records of a key, of one tenant or of all.
async fn find(
    c: &mut Connection,
    tenant_id: &str,
    kind: RecordKind,
    key: &str,
) -> Result<Vec<Found>, Error> {
    let sql = "SELECT t.tenant, t.id AS number, r.key, r.closing, r.removed, r.body, p.attempt, p.sequence, p.sha256,
        p.request_id FROM tenant t JOIN record r ON r.tenant = t.id LEFT JOIN page_source p ON p.id = r.source
        WHERE (? = '' OR t.tenant = ?) AND r.kind = ? AND r.key = ? ORDER BY t.tenant";
    let q = query(sql).bind(tenant_id).bind(tenant_id);
    let q = q.bind(kind as i32).bind(key);
    q.fetch_all(c).await.map_err(Error::db(READ))
}

async fn explain(c: &mut Connection, kind: RecordKind, found: &Found) -> Result<Explained, Error> {
    let mut explained = Explained {
        record: Some(origin(c, kind, found).await?),
        ..Explained::default()
    };
    let basis: Vec<(RecordKind, String)> = match kind {
        RecordKind::LicensePosition => vec![(RecordKind::SubscribedSku, found.key.clone())],
        RecordKind::Finding => {
            let finding = Finding::decode(&found.body[..]);
            let evidence = finding
                .map_err(|_| Error::Damaged { what: "finding" })?
                .evidence;
            let known = evidence
                .into_iter()
                .filter_map(|e| Some((RecordKind::from_name(&e.kind)?, e.key)));
            known.collect()
        }
        _ => Vec::new(),
    };
    for (kind, key) in basis {
        // A product that only assignments name has no record of its own.
        for found in find(c, &found.tenant, kind, &key).await? {
            explained.follows_from.push(origin(c, kind, &found).await?);
        }
    }
    if kind == RecordKind::LicensePosition {
        explained.ways = ways(c, found.number, &found.key).await?;
    }
    Ok(explained)
}

async fn origin(c: &mut Connection, kind: RecordKind, found: &Found) -> Result<Origin, Error> {
    let sql = "SELECT dataset, run, mode, closed_at FROM closing WHERE tenant = ? AND closing = ?";
    let q = query(sql).bind(found.number).bind(found.closing);
    let closing: Option<(String, i64, i32, i64)> =
        q.fetch_optional(c).await.map_err(Error::db(READ))?;
    let mut origin = Origin {
        tenant_id: found.tenant.clone(),
        kind: kind.name().to_owned(),
        key: found.key.clone(),
        name: called::name(kind, &found.body).unwrap_or_default(),
        removed: found.removed,
        closing: unsigned(found.closing),
        page: page(found),
        ..Origin::default()
    };
    if let Some((dataset, run, mode, at)) = closing {
        origin.mode = super::run::mode(mode);
        (origin.dataset, origin.run, origin.changed_at) = (dataset, unsigned(run), unsigned(at));
    }
    Ok(origin)
}

/// None where it comes from the run as a whole, whose number is -1.
fn page(found: &Found) -> Option<OriginPage> {
    Some(OriginPage {
        attempt: unsigned(found.attempt?),
        sequence: u32::try_from(found.sequence?).ok()?,
        sha256: found
            .sha256
            .iter()
            .flatten()
            .map(|b| format!("{b:02x}"))
            .collect(),
        request_id: found.request_id.clone().unwrap_or_default(),
    })
}

/// The ways by which a tenant's users hold a product, the most used first.
async fn ways(c: &mut Connection, tenant: i64, sku: &str) -> Result<Vec<AssignmentWay>, Error> {
    let mut counted: BTreeMap<(&'static str, Option<String>), u64> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let users = store::holders(c, tenant, &mut after).await?;
        if users.is_empty() {
            break;
        }
        for way in users.iter().flat_map(|user| user.ways(sku)) {
            *counted.entry(way).or_default() += 1;
        }
    }
    let mut ways = Vec::new();
    for ((path, group_id), users) in counted {
        let name = match &group_id {
            Some(group) => group_name(c, tenant, group).await?,
            None => None,
        };
        ways.push(AssignmentWay {
            path: path.to_owned(),
            group_name: name.unwrap_or_default(),
            group_id,
            users,
        });
    }
    ways.sort_by_key(|way| std::cmp::Reverse(way.users));
    Ok(ways)
}

/// What a tenant calls a group, where groups are read.
pub(super) async fn group_name(
    c: &mut Connection,
    tenant: i64,
    id: &str,
) -> Result<Option<String>, Error> {
    let kind = RecordKind::Group;
    let sql = "SELECT body FROM record WHERE tenant = ? AND kind = ? AND key = ?";
    let q = query(sql).bind(tenant).bind(kind as i32).bind(id);
    let body: Option<Vec<u8>> = q.fetch_optional(c).await.map_err(Error::db(READ))?;
    Ok(body.and_then(|body| called::name(kind, &body)))
}
