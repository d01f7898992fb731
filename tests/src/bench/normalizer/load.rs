//! Part of the bench: one first load in a process of its own, for its memory and its transaction.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use runtime::db::query;
use serde_json::{Value, json};

use super::ledger::{self, Ledger};
use super::users::Run;
use crate::bench::usage;

/// What is loaded, and where.
#[derive(clap::Args)]
pub struct Args {
    /// Users of the tenant
    #[arg(long)]
    users: usize,
    /// The directory of a database of SQLite, or of the password of a server of PostgreSQL
    #[arg(long)]
    dir: PathBuf,
    /// The URL of a database of PostgreSQL
    #[arg(long)]
    postgres: Option<String>,
}

/// Between looks at the memory.
const EVERY: Duration = Duration::from_millis(50);

pub(super) fn run(args: &Args) -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let db = match &args.postgres {
            Some(url) => ledger::postgres(url, &args.dir.join("password")).await?,
            None => ledger::sqlite(&args.dir).await?,
        };
        let mut ledger = Ledger::new(db.clone()).await?;
        let run = Run {
            run: ledger.number(),
            base: 0,
            users: args.users,
            every: 1,
            city: "Bonn",
        };
        let wal = args.dir.join("ledger.db-wal");
        let me = std::process::id();
        let (mut resident, mut largest_wal) = (Vec::new(), 0);
        let before = written(&db).await?;
        let mut load = Box::pin(ledger.stream(run, args.users));
        let (taken, applied) = loop {
            tokio::select! {
                done = &mut load => break done?,
                () = tokio::time::sleep(EVERY) => {
                    resident.push(usage::resident_mib(me));
                    largest_wal = std::fs::metadata(&wal).map_or(0, |file| file.len()).max(largest_wal);
                }
            }
        };
        drop(load);
        let log = match db.is_shared() {
            true => written(&db).await? - before,
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            false => largest_wal as f64,
        };
        let (early, late) = resident.split_at(resident.len() / 2);
        let most = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
        ledger.close().await;
        Ok(json!({
            "intake_seconds": taken,
            "apply_seconds": applied,
            "cpu_seconds": usage::of_process(me),
            "wal_mib": log / f64::from(1 << 20),
            "peak_mib": usage::peak_mib(me),
            "first_half_mib": most(early),
            "second_half_mib": most(late),
        }))
    })
}

/// Bytes that PostgreSQL has written to its log; 0 for SQLite.
async fn written(db: &runtime::db::Db) -> Result<f64> {
    if !db.is_shared() {
        return Ok(0.0);
    }
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
    let mut read = db.read().await?;
    let bytes: i64 = query(sql).fetch_one(&mut read).await?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(bytes as f64)
}
