//! How the records of a tenant differ from what they were at a moment.

use std::collections::BTreeMap;

use proto::admin::v1::{ChangesRequest, ChangesResponse, KindChanges, RecordChange};
use proto::kind::RecordKind;
use runtime::db::{Connection, query};
use runtime::row;
use tonic::Status;

use super::{READ, kind_called, limited};
use crate::error::Error;
use crate::feed::unsigned;
use crate::history::read::{Closings, State, between, bodies_at};
use crate::ledger::pages::number;
use crate::{Normalizer, called, history};

/// Records that are looked at at a time.
const RECORDS: u32 = 1_000;

row! {
    struct Row {
        kind: i32,
        key: String,
        closing: i64,
        removed: bool,
        body: Vec<u8>,
        request_id: Option<String>,
    }
}

impl Normalizer {
    pub(super) async fn changes_since(
        &self,
        request: &ChangesRequest,
    ) -> Result<ChangesResponse, Status> {
        let kinds = match request.kind.as_str() {
            "" => RecordKind::ALL.to_vec(),
            name => vec![kind_called(name)?],
        };
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let sql = "SELECT id, history_from FROM tenant WHERE tenant = ?";
        let q = query(sql).bind(&request.tenant_id);
        let found = q.fetch_optional(&mut moment).await;
        let found: Option<(i64, i64)> = found.map_err(Error::db(READ))?;
        let (tenant, history_from) = found.unwrap_or_default();
        let mut changed = Changed {
            tenant,
            since: request.since.max(unsigned(history_from)),
            most: usize::try_from(limited(request.limit, 100)).unwrap_or(usize::MAX),
            closings: Closings::default(),
            kinds: BTreeMap::new(),
            records: Vec::new(),
            more: false,
        };
        let kept = kinds.iter().filter(|k| history::keeps(**k));
        let kept: Vec<i64> = kept.map(|k| i64::from(*k as i32)).collect();
        let others = kinds.iter().filter(|k| !history::keeps(**k));
        let others: Vec<i64> = others.map(|k| i64::from(*k as i32)).collect();
        changed.compare(&mut moment, &kept).await?;
        changed.count(&mut moment, &others).await?;
        Ok(ChangesResponse {
            since: changed.since,
            kinds: changed.kinds.into_values().collect(),
            records: changed.records,
            more: changed.more,
        })
    }
}

struct Changed {
    tenant: i64,
    since: u64,
    most: usize,
    closings: Closings,
    kinds: BTreeMap<RecordKind, KindChanges>,
    records: Vec<RecordChange>,
    more: bool,
}

impl Changed {
    /// Compares what is with what was, newest first, some records at a time.
    async fn compare(&mut self, c: &mut Connection, kinds: &[i64]) -> Result<(), Error> {
        let mut before = (i64::MAX, 0, String::new());
        loop {
            let sql = "SELECT r.kind, r.key, r.closing, r.removed, r.body, p.request_id FROM record r
                LEFT JOIN page_source p ON p.id = r.source
                WHERE r.tenant = ? AND r.closing >= ? AND (r.closing, r.kind, r.key) < (?, ?, ?) AND r.kind IN (??)
                ORDER BY r.closing DESC, r.kind DESC, r.key DESC LIMIT ?";
            let q = query(sql).bind(self.tenant).bind(number(self.since));
            let q = q.bind(before.0).bind(before.1).bind(before.2);
            let q = q.bind(kinds).bind(RECORDS);
            let rows: Vec<Row> = q.fetch_all(c).await.map_err(Error::db(READ))?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            before = (last.closing, last.kind, last.key.clone());
            for rows in rows.chunk_by(|a, b| a.kind == b.kind) {
                self.take(c, rows).await?;
            }
        }
    }

    /// Takes some records of one kind.
    async fn take(&mut self, c: &mut Connection, rows: &[Row]) -> Result<(), Error> {
        let Some(kind) = rows.first().and_then(|r| RecordKind::try_from(r.kind).ok()) else {
            return Ok(());
        };
        let of = (self.tenant, kind);
        let keys: Vec<&str> = rows.iter().map(|r| r.key.as_str()).collect();
        let mut then = bodies_at(c, of, self.since, &keys).await?;
        for row in rows {
            let then = then.remove(&row.key).map(|body| State {
                closing: 0,
                removed: false,
                body,
                request_id: None,
                replaced: 0,
            });
            let count = match (&then, row.removed) {
                // It came and went.
                (None, true) => continue,
                (Some(then), false) if then.body == row.body => continue,
                (None, false) => |k: &mut KindChanges| k.added += 1,
                (Some(_), false) => |k: &mut KindChanges| k.changed += 1,
                (Some(_), true) => |k: &mut KindChanges| k.removed += 1,
            };
            count(self.kind(kind));
            if self.records.len() >= self.most {
                self.more = true;
                continue;
            }
            let now = State {
                closing: row.closing,
                removed: row.removed,
                body: row.body.clone(),
                request_id: row.request_id.clone(),
                replaced: 0,
            };
            let named = then.as_ref().filter(|_| row.removed).unwrap_or(&now);
            let name = called::name(kind, &named.body).unwrap_or_default();
            let states = (&now, then.as_ref());
            let change = between(c, &mut self.closings, of, states).await?;
            self.records.push(RecordChange {
                kind: kind.name().to_owned(),
                key: row.key.clone(),
                name,
                change,
            });
        }
        Ok(())
    }

    /// Counts what was written of kinds whose former states are not kept.
    async fn count(&mut self, c: &mut Connection, kinds: &[i64]) -> Result<(), Error> {
        let sql = "SELECT kind, removed, count(*) FROM record WHERE tenant = ? AND closing >= ? AND kind IN (??)
            GROUP BY kind, removed";
        let q = query(sql).bind(self.tenant).bind(number(self.since));
        let rows: Vec<(i32, bool, i64)> =
            q.bind(kinds).fetch_all(c).await.map_err(Error::db(READ))?;
        for (kind, removed, n) in rows {
            if let Ok(kind) = RecordKind::try_from(kind) {
                match removed {
                    true => self.kind(kind).removed = unsigned(n),
                    false => self.kind(kind).written = unsigned(n),
                }
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: RecordKind) -> &mut KindChanges {
        self.kinds.entry(kind).or_insert_with(|| KindChanges {
            kind: kind.name().to_owned(),
            ..KindChanges::default()
        })
    }
}
