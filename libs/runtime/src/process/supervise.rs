//! From the first signal to the end.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::page::Page;
use super::{Health, Process, Service, VERSION};
use crate::Clock;
use crate::error::Problem;
use crate::grpc::listen;
use crate::telemetry::Metrics;

/// Runs the service until it ends, or a signal says so.
pub(super) async fn run<S: Service>(settings: S, metrics: Metrics) -> Result<(), Problem> {
    let grace = settings.sections().grace;
    let listener = listen(settings.sections().http.listen).await?;
    let process = Process {
        stop: CancellationToken::new(),
        clock: Clock::system(),
        health: Health::default(),
    };
    let page = Page {
        metrics,
        health: process.health.clone(),
        stop: process.stop.clone(),
    };
    tracing::info!(version = VERSION, page = ?listener.local_addr().ok(), "{} starts", S::NAME);
    let (stop, health) = (process.stop.clone(), process.health.clone());
    tokio::select! {
        ended = supervise(settings.run(process), &stop, grace) => ended,
        ended = page.serve(listener) => ended,
        () = health.show() => Ok(()),
    }
}

/// Waits for the end of `run`: by itself, or after the first signal within the grace; the second ends at once.
async fn supervise(
    run: impl Future<Output = Result<(), Problem>>,
    stop: &CancellationToken,
    grace: Duration,
) -> Result<(), Problem> {
    let mut signals = Signals::new()?;
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => return ended.and_then(|()| Err(Problem::new(
            "LW-4090",
            "the service ended by itself.",
            "start again; report it",
        ))),
        name = signals.next() => tracing::info!(signal = name, grace_seconds = grace.as_secs(), "stopping"),
    }
    stop.cancel();
    tokio::select! {
        ended = tokio::time::timeout(grace, run) => match ended {
            // It was still waiting for something: stopping is no failure then.
            Ok(Err(problem)) if problem.code == "LW-4092" => Ok(()),
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!(grace_seconds = grace.as_secs(), "not finished in time; what is unfinished comes back");
                Ok(())
            }
        },
        name = signals.next() => Err(Problem::new(
            "LW-4092",
            format!("{name} again: ended at once."),
            "nothing: what is unfinished comes back",
        )),
    }
}

struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    fn new() -> Result<Signals, Problem> {
        let on = |kind| {
            signal(kind).map_err(|e| {
                let what = format!("signals can't be waited for: {e}.");
                Problem::new("LW-4091", what, "check the limits of this user")
            })
        };
        Ok(Signals {
            int: on(SignalKind::interrupt())?,
            term: on(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.int.recv() => "SIGINT",
            _ = self.term.recv() => "SIGTERM",
        }
    }
}
