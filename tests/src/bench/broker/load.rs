//! Calls in flight, and how long each one took.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use proto::token::v1::GetTokenRequest;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::installation::Server;
use super::usage;

/// What happened while a server was kept busy.
#[derive(Default)]
pub(super) struct Slice {
    latencies: Vec<Duration>,
    seconds: f64,
    /// Of the server.
    cpu_seconds: f64,
}

impl Slice {
    #[expect(clippy::cast_precision_loss, reason = "a count of a bench")]
    fn calls(&self) -> f64 {
        self.latencies.len() as f64
    }

    pub(super) fn per_second(&self) -> f64 {
        self.calls() / self.seconds
    }

    /// CPU time of the server for one call.
    pub(super) fn cpu_micros(&self) -> f64 {
        self.cpu_seconds / self.calls() * 1e6
    }

    pub(super) fn add(&mut self, other: Slice) {
        self.latencies.extend(other.latencies);
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
    }

    /// The latency that this share of the calls kept below.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a position among the calls of a bench"
    )]
    pub(super) fn quantile_ms(&self, share: f64) -> f64 {
        let mut all = self.latencies.clone();
        all.sort_unstable();
        let at = (self.calls() * share) as usize;
        let found = all.get(at.min(all.len().saturating_sub(1)));
        found.map_or(f64::NAN, |l| l.as_secs_f64() * 1_000.0)
    }
}

impl Server {
    /// Each request once, so many callers at a time, all of which begin together.
    pub(super) async fn each(
        &self,
        requests: &Arc<[GetTokenRequest]>,
        callers: usize,
    ) -> Result<()> {
        let together = Arc::new(tokio::sync::Barrier::new(callers));
        let mut tasks = JoinSet::new();
        for caller in 0..callers {
            let mut client = self.clients[caller % self.clients.len()].clone();
            let (requests, together) = (Arc::clone(requests), Arc::clone(&together));
            tasks.spawn(async move {
                together.wait().await;
                for request in requests.iter().skip(caller).step_by(callers) {
                    let answer = client.get_token(request.clone()).await?.into_inner();
                    ensure!(!answer.access_token.is_empty(), "an answer without a token");
                }
                Ok(())
            });
        }
        tasks.join_all().await.into_iter().collect()
    }

    /// Keeps so many calls in flight for a while, each caller going round the requests.
    pub(super) async fn load(
        &self,
        requests: &Arc<[GetTokenRequest]>,
        in_flight: usize,
        lasting: Duration,
    ) -> Result<Slice> {
        let cpu = usage::of_process(self.id());
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for caller in 0..in_flight {
            let mut client = self.clients[caller % self.clients.len()].clone();
            let requests = Arc::clone(requests);
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                for at in (caller..).step_by(in_flight) {
                    let sent = Instant::now();
                    if sent - began >= lasting {
                        break;
                    }
                    let request = requests[at % requests.len()].clone();
                    client.get_token(request).await?;
                    latencies.push(sent.elapsed());
                }
                anyhow::Ok(latencies)
            });
        }
        let mut slice = Slice::default();
        while let Some(done) = tasks.join_next().await {
            slice.latencies.extend(done.context("a caller")??);
        }
        slice.seconds = began.elapsed().as_secs_f64();
        slice.cpu_seconds = usage::of_process(self.id()) - cpu;
        Ok(slice)
    }
}
