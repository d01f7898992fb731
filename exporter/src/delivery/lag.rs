//! What a sink lacks, in records.

use std::time::Duration;

use proto::ids::TenantId;
use tokio::time::{Instant, timeout_at};

use crate::cursor::Cursor;
use crate::error::Error;
use crate::feed::Feed;
use crate::sink::Sink;
use crate::store::{Place, Store};

/// How long is counted: it holds up deliveries.
const AT_MOST: Duration = Duration::from_secs(2);

/// Where a sink stands in a tenant's ledger.
pub(crate) async fn stands(
    store: &Store,
    sink: &Sink,
    name: &str,
    tenant: TenantId,
) -> Result<Cursor, Error> {
    match sink {
        Sink::Changes(_) => store.change_cursor(&Place::new(name, tenant)).await,
        Sink::Rows(sink) => sink.cursor(tenant).await,
        Sink::Snapshots(_) => store.cursor(name, tenant).await,
    }
}

/// How many records a sink lacks of these tenants, at least: of a tenant whose ledger or cursor can't be read, of one with
/// very many, or of those left when the time is over, there may be more.
pub(crate) async fn lacks(
    feed: &Feed,
    store: &Store,
    sink: &Sink,
    name: &str,
    tenants: &[TenantId],
) -> u64 {
    let end = Instant::now() + AT_MOST;
    let mut records = 0;
    for tenant in tenants {
        let count = async {
            let cursor = stands(store, sink, name, *tenant).await?;
            feed.pending(*tenant, &cursor).await
        };
        match timeout_at(end, count).await {
            Ok(count) => records += u64::from(count.unwrap_or(0)),
            Err(_) => break,
        }
    }
    records
}
