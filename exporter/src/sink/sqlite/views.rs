//! One view a kind, with a column for each field of its message. A release that knows more fields shows more columns.

use runtime::db::{self, AssertSqlSafe, Connection, query};

use crate::record::{KINDS, LICENSE_ASSIGNMENT, fields};

/// Brings the views to what this release knows.
pub(super) async fn create(connection: &mut Connection) -> Result<(), db::Error> {
    for kind in KINDS {
        let sql = view(kind).map_err(|e| db::Error::Encode(Box::new(e)))?;
        let known: Option<String> =
            query("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?")
                .bind(kind)
                .fetch_optional(connection)
                .await?;
        if known.as_deref() == Some(sql.as_str()) {
            continue;
        }
        // Made of our own names only.
        query(AssertSqlSafe(format!("DROP VIEW IF EXISTS {kind}")))
            .execute(connection)
            .await?;
        query(AssertSqlSafe(sql)).execute(connection).await?;
    }
    Ok(())
}

fn view(kind: &str) -> serde_json::Result<String> {
    let columns: Vec<String> = fields(kind)?
        .iter()
        .map(|field| match field.as_str() {
            "tenantId" => "tenant_id".to_owned(),
            _ => format!("json_extract(body, '$.{field}') AS \"{}\"", snake(field)),
        })
        .collect();
    let table = if kind == LICENSE_ASSIGNMENT {
        "child"
    } else {
        "record"
    };
    Ok(format!(
        "CREATE VIEW {kind} AS SELECT {} FROM {table} WHERE kind = '{kind}'",
        columns.join(", ")
    ))
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
        let sql = view("organization").unwrap();
        assert!(
            sql.starts_with(
                "CREATE VIEW organization AS SELECT tenant_id, json_extract(body, '$.displayName')"
            ),
            "{sql}"
        );
        assert!(view("license_assignment").unwrap().contains("FROM child"));
    }
}
