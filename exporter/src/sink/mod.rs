//! What a sink has to offer. There are three sorts: one that is replaced as a whole, one that follows row by row, and one
//! that is sent changes.

mod change;
pub mod changes;
pub mod database;
mod fault;
pub mod files;
pub mod flexera_one;
pub mod flexnet;
mod format;
mod guard;
mod masked;
mod partitioned;
mod people;
mod registry;
pub mod servicenow;
mod snapshot;
pub mod snipe_it;
pub mod snow_atlas;
pub mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};

pub use change::{Change, ChangeSink, Limits, Refusal, Taken};
pub use fault::Fault;
pub use format::{Compression, CsvOptions, Format};
pub use guard::Guard;
pub use partitioned::Bucket;
pub use people::Users;
pub use registry::{Context, Settings, Target};
pub use snapshot::{End, Snapshot, Update};

use crate::cursor::Cursor;
use crate::error::Error;

/// A sink of one of the sorts.
#[derive(Clone)]
pub enum Sink {
    /// It is replaced as a whole.
    Snapshots(Arc<dyn SnapshotSink>),
    /// It follows row by row.
    Rows(Arc<dyn RowSink>),
    /// It is sent changes.
    Changes(Arc<dyn ChangeSink>),
}

impl Sink {
    /// One that is replaced as a whole.
    pub fn snapshots(sink: impl SnapshotSink + 'static) -> Self {
        Sink::Snapshots(Arc::new(sink))
    }

    /// One that follows row by row.
    pub fn rows(sink: impl RowSink + 'static) -> Self {
        Sink::Rows(Arc::new(sink))
    }

    /// One that is sent changes.
    pub fn changes(sink: impl ChangeSink + 'static) -> Self {
        Sink::Changes(Arc::new(sink))
    }
}

/// A sink that always shows one whole state of each ledger.
///
/// Its cursor lives in the exporter's database. Between [`spool`](Self::spool) and [`publish`](Self::publish) the
/// exporter stores the mark; whatever is interrupted is repeated by the next pass.
#[async_trait]
pub trait SnapshotSink: Send + Sync {
    /// Keeps other processes off the sink while the guard lives, and forgets what was known of it. `None` while
    /// another process is at it.
    async fn alone(&self) -> Result<Option<Alone>, Error>;

    /// What stands in the sink now.
    async fn shown(&self) -> Result<Shown, Error>;

    /// Reaches the sink, changing nothing.
    ///
    /// # Errors
    /// What a delivery would meet.
    async fn check(&self) -> Result<(), Error> {
        self.shown().await.map(drop)
    }

    /// Whether the kinds that changed are enough for it; else it is always sent all of them.
    fn takes_updates(&self) -> bool {
        true
    }

    /// Fetches and prepares a snapshot without touching what the sink shows. `None` when the ledger isn't complete.
    /// Of an [`Update`], the kinds that it doesn't hold stay as they are. What is much smaller than what the sink shows
    /// is refused ([`Guard`]) unless it is [approved](Snapshot::approve).
    async fn spool(&self, tenant: TenantId, snapshot: Snapshot) -> Result<Option<Closing>, Error>;

    /// Shows the spooled snapshots of these tenants. Returns the records that were written for each.
    async fn publish(&self, tenants: &[TenantId]) -> Result<BTreeMap<TenantId, u64>, Error>;
}

/// Lets others at the sink again when it is dropped.
pub type Alone = Box<dyn Send + Sync>;

/// What stands in a snapshot sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The closing of each tenant.
    pub tenants: BTreeMap<TenantId, Closing>,
    /// False after an interrupted [`publish`](SnapshotSink::publish): another one makes it whole.
    pub whole: bool,
}

/// A sink that takes records one by one and keeps its cursor beside them, in the same transaction.
///
/// Every change names the cursor that it starts from and does nothing when that isn't the sink's.
#[async_trait]
pub trait RowSink: Send + Sync {
    /// How many tenants it takes at the same time.
    fn at_once(&self) -> usize {
        1
    }

    /// Where the sink stands.
    async fn cursor(&self, tenant: TenantId) -> Result<Cursor, Error>;

    /// Stores the mark, in a transaction of its own. False when the sink doesn't stand at `from`.
    async fn mark(&self, tenant: TenantId, from: &Cursor, marked: &Cursor) -> Result<bool, Error>;

    /// Takes records and the cursor after them. False when the sink doesn't stand at `from`.
    async fn apply(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        records: &[Record],
    ) -> Result<bool, Error>;

    /// Replaces everything of a tenant. `None` when the ledger isn't complete, or the sink doesn't stand at `from`:
    /// then nothing happened. Else the number of records.
    async fn replace(
        &self,
        tenant: TenantId,
        from: &Cursor,
        to: &Cursor,
        snapshot: Snapshot,
    ) -> Result<Option<u64>, Error>;
}
