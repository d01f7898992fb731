//! What Graph counts, beside what was read: a page that got lost on Graph's side leaves no other trace.

use crate::error::Error;
use crate::graph_error::GraphError;
use crate::worker::Turn;

/// How many objects there are. `None` where Graph counts none.
pub async fn ask(turn: &Turn<'_>) -> Result<Option<u64>, Error> {
    if turn.declaration.ranges.is_none() {
        return Ok(None);
    }
    match turn.graph.count(turn.declaration.path).await {
        Ok(count) => Ok(Some(count)),
        // A tenant whose directory doesn't count (B2C) is read all the same.
        Err(GraphError::Refused { .. } | GraphError::NotFound | GraphError::Answer { .. }) => {
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

/// Counts before anything is read, where that is not done.
pub async fn before(turn: &mut Turn<'_>) -> Result<Option<u64>, Error> {
    if turn.open.counted.is_none() {
        let count = ask(turn).await?;
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
    let Some(now) = ask(turn).await? else {
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
