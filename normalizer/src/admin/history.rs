//! What changed when of a record.

use proto::admin::v1::{Change, HistoryRequest, HistoryResponse, RecordHistory};
use proto::kind::RecordKind;
use runtime::db::{Connection, query};
use tonic::Status;

use super::{READ, kind_called, limited};
use crate::error::Error;
use crate::feed::unsigned;
use crate::history::read::{Closings, State, between, states};
use crate::{Normalizer, called, history};

impl Normalizer {
    pub(super) async fn history_of(
        &self,
        request: &HistoryRequest,
    ) -> Result<HistoryResponse, Status> {
        let kind = kind_called(&request.kind)?;
        let most = limited(request.limit, 100);
        let mut moment = self.0.db.snapshot().await.map_err(Error::db(READ))?;
        let tenants = tenants(&mut moment, &request.tenant_id, kind, &request.key).await?;
        if tenants.is_empty() {
            return Err(Status::not_found(format!(
                "the ledger has no {} with the key {:?}, and had none that is still known",
                kind.name(),
                request.key
            )));
        }
        let mut records = Vec::new();
        for (tenant, tenant_id, history_from) in tenants {
            let of = (tenant, kind, request.key.as_str());
            // One more than wanted tells whether there are more.
            let states = states(&mut moment, of, request.since, most.saturating_add(1)).await?;
            let found = Found {
                of: (tenant, kind),
                states,
                history_from: unsigned(history_from),
            };
            let (changes, known_from, more) =
                found.changes(&mut moment, request.since, most).await?;
            let named = found.states.iter().find(|s| !s.removed);
            records.push(RecordHistory {
                tenant_id,
                kind: kind.name().to_owned(),
                key: request.key.clone(),
                name: named
                    .and_then(|s| called::name(kind, &s.body))
                    .unwrap_or_default(),
                changes,
                known_from,
                more,
                kept: history::keeps(kind),
            });
        }
        Ok(HistoryResponse { records })
    }
}

/// The tenants that have or had such a record, and from when on what they replaced is known.
async fn tenants(
    c: &mut Connection,
    tenant_id: &str,
    kind: RecordKind,
    key: &str,
) -> Result<Vec<(i64, String, i64)>, Error> {
    let sql = "SELECT t.id, t.tenant, t.history_from FROM tenant t WHERE (? = '' OR t.tenant = ?)
        AND (EXISTS (SELECT 1 FROM record r WHERE r.tenant = t.id AND r.kind = ? AND r.key = ?)
        OR EXISTS (SELECT 1 FROM record_history h WHERE h.tenant = t.id AND h.kind = ? AND h.key = ?))
        ORDER BY t.tenant";
    let q = query(sql).bind(tenant_id).bind(tenant_id);
    let q = q.bind(kind as i32).bind(key).bind(kind as i32).bind(key);
    q.fetch_all(c).await.map_err(Error::db(READ))
}

struct Found {
    of: (i64, RecordKind),
    /// Newest first.
    states: Vec<State>,
    history_from: u64,
}

impl Found {
    /// The newest changes, from when on they are known where something is missing, and whether there are more.
    async fn changes(
        &self,
        c: &mut Connection,
        since: u64,
        most: u32,
    ) -> Result<(Vec<Change>, u64, bool), Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut closings = Closings::default();
        let mut changes = Vec::new();
        for pair in self.states.windows(2) {
            let (newer, older) = (&pair[0], Some(&pair[1]));
            changes.extend(between(c, &mut closings, self.of, (newer, older)).await?);
        }
        // Beside what is wanted there is one more at least.
        if self.states.len() > most.saturating_add(1) {
            changes.truncate(most);
            return Ok((changes, 0, true));
        }
        let Some(oldest) = self.states.last() else {
            return Ok((changes, 0, false));
        };
        let made_at = unsigned(oldest.closing);
        if made_at < since {
            return Ok((changes, 0, false));
        }
        if !history::keeps(self.of.1) {
            // What it was before, nobody knows: it may have been new.
            let mut change = closings.change(c, self.of.0, oldest, true).await?;
            change.fields.clear();
            changes.push(change);
            return Ok((changes, made_at, false));
        }
        // It is the first one, unless what it replaced is forgotten.
        if made_at < self.history_from {
            return Ok((changes, self.history_from, false));
        }
        changes.extend(between(c, &mut closings, self.of, (oldest, None)).await?);
        let more = changes.len() > most;
        changes.truncate(most);
        Ok((changes, 0, more))
    }
}
