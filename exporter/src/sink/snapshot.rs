//! A snapshot on its way from the ledger.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use proto::feed::v1::{DatasetState, Record, SnapshotBatch};
use proto::ids::Closing;
use proto::kind::RecordKind;
use tonic::Status;

use crate::error::Error;
use crate::feed::SILENCE;

/// All records of a tenant at one closing, batch by batch.
pub struct Snapshot {
    batches: BoxStream<'static, Result<SnapshotBatch, Status>>,
    /// Read ahead by [`Snapshot::as_of`].
    first: Option<SnapshotBatch>,
    as_of: Option<Closing>,
    end: Option<End>,
    update: Option<Update>,
    approved: bool,
    anew: bool,
}

/// A snapshot that holds some kinds only: those that changed since the closing `base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What it holds.
    pub kinds: BTreeSet<RecordKind>,
    /// The closing that the sink shows; all other kinds are as they were then.
    pub base: Closing,
}

/// What is known of a snapshot once it is whole.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    /// The closing that it shows.
    pub as_of: Closing,
    /// Every dataset behind it is complete.
    pub complete: bool,
    /// The newest applied run of each dataset.
    pub datasets: Vec<DatasetState>,
}

const CALL: &str = "Snapshot";

impl Snapshot {
    /// A snapshot from these batches.
    pub fn new(batches: BoxStream<'static, Result<SnapshotBatch, Status>>) -> Self {
        Snapshot {
            batches,
            first: None,
            as_of: None,
            end: None,
            update: None,
            approved: false,
            anew: false,
        }
    }

    /// The same, holding these kinds only.
    #[must_use]
    pub fn only(self, update: Update) -> Self {
        let update = Some(update);
        Snapshot { update, ..self }
    }

    /// The same after somebody has looked and lets it take the place of much more.
    #[must_use]
    pub fn approve(self) -> Self {
        let approved = true;
        Snapshot { approved, ..self }
    }

    /// Whether it may take the place of much more.
    pub fn approved(&self) -> bool {
        self.approved
    }

    /// The same where somebody wants the sink to get everything anew, whatever is known of what it has.
    #[must_use]
    pub fn anew(self, anew: bool) -> Self {
        Snapshot { anew, ..self }
    }

    /// Whether the sink is to get everything anew.
    pub fn is_anew(&self) -> bool {
        self.anew
    }

    /// What it holds, unless that is everything.
    pub fn update(&self) -> Option<&Update> {
        self.update.as_ref()
    }

    /// The closing that it shows.
    ///
    /// # Errors
    /// When the ledger doesn't send its first batch.
    pub async fn as_of(&mut self) -> Result<Closing, Error> {
        if self.as_of.is_none() {
            self.first = Some(self.receive().await?);
        }
        self.as_of.ok_or(Error::Stopped { call: CALL })
    }

    /// The next records; `None` when the snapshot is whole, and only then.
    ///
    /// # Errors
    /// When the ledger fails, falls silent, or its answer ends early.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Error> {
        if self.end.is_some() {
            return Ok(None);
        }
        let batch = match self.first.take() {
            Some(batch) => batch,
            None => self.receive().await?,
        };
        if batch.last {
            let as_of = Closing(batch.as_of);
            self.end = Some(End {
                as_of,
                complete: batch.complete,
                datasets: batch.datasets,
            });
        }
        Ok(Some(batch.records))
    }

    /// What is known of it, once it is whole.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    async fn receive(&mut self) -> Result<SnapshotBatch, Error> {
        let stopped = Error::Stopped { call: CALL };
        let batch = match tokio::time::timeout(SILENCE, self.batches.next()).await {
            Ok(Some(Ok(batch))) => batch,
            Ok(Some(Err(status))) => {
                return Err(Error::Feed {
                    call: CALL,
                    source: Box::new(status),
                });
            }
            Ok(None) | Err(_) => return Err(stopped),
        };
        match self.as_of {
            // Two moments in one snapshot would mix what never was together.
            Some(as_of) if as_of.0 != batch.as_of => Err(stopped),
            _ => {
                self.as_of = Some(Closing(batch.as_of));
                Ok(batch)
            }
        }
    }
}
