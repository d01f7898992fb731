//! The ledger's feed, as a client sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use proto::feed::v1::feed_client::FeedClient;
use proto::feed::v1::{
    CountPendingRequest, FollowBatch, FollowRequest, HeadsRequest, SnapshotRequest,
};
use proto::ids::{Closing, TenantId};
use proto::kind::RecordKind;
use runtime::grpc::Channel;
use tonic::{Status, Streaming};

use crate::cursor::Cursor;
use crate::error::Error;
use crate::sink::{Snapshot, Update};

/// Longest silence of the ledger. A snapshot of a million users begins within seconds.
pub(crate) const SILENCE: Duration = Duration::from_secs(120);

/// Largest message taken; the server's batches stay far below.
const MAX_MESSAGE: usize = 64 << 20;

/// The newest state of a tenant's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The newest closing.
    pub closing: Closing,
    /// The newest closing that changed a record.
    pub changed: Closing,
    /// Every dataset behind it is complete.
    pub complete: bool,
}

/// The head of every ledger.
pub(crate) type Heads = BTreeMap<TenantId, Head>;

/// The ledger's feed.
#[derive(Clone)]
pub(crate) struct Feed(FeedClient<Channel>);

impl Feed {
    pub(crate) fn new(channel: Channel) -> Self {
        Feed(FeedClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }

    /// The head of every ledger.
    pub(crate) async fn heads(&self) -> Result<Heads, Error> {
        let mut client = self.0.clone();
        let answer = in_time("Heads", client.heads(HeadsRequest {}))
            .await?
            .into_inner();
        answer
            .heads
            .iter()
            .map(|h| {
                let head = Head {
                    closing: Closing(h.closing),
                    changed: Closing(h.changed),
                    complete: h.complete,
                };
                Ok((h.tenant_id.parse()?, head))
            })
            .collect()
    }

    /// What follows a cursor.
    pub(crate) async fn follow(
        &self,
        tenant: TenantId,
        from: &Cursor,
        max: u32,
    ) -> Result<Follow, Error> {
        let request = FollowRequest {
            tenant_id: tenant.to_string(),
            cursor: Some(from.into()),
            max_records: max,
        };
        let mut client = self.0.clone();
        Ok(Follow(
            in_time("Follow", client.follow(request))
                .await?
                .into_inner(),
        ))
    }

    /// How many records whoever stands at a cursor lacks; the ledger counts no more than it says.
    pub(crate) async fn pending(&self, tenant: TenantId, from: &Cursor) -> Result<u32, Error> {
        let request = CountPendingRequest {
            tenant_id: tenant.to_string(),
            cursor: Some(from.into()),
        };
        let mut client = self.0.clone();
        let counted = in_time("CountPending", client.count_pending(request)).await?;
        Ok(counted.into_inner().records)
    }

    /// Everything that a tenant's ledger holds, or only of some kinds.
    pub(crate) async fn snapshot(
        &self,
        tenant: TenantId,
        update: Option<Update>,
    ) -> Result<Snapshot, Error> {
        let wanted = |k: &RecordKind| update.as_ref().is_none_or(|u| u.kinds.contains(k));
        let kinds = RecordKind::ALL
            .into_iter()
            .filter(wanted)
            .map(|k| k.name().to_owned())
            .collect();
        let request = SnapshotRequest {
            tenant_id: tenant.to_string(),
            kinds,
        };
        let mut client = self.0.clone();
        let batches = in_time("Snapshot", client.snapshot(request))
            .await?
            .into_inner();
        let snapshot = Snapshot::new(batches.boxed());
        Ok(match update {
            Some(update) => snapshot.only(update),
            None => snapshot,
        })
    }
}

/// Batches that follow a cursor.
pub(crate) struct Follow(Streaming<FollowBatch>);

impl Follow {
    /// The next batch; `None` at the head.
    pub(crate) async fn next(&mut self) -> Result<Option<FollowBatch>, Error> {
        in_time("Follow", self.0.message()).await
    }
}

/// Waits for an answer, not for ever.
pub(crate) async fn in_time<T>(
    call: &'static str,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Error> {
    match tokio::time::timeout(SILENCE, answer).await {
        Ok(answer) => answer.map_err(|s| Error::Feed {
            call,
            source: Box::new(s),
        }),
        Err(_) => Err(Error::Stopped { call }),
    }
}
