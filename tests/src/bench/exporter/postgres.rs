//! A first export into PostgreSQL, over plain COPY: the rows that the export left behind, one COPY a table, into the same
//! tables with the same indexes in another database of the same server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bus::{Bus, Keys, Topology, memory::Memory};
use exporter::sink::database::Postgres;
use exporter::sink::{Context, Sink};
use exporter::{Config, Deps, Exporter, SinkConfig};
use futures::TryStreamExt as _;
use proto::admin::v1::WaitDeliveredRequest;
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::feed::v1::feed_server::FeedServer;
use runtime::db::{Db, Durability, Options};
use runtime::{CancellationToken, Clock};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ledger::{Ledger, TENANT};
use super::{Args, Figures};
use crate::bench::median;

/// A table's name and the columns that have rows, with these as COPY spells them.
struct Copied {
    into: String,
    lines: Vec<u8>,
}

pub(super) async fn measure(args: &Args, figures: &mut Figures) -> Result<()> {
    // The disk is waited for, as in an installation.
    let server = servers::Postgres::start(&servers::postgres::Options {
        durable: true,
        ..servers::postgres::Options::default()
    })?;
    let ledger = Ledger::new(args.users);
    let home = tempfile::tempdir()?;
    std::fs::write(home.path().join("password"), server.password())?;
    let sink = |name: &str| -> Result<Postgres> {
        server.create_database(name)?;
        Ok(Postgres {
            url: format!("postgres://postgres@127.0.0.1:{}/{name}", server.port()),
            password_file: Some(home.path().join("password")),
            ..Postgres::default()
        })
    };
    let first = sink("first")?;
    exported(&ledger, first, &home.path().join("first.db")).await?;
    let (rows, copied) = read(&server.url("first", servers::postgres::SUPERUSER)).await?;
    ensure!(rows >= 3 * args.users, "{rows} rows were exported");

    let (mut exports, mut copies, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..args.pairs {
        let (ours, plain) = (format!("export{pair}"), format!("plain{pair}"));
        let (mut export, mut copy) = (Duration::ZERO, Duration::ZERO);
        // Neither is always the first.
        for turn in [pair, pair + 1] {
            if turn % 2 == 0 {
                let store = home.path().join(format!("{ours}.db"));
                export = exported(&ledger, sink(&ours)?, &store).await?;
            } else {
                emptied(&sink(&plain)?).await?;
                let url = server.url(&plain, servers::postgres::SUPERUSER);
                copy = written(&url, &copied).await?;
            }
        }
        for name in [&ours, &plain] {
            server.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of a bench")]
        let a_second = |took: Duration| rows as f64 / took.as_secs_f64();
        exports.push(a_second(export));
        copies.push(a_second(copy));
        shares.push(copy.as_secs_f64() / export.as_secs_f64());
    }
    figures.insert("postgres_rows_per_second", median(exports));
    figures.insert("postgres_copy_rows_per_second", median(copies));
    figures.insert("postgres_share_of_copy", median(shares));
    Ok(())
}

/// How long an exporter takes until everything is in the sink.
async fn exported(ledger: &Ledger, sink: Postgres, store: &Path) -> Result<Duration> {
    let options = Options {
        path: store.to_owned(),
        durability: Durability::Full,
        brake: false,
    };
    let db = Db::open(&options, &exporter::MIGRATIONS).await?;
    let config = Config {
        sinks: vec![SinkConfig::new(sink)],
        poll: Duration::from_secs(3_600),
        ..Config::default()
    };
    let queue = Arc::new(Memory::new(Topology::of_pools([])));
    let deps = Deps {
        holder: String::new(),
        bus: Bus::new(queue, Keys::generate()),
        db: db.clone(),
        clock: Clock::system(),
        feed: runtime::grpc::local(FeedServer::new(ledger.clone())),
    };
    let exporter = Exporter::new(config, deps)?;
    let mut admin = ExporterAdminClient::new(runtime::grpc::local(exporter.admin()));
    let stop = CancellationToken::new();
    let token = stop.clone();
    let mut running = JoinSet::new();
    let start = Instant::now();
    running.spawn(async move { exporter.run(token).await });
    let sinks = admin.wait_delivered(WaitDeliveredRequest {}).await?;
    let took = start.elapsed();
    let sinks = sinks.into_inner().sinks;
    let delivered = !sinks.is_empty() && sinks.iter().all(|s| s.delivered);
    ensure!(delivered, "not delivered: {sinks:?}");
    stop.cancel();
    running.join_next().await.context("the exporter")???;
    db.close().await;
    Ok(took)
}

/// The tables, without rows.
async fn emptied(sink: &Postgres) -> Result<()> {
    let home = tempfile::tempdir()?;
    let context = Context {
        name: "plain".into(),
        brake: false,
        clock: Clock::system(),
        db: super::database(home.path()).await?,
    };
    let Sink::Rows(sink) = SinkConfig::new(sink.clone()).target.sink(&context)? else {
        anyhow::bail!("a sink of rows");
    };
    sink.cursor(TENANT.parse()?).await?;
    Ok(())
}

/// What an export left, table by table, and how many rows that is.
async fn read(url: &str) -> Result<(u64, Vec<Copied>)> {
    let mut c = PgConnection::connect(url).await?;
    let sql = "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND relname NOT IN ('cursor', 'sink_column', '_sqlx_migrations') ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut c).await?;
    let (mut rows, mut all) = (0, Vec::new());
    for table in tables {
        let out = c.copy_out_raw(&format!("COPY {table} TO STDOUT")).await?;
        let lines = out
            .try_fold(Vec::new(), |mut lines, part| async move {
                lines.extend_from_slice(&part);
                Ok(lines)
            })
            .await?;
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(count))
            .fetch_one(&mut c)
            .await?;
        rows += u64::try_from(count)?;
        if count > 0 {
            let into = format!("COPY {table} FROM STDIN");
            all.push(Copied { into, lines });
        }
    }
    c.close().await?;
    Ok((rows, all))
}

/// How long it takes to copy the same.
async fn written(url: &str, all: &[Copied]) -> Result<Duration> {
    let start = Instant::now();
    let mut c = PgConnection::connect(url).await?;
    for Copied { into, lines } in all {
        let mut copy = c.copy_in_raw(into).await?;
        for part in lines.chunks(256 * 1024) {
            copy.send(part).await?;
        }
        copy.finish().await?;
    }
    let took = start.elapsed();
    c.close().await?;
    Ok(took)
}
