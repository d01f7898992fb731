//! The conformance suite on the three backends, side by side. Starts a RabbitMQ server of its own.
//!
//! `cargo run -p bus --example conformance`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a report that people read"
)]

#[path = "../tests/fixtures/mod.rs"]
mod fixtures;

use std::process::ExitCode;

use fixtures::rabbit::{InRabbit, Server};
use fixtures::run::{Verdict, run_all};
use fixtures::{InFile, InMemory};
use tokio::runtime::{Builder, Runtime};

fn main() -> ExitCode {
    let paused = || {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let memory = paused().block_on(run_all(1, |_| InMemory::new(false)));
    let embedded = paused().block_on(run_all(1, |_| InFile::new(true, false)));
    let server = Server::for_cases();
    let amqp = Runtime::new().unwrap().block_on(run_all(4, |case| {
        let server = server.clone();
        async move { InRabbit::new(&server, case).await }
    }));

    println!(
        "{:<20} {:<10} {:<10} {:<10}",
        "case", "memory", "embedded", "amqp"
    );
    let mut failed = Vec::new();
    for ((m, e), a) in memory.iter().zip(&embedded).zip(&amqp) {
        println!(
            "{:<20} {:<10} {:<10} {:<10}",
            m.0,
            word(m),
            word(e),
            word(a)
        );
        for (backend, (case, verdict)) in [("memory", m), ("embedded", e), ("amqp", a)] {
            failed.extend(
                verdict
                    .as_ref()
                    .err()
                    .map(|why| format!("{backend} {case}: {why}")),
            );
        }
    }
    println!("{} cases, {} failed", memory.len(), failed.len());
    for line in &failed {
        println!("{line}");
    }
    ExitCode::from(u8::from(!failed.is_empty()))
}

fn word((_, verdict): &Verdict) -> &'static str {
    if verdict.is_ok() { "ok" } else { "FAILED" }
}
