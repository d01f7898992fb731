//! One view a kind, with a column for each field of its message. A release that knows more fields shows more columns.

use proto::shape::Column;
use runtime::db::{self, AssertSqlSafe, Connection, Db, query, script};

use crate::record::{LICENSE_ASSIGNMENT, columns, kinds};

/// Brings the views to what this release knows.
pub(super) async fn create(db: &Db) -> Result<(), db::Error> {
    let mut write = db.write().await?;
    for kind in kinds() {
        bring(&mut write, kind, columns(kind)).await?;
    }
    write.commit().await
}

async fn bring(c: &mut Connection, kind: &str, columns: &[Column]) -> Result<(), db::Error> {
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

fn select(kind: &str, columns: &[Column]) -> String {
    let table = if kind == LICENSE_ASSIGNMENT {
        "child"
    } else {
        "record"
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    let columns = columns.join(", ");
    format!("SELECT {columns} FROM {table} WHERE kind = '{kind}'")
}

fn column(column: &Column) -> String {
    match column.name {
        "tenant_id" => "tenant_id".to_owned(),
        name => format!("json_extract(body, '$.{}') AS \"{name}\"", column.json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_fields_of_the_message() {
        let sql = select("organization", columns("organization"));
        assert!(
            sql.starts_with("SELECT tenant_id, json_extract(body, '$.displayName')"),
            "{sql}"
        );
        assert!(select("license_assignment", &[]).contains("FROM child"));
    }
}
