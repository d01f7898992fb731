//! `leastwise run`: all four services until stopped.

use std::process::ExitCode;

use clap::Args;
use runtime::{CancellationToken, Problem};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Source;
use crate::connect::{serve, socket};
use crate::stack::{Options, Stack};

/// Run all four services in this process until stopped (SIGINT or SIGTERM).
#[derive(Args)]
pub struct Run {}

impl Run {
    /// Runs.
    ///
    /// # Errors
    /// When the stack can't start, or a service fails for good.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let mut stack = Stack::open(&config, Options::real(&config)?).await?;
        stack.start();
        let stop = CancellationToken::new();
        let path = socket(&config.data_dir);
        let served = serve(&path, stack.servers(), stop.clone());
        let outcome = {
            tokio::pin!(served);
            tokio::select! {
                () = stopped() => {
                    stop.cancel();
                    // A caller that watches keeps its stream; a second is enough to say goodbye.
                    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), served).await;
                    Ok(())
                }
                done = &mut served => done,
                failed = stack.failed() => failed,
            }
        };
        stack.stop().await;
        // A leftover would only make the next command look for somebody who is gone.
        let _ = std::fs::remove_file(&path);
        outcome.map(|()| ExitCode::SUCCESS)
    }
}

/// Returns at the first SIGINT or SIGTERM.
pub async fn stopped() {
    let (Ok(mut int), Ok(mut term)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}
