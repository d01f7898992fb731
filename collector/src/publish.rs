//! Pages on their way to the queue: a window of them without confirmation, positions stored in order behind them.

use bus::{Bus, PublishError};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use proto::ids::{Attempt, RunId, Timestamp};
use proto::message::Body;
use proto::pages::v1::{PageFetched, RunMode};
use serde_json::value::RawValue;

use crate::run::Rest;

/// zstd's fastest level: pages are regular, and the ledger behind is slower anyway.
const LEVEL: i32 = 1;

/// The most bytes of JSON on a page: a thousand users take one MiB. Compressed they stay far below what a queue takes.
const LARGEST: usize = 8 << 20;
/// An object that is larger is left out: nothing in an inventory is, and a queue may not take it.
pub const LARGEST_OBJECT: usize = 12 << 20;

/// What was read, and where reading goes on behind it.
pub struct Step {
    /// The page's number within the attempt.
    pub sequence: u32,
    /// Objects on the page, gone and missing ones included.
    pub objects: u64,
    /// Objects that Graph has sent for it.
    pub read: u64,
    /// What remains to be read behind it.
    pub rest: Rest,
}

/// Pages that the queue has not confirmed yet.
pub struct Window<'a> {
    bus: &'a Bus,
    size: usize,
    flying: FuturesOrdered<BoxFuture<'a, Result<Step, PublishError>>>,
    /// Came behind confirmations that are worth storing first.
    failed: Option<PublishError>,
}

impl<'a> Window<'a> {
    /// Of at most `size` pages.
    pub fn new(bus: &'a Bus, size: usize) -> Self {
        Window {
            bus,
            size: size.max(1),
            flying: FuturesOrdered::new(),
            failed: None,
        }
    }

    /// Whether another page may be published before one is confirmed.
    pub fn has_room(&self) -> bool {
        self.flying.len() < self.size
    }

    /// Whether every page is confirmed.
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty() && self.failed.is_none()
    }

    /// Sends a page on its way.
    pub fn publish(&mut self, page: PageFetched, step: Step) {
        let bus = self.bus;
        self.flying.push_back(Box::pin(async move {
            bus.publish(&Body::Page(page)).await?;
            Ok(step)
        }));
    }

    /// The next confirmed pages, at least one and all that there are, in the order of publishing; pending while there is
    /// none.
    pub async fn confirmed(&mut self) -> Result<Vec<Step>, PublishError> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let mut steps = match self.flying.next().await {
            Some(step) => vec![step?],
            None => std::future::pending().await,
        };
        while let Some(Some(step)) = self.flying.next().now_or_never() {
            match step {
                Ok(step) => steps.push(step),
                Err(e) => {
                    self.failed = Some(e);
                    break;
                }
            }
        }
        Ok(steps)
    }
}

/// The name of a page.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    /// Directory (tenant) id.
    pub tenant: &'a str,
    /// Name of the dataset.
    pub dataset: &'a str,
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: Attempt,
    /// The number within the attempt.
    pub sequence: u32,
}

/// What stands on a page.
#[derive(Default)]
pub struct Content<'a> {
    /// The objects.
    pub objects: &'a [&'a RawValue],
    /// Ids that are gone.
    pub gone: Vec<String>,
    /// Ids that are missing.
    pub missing: Vec<String>,
    /// Graph's `request-id`.
    pub request_id: String,
    /// The names of a report's columns.
    pub columns: Vec<String>,
}

/// A page as a message.
pub fn page(
    name: Name<'_>,
    mode: RunMode,
    content: Content<'_>,
    now: Timestamp,
) -> std::io::Result<PageFetched> {
    let objects = content.objects;
    let size = objects.iter().map(|o| o.get().len() + 1).sum::<usize>();
    let mut json = String::with_capacity(size + 16);
    json.push_str("{\"value\":[");
    for (n, object) in objects.iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        json.push_str(object.get());
    }
    json.push_str("]}");
    Ok(PageFetched {
        tenant_id: name.tenant.to_owned(),
        dataset: name.dataset.to_owned(),
        run: name.run.0,
        attempt: name.attempt.0,
        sequence: name.sequence,
        mode: mode.into(),
        body: zstd::bulk::compress(json.as_bytes(), LEVEL)?,
        objects: u32::try_from(objects.len()).unwrap_or(u32::MAX),
        gone: content.gone,
        missing: content.missing,
        graph_request_id: content.request_id,
        fetched_at: now.0,
        columns: content.columns,
    })
}

/// Cuts objects into lists that are small enough for one message each, in memory here and there and on the queue. An
/// object that is too large by itself stands alone.
pub fn cut<'a, 'b>(mut objects: &'b [&'a RawValue]) -> Vec<&'b [&'a RawValue]> {
    let mut lists = Vec::new();
    loop {
        let (mut bytes, mut fit) = (0, 0);
        for object in objects {
            bytes += object.get().len();
            if bytes > LARGEST && fit > 0 {
                break;
            }
            fit += 1;
        }
        let (list, rest) = objects.split_at(fit);
        lists.push(list);
        objects = rest;
        if objects.is_empty() {
            return lists;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn lists_are_cut_where_they_get_too_large() {
        let object = |bytes: usize| to_raw_value(&"x".repeat(bytes)).unwrap();
        let sizes = [10, LARGEST, 20, LARGEST / 2, LARGEST / 2, 30];
        let objects: Vec<_> = sizes.into_iter().map(object).collect();
        let objects: Vec<&RawValue> = objects.iter().map(AsRef::as_ref).collect();
        let lists: Vec<usize> = cut(&objects).into_iter().map(<[_]>::len).collect();
        assert_eq!(lists, [1, 1, 2, 2]);
        assert_eq!(cut(&[]).len(), 1, "an empty page is a page");
    }
}
