//! `leastwise sync`: one pass over every dataset of every tenant.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use proto::admin::v1::collector_admin_client::CollectorAdminClient;
use proto::admin::v1::exporter_admin_client::ExporterAdminClient;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    CollectorStatus, ExporterStatus, ListRunsRequest, MakeDueRequest, NormalizerStatus,
    NormalizerStatusRequest, Run, WaitDeliveredRequest, WatchRequest,
};
use runtime::Problem;
use runtime::error::Exit;
use runtime::grpc::Channel;

use crate::config::Source;
use crate::connect::{Clients, Services, refused};
use crate::output::{self, thousands};
use crate::progress::Progress;

/// Read every tenant once, bring the inventory up to date, and exit.
///
/// Everything that can be asked for now is; what Microsoft Graph may still show late is looked at again by a later
/// sync. While `leastwise run` works, it does the reading and this command waits for it.
#[derive(Args)]
pub struct Sync {
    /// Why, for the audit of services in other processes.
    #[arg(long, default_value = "")]
    reason: String,
}

impl Sync {
    /// Runs one pass.
    ///
    /// # Errors
    /// When something can't be read or delivered.
    pub async fn run(self, source: &Source) -> Result<ExitCode, Problem> {
        let config = source.load()?;
        let mut services = Services::find(&config, &self.reason).await?;
        let pass = Pass::begin(services.clients()).await?;
        if let Services::Here(stack) = &mut services {
            stack.start();
        }
        let outcome = match &mut services {
            Services::Remote(_) => pass.finish().await,
            Services::Here(stack) => tokio::select! {
                outcome = pass.finish() => outcome,
                failed = stack.failed() => Err(failed.err().unwrap_or_else(|| Problem::new("LW-4090", "a service ended.", "start again"))),
                () = super::run::stopped() => Err(Problem::new("LW-4092", "stopped before the pass was done.", "start it again: it goes on where it was")),
            },
        };
        services.close().await;
        let outcome = outcome?;
        output::write(&outcome.summary())?;
        outcome.exit()
    }
}

/// What a pass did.
pub struct Outcome {
    /// Runs that were closed, oldest first.
    pub runs: Vec<Run>,
    /// The state of the datasets afterwards.
    pub collector: CollectorStatus,
    /// The state of the sinks afterwards.
    pub exporter: ExporterStatus,
}

/// A pass that has begun: every dataset is due.
///
/// Services that don't work yet are started after this: else what they begin by themselves is read twice.
pub struct Pass {
    /// Channels to the services.
    pub clients: Clients,
    /// The newest run before.
    newest: u64,
}

/// Makes every dataset due and waits until nothing is left to do now.
///
/// # Errors
/// When a service refuses.
pub async fn pass(clients: &Clients) -> Result<Outcome, Problem> {
    Pass::begin(clients).await?.finish().await
}

impl Pass {
    /// Makes every dataset due.
    ///
    /// # Errors
    /// When a service refuses.
    pub async fn begin(clients: &Clients) -> Result<Pass, Problem> {
        let mut collector = CollectorAdminClient::new(clients.collector.clone());
        let mut normalizer = NormalizerAdminClient::new(clients.normalizer.clone());
        let before = normalizer
            .list_runs(ListRunsRequest {
                limit: 1,
                ..ListRunsRequest::default()
            })
            .await
            .map_err(refused)?
            .into_inner();
        collector
            .make_due(MakeDueRequest::default())
            .await
            .map_err(refused)?;
        Ok(Pass {
            clients: clients.clone(),
            newest: before.runs.first().map_or(0, |r| r.closing),
        })
    }

    /// Waits until nothing is left to do now.
    ///
    /// # Errors
    /// When a service refuses.
    pub async fn finish(self) -> Result<Outcome, Problem> {
        let mut collector = CollectorAdminClient::new(self.clients.collector.clone());
        let mut exporter = ExporterAdminClient::new(self.clients.exporter.clone());
        let mut normalizer = NormalizerAdminClient::new(self.clients.normalizer.clone());
        let mut progress = Progress::new();
        let mut states = collector
            .watch(WatchRequest {})
            .await
            .map_err(refused)?
            .into_inner();
        loop {
            let state = idle(&mut states, &mut normalizer, &mut progress).await?;
            progress.line("delivering to the sinks");
            let delivered = exporter
                .wait_delivered(WaitDeliveredRequest {})
                .await
                .map_err(refused)?
                .into_inner();
            let mut again = collector
                .watch(WatchRequest {})
                .await
                .map_err(refused)?
                .into_inner();
            let now = again.message().await.map_err(refused)?.unwrap_or_default();
            if now.idle && now.datasets == state.datasets {
                progress.done();
                let all = normalizer
                    .list_runs(ListRunsRequest {
                        limit: 1_000,
                        ..ListRunsRequest::default()
                    })
                    .await
                    .map_err(refused)?
                    .into_inner();
                let mut runs: Vec<Run> = all
                    .runs
                    .into_iter()
                    .filter(|r| r.closing > self.newest)
                    .collect();
                runs.sort_by_key(|r| r.closing);
                return Ok(Outcome {
                    runs,
                    collector: now,
                    exporter: delivered,
                });
            }
            states = again;
        }
    }
}

/// Tries to apply a run that fail in a row before a pass gives up waiting.
const TRIES: u32 = 6;

async fn idle(
    states: &mut tonic::Streaming<CollectorStatus>,
    normalizer: &mut NormalizerAdminClient<Channel>,
    progress: &mut Progress,
) -> Result<CollectorStatus, Problem> {
    let mut look = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            state = states.message() => match state.map_err(refused)? {
                Some(state) if state.idle => return Ok(state),
                Some(state) => progress.show(&state),
                None => return Err(Problem::new(
                    "LW-4016",
                    "the collector hung up.",
                    "see whether `leastwise run` still works, then try again",
                )),
            },
            // A ledger that can't apply gives no verdict, so nobody else would tell.
            _ = look.tick() => {
                let status = normalizer.status(NormalizerStatusRequest {}).await.map_err(refused)?;
                let NormalizerStatus { failures, problem: text, .. } = status.into_inner();
                if failures >= TRIES {
                    return Err(problem(&text, "the ledger"));
                }
            }
        }
    }
}

impl Outcome {
    /// What was read and what changed, for a person.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for run in &self.runs {
            text += &format!(
                "{}: {} objects on {} pages ({} requests, {}), {} changed, {} removed{}\n",
                run.dataset,
                thousands(run.fetched),
                run.pages,
                run.requests,
                run.mode,
                thousands(run.changed),
                thousands(run.removed),
                match (run.complete, run.held) {
                    (false, _) => ", incomplete: it is read again".to_owned(),
                    (true, 0) => String::new(),
                    (true, n) => format!(
                        ", {} removals held because they are suspiciously many: `leastwise runs approve {}` lets them go ahead",
                        thousands(n),
                        run.run
                    ),
                }
            );
        }
        let waiting: u32 = self.collector.datasets.iter().map(|d| d.waiting_ids).sum();
        if waiting > 0 {
            text += &format!(
                "{waiting} objects are asked for again later, because Microsoft Graph may still show an old state.\n"
            );
        }
        for sink in &self.exporter.sinks {
            let state = if sink.delivered {
                "up to date"
            } else {
                "behind"
            };
            text += &format!(
                "sink {}: {state}, {} records written, {}\n",
                sink.sink,
                thousands(sink.written),
                sink.location
            );
        }
        text
    }

    /// The exit code; problems are errors.
    pub fn exit(&self) -> Result<ExitCode, Problem> {
        let failed: Vec<_> = self
            .collector
            .datasets
            .iter()
            .filter(|d| d.phase == "failed")
            .collect();
        if let Some(first) = failed.first() {
            return Err(problem(
                &first.problem,
                &format!("tenant {}, dataset {}", first.tenant_id, first.dataset),
            ));
        }
        if let Some(sink) = self.exporter.sinks.iter().find(|s| !s.problem.is_empty()) {
            return Err(problem(&sink.problem, &format!("sink {}", sink.sink)));
        }
        for skipped in self
            .collector
            .datasets
            .iter()
            .filter(|d| d.phase == "skipped")
        {
            eprintln!(
                "dataset {} of tenant {} is left out: {}",
                skipped.dataset, skipped.tenant_id, skipped.problem
            );
        }
        for paused in &self.collector.paused {
            eprintln!(
                "tenant {} is paused and was left out: {}",
                paused.tenant_id, paused.why
            );
        }
        let whole = self
            .collector
            .datasets
            .iter()
            .all(|d| d.phase == "waiting" && d.complete)
            && self.exporter.sinks.iter().all(|s| s.delivered)
            && self.runs.iter().all(|r| r.held == 0);
        Ok(if whole {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(Exit::Incomplete as u8)
        })
    }
}

/// A problem as a service tells it, with its own code in front.
fn problem(text: &str, place: &str) -> Problem {
    let told = Problem::told(text).unwrap_or_else(|| Problem::new("LW-4016", text, ""));
    Problem::new(told.code, format!("{place}: {}", told.what), told.remedy)
}
