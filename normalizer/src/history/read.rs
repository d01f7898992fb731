//! Former states, read back.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use proto::admin::v1::Change;
use proto::kind::RecordKind;
use runtime::db::{Connection, query};
use runtime::row;

use super::fields;
use crate::error::Error;
use crate::feed::unsigned;
use crate::ledger::pages::number;

const READ: &str = "read former states of records";

row! {
    /// A state of a record.
    #[derive(Clone)]
    pub(crate) struct State {
        /// The closing that made it.
        pub closing: i64,
        pub removed: bool,
        pub body: Vec<u8>,
        /// Of the page that said so.
        pub request_id: Option<String>,
        /// The closing that took its place; the highest number for the present one.
        pub replaced: i64,
    }
}

/// The states of a record, newest first: the present one, and so many of those that were replaced at a closing or later.
pub(crate) async fn states(
    c: &mut Connection,
    (tenant, kind, key): (i64, RecordKind, &str),
    since: u64,
    most: u32,
) -> Result<Vec<State>, Error> {
    let sql = "SELECT r.closing, r.removed, r.body, p.request_id, CAST(? AS BIGINT) AS replaced FROM record r
        LEFT JOIN page_source p ON p.id = r.source WHERE r.tenant = ? AND r.kind = ? AND r.key = ?";
    let q = query(sql).bind(i64::MAX);
    let q = q.bind(tenant).bind(kind as i32).bind(key);
    let present: Option<State> = q.fetch_optional(c).await.map_err(Error::db(READ))?;
    let sql = "SELECT h.closing, h.removed, h.body, p.request_id, h.replaced FROM record_history h
        LEFT JOIN page_source p ON p.id = h.source
        WHERE h.tenant = ? AND h.kind = ? AND h.key = ? AND h.replaced >= ? ORDER BY h.replaced DESC LIMIT ?";
    let q = query(sql).bind(tenant).bind(kind as i32).bind(key);
    let q = q.bind(number(since)).bind(most);
    let former: Vec<State> = q.fetch_all(c).await.map_err(Error::db(READ))?;
    // A removed record is forgotten one day, maybe before its history.
    let forgotten = former.first().map(|newest| State {
        closing: newest.replaced,
        removed: true,
        body: Vec::new(),
        request_id: None,
        replaced: i64::MAX,
    });
    let newest = present.or(forgotten);
    Ok(newest.into_iter().chain(former).collect())
}

row! {
    struct Then {
        key: String,
        closing: i64,
        removed: bool,
        body: Vec<u8>,
    }
}

/// Of these records, which have changed since, the bodies of those that were there at a moment.
pub(crate) async fn bodies_at(
    c: &mut Connection,
    (tenant, kind): (i64, RecordKind),
    moment: u64,
    keys: &[&str],
) -> Result<HashMap<String, Vec<u8>>, Error> {
    // The first that was replaced since then; it was there already unless it came later itself.
    let sql = "SELECT h.key, h.closing, h.removed, h.body FROM record_history h
        JOIN (SELECT key, min(replaced) AS replaced FROM record_history
            WHERE tenant = ? AND kind = ? AND replaced >= ? AND key IN (??) GROUP BY key) f
        ON f.key = h.key AND f.replaced = h.replaced WHERE h.tenant = ? AND h.kind = ?";
    let q = query(sql).bind(tenant).bind(kind as i32);
    let q = q.bind(number(moment)).bind(keys);
    let q = q.bind(tenant).bind(kind as i32);
    let rows: Vec<Then> = q.fetch_all(c).await.map_err(Error::db(READ))?;
    let there = rows
        .into_iter()
        .filter(|then| unsigned(then.closing) < moment && !then.removed);
    Ok(there.map(|then| (then.key, then.body)).collect())
}

/// What closings were, each asked for once.
#[derive(Default)]
pub(crate) struct Closings(HashMap<i64, Option<(String, i64, i64)>>);

impl Closings {
    /// A change of a record of a tenant to this state, without what differs.
    pub async fn change(
        &mut self,
        c: &mut Connection,
        tenant: i64,
        state: &State,
        was_there: bool,
    ) -> Result<Change, Error> {
        let closing = state.closing;
        let known = match self.0.entry(closing) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let sql =
                    "SELECT dataset, run, closed_at FROM closing WHERE tenant = ? AND closing = ?";
                let q = query(sql).bind(tenant).bind(closing);
                let found = q.fetch_optional(c).await.map_err(Error::db(READ))?;
                new.insert(found)
            }
        };
        let what = match (state.removed, was_there) {
            (true, _) => "removed",
            (false, true) => "changed",
            (false, false) => "added",
        };
        // The number of a closing is the time of it, unless several fall into a microsecond or the clock went back.
        let unknown = (String::new(), 0, closing);
        let (dataset, run, at) = known.clone().unwrap_or(unknown);
        Ok(Change {
            what: what.to_owned(),
            changed_at: unsigned(at),
            closing: unsigned(closing),
            dataset,
            run: unsigned(run),
            request_id: state.request_id.clone().unwrap_or_default(),
            fields: Vec::new(),
        })
    }
}

/// The change from one state to the next; none where nothing differs. Without an older one it begins here.
pub(crate) async fn between(
    c: &mut Connection,
    closings: &mut Closings,
    (tenant, kind): (i64, RecordKind),
    (newer, older): (&State, Option<&State>),
) -> Result<Option<Change>, Error> {
    let older = older.filter(|older| !older.removed);
    if older.is_some_and(|older| !newer.removed && older.body == newer.body) {
        return Ok(None);
    }
    let mut change = closings.change(c, tenant, newer, older.is_some()).await?;
    if let Some(older) = older.filter(|_| !newer.removed) {
        change.fields = fields::differences(kind, &older.body, &newer.body)?;
    }
    Ok(Some(change))
}
