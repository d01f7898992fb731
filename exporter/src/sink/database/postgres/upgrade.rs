//! From the first format, every record as JSON behind a view for each kind, to tables.
//!
//! Rows are taken over, all but moments and days, which the next snapshot fills with everything else. Who could read a view
//! can read its table; a view of somebody's over one of ours goes on over the table.

use proto::shape::ColumnKind;
use runtime::db::{AssertSqlSafe, Connection, Error, query, script};

use super::ddl::{self, attempt, let_read, readers};
use super::shape::Fault;
use super::tables::{Field, Table, literal, quoted};

/// A view of the first format.
pub(super) struct View {
    kind: String,
    readers: Vec<String>,
    /// Its columns, where somebody's view builds on it.
    columns: Option<Vec<String>>,
}

/// Clears the names for the tables: `views` are the views that have them. `None` where the first format isn't there.
pub(super) async fn begin(c: &mut Connection, views: &[&str]) -> Result<Option<Vec<View>>, Fault> {
    let mut out = Vec::new();
    for view in views {
        let sql = "SELECT count(*) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
            WHERE r.ev_class = to_regclass(quote_ident(?)) AND d.refobjid IN (to_regclass('record'), to_regclass('child'))";
        let ours: i64 = query(sql).bind(*view).fetch_one(c).await?;
        if ours == 0 {
            return Err(Fault::Altered(format!(
                "there is a view {} that is not the sink's",
                quoted(view)
            )));
        }
        let readers = readers(c, view).await?;
        let columns = match attempt(c, format!("DROP VIEW {}", quoted(view))).await {
            Ok(()) => None,
            Err(e) if ddl::is(&e, &[ddl::BUILT_ON]) => {
                let sql = format!("ALTER VIEW {} RENAME TO {}", quoted(view), kept(view));
                script(AssertSqlSafe(sql), c).await?;
                Some(columns(c, view).await?)
            }
            Err(e) => return Err(e.into()),
        };
        out.push(View {
            kind: (*view).to_owned(),
            readers,
            columns,
        });
    }
    let there: i64 = query("SELECT (to_regclass('record') IS NOT NULL)::int::bigint")
        .fetch_one(c)
        .await?;
    Ok((there != 0).then_some(out))
}

/// Fills the tables, and removes what the first format was.
pub(super) async fn end(
    c: &mut Connection,
    tables: &[Table],
    views: Option<Vec<View>>,
) -> Result<(), Fault> {
    let Some(views) = views else {
        return Ok(());
    };
    for view in views {
        let Some(table) = tables.iter().find(|table| table.kind == view.kind) else {
            continue;
        };
        script(AssertSqlSafe(taken_over(table)), c).await?;
        let_read(c, table.kind, &view.readers).await?;
        if let Some(columns) = &view.columns {
            script(AssertSqlSafe(as_before(table, columns)), c).await?;
        }
    }
    script("DROP TABLE record, child", c).await?;
    Ok(())
}

/// What a view is called that has to stay.
fn kept(kind: &str) -> String {
    quoted(&format!("{kind}_json"))
}

async fn columns(c: &mut Connection, kind: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(?))
        AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let kept = format!("{kind}_json");
    query(sql).bind(&kept).fetch_all(c).await
}

/// The rows of a table, from JSON.
fn taken_over(table: &Table) -> String {
    let source = match table.is_inside() {
        true => {
            "SELECT c.tenant_id, c.parent, coalesce(r.closing, 0), c.position, c.body::jsonb AS body FROM child c
            LEFT JOIN record r ON (r.tenant_id, r.kind, r.key) = (c.tenant_id, 'user', c.parent)"
        }
        false => "SELECT c.tenant_id, c.key, c.closing, c.body::jsonb AS body FROM record c",
    };
    let own = table.own().map(|(name, _)| quoted(name));
    let own = own.collect::<Vec<_>>().join(", ");
    let columns: Vec<_> = [own.clone()]
        .into_iter()
        .chain(table.columns.iter().map(from_json))
        .collect();
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM ({source} WHERE c.kind = {}) AS each ({own}, body)",
        table.name(),
        table.list(),
        columns.join(", "),
        literal(table.kind)
    )
}

fn from_json(field: &Field) -> String {
    let name = literal(field.column.json);
    match field.column.kind {
        ColumnKind::Text => format!("body ->> {name}"),
        ColumnKind::Boolean | ColumnKind::Integer => format!("(body ->> {name})::{}", field.sql()),
        ColumnKind::Moment | ColumnKind::Day => "NULL".to_owned(),
        ColumnKind::Texts => format!(
            "CASE jsonb_typeof(body -> {name}) WHEN 'array' THEN ARRAY (SELECT jsonb_array_elements_text(body -> {name})) END"
        ),
        ColumnKind::Objects => format!("nullif(body -> {name}, 'null')"),
    }
}

/// The view with its columns as before, all of them texts, over the table.
fn as_before(table: &Table, columns: &[String]) -> String {
    let each = columns.iter().map(|name| {
        if name == "tenant_id" {
            return name.clone();
        }
        let field = table.columns.iter().find(|f| f.column.name == name);
        let value = field.map_or("NULL::text".to_owned(), to_text);
        format!("{value} COLLATE \"default\" AS {}", quoted(name))
    });
    let each: Vec<_> = each.collect();
    format!(
        "CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}",
        kept(table.kind),
        each.join(", "),
        table.name()
    )
}

fn to_text(field: &Field) -> String {
    let name = quoted(&field.name);
    match field.column.kind {
        ColumnKind::Moment => {
            format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        }
        ColumnKind::Texts => format!("to_jsonb({name})::text"),
        _ => format!("{name}::text"),
    }
}
