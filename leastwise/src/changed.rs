//! Changes of records as rows: one for each field that differs.

use proto::admin::v1::Change;
use runtime::clock::rfc3339;
use serde::Serialize;

use crate::ask::Products;
use crate::output::Column;

/// What is shown of a long value.
const WIDTH: usize = 44;

/// A field that a change of a record changed; a change without fields is one row.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    tenant_id: String,
    kind: String,
    key: String,
    name: String,
    /// RFC 3339.
    changed_at: String,
    what: String,
    field: Option<String>,
    from: Option<String>,
    to: Option<String>,
    dataset: String,
    run: u64,
    request_id: String,
}

/// Whose change it is.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// Directory (tenant) id.
    pub tenant_id: &'a str,
    /// Kind in snake_case.
    pub kind: &'a str,
    /// Key within kind and tenant.
    pub key: &'a str,
    /// What people call it.
    pub name: &'a str,
}

/// The rows of a change.
pub fn rows(of: Of<'_>, change: &Change) -> Vec<Row> {
    let row = Row {
        tenant_id: of.tenant_id.to_owned(),
        kind: of.kind.to_owned(),
        key: of.key.to_owned(),
        name: of.name.to_owned(),
        changed_at: rfc3339(change.changed_at),
        what: change.what.clone(),
        field: None,
        from: None,
        to: None,
        dataset: change.dataset.clone(),
        run: change.run,
        request_id: change.request_id.clone(),
    };
    if change.fields.is_empty() {
        return vec![row];
    }
    let fields = change.fields.iter().map(|f| Row {
        field: Some(f.field.clone()),
        from: f.from.clone(),
        to: f.to.clone(),
        ..row.clone()
    });
    fields.collect()
}

/// The rows as a table shows them: products by part numbers, long values cut, a change's own columns once.
pub fn shown(rows: &[Row], products: &Products) -> Vec<Row> {
    let cut = |text: &String| {
        let text = products.named(text);
        match text.chars().count() > WIDTH {
            true => text.chars().take(WIDTH - 1).chain(['…']).collect(),
            false => text,
        }
    };
    let mut shown: Vec<Row> = Vec::with_capacity(rows.len());
    let mut before: Option<&Row> = None;
    for row in rows {
        let same = before.is_some_and(|b| {
            (&b.changed_at, &b.kind, &b.key, b.run)
                == (&row.changed_at, &row.kind, &row.key, row.run)
                && row.field.is_some()
        });
        let mut next = Row {
            from: row.from.as_ref().map(cut),
            to: row.to.as_ref().map(cut),
            key: products.named(&row.key),
            ..row.clone()
        };
        if same {
            for text in [
                &mut next.changed_at,
                &mut next.kind,
                &mut next.key,
                &mut next.name,
                &mut next.what,
                &mut next.dataset,
                &mut next.request_id,
            ] {
                text.clear();
            }
            next.run = 0;
        }
        shown.push(next);
        before = Some(row);
    }
    shown
}

macro_rules! column {
    ($title:literal, $cell:expr) => {
        Column {
            title: $title,
            numeric: false,
            cell: $cell,
        }
    };
}

fn run(r: &Row) -> String {
    match r.run {
        0 => String::new(),
        run => format!("{run} ({})", r.dataset),
    }
}

/// Of one record.
pub const OF_ONE: [Column<Row>; 7] = [
    column!("When", |r| r.changed_at.clone()),
    column!("What", |r| r.what.clone()),
    column!("Field", |r| r.field.clone().unwrap_or_default()),
    column!("From", |r| r.from.clone().unwrap_or_default()),
    column!("To", |r| r.to.clone().unwrap_or_default()),
    column!("By run", run),
    column!("Request", |r| r.request_id.clone()),
];

/// Of many records.
pub const OF_MANY: [Column<Row>; 8] = [
    column!("When", |r| r.changed_at.clone()),
    column!("Kind", |r| r.kind.clone()),
    column!("Key", |r| r.key.chars().take(48).collect()),
    column!("Name", |r| r.name.chars().take(32).collect()),
    column!("What", |r| r.what.clone()),
    column!("Field", |r| r.field.clone().unwrap_or_default()),
    column!("From", |r| r.from.clone().unwrap_or_default()),
    column!("To", |r| r.to.clone().unwrap_or_default()),
];

#[cfg(test)]
mod tests {
    use proto::admin::v1::FieldChange;

    use super::*;

    #[test]
    fn each_field_is_a_row_and_the_table_says_the_rest_once() {
        let of = Of {
            tenant_id: "t",
            kind: "user",
            key: "u",
            name: "Ann",
        };
        let field = |field: &str, to: &str| FieldChange {
            field: field.into(),
            from: None,
            to: Some(to.into()),
        };
        let mut change = Change {
            what: "added".into(),
            run: 7,
            ..Change::default()
        };
        assert_eq!(rows(of, &change).len(), 1);
        change.fields = vec![field("city", "Bonn"), field("mail", &"é".repeat(90))];
        let all = rows(of, &change);
        assert_eq!((all.len(), all[1].what.as_str()), (2, "added"));
        let shown = shown(&all, &Products(Vec::new()));
        assert_eq!(
            (shown[0].key.as_str(), shown[1].key.as_str(), shown[1].run),
            ("u", "", 0)
        );
        assert_eq!(shown[1].to.as_ref().unwrap().chars().count(), WIDTH);
    }
}
