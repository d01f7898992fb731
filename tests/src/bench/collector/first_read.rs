//! A first reading of a large tenant, beside graph-rs-sdk's own paging stream and beside a bare loop.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::reader::tenants;
use super::{Figures, last_line, number, part};
use crate::bench::median;
use crate::process::Simulator;

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

const SEED: u64 = 4_711;

/// A simulator with this scenario.
struct Simulated {
    sim: Simulator,
    users: u32,
    _scenario: tempfile::NamedTempFile,
}

impl Simulated {
    fn start(users: u32, scenario: &str) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), scenario)?;
        let mut command = Command::new(std::env::current_exe()?.with_file_name("graph-sim"));
        command.args(["--users", &users.to_string(), "--seed", &SEED.to_string()]);
        command.arg("--scenario").arg(file.path());
        Ok(Simulated {
            sim: Simulator::of(&mut command),
            users,
            _scenario: file,
        })
    }

    /// What one of our parts says of a reading; it must be whole.
    fn read(&self, mut part: Command) -> Result<Value> {
        part.args(["--base", self.sim.text("graph")]);
        part.args(["--users", &self.users.to_string()]);
        part.args(["--seed", &SEED.to_string()]);
        let read = last_line(&mut part)?;
        ensure!(number(&read, "objects")? >= f64::from(self.users), "{read}");
        Ok(read)
    }

    fn peer(&self, program: &PathBuf) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let base = self.sim.text("graph");
        let tenant = tenants(base, self.users, SEED).remove(0);
        let http = runtime::http::client()?;
        let token = runtime.block_on(crate::desk::token(&http, &tenant))?;
        let select = catalog::find("users").map_or(String::new(), |d| d.select.join(","));
        let base = format!("{base}/v1.0");
        last_line(Command::new(program).args([&base, &token, "999", &select]))
    }
}
