//! One view a kind, with a column for each field of its message. A release that knows more fields shows more columns.

use runtime::db::{self, AssertSqlSafe, Connection, Db, query, script};

use crate::record::{LICENSE_ASSIGNMENT, fields, kinds};

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
        let names = fields(kind).map_err(|e| db::Error::Encode(Box::new(e)))?;
        match write.is_postgres() {
            true => on_postgres(&mut write, kind, &names).await?,
            false => on_sqlite(&mut write, kind, &names).await?,
        }
    }
    write.commit().await
}

async fn on_sqlite(c: &mut Connection, kind: &str, names: &[String]) -> Result<(), db::Error> {
    let columns = names.iter().map(|name| sqlite(name)).collect();
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
async fn on_postgres(c: &mut Connection, kind: &str, names: &[String]) -> Result<(), db::Error> {
    let has: Vec<String> = query(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = to_regclass(quote_ident(?)) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )
    .bind(kind)
    .fetch_all(c)
    .await?;
    let column = |name: &str| (snake(name), postgres(name));
    let mut wanted: Vec<_> = names.iter().map(|name| column(name)).collect();
    if wanted.iter().all(|(name, _)| has.contains(name)) {
        return Ok(());
    }
    if !has.iter().all(|name| wanted.iter().any(|(w, _)| w == name)) {
        // Neither release's: nothing of it can be kept.
        let drop = format!("DROP VIEW \"{kind}\"");
        script(AssertSqlSafe(drop), c).await?;
    } else {
        // New columns can be added at the end only.
        wanted.sort_by_key(|(name, _)| has.iter().position(|h| h == name).unwrap_or(usize::MAX));
    }
    let columns = wanted.into_iter().map(|(_, column)| column).collect();
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

fn sqlite(field: &str) -> String {
    match field {
        "tenantId" => "tenant_id".to_owned(),
        _ => format!("json_extract(body, '$.{field}') AS \"{}\"", snake(field)),
    }
}

fn postgres(field: &str) -> String {
    match field {
        "tenantId" => "tenant_id".to_owned(),
        _ => format!("(body::jsonb ->> '{field}') AS \"{}\"", snake(field)),
    }
}

/// `lowerCamelCase` as `snake_case`.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut out, c| {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_fields_of_the_message() {
        assert_eq!(snake("lastUpdatedDateTime"), "last_updated_date_time");
        let names = fields("organization").unwrap();
        let sql = select("organization", names.iter().map(|n| sqlite(n)).collect());
        assert!(
            sql.starts_with("SELECT tenant_id, json_extract(body, '$.displayName')"),
            "{sql}"
        );
        assert!(select("license_assignment", Vec::new()).contains("FROM child"));
    }
}
