//! What else knows people: pages that wait, objects that could not be read, verdicts on runs.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Declaration;
use prost::Message as _;
use proto::pages::v1::RunClosed;
use runtime::db::{Connection, query};

use super::people::{Tie, tie};
use super::suppression::Suppressed;
use crate::error::Error;
use crate::inbox;

const FORGET: &str = "forget what else knows people";

fn about_people() -> impl Iterator<Item = &'static Declaration> {
    catalog::ALL
        .into_iter()
        .filter(|d| tie(d.kind) != Tie::None)
}

/// Sifts the pages that wait for their seal, and says how many changed.
pub(super) async fn pages(
    c: &mut Connection,
    tenant: i64,
    suppressed: &Suppressed,
) -> Result<u64, Error> {
    let mut changed = 0;
    for dataset in about_people() {
        let sql = "SELECT id FROM inbox_page WHERE tenant = ? AND dataset = ? AND gap IS NULL";
        let q = query(sql).bind(tenant).bind(dataset.name);
        let waiting: Vec<i64> = q.fetch_all(c).await.map_err(Error::db(FORGET))?;
        for id in waiting {
            let q = query("SELECT content FROM inbox_page WHERE id = ?").bind(id);
            let stored: Vec<u8> = q.fetch_one(c).await.map_err(Error::db(FORGET))?;
            let damaged = |_| Error::Damaged {
                what: "page of the inbox",
            };
            let before = inbox::open(&stored).map_err(damaged)?;
            let mut page = before.clone();
            suppressed
                .sift_stored(dataset.kind, &mut page)
                .map_err(damaged)?;
            if page != before {
                let content = inbox::pack(&page).map_err(damaged)?;
                let q = query("UPDATE inbox_page SET content = ? WHERE id = ?");
                let q = q.bind(content).bind(id);
                q.execute(c).await.map_err(Error::db(FORGET))?;
                changed += 1;
            }
        }
    }
    Ok(changed)
}

/// Forgets the objects with these ids that could not be read, and every source that may be theirs.
pub(super) async fn set_aside(
    c: &mut Connection,
    tenant: i64,
    ids: &[String],
) -> Result<u64, Error> {
    let mut forgotten = 0;
    if !ids.is_empty() {
        let q = query("DELETE FROM set_aside WHERE tenant = ? AND key IN (??)");
        let q = q.bind(tenant).bind(ids);
        forgotten = q.execute(c).await.map_err(Error::db(FORGET))?;
    }
    for dataset in about_people() {
        let sql = "UPDATE set_aside SET source = NULL, sealed_under = NULL
            WHERE tenant = ? AND dataset = ? AND (key IS NULL OR ? = 1) AND source IS NOT NULL";
        let q = query(sql).bind(tenant).bind(dataset.name);
        let q = q.bind(tie(dataset.kind) != Tie::Key);
        forgotten += q.execute(c).await.map_err(Error::db(FORGET))?;
    }
    Ok(forgotten)
}

/// Keys by dataset.
pub(super) type Keys = BTreeMap<&'static str, BTreeSet<String>>;

/// Takes forgotten records out of the verdicts that named them as suspects.
pub(super) async fn verdicts(c: &mut Connection, tenant: i64, keys: &Keys) -> Result<(), Error> {
    for (dataset, keys) in keys {
        let sql = "SELECT id, verdict FROM closing WHERE tenant = ? AND dataset = ?";
        let q = query(sql).bind(tenant).bind(*dataset);
        let mut changed = Vec::new();
        q.each(c, |(id, verdict): (i64, Vec<u8>)| {
            // One that can't be read is told of elsewhere.
            let Ok(mut verdict) = RunClosed::decode(&verdict[..]) else {
                return;
            };
            let before = verdict.suspects.len();
            verdict.suspects.retain(|s| !keys.contains(&s.id));
            if verdict.suspects.len() < before {
                changed.push((id, verdict.encode_to_vec()));
            }
        })
        .await
        .map_err(Error::db(FORGET))?;
        for (id, verdict) in changed {
            let q = query("UPDATE closing SET verdict = ? WHERE id = ?");
            let q = q.bind(verdict).bind(id);
            q.execute(c).await.map_err(Error::db(FORGET))?;
        }
    }
    Ok(())
}
