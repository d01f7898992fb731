//! A first reading of a large tenant, beside graph-rs-sdk's own paging stream and beside a bare loop.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::simulated::Simulated;
use super::{Figures, number, part};
use crate::bench::median;

/// What the bench is asked for.
#[derive(clap::Args)]
pub struct Args {
    /// Interleaved pairs behind each ratio, of which the median counts
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// Users of the tenant
    #[arg(long, default_value_t = 100_000)]
    users: u32,
    /// Half of the answers take longer, in milliseconds
    #[arg(long, default_value_t = 300)]
    p50: u32,
    /// One answer of a hundred takes longer, in milliseconds
    #[arg(long, default_value_t = 3_000)]
    p99: u32,
    /// The program `graph-rs` of tests/peers; without it nothing is compared with it
    #[arg(long)]
    peer: Option<PathBuf>,
}

/// Measures.
pub(super) fn measure(args: &Args) -> Result<Figures> {
    let mut figures = Figures::new();
    let latency = format!(
        r#"{{"gzip":true,"trouble":[{{"kind":"latency","p50":{},"p99":{}}}]}}"#,
        args.p50, args.p99
    );
    let slow = Simulated::start(args.users, &latency)?;
    let (mut speedups, mut seconds, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        let ours = slow.read(part("reader", false)?)?;
        peaks.push(number(&ours, "peak_mib")?);
        seconds.push(number(&ours, "seconds")?);
        figures.insert("requests", number(&ours, "requests")?);
        if let Some(peer) = &args.peer {
            let theirs = slow.peer(peer)?;
            ensure!(theirs["error"].is_null(), "graph-rs-sdk failed: {theirs}");
            ensure!(
                number(&theirs, "count")? == f64::from(args.users),
                "{theirs}"
            );
            speedups.push(number(&theirs, "seconds")? / number(&ours, "seconds")?);
        }
    }
    drop(slow);
    figures.insert("seconds", median(seconds));
    figures.insert(
        "collector_rss_mb",
        peaks.into_iter().fold(0.0, f64::max) * 1.048_576,
    );
    if !speedups.is_empty() {
        figures.insert("speedup_vs_graph_rs", median(speedups));
    }
    let fast = Simulated::start(args.users, r#"{"gzip":true}"#)?;
    let (mut ratios, mut speeds) = (Vec::new(), Vec::new());
    for _ in 0..args.pairs {
        let ours = number(&fast.read(part("reader", true)?)?, "cpu_seconds")?;
        let bare = number(&fast.read(part("bare", true)?)?, "cpu_seconds")?;
        speeds.push(f64::from(args.users) / ours);
        ratios.push(ours / bare);
    }
    figures.insert("cpu_vs_bare_loop", median(ratios));
    figures.insert("users_per_cpu_second", median(speeds));
    Ok(figures)
}
