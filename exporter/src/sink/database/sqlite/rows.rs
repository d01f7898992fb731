//! Records as rows, written many at a time.

use std::collections::BTreeMap;

use proto::body::Body;
use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use runtime::db::{self, AssertSqlSafe, Connection, placeholders, query};

use crate::error::Error;
use crate::project;
use crate::record::{self, LICENSE_ASSIGNMENT, json, unreadable};

/// Rows in a statement: far below SQLite's 32,766 values.
const GROUP: usize = 200;

/// What a batch changes.
pub(super) struct Rows {
    tenant: String,
    records: Vec<(&'static str, String, i64, String)>,
    /// Keys of each kind.
    removed: BTreeMap<String, Vec<String>>,
    /// Keys of users whose assignments are replaced.
    parents: Vec<String>,
    children: Vec<(String, i64, String)>,
}

impl Rows {
    /// Reads a batch. Kinds that this release doesn't know are left out.
    pub(super) fn read(tenant: TenantId, batch: &[Record]) -> Result<Rows, Error> {
        // Of a record that comes twice the later state counts.
        let newest: BTreeMap<(&str, &str), &Record> = batch
            .iter()
            .map(|r| ((r.kind.as_str(), r.key.as_str()), r))
            .collect();
        let mut rows = Rows {
            tenant: tenant.to_string(),
            records: Vec::new(),
            removed: BTreeMap::new(),
            parents: Vec::new(),
            children: Vec::new(),
        };
        for record in newest.into_values() {
            rows.add(tenant, record)?;
        }
        Ok(rows)
    }

    fn add(&mut self, tenant: TenantId, record: &Record) -> Result<(), Error> {
        if record.kind == "user" {
            self.parents.push(record.key.clone());
        }
        if record.removed {
            let removed = self.removed.entry(record.kind.clone()).or_default();
            removed.push(record.key.clone());
            return Ok(());
        }
        let Some((kind, body)) = record::read(tenant, record)? else {
            return Ok(());
        };
        let kind = kind.name();
        let text = to_text(|out| json(&body, out)).map_err(|e| unreadable(tenant, kind, e))?;
        self.records.push((
            kind,
            record.key.clone(),
            Closing(record.closing).to_db(),
            text,
        ));
        if let Body::User(user) = &body {
            for (position, row) in (0..).zip(project::license_assignments(user)) {
                let text = to_text(|out| json(&row, out))
                    .map_err(|e| unreadable(tenant, LICENSE_ASSIGNMENT, e))?;
                self.children.push((record.key.clone(), position, text));
            }
        }
        Ok(())
    }

    /// Writes the batch.
    pub(super) async fn write(&self, connection: &mut Connection) -> Result<(), db::Error> {
        for (kind, keys) in &self.removed {
            query("DELETE FROM record WHERE tenant_id = ? AND kind = ? AND key IN (??)")
                .bind(&self.tenant)
                .bind(kind)
                .bind(keys)
                .execute(connection)
                .await?;
        }
        for group in self.records.chunks(GROUP) {
            let sql = format!(
                "INSERT INTO record (tenant_id, kind, key, closing, body) VALUES {}
                 ON CONFLICT (tenant_id, kind, key) DO UPDATE SET closing = excluded.closing, body = excluded.body",
                placeholders(group.len(), 5)
            );
            let mut each = query(AssertSqlSafe(sql));
            for (kind, key, closing, body) in group {
                each = each
                    .bind(&self.tenant)
                    .bind(*kind)
                    .bind(key)
                    .bind(closing)
                    .bind(body);
            }
            each.execute(connection).await?;
        }
        if !self.parents.is_empty() {
            query("DELETE FROM child WHERE tenant_id = ? AND kind = ? AND parent IN (??)")
                .bind(&self.tenant)
                .bind(LICENSE_ASSIGNMENT)
                .bind(&self.parents)
                .execute(connection)
                .await?;
        }
        for group in self.children.chunks(GROUP) {
            let sql = format!(
                "INSERT INTO child (tenant_id, kind, parent, position, body) VALUES {}",
                placeholders(group.len(), 5)
            );
            let mut each = query(AssertSqlSafe(sql));
            for (parent, position, body) in group {
                each = each
                    .bind(&self.tenant)
                    .bind(LICENSE_ASSIGNMENT)
                    .bind(parent)
                    .bind(position)
                    .bind(body);
            }
            each.execute(connection).await?;
        }
        Ok(())
    }
}

/// Removes everything of a tenant.
pub(super) async fn clear(connection: &mut Connection, tenant: TenantId) -> Result<(), db::Error> {
    for sql in [
        "DELETE FROM record WHERE tenant_id = ?",
        "DELETE FROM child WHERE tenant_id = ?",
    ] {
        query(sql)
            .bind(tenant.to_string())
            .execute(connection)
            .await?;
    }
    Ok(())
}

fn to_text(
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> serde_json::Result<String> {
    let mut out = Vec::new();
    write(&mut out)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}
