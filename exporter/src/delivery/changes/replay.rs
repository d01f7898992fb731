//! Rejects that somebody wants to be sent again: their current states, as the ledger has them now.

use std::collections::BTreeSet;

use proto::ids::Closing;

use super::batch::{Batch, wanted};
use super::course::{BATCH, Course, Going};
use crate::cursor::marked;
use crate::delivery::beside::Visit;
use crate::error::Error;
use crate::sink::Update;
use crate::store::Writes;

impl Going<'_> {
    pub(super) async fn replay(&self) -> Result<Visit, Error> {
        let Course {
            store, feed, sink, ..
        } = self.course;
        let cursor = store.change_cursor(&self.place).await?;
        let rejects = store.replays(&self.place, BATCH).await?;
        if rejects.is_empty() {
            return Ok(Visit::Replayed);
        }
        let update = Update {
            kinds: rejects.iter().map(|(kind, _)| *kind).collect(),
            base: cursor.as_of,
        };
        let mut snapshot = feed.snapshot(self.tenant, Some(update)).await?;
        let as_of = snapshot.as_of().await?;
        let mark = marked(&cursor, as_of);
        let mut left: BTreeSet<_> = rejects
            .iter()
            .map(|(kind, key)| (kind.name(), key.clone()))
            .collect();
        let mut found = Vec::new();
        while let Some(records) = snapshot.next().await? {
            let asked = records.into_iter().filter(|r| {
                left.iter()
                    .any(|(kind, key)| *kind == r.kind && *key == r.key)
            });
            found.extend(asked);
        }
        for r in &found {
            left.retain(|(kind, key)| *kind != r.kind || *key != r.key);
        }
        // What the ledger doesn't have needs no reject; that it is removed follows in its order.
        let gone = rejects.into_iter();
        let clear = gone.filter(|(kind, key)| left.contains(&(kind.name(), key.clone())));
        let gone = Writes {
            clear: clear.collect(),
            ..Writes::default()
        };
        if !store.advance(&self.place, &cursor, &mark, &gone).await? {
            return Ok(Visit::Waits(cursor.as_of));
        }
        let wanted = wanted(*sink, self.tenant, &found)?;
        let batch = Batch::of(self, wanted, Closing(0), Closing(0)).await?;
        match self.send(batch, &mark, &mark, true).await? {
            true => Ok(Visit::More),
            false => Ok(Visit::Waits(cursor.as_of)),
        }
    }
}
