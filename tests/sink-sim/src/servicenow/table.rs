//! Reading tables.

use serde_json::{Value, json};

use super::query::Query;
use super::{Row, ServiceNow, failure};
use crate::message::{Reply, Request};

/// Rows of an answer where the request says nothing.
const LIMIT: usize = 10_000;
/// The columns that all staging tables have from the table that they extend.
const ROW: &str = "sys_import_set_row";

impl ServiceNow {
    pub(super) fn list(&self, table: &str, request: &Request) -> Reply {
        let Some(rows) = self.table(table) else {
            return failure(400, &format!("Invalid table {table}"), "");
        };
        let knows = |field: &str| self.knows(table, field);
        let query = request.parameter("sysparm_query").unwrap_or_default();
        let query = Query::read(query, knows);
        let mut found: Vec<Row> = rows.into_iter().filter(|row| query.takes(row)).collect();
        found.sort_by(|a, b| query.compare(a, b));
        let total = found.len();
        let offset = request.number("sysparm_offset").unwrap_or(0);
        let limit = request.number("sysparm_limit").unwrap_or(LIMIT);
        let shown = found.iter().skip(offset).take(limit);
        let result: Vec<Value> = shown.map(|row| show(row, request)).collect();
        Reply::json(200, &json!({ "result": result })).header("x-total-count", &total.to_string())
    }

    pub(super) fn get(&self, table: &str, id: &str, request: &Request) -> Reply {
        let Some(rows) = self.table(table) else {
            return failure(400, &format!("Invalid table {table}"), "");
        };
        match rows.iter().find(|row| row["sys_id"] == id) {
            Some(row) => Reply::json(200, &json!({ "result": show(row, request) })),
            None => {
                let detail = "Record doesn't exist or ACL restricts the record retrieval";
                failure(404, "No Record found", detail)
            }
        }
    }

    fn table(&self, name: &str) -> Option<Vec<Row>> {
        if name != ROW {
            return self.tables.get(name).cloned();
        }
        // A parent's rows are those of its children, without their own columns.
        let parents = |row: &Row| -> Row {
            let own = row.iter().filter(|(column, _)| column.starts_with("sys_"));
            own.map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let staged = self.rows(&self.transform.staging);
        Some(staged.iter().map(parents).collect())
    }

    fn knows(&self, table: &str, field: &str) -> bool {
        let column = || self.transform.columns.iter().any(|(name, _)| name == field);
        let own = table == self.transform.staging || table == self.transform.target;
        let staged = table == self.transform.staging || table == ROW;
        let of_rows = [
            "sys_import_set",
            "sys_import_state",
            "sys_import_state_comment",
            "sys_import_row",
            "sys_target_table",
            "sys_target_sys_id",
        ];
        field == "sys_id"
            || (own && column())
            || (staged && of_rows.contains(&field))
            || (!own && self.rows(table).iter().any(|row| row.contains_key(field)))
    }
}

fn show(row: &Row, request: &Request) -> Value {
    let fields = request
        .parameter("sysparm_fields")
        .filter(|f| !f.is_empty());
    let wanted: Option<Vec<&str>> = fields.map(|fields| fields.split(',').collect());
    let both = request.parameter("sysparm_display_value") == Some("all");
    let shown = row
        .iter()
        .filter(|(name, _)| wanted.as_ref().is_none_or(|w| w.contains(&name.as_str())))
        .map(|(name, value)| {
            let value = match both {
                true => json!({ "display_value": value, "value": value }),
                false => json!(value),
            };
            (name.clone(), value)
        });
    Value::Object(shown.collect())
}
