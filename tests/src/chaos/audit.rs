//! What the databases themselves saw: every row that was written or removed, in which transaction.
//!
//! Triggers of the kill test, made by the superuser. The services know nothing of them, and can't read them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, PgPool, Row as _};

/// Writes down each change of a table in the transaction that makes it.
const NOTES: &str = r"
CREATE TABLE audit (
    n BIGSERIAL PRIMARY KEY, tx BIGINT NOT NULL DEFAULT txid_current(), op TEXT NOT NULL,
    tenant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, closing BIGINT NOT NULL
);
CREATE FUNCTION audit_in() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO audit (op, tenant, kind, key, closing)
        SELECT 'W', {tenant}::text, {kind}::text, key, closing FROM new_rows; RETURN NULL;
END $$;
CREATE FUNCTION audit_out() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO audit (op, tenant, kind, key, closing)
        SELECT 'D', {tenant}::text, {kind}::text, key, closing FROM old_rows; RETURN NULL;
END $$;
";

/// Makes a table tell.
const TELL: &str = r"
CREATE TRIGGER audit_i AFTER INSERT ON record REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION audit_in();
CREATE TRIGGER audit_u AFTER UPDATE ON record REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION audit_in();
CREATE TRIGGER audit_d AFTER DELETE ON record REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION audit_out();
";

/// Makes each table of records tell as soon as it is there.
const TELL_LATER: &str = r"
CREATE FUNCTION audit_attach() RETURNS event_trigger LANGUAGE plpgsql AS $attach$ DECLARE made regclass; BEGIN
    FOR made IN SELECT objid::regclass FROM pg_event_trigger_ddl_commands()
        WHERE object_type = 'table' AND schema_name = 'public' AND object_identity <> ALL (ARRAY['public.record', 'public.child',
            'public.cursor', 'public.sink_column', 'public._sqlx_migrations', 'public.license_assignment'])
    LOOP
        EXECUTE format('CREATE TRIGGER audit_i AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION audit_in()', made);
        EXECUTE format('CREATE TRIGGER audit_u AFTER UPDATE ON %s REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION audit_in()', made);
        EXECUTE format('CREATE TRIGGER audit_d AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows EXECUTE FUNCTION audit_out()', made);
    END LOOP;
END $attach$;
CREATE EVENT TRIGGER audit_attach ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION audit_attach();
";

/// Writes down the pages that the ledger took in.
const PAGES: &str = r"
CREATE TABLE audit_page (tenant BIGINT, dataset TEXT, run BIGINT, attempt BIGINT, sequence BIGINT,
    UNIQUE (tenant, dataset, run, attempt, sequence));
CREATE FUNCTION audit_page() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO audit_page SELECT tenant, dataset, run, attempt, sequence FROM new_rows ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_page AFTER INSERT ON inbox_page REFERENCING NEW TABLE AS new_rows EXECUTE FUNCTION audit_page();
";

/// Writes down the seals that the collector stored as published.
const SEALS: &str = r"
CREATE TABLE audit_seal (tenant TEXT, dataset TEXT, sealed JSONB, UNIQUE (tenant, dataset, sealed));
CREATE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF NEW.sealed IS NOT NULL AND (NEW.sealed::jsonb ->> 'published')::boolean THEN
        INSERT INTO audit_seal VALUES (NEW.tenant, NEW.dataset,
            jsonb_build_object('run', NEW.sealed::jsonb #> '{read,run}', 'attempt', NEW.sealed::jsonb -> 'by',
                'pages', NEW.sealed::jsonb #> '{read,pages}'))
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_seal AFTER UPDATE ON dataset FOR EACH ROW EXECUTE FUNCTION audit_seal();
";

/// Begins to watch the ledger, the PostgreSQL sink and the collector's database, which are in use already. Returns from
/// when on nothing escapes, in microseconds since 1970.
pub async fn watch(ledger: &PgPool, sink: &PgPool, collector: &PgPool) -> Result<i64> {
    let notes = |tenant: &str, kind: &str| {
        let notes = NOTES.replace("{tenant}", tenant);
        notes.replace("{kind}", kind)
    };
    let scripts = [
        (ledger, notes("tenant", "kind") + TELL + PAGES),
        // The sink makes its tables when it is written to for the first time.
        (sink, notes("tenant_id", "TG_TABLE_NAME") + TELL_LATER),
        (collector, SEALS.to_owned()),
    ];
    for (pool, sql) in scripts {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(pool)
            .await
            .context("begin to watch a database")?;
    }
    let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    Ok(sqlx::query_scalar(now).fetch_one(ledger).await?)
}

/// Keys that were committed twice with one closing, or none.
pub async fn twice(ledger: &PgPool, sink: &PgPool) -> Result<Vec<String>> {
    // A later page of the same run may replace what an earlier one wrote: that is one transaction.
    let in_ledger = "SELECT tenant, kind, key, closing FROM audit WHERE op = 'W'
        GROUP BY tenant, kind, key, closing HAVING count(DISTINCT tx) > 1";
    // A sink that is replaced removes everything first.
    let in_sink = "SELECT tenant, kind, key, closing FROM (
            SELECT *, lag(op) OVER w AS op_before, lag(closing) OVER w AS closing_before, lag(tx) OVER w AS tx_before
            FROM audit WINDOW w AS (PARTITION BY tenant, kind, key ORDER BY n)) AS a
        WHERE op = 'W' AND op_before = 'W' AND closing = closing_before AND tx <> tx_before";
    let mut found = Vec::new();
    for (place, pool, sql) in [("ledger", ledger, in_ledger), ("sink", sink, in_sink)] {
        for row in sqlx::query(sql).fetch_all(pool).await? {
            let text = |n: usize| row.get::<String, _>(n);
            found.push(format!(
                "{place}: {} {} {} {}",
                text(0),
                text(1),
                text(2),
                row.get::<i64, _>(3)
            ));
        }
    }
    Ok(found)
}

/// Kind and key (below their tenant) of every record that was removed from the sink, and not written again by the same
/// transaction.
pub async fn removed(sink: &PgPool) -> Result<Vec<(String, String, String)>> {
    let sql = "SELECT DISTINCT tenant, kind, key FROM audit a WHERE op = 'D' AND NOT EXISTS (
        SELECT 1 FROM audit b WHERE b.tx = a.tx AND b.op = 'W' AND (b.tenant, b.kind, b.key) = (a.tenant, a.kind, a.key))";
    let rows = sqlx::query(sql).fetch_all(sink).await?;
    Ok(rows
        .iter()
        .map(|r| (r.get(0), r.get(1), r.get(2)))
        .collect())
}

/// What the queue confirmed and the ledger never had: seals without a closing, and pages of a seal. Of runs that began
/// (a run's number is that moment) when everything was watched.
pub async fn lost(
    collector: &PgPool,
    ledger: &PgPool,
    since: i64,
    overtaken: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let closed = "SELECT t.tenant || ' ' || c.dataset || ' ' || c.run || ' ' || c.attempt
        FROM closing c JOIN tenant t ON t.id = c.tenant WHERE c.run > $1";
    let sealed = "SELECT tenant || ' ' || dataset || ' ' || (sealed ->> 'run') || ' ' || (sealed ->> 'attempt')
        FROM audit_seal WHERE (sealed ->> 'run')::bigint > $1";
    let taken = "SELECT t.tenant || ' ' || p.dataset || ' ' || p.run || ' ' || p.attempt || ' ' || p.sequence
        FROM audit_page p JOIN tenant t ON t.id = p.tenant WHERE p.run > $1";
    let pages = "SELECT tenant || ' ' || dataset || ' ' || (sealed ->> 'run') || ' ' || (range ->> 0) || ' ' || n
        FROM audit_seal, jsonb_array_elements(sealed -> 'pages') AS range,
            generate_series((range ->> 1)::bigint, (range ->> 2)::bigint) AS n
        WHERE (sealed ->> 'run')::bigint > $1";
    let mut lost = without(
        names(collector, sealed, since).await?,
        &names(ledger, closed, since).await?,
    );
    let mut taken = names(ledger, taken, since).await?;
    // They came, and what they say was known by then.
    taken.extend(overtaken.iter().cloned());
    let missing = without(names(collector, pages, since).await?, &taken);
    lost.extend(missing.into_iter().map(|page| format!("page {page}")));
    Ok(lost)
}

async fn names(pool: &PgPool, sql: &'static str, since: i64) -> Result<BTreeSet<String>> {
    let names: Vec<String> = sqlx::query_scalar(sql).bind(since).fetch_all(pool).await?;
    Ok(names.into_iter().collect())
}

fn without(all: BTreeSet<String>, those: &BTreeSet<String>) -> Vec<String> {
    all.into_iter()
        .filter(|name| !those.contains(name))
        .collect()
}
