//! The ledger over PostgreSQL: pages taken per CPU-second, and applying over the fastest bulk statement for the same
//! rows into the same table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use bus::amqp::{self, Amqp};
use bus::{Bus, Keys};
use futures::future::try_join_all;
use proto::message::Body;
use proto::pages::v1::{PageFetched, PageRange, RunMode, RunSealed};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use super::{median, share, usage};
use crate::cluster::{Cluster, Servers, Tuning, topology};

const PAGES: u32 = 50;
const PAGE: u32 = 999;
/// Rows of a bulk statement.
const ROWS: i64 = 1_000;

pub(super) async fn measure(
    servers: &Servers,
    pairs: usize,
    figures: &mut BTreeMap<&str, f64>,
) -> Result<()> {
    let (mut intake, mut apply, mut bulk, mut shares) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (sim, _serving) = share::simulator(PAGES * PAGE, 1).await?;
    let tenant = sim.tenants()[0].id.clone();
    let pages = pages(&sim, &tenant)?;
    for _ in 0..pairs {
        servers.declare()?;
        let tuning = Tuning {
            replicas: 1,
            ..Tuning::default()
        };
        let mut cluster = Cluster::start(servers, sim.tenants(), tuning)?;
        // Nobody else shall use the servers meanwhile.
        for service in ["token-broker", "collector", "exporter"] {
            cluster.kill_all(service);
        }
        let ledger = cluster.pool("normalizer").clone();
        let mut config = amqp::Config::new(format!("amqp://127.0.0.1:{}/", servers.rabbit.port()));
        (config.username, config.password_file) = (Some("guest".into()), Some(servers.guest()));
        let queue = Amqp::connect(config, topology())
            .await
            .map_err(|e| anyhow::anyhow!("{e}"))?;
        let keys = Keys::load(&cluster.home.path().join("queue.keys"))
            .map_err(|e| anyhow::anyhow!("{e}"))?;
        let bus = Bus::new(Arc::new(queue), keys);

        let id = cluster.of("normalizer")[0].id().unwrap_or_default();
        let before = usage::of_process(id);
        try_join_all(pages.iter().map(|page| bus.publish(page))).await?;
        until(&ledger, "SELECT count(*) FROM inbox_page", PAGES.into()).await?;
        intake.push(f64::from(PAGES) / (usage::of_process(id) - before).max(0.01));

        let began = Instant::now();
        bus.publish(&seal(&tenant)).await?;
        until(&ledger, "SELECT count(*) FROM closing", 1).await?;
        let applied = f64::from(PAGES * PAGE) / began.elapsed().as_secs_f64();
        let fastest = fastest(&ledger).await?;
        apply.push(applied);
        bulk.push(fastest);
        shares.push(applied / fastest);
        bus.backend().close().await;
    }
    figures.insert("intake_pages_per_second", median(intake));
    figures.insert("apply_rows_per_second", median(apply));
    figures.insert("bulk_rows_per_second", median(bulk));
    figures.insert("apply_share_of_bulk", median(shares));
    Ok(())
}

/// The tenant's users as the collector publishes them.
fn pages(sim: &graph_sim::Sim, tenant: &str) -> Result<Vec<Body>> {
    let mut users = Vec::new();
    sim.truth_users(0, |user| users.push(user.to_vec()));
    let page = |(n, users): (usize, &[Vec<u8>])| -> Result<Body> {
        let json = [&b"{\"value\":["[..], &users.join(&b","[..]), b"]}"].concat();
        Ok(Body::Page(PageFetched {
            tenant_id: tenant.to_owned(),
            dataset: "users".into(),
            run: RUN,
            attempt: 1,
            sequence: u32::try_from(n)?,
            mode: RunMode::Full.into(),
            body: zstd::bulk::compress(&json, 1)?,
            objects: u32::try_from(users.len())?,
            ..PageFetched::default()
        }))
    };
    users.chunks(PAGE as usize).enumerate().map(page).collect()
}

const RUN: u64 = 1_800_000_000_000_000;

fn seal(tenant: &str) -> Body {
    Body::Sealed(RunSealed {
        tenant_id: tenant.to_owned(),
        dataset: "users".into(),
        run: RUN,
        attempt: 1,
        mode: RunMode::Full.into(),
        pages: vec![PageRange {
            attempt: 1,
            first: 0,
            last: PAGES - 1,
        }],
        objects: u64::from(PAGES * PAGE),
        started_at: RUN,
        sealed_at: RUN,
        pool: "default".into(),
        ..RunSealed::default()
    })
}

async fn until(pool: &PgPool, count: &'static str, wanted: i64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    while sqlx::query_scalar::<_, i64>(count).fetch_one(pool).await? < wanted {
        if Instant::now() > deadline {
            bail!("{count} did not reach {wanted}");
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Rows a second of the fastest statement, in batches, into a copy of the table with the same indexes.
async fn fastest(ledger: &PgPool) -> Result<f64> {
    sqlx::raw_sql("CREATE TABLE bulk (LIKE record INCLUDING ALL)")
        .execute(ledger)
        .await?;
    type Row = (i64, i64, String, Vec<u8>, i64, Vec<u8>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT tenant, kind, key, hash, closing, body, source FROM record ORDER BY id",
    )
    .fetch_all(ledger)
    .await?;
    let mut connection = ledger.acquire().await?;
    let began = Instant::now();
    for batch in rows.chunks(usize::try_from(ROWS)?) {
        let sql = "INSERT INTO bulk (tenant, kind, key, hash, closing, removed, body, source)
            SELECT $1, kind, key, hash, closing, 0, body, source
            FROM unnest($2::bigint[], $3::text[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[])
                AS new (kind, key, hash, closing, body, source)
            ON CONFLICT (tenant, kind, key) DO UPDATE SET hash = excluded.hash, closing = excluded.closing,
                body = excluded.body WHERE bulk.hash IS DISTINCT FROM excluded.hash";
        let column = |n: fn(&Row) -> i64| batch.iter().map(n).collect::<Vec<i64>>();
        sqlx::query(sql)
            .bind(batch[0].0)
            .bind(column(|r| r.1))
            .bind(batch.iter().map(|r| r.2.as_str()).collect::<Vec<_>>())
            .bind(batch.iter().map(|r| r.3.as_slice()).collect::<Vec<_>>())
            .bind(column(|r| r.4))
            .bind(batch.iter().map(|r| r.5.as_slice()).collect::<Vec<_>>())
            .bind(batch.iter().map(|r| r.6).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a count of a bench")]
    let rows = rows.len() as f64;
    Ok(rows / seconds)
}
