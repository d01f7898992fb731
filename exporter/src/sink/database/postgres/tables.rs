//! Which tables and columns the sink has: one table a kind, from the contracts and what is selected of them. Pure.

use proto::shape::{Column, ColumnKind};

use crate::config::Selection;
use crate::error::Error;
use crate::record::{LICENSE_ASSIGNMENT, kinds};

/// A table of the sink.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What it holds, and how it is called.
    pub kind: &'static str,
    /// The columns of the contract, in its order. The tenant's is not one of them.
    pub columns: Vec<Field>,
}

/// A column that holds a field of the contract.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its place in the contract.
    pub place: usize,
    /// Its place among the columns that people want.
    order: usize,
    /// The contract's column.
    pub column: &'static Column,
    /// How the column is called.
    pub name: String,
}

/// Where a row that lives inside a record stands there.
pub(super) const POSITION: &str = "position";

/// Columns of our own that each table has, and their types.
const OWN: [(&str, &str); 3] = [
    ("tenant_id", "text"),
    ("key", "text"),
    ("closing", "bigint"),
];

/// The tables of a sink that shows this.
pub(super) fn tables(shows: &Selection) -> Vec<Table> {
    let shown = kinds().filter(|kind| shows.shows(kind));
    shown.map(|kind| table(shows, kind)).collect()
}

fn table(shows: &Selection, kind: &'static str) -> Table {
    let columns = shows.columns(kind).into_iter();
    // The tenant's comes first, and is a column of our own.
    let columns = columns.enumerate().skip(1).map(|(order, shown)| Field {
        place: shown.place,
        order,
        column: shown.column,
        name: shown.name.unwrap_or_else(|| shown.column.name.to_owned()),
    });
    let mut columns: Vec<Field> = columns.collect();
    columns.sort_by_key(|field| field.place);
    Table { kind, columns }
}

/// Checks what PostgreSQL wants of names besides [`Selection::check`].
///
/// # Errors
/// `LW-6001` where a column can't be called what is told.
pub(super) fn check(shows: &Selection, sink: &str) -> Result<(), Error> {
    for table in tables(shows) {
        let kind = table.kind;
        let wrong = |why: String| Err(Error::settings(sink, why));
        if shows
            .names
            .get(kind)
            .is_some_and(|n| n.contains_key("tenantId"))
        {
            return wrong(format!(
                "the column tenant_id of {kind} can't be called otherwise: rows are found by it"
            ));
        }
        let mut taken: Vec<&str> = table.own().map(|(name, _)| name).collect();
        for field in &table.columns {
            let name = field.name.as_str();
            if name.len() > 63 || name.chars().any(char::is_control) {
                return wrong(format!(
                    "a column of {kind} can't be called `{}`: at most 63 bytes, and no control characters",
                    name.escape_debug()
                ));
            }
            if taken.contains(&name) {
                return wrong(format!("two columns of {kind} are called `{name}`"));
            }
            taken.push(name);
        }
    }
    Ok(())
}

impl Table {
    /// Whether its rows live inside those of users.
    pub fn is_inside(&self) -> bool {
        self.kind == LICENSE_ASSIGNMENT
    }

    /// Its name, for statements.
    pub fn name(&self) -> String {
        quoted(self.kind)
    }

    /// Columns of our own, and their types.
    pub fn own(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let position = self.is_inside().then_some((POSITION, "integer"));
        OWN.into_iter().chain(position)
    }

    /// The columns of its primary key.
    pub fn key(&self) -> &'static [&'static str] {
        match self.is_inside() {
            true => &["tenant_id", "key", POSITION],
            false => &["tenant_id", "key"],
        }
    }

    /// The columns of the contract, in the order in which people want them.
    pub fn wanted(&self) -> Vec<&Field> {
        let mut columns: Vec<&Field> = self.columns.iter().collect();
        columns.sort_by_key(|field| field.order);
        columns
    }

    /// The names of all columns, in the order in which rows are copied.
    pub fn list(&self) -> String {
        let own = self.own().map(|(name, _)| quoted(name));
        let columns = self.columns.iter().map(|field| quoted(&field.name));
        own.chain(columns).collect::<Vec<_>>().join(", ")
    }
}

impl Field {
    /// Its type, as PostgreSQL calls it.
    pub fn sql(&self) -> &'static str {
        match self.column.kind {
            ColumnKind::Text => "text",
            ColumnKind::Boolean => "boolean",
            ColumnKind::Integer => "integer",
            ColumnKind::Moment => "timestamp with time zone",
            ColumnKind::Day => "date",
            ColumnKind::Texts => "text[]",
            ColumnKind::Objects => "jsonb",
        }
    }

    /// How it is declared.
    pub fn declared(&self) -> String {
        declared(&self.name, self.sql())
    }
}

/// How a column is declared. Texts are compared by their bytes, as everywhere: the server's language has no say.
pub(super) fn declared(name: &str, sql: &str) -> String {
    let collate = match sql {
        "text" | "text[]" => " COLLATE \"C\"",
        _ => "",
    };
    format!("{} {sql}{collate}", quoted(name))
}

/// A name for statements.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text for statements that take no parameters.
pub(super) fn literal(text: &str) -> String {
    // Without the E a backslash would depend on a setting of the server.
    let text = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows(json: &str) -> Selection {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_kind_has_a_table_with_types() {
        let all = tables(&Selection::default());
        assert_eq!(all.len(), kinds().count());
        let of = |kind: &str, name: &str| {
            let table = all.iter().find(|t| t.kind == kind).unwrap();
            let field = table.columns.iter().find(|f| f.name == name).unwrap();
            field.sql()
        };
        assert_eq!(of("license_position", "available"), "integer");
        assert_eq!(of("user", "created_date_time"), "timestamp with time zone");
        assert_eq!(of("teams_activity", "last_activity_date"), "date");
        assert_eq!(of("license_assignment", "disabled_plans"), "text[]");
        assert_eq!(of("user", "assigned_licenses"), "jsonb");
        assert!(check(&Selection::default(), "s").is_ok());
    }

    #[test]
    fn what_is_selected_is_copied_in_the_order_of_the_contract() {
        let some = shows(
            r#"{"kinds":["user"],"fields":{"user":["mail","userId"]},"names":{"user":{"mail":"e \"mail"}}}"#,
        );
        let all = tables(&some);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].wanted()[0].name, "e \"mail");
        assert_eq!(
            all[0].list(),
            r#""tenant_id", "key", "closing", "user_id", "e ""mail""#
        );
    }

    #[test]
    fn names_that_no_column_can_have_are_refused() {
        let long = format!(r#"{{"names":{{"user":{{"mail":"{}"}}}}}}"#, "m".repeat(64));
        for (json, why) in [
            (
                r#"{"names":{"user":{"mail":"key"}}}"#,
                "two columns of user are called `key`",
            ),
            (
                r#"{"names":{"user":{"mail":"user_id"}}}"#,
                "two columns of user are called `user_id`",
            ),
            (
                r#"{"names":{"user":{"tenantId":"customer"}}}"#,
                "rows are found by it",
            ),
            (
                r#"{"names":{"license_assignment":{"path":"position"}}}"#,
                "two columns",
            ),
            (
                r#"{"names":{"user":{"mail":"a\u0000"}}}"#,
                "control characters",
            ),
            (long.as_str(), "63 bytes"),
        ] {
            let told = check(&shows(json), "s").unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    }
}
