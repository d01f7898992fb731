//! What Graph counts, beside what was read: a page that got lost on Graph's side leaves no other trace.

use crate::error::Error;
use crate::graph_error::GraphError;
use crate::page::{self, Page};
use crate::run::Link;
use crate::worker::Turn;

/// Names of a collection's objects: of those on its first pages.
#[derive(Default)]
pub struct Sample {
    /// In Graph's order.
    pub names: Vec<String>,
    /// More of them; none where these are all.
    pub next: Option<Link>,
}

impl Sample {
    /// Takes in a page of names of this property.
    pub fn take(
        &mut self,
        turn: &Turn<'_>,
        page: &Page<'_>,
        property: &str,
    ) -> Result<(), GraphError> {
        let names = page.value.iter().filter_map(|o| page::text(o, property));
        self.names.extend(names);
        let next = page.next.as_deref().map(|l| turn.graph.relative(l));
        self.next = next.transpose()?;
        Ok(())
    }
}

/// How many objects there are before anything is read, and, since both come by one request, some of their names. `None`
/// where Graph counts none.
pub async fn ask(turn: &Turn<'_>) -> Result<(Option<u64>, Sample), Error> {
    let mut sample = Sample::default();
    let Some(property) = turn.declaration.ranges else {
        return Ok((alone(turn).await?, sample));
    };
    let select = match turn.hidden.hides(property) {
        true => "id",
        false => property,
    };
    let link = Link(format!(
        "v1.0/{}?$select={select}&$top={}&$count=true",
        turn.declaration.path,
        turn.declaration.largest_page()
    ));
    let mut count = None;
    match turn.graph.get_eventual(&link).await {
        Ok(reply) => {
            if let Ok(page) = page::parse(&link.0, &reply.body) {
                sample.take(turn, &page, property)?;
                count = page.count;
            }
        }
        Err(e) => _ = none_where_none_is_counted(e)?,
    }
    if count.is_none() {
        count = alone(turn).await?;
    }
    Ok((count, sample))
}

/// How many objects there are. `None` where Graph counts none.
async fn alone(turn: &Turn<'_>) -> Result<Option<u64>, GraphError> {
    if !turn.declaration.counted {
        return Ok(None);
    }
    let count = turn.graph.count(turn.declaration.path).await;
    count.map(Some).or_else(none_where_none_is_counted)
}

/// A tenant whose directory doesn't count (B2C) is read all the same.
fn none_where_none_is_counted(e: GraphError) -> Result<Option<u64>, GraphError> {
    match e {
        GraphError::Refused { .. } | GraphError::NotFound | GraphError::Answer { .. } => Ok(None),
        e => Err(e),
    }
}

/// Counts before anything is read, where that is not done.
pub async fn before(turn: &mut Turn<'_>) -> Result<Option<u64>, Error> {
    if turn.open.counted.is_none() {
        let (count, sample) = ask(turn).await?;
        turn.sample = sample;
        turn.update(|open, _| open.counted = count).await?;
    }
    Ok(turn.open.counted)
}

/// Counts again, when everything was read. False: fewer objects came than there are, and they are read once more, as one
/// chain. When that doesn't help, the run gets a gap; but where objects are asked for by id before they count as gone, no
/// more than once: a count that stays wrong must not keep a tenant's news back for ever.
pub async fn agrees(turn: &mut Turn<'_>) -> Result<bool, Error> {
    let Some(before) = turn.open.counted.filter(|_| turn.open.gaps.is_empty()) else {
        return Ok(true);
    };
    let Some(now) = alone(turn).await? else {
        return Ok(true);
    };
    let read = turn.open.distinct();
    if read + tolerance(before, now) >= before.min(now) {
        return Ok(true);
    }
    let (tenant, dataset) = (turn.tenant, turn.declaration.name);
    tracing::warn!(%tenant, dataset, before, now, read, "fewer objects came than Graph counts");
    if !turn.open.one_chain {
        turn.update(|open, _| open.restart_as_one()).await?;
        return Ok(false);
    }
    if turn.cursor.short > 0 && turn.declaration.by_id() {
        return Ok(true);
    }
    let gap = format!(
        "LW-3010: Microsoft Graph counts {} objects and gave {read}, twice. What to do: nothing, it is read again; if it \
         stays so, ask Microsoft's support.",
        before.min(now)
    );
    turn.update(|open, _| open.gaps.push(gap)).await?;
    Ok(true)
}

/// What may have moved meanwhile, and what an index is behind: a thousandth of the collection.
fn tolerance(before: u64, now: u64) -> u64 {
    before.abs_diff(now) + before / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_collection_has_to_agree_exactly() {
        assert_eq!(tolerance(999, 999), 0);
        assert_eq!(tolerance(100, 97), 3);
        assert_eq!(tolerance(100_000, 100_010), 110);
    }
}
