//! Brings the tables of the sink to what this release and the configuration say, in one transaction.
//!
//! What people added stays: columns, indexes, rights, and views over the tables. What can't be told from what stands there
//! is sent anew: the cursors are set to a closing that no ledger has, so the next look brings a snapshot.

use std::collections::{BTreeMap, BTreeSet};

use runtime::db::{self, AssertSqlSafe, Connection, Db, query, script};

use super::plan::{Made, Step, TENANT, steps};
use super::tables::{Table, declared, literal, quoted};
use super::{upgrade, views};
use crate::record::{columns, kinds};

/// Held by whoever changes the tables, so that two exporters don't do it at once. Any number that nobody else uses does.
const LOCK: i64 = 0x1ea5_7715_e71e;

/// A closing that no ledger has: their numbers are microseconds since 1970.
const UNKNOWN: i64 = 1;

/// Why the tables can't be brought there.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database refuses.
    Database(db::Error),
    /// Somebody changed a table; what it is that doesn't fit.
    Altered(String),
    /// Its encoding isn't UTF-8 but this.
    Encoding(String),
}

impl From<db::Error> for Fault {
    fn from(e: db::Error) -> Fault {
        // Something of somebody's stands on what has to go.
        let text = match &e {
            db::Error::Database(d) if d.code().is_some_and(|c| c == "2BP01") => d.message(),
            _ => return Fault::Database(e),
        };
        Fault::Altered(format!("{text}: something of yours builds on it"))
    }
}

/// What stands there.
struct Found {
    /// What has the name of a kind.
    relations: BTreeMap<String, Relation>,
    /// The columns that the sink made.
    made: BTreeMap<String, Vec<Made>>,
}

#[derive(Default)]
struct Relation {
    /// Not a view.
    is_table: bool,
    /// Its columns and their types.
    columns: Vec<(String, String)>,
}

/// Brings the tables and views there.
pub(super) async fn bring(db: &Db, tables: &[Table]) -> Result<(), Fault> {
    let mut write = db.write().await?;
    query("SELECT pg_advisory_xact_lock(?)")
        .bind(LOCK)
        .execute(&mut write)
        .await?;
    let encoding: String = query("SELECT current_setting('server_encoding')")
        .fetch_one(&mut write)
        .await?;
    if encoding != "UTF8" {
        return Err(Fault::Encoding(encoding));
    }
    let found = find(&mut write).await?;
    // What moves many rows may take long.
    script("SET LOCAL statement_timeout = 0", &mut write).await?;
    let (mut lacks, mut dropped) = (false, Vec::new());
    let shown: BTreeSet<&str> = tables.iter().map(|table| table.kind).collect();
    for kind in kinds().filter(|kind| !shown.contains(kind)) {
        if found.made.contains_key(kind) {
            dropped.extend(views::drop(&mut write).await?);
            let sql = format!("DROP TABLE IF EXISTS {}", quoted(kind));
            script(AssertSqlSafe(sql), &mut write).await?;
            note(&mut write, kind, &[]).await?;
        }
    }
    let json = upgrade::begin(&mut write, &found.views()).await?;
    for table in tables {
        lacks |= one(&mut write, table, &found, &mut dropped).await?;
    }
    upgrade::end(&mut write, tables, json).await?;
    if lacks {
        query("UPDATE cursor SET as_of = ?, mark = ? WHERE as_of <> 0")
            .bind(UNKNOWN)
            .bind(UNKNOWN)
            .execute(&mut write)
            .await?;
    }
    views::create(&mut write).await?;
    views::restore(&mut write, &dropped).await?;
    write.commit().await?;
    Ok(())
}

impl Found {
    /// Views of our names: those of the first format.
    fn views(&self) -> Vec<&str> {
        let views = self.relations.iter().filter(|(_, r)| !r.is_table);
        views.map(|(name, _)| name.as_str()).collect()
    }
}

async fn find(c: &mut Connection) -> Result<Found, db::Error> {
    let names: Vec<&str> = kinds().collect();
    let sql = "SELECT c.relname::text, (c.relkind IN ('r', 'p'))::int::bigint, a.attname::text, format_type(a.atttypid, a.atttypmod)
        FROM unnest(?::text[]) AS each (name) JOIN pg_class c ON c.oid = to_regclass(quote_ident(each.name))
        JOIN pg_attribute a ON a.attrelid = c.oid WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum";
    let columns: Vec<(String, i64, String, String)> = query(sql).bind(&names).fetch_all(c).await?;
    let mut relations: BTreeMap<String, Relation> = BTreeMap::new();
    for (relation, table, name, sql) in columns {
        let relation = relations.entry(relation).or_default();
        relation.is_table = table != 0;
        relation.columns.push((name, sql));
    }
    let noted: Vec<(String, String, String)> = query("SELECT kind, field, name FROM sink_column")
        .fetch_all(c)
        .await?;
    let mut made: BTreeMap<String, Vec<Made>> = BTreeMap::new();
    for (kind, field, name) in noted {
        made.entry(kind).or_default().push(Made { field, name });
    }
    Ok(Found { relations, made })
}

/// Brings a table there. True when something has to be sent anew.
async fn one(
    c: &mut Connection,
    table: &Table,
    found: &Found,
    dropped: &mut Vec<views::Dropped>,
) -> Result<bool, Fault> {
    let altered = |why: String| Fault::Altered(format!("the table {} {why}", table.name()));
    let made = found.made.get(table.kind);
    let there = found.relations.get(table.kind).filter(|r| r.is_table);
    let Some(there) = there else {
        // New, or somebody removed it; or it was a view of the first format.
        create(c, table).await?;
        return Ok(true);
    };
    if made.is_none() {
        return Err(altered("is not the sink's".to_owned()));
    }
    let made = made.map(Vec::as_slice).unwrap_or_default();
    let known = |field: &str| columns(table.kind).iter().any(|c| c.json == field);
    let steps = steps(table, &there.columns, made, known).map_err(altered)?;
    if !keyed(c, table).await? {
        let key = table.key().join(", ");
        return Err(altered(format!("lacks its primary key ({key})")));
    }
    if steps.is_empty() {
        return Ok(false);
    }
    if steps.iter().any(|step| matches!(step, Step::Drop(_))) {
        dropped.extend(views::drop(c).await?);
    }
    let mut lacks = false;
    for step in steps {
        let change = match &step {
            Step::Rename { from, to } => {
                format!("RENAME COLUMN {} TO {}", quoted(from), quoted(to))
            }
            Step::Drop(name) => format!("DROP COLUMN {}", quoted(name)),
            Step::Add(place) => {
                lacks = true;
                let field = table.columns.get(*place);
                format!(
                    "ADD COLUMN {}",
                    field.map(|f| f.declared()).unwrap_or_default()
                )
            }
        };
        let sql = format!("ALTER TABLE {} {change}", table.name());
        script(AssertSqlSafe(sql), c).await?;
    }
    describe(c, table).await?;
    let newer = made
        .iter()
        .filter(|m| !known(&m.field))
        .cloned()
        .collect::<Vec<_>>();
    note(c, table.kind, &[noted(table), newer].concat()).await?;
    Ok(lacks)
}

/// Whether rows can be found by the key, and none is there twice.
async fn keyed(c: &mut Connection, table: &Table) -> Result<bool, db::Error> {
    let sql = "SELECT count(*) FROM pg_index i WHERE i.indrelid = to_regclass(quote_ident(?)) AND i.indisunique
        AND i.indisvalid AND i.indpred IS NULL AND (SELECT array_agg(a.attname::text ORDER BY k.n)
            FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, n)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) = ?::text[]";
    let found: i64 = query(sql)
        .bind(table.kind)
        .bind(table.key())
        .fetch_one(c)
        .await?;
    Ok(found > 0)
}

async fn create(c: &mut Connection, table: &Table) -> Result<(), db::Error> {
    let own = table
        .own()
        .map(|(name, sql)| declared(name, sql) + " NOT NULL");
    let columns = table.wanted().into_iter().map(|field| field.declared());
    let key = format!("PRIMARY KEY ({})", table.key().join(", "));
    let parts: Vec<_> = own.chain(columns).chain([key]).collect();
    let sql = format!("CREATE TABLE {} ({})", table.name(), parts.join(", "));
    script(AssertSqlSafe(sql), c).await?;
    describe(c, table).await?;
    note(c, table.kind, &noted(table)).await
}

/// Says in the database what each column means.
async fn describe(c: &mut Connection, table: &Table) -> Result<(), db::Error> {
    let name = table.name();
    let mut sql = String::new();
    let mut say = |column: &str, meaning: &str| {
        let column = quoted(column);
        sql += &format!("COMMENT ON COLUMN {name}.{column} IS {};", literal(meaning));
    };
    say("tenant_id", "Directory (tenant) id.");
    say("key", "The record's key, unique within tenant and kind.");
    say(
        "closing",
        "The closing of the ledger that last changed the record; a microsecond since 1970-01-01 UTC.",
    );
    for field in &table.columns {
        say(&field.name, field.column.meaning);
    }
    script(AssertSqlSafe(sql), c).await
}

fn noted(table: &Table) -> Vec<Made> {
    let each = table.columns.iter().map(|field| Made {
        field: field.column.json.to_owned(),
        name: field.name.clone(),
    });
    let tenant = Made {
        field: TENANT.to_owned(),
        name: "tenant_id".to_owned(),
    };
    each.chain([tenant]).collect()
}

/// Notes which columns of a table are ours.
async fn note(c: &mut Connection, kind: &str, made: &[Made]) -> Result<(), db::Error> {
    query("DELETE FROM sink_column WHERE kind = ?")
        .bind(kind)
        .execute(c)
        .await?;
    let fields: Vec<&str> = made.iter().map(|m| m.field.as_str()).collect();
    let names: Vec<&str> = made.iter().map(|m| m.name.as_str()).collect();
    query("INSERT INTO sink_column SELECT ?, each.* FROM unnest(?::text[], ?::text[]) AS each")
        .bind(kind)
        .bind(&fields)
        .bind(&names)
        .execute(c)
        .await
        .map(drop)
}
