//! CPU time, as Linux counts it: in hundredths of a second; memory; and what databases are written to.

use std::path::Path;

use anyhow::Result;

use crate::cluster::{Cluster, STATEFUL};

fn ticks(stat: &Path, fields: [usize; 2]) -> f64 {
    let stat = std::fs::read_to_string(stat).unwrap_or_default();
    // The name in parentheses may hold spaces.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest
        .split_whitespace()
        .enumerate()
        .filter(|(n, _)| fields.contains(&(n + 3)));
    fields
        .filter_map(|(_, f)| f.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// CPU seconds of a running process.
pub(super) fn of_process(id: u32) -> f64 {
    ticks(Path::new(&format!("/proc/{id}/stat")), [14, 15])
}

/// CPU seconds of this process's children that have ended.
pub(super) fn of_ended_children() -> f64 {
    ticks(Path::new("/proc/self/stat"), [16, 17])
}

/// CPU seconds of every service.
pub(super) fn of_cluster(cluster: &Cluster) -> f64 {
    let replicas = cluster.replicas.values().flatten();
    replicas.filter_map(|r| r.id()).map(of_process).sum()
}

/// Resident memory of a running process.
pub(super) fn resident_mib(id: u32) -> f64 {
    memory_mib(id, "VmRSS:")
}

/// The most that it ever was.
pub(super) fn peak_mib(id: u32) -> f64 {
    memory_mib(id, "VmHWM:")
}

fn memory_mib(id: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// What databases have done so far.
pub(super) struct Written {
    /// Rows of tables inserted, updated and deleted, the server's own tables left out.
    pub rows: f64,
    /// Transactions of all sorts.
    pub transactions: f64,
}

/// Of the services' databases and the PostgreSQL sink's.
pub(super) async fn written(cluster: &Cluster) -> Result<Written> {
    let sql = "SELECT
        (SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_user_tables),
        xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let mut all = Written {
        rows: 0.0,
        transactions: 0.0,
    };
    for service in STATEFUL.into_iter().chain(["sink"]) {
        let (rows, transactions): (i64, i64) =
            sqlx::query_as(sql).fetch_one(cluster.pool(service)).await?;
        all.rows += rows as f64;
        all.transactions += transactions as f64;
    }
    Ok(all)
}
