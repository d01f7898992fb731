//! What can't be beaten: reading the same pages into plain types, and writing the same rows into the same table by the
//! fastest statement that is known for the database, the inbox's pages counted in.

use std::borrow::Cow;

use anyhow::Result;
use runtime::db::{AssertSqlSafe, Db, Value, query};
use serde::Deserialize;
use tokio::time::Instant;

/// Rows of one of PostgreSQL's statements.
const BATCH: usize = 1_000;
/// Rows of one of SQLite's statements.
const ROWS: usize = 100;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    value: Vec<User<'a>>,
}

type Text<'a> = Option<Cow<'a, str>>;

/// What the normalizer reads of a user.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only read")]
struct User<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    user_principal_name: Text<'a>,
    #[serde(borrow)]
    display_name: Text<'a>,
    #[serde(borrow)]
    given_name: Text<'a>,
    #[serde(borrow)]
    surname: Text<'a>,
    #[serde(borrow)]
    mail: Text<'a>,
    account_enabled: Option<bool>,
    #[serde(borrow)]
    user_type: Text<'a>,
    #[serde(borrow)]
    employee_id: Text<'a>,
    #[serde(borrow)]
    employee_type: Text<'a>,
    #[serde(borrow)]
    department: Text<'a>,
    #[serde(borrow)]
    company_name: Text<'a>,
    #[serde(borrow)]
    job_title: Text<'a>,
    #[serde(borrow)]
    office_location: Text<'a>,
    #[serde(borrow)]
    city: Text<'a>,
    #[serde(borrow)]
    country: Text<'a>,
    #[serde(borrow)]
    usage_location: Text<'a>,
    #[serde(borrow)]
    created_date_time: Text<'a>,
    on_premises_sync_enabled: Option<bool>,
    #[serde(borrow)]
    on_premises_sam_account_name: Text<'a>,
    #[serde(borrow)]
    on_premises_domain_name: Text<'a>,
    #[serde(borrow)]
    assigned_licenses: Vec<Licence<'a>>,
    #[serde(borrow)]
    license_assignment_states: Vec<State<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only read")]
struct Licence<'a> {
    #[serde(borrow)]
    sku_id: Cow<'a, str>,
    #[serde(borrow)]
    disabled_plans: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only read")]
struct State<'a> {
    #[serde(borrow)]
    sku_id: Cow<'a, str>,
    #[serde(borrow)]
    disabled_plans: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    assigned_by_group: Text<'a>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    error: Text<'a>,
    #[serde(borrow)]
    last_updated_date_time: Text<'a>,
}

/// Seconds to parse the pages, on one core.
pub(super) fn parsing(pages: &[String]) -> Result<f64> {
    let began = Instant::now();
    let mut users = 0;
    for page in pages {
        let page: Page<'_> = serde_json::from_str(page)?;
        users += std::hint::black_box(page.value).len();
    }
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(users > 0, "no page was parsed");
    Ok(seconds)
}

type Record = (i64, i64, String, Vec<u8>, i64, i64, Vec<u8>, Option<i64>);

/// Rows that were written, and what the inbox held meanwhile.
pub(super) struct Rows {
    records: Vec<Record>,
    pages: Vec<Vec<u8>>,
}

impl Rows {
    /// The records of the ledger in the order in which they were written. `pages` stand for those of the inbox.
    pub async fn of(db: &Db, pages: Vec<Vec<u8>>) -> Result<Rows> {
        let sql = "SELECT tenant, kind, key, hash, closing, removed, body, source FROM record ORDER BY id";
        let mut read = db.read().await?;
        let records = query(sql).fetch_all(&mut read).await?;
        Ok(Rows { records, pages })
    }
}

/// Seconds to write the rows into tables like the ledger's, with the same indexes: pages one by one, which have to be
/// there before a message is confirmed, and all records in one transaction, which is the fastest.
pub(super) async fn writing(db: &Db, rows: &Rows) -> Result<f64> {
    let postgres = db.is_shared();
    let mut w = db.write().await?;
    for sql in match postgres {
        true => &POSTGRES_TABLES[..],
        false => &SQLITE_TABLES[..],
    } {
        query(*sql).execute(&mut w).await?;
    }
    w.commit().await?;
    let began = Instant::now();
    for page in &rows.pages {
        let mut w = db.write().await?;
        let sql = "INSERT INTO limit_page (content) VALUES (?)";
        query(sql).bind(page).execute(&mut w).await?;
        w.commit().await?;
    }
    let mut w = db.write().await?;
    if !postgres {
        // As much memory for the indexes as the ledger takes.
        query("PRAGMA cache_size = -32768").execute(&mut w).await?;
    }
    match postgres {
        true => {
            for batch in rows.records.chunks(BATCH) {
                upsert_postgres(&mut w, batch).await?;
            }
        }
        false => {
            for batch in rows.records.chunks(ROWS) {
                upsert_sqlite(&mut w, batch).await?;
            }
        }
    }
    w.commit().await?;
    Ok(began.elapsed().as_secs_f64())
}

const SQLITE_TABLES: [&str; 4] = [
    "CREATE TABLE limit_record (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL,
        hash BLOB NOT NULL, closing INTEGER NOT NULL, removed INTEGER NOT NULL, body BLOB NOT NULL, source INTEGER) STRICT",
    "CREATE UNIQUE INDEX limit_key ON limit_record (tenant, kind, key)",
    "CREATE INDEX limit_closing ON limit_record (tenant, closing, kind, key)",
    "CREATE TABLE limit_page (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
];
const POSTGRES_TABLES: [&str; 2] = [
    "CREATE TABLE limit_record (LIKE record INCLUDING ALL)",
    "CREATE TABLE limit_page (content BYTEA NOT NULL)",
];
const CONFLICT: &str = " ON CONFLICT (tenant, kind, key) DO UPDATE SET hash = excluded.hash, closing = excluded.closing,
    removed = excluded.removed, body = excluded.body, source = excluded.source
    WHERE limit_record.hash IS DISTINCT FROM excluded.hash";

async fn upsert_sqlite(c: &mut runtime::db::Connection, rows: &[Record]) -> Result<()> {
    let sql = [
        "INSERT INTO limit_record (tenant, kind, key, hash, closing, removed, body, source) VALUES ",
        &vec!["(?,?,?,?,?,?,?,?)"; rows.len()].join(","),
        CONFLICT,
    ];
    let mut q = query(AssertSqlSafe(sql.concat()));
    for (tenant, kind, key, hash, closing, removed, body, source) in rows {
        q = q.bind(*tenant).bind(*kind).bind(key).bind(hash);
        q = q.bind(*closing).bind(*removed).bind(body).bind(*source);
    }
    q.execute(c).await?;
    Ok(())
}

async fn upsert_postgres(c: &mut runtime::db::Connection, rows: &[Record]) -> Result<()> {
    let sql = [
        "INSERT INTO limit_record (tenant, kind, key, hash, closing, removed, body, source)
        SELECT ?, new.kind, new.key, new.hash, new.closing, 0, new.body, nullif(new.source, 0)
        FROM unnest(?::bigint[], ?::text[], ?::bytea[], ?::bigint[], ?::bytea[], ?::bigint[])
        AS new (kind, key, hash, closing, body, source)",
        CONFLICT,
    ];
    let column = |of: fn(&Record) -> i64| rows.iter().map(of).collect::<Vec<i64>>();
    let keys: Vec<&str> = rows.iter().map(|r| r.2.as_str()).collect();
    query(AssertSqlSafe(sql.concat()))
        .bind(rows[0].0)
        .bind(column(|r| r.1))
        .bind(&keys)
        .bind(Value::Blobs(rows.iter().map(|r| &r.3[..]).collect()))
        .bind(column(|r| r.4))
        .bind(Value::Blobs(rows.iter().map(|r| &r.6[..]).collect()))
        .bind(column(|r| r.7.unwrap_or(0)))
        .execute(c)
        .await?;
    Ok(())
}
