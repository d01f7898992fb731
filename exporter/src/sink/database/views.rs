//! One view a kind, with a column for each field of its message. A release that knows more fields shows more columns.

use proto::shape::Column;
use runtime::db::{self, AssertSqlSafe, Connection, Db, query, script};

use crate::record::{LICENSE_ASSIGNMENT, columns, kinds};

/// Held by whoever changes the views of a PostgreSQL database, so that two exporters don't do it at once. Any number
/// that nobody else uses does.
const LOCK: i64 = 0x1ea5_7715_e71e;

/// Brings the views to what this release knows.
pub(super) async fn create(db: &Db) -> Result<(), db::Error> {
    let mut write = db.write().await?;
    if write.is_postgres() {
        query("SELECT pg_advisory_xact_lock(?)")
            .bind(LOCK)
            .execute(&mut write)
            .await?;
    }
    for kind in kinds() {
        let columns = columns(kind);
        match write.is_postgres() {
            true => on_postgres(&mut write, kind, columns).await?,
            false => on_sqlite(&mut write, kind, columns).await?,
        }
    }
    write.commit().await
}

async fn on_sqlite(c: &mut Connection, kind: &str, columns: &[Column]) -> Result<(), db::Error> {
    let columns = columns.iter().map(sqlite).collect();
    // Made of our own names only, as everything here.
    let sql = format!("CREATE VIEW \"{kind}\" AS {}", select(kind, columns));
    let known: Option<String> =
        query("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?")
            .bind(kind)
            .fetch_optional(c)
            .await?;
    if known.as_deref() == Some(sql.as_str()) {
        return Ok(());
    }
    let drop = format!("DROP VIEW IF EXISTS \"{kind}\"");
    script(AssertSqlSafe(drop), c).await?;
    script(AssertSqlSafe(sql), c).await
}

/// People grant rights on the views and build on them, so a view is extended in its place, and one that a newer release
/// has extended stays.
async fn on_postgres(c: &mut Connection, kind: &str, columns: &[Column]) -> Result<(), db::Error> {
    let has: Vec<String> = query(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = to_regclass(quote_ident(?)) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )
    .bind(kind)
    .fetch_all(c)
    .await?;
    let mut wanted: Vec<&Column> = columns.iter().collect();
    let has_column = |c: &Column| has.iter().any(|h| h == c.name);
    if wanted.iter().all(|c| has_column(c)) {
        return Ok(());
    }
    if !has.iter().all(|name| wanted.iter().any(|c| c.name == name)) {
        // Neither release's: nothing of it can be kept.
        let drop = format!("DROP VIEW \"{kind}\"");
        script(AssertSqlSafe(drop), c).await?;
    } else {
        // New columns can be added at the end only.
        wanted.sort_by_key(|c| has.iter().position(|h| h == c.name).unwrap_or(usize::MAX));
    }
    let columns = wanted.into_iter().map(postgres).collect();
    let sql = format!(
        "CREATE OR REPLACE VIEW \"{kind}\" AS {}",
        select(kind, columns)
    );
    script(AssertSqlSafe(sql), c).await
}

fn select(kind: &str, columns: Vec<String>) -> String {
    let table = if kind == LICENSE_ASSIGNMENT {
        "child"
    } else {
        "record"
    };
    let columns = columns.join(", ");
    format!("SELECT {columns} FROM {table} WHERE kind = '{kind}'")
}

fn sqlite(column: &Column) -> String {
    match column.name {
        "tenant_id" => "tenant_id".to_owned(),
        name => format!("json_extract(body, '$.{}') AS \"{name}\"", column.json),
    }
}

fn postgres(column: &Column) -> String {
    match column.name {
        "tenant_id" => "tenant_id".to_owned(),
        name => format!("(body::jsonb ->> '{}') AS \"{name}\"", column.json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_fields_of_the_message() {
        let columns = columns("organization").iter().map(sqlite).collect();
        let sql = select("organization", columns);
        assert!(
            sql.starts_with("SELECT tenant_id, json_extract(body, '$.displayName')"),
            "{sql}"
        );
        assert!(select("license_assignment", Vec::new()).contains("FROM child"));
    }
}
