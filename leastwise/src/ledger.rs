//! What the ledger shows of tenants, by its feed.

use prost::Message;
use proto::feed::v1::feed_client::FeedClient;
use proto::feed::v1::{HeadsRequest, SnapshotRequest};
use proto::kind::RecordKind;
use runtime::Problem;
use runtime::grpc::Channel;

use crate::config::Config;
use crate::connect::refused;

/// A tenant of which something is shown.
pub struct Tenant {
    /// Directory (tenant) id.
    pub id: String,
    /// What the operator calls it; else the id.
    pub name: String,
}

/// The configured tenants; where the services are in other processes, all that the ledger has.
///
/// # Errors
/// When the ledger can't be asked.
pub async fn tenants(config: &Config, feed: Channel) -> Result<Vec<Tenant>, Problem> {
    if !config.tenants.is_empty() {
        let known = config.tenants.iter().map(|t| Tenant {
            id: t.id.to_string(),
            name: t.name.clone().unwrap_or_else(|| t.id.to_string()),
        });
        return Ok(known.collect());
    }
    let heads = FeedClient::new(feed)
        .heads(HeadsRequest {})
        .await
        .map_err(refused)?;
    let heads = heads.into_inner().heads.into_iter();
    Ok(heads
        .map(|h| Tenant {
            name: h.tenant_id.clone(),
            id: h.tenant_id,
        })
        .collect())
}

/// As [`tenants`]; of those only the one with this id or name, if one is wanted.
///
/// # Errors
/// As [`tenants`].
pub async fn tenants_called(
    config: &Config,
    feed: Channel,
    wanted: Option<&str>,
) -> Result<Vec<Tenant>, Problem> {
    let mut all = tenants(config, feed).await?;
    if let Some(wanted) = wanted {
        all.retain(|t| t.name == wanted || t.id.eq_ignore_ascii_case(wanted));
    }
    Ok(all)
}

/// The records of a kind that a tenant has and that are wanted.
///
/// # Errors
/// When the ledger can't be asked, or a record can't be read.
pub async fn records<M: Message + Default>(
    tenant: &Tenant,
    kind: RecordKind,
    feed: Channel,
    wanted: impl Fn(&M) -> bool,
) -> Result<Vec<M>, Problem> {
    let request = SnapshotRequest {
        tenant_id: tenant.id.clone(),
        kinds: vec![kind.name().to_owned()],
    };
    let mut batches = match FeedClient::new(feed).snapshot(request).await {
        Ok(batches) => batches.into_inner(),
        Err(status) if status.code() == tonic::Code::NotFound => return Ok(Vec::new()),
        Err(status) => return Err(refused(status)),
    };
    let mut found = Vec::new();
    while let Some(batch) = batches.message().await.map_err(refused)? {
        for record in batch.records {
            let record = M::decode(record.body.as_slice()).map_err(|e| {
                let what = format!("a record of kind {} can't be read: {e}.", kind.name());
                Problem::new("LW-5090", what, "report it")
            })?;
            found.extend(Some(record).filter(&wanted));
        }
    }
    Ok(found)
}
