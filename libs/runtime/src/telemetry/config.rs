//! `[telemetry]`: where traces and metrics are sent to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Exit, Problem};
use crate::grpc::Remote;
use crate::tls;

/// `[telemetry]`. Without `otlp` nothing is sent; the page of metrics is there in any case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A receiver of OTLP over gRPC, such as an OpenTelemetry Collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Remote>,
    /// Certificates for it, where they are not those of `[tls]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<tls::Config>,
    /// The share of traces that is sent, from 0 to 1; what belongs to a trace that began elsewhere is sent as was decided
    /// there.
    pub sampled: f64,
    /// Metrics are sent after each such time.
    pub metrics_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            otlp: None,
            tls: None,
            sampled: 1.0,
            metrics_seconds: 60,
        }
    }
}

impl Config {
    /// Makes paths absolute.
    pub fn resolve(&mut self, base: &Path) {
        if let Some(tls) = &mut self.tls {
            tls.resolve(base);
        }
    }

    /// Checks what types can't say; `tls` is the process's.
    ///
    /// # Errors
    /// `LW-1013` for a number that can't be, `LW-1011` and `LW-1012` for an endpoint that can't be used.
    pub(crate) fn check(&self, tls: Option<&tls::Config>) -> Result<(), Problem> {
        if !(0.0..=1.0).contains(&self.sampled) || self.metrics_seconds == 0 {
            return Err(Problem::new(
                "LW-1013",
                "telemetry.sampled is no share from 0 to 1, or telemetry.metrics_seconds is 0.",
                "mend the value in the configuration",
            )
            .exit(Exit::Usage));
        }
        let otlp = self.otlp.as_ref();
        otlp.map_or(Ok(()), |otlp| otlp.check(self.tls.as_ref().or(tls)))
    }

    /// For `--check-config`.
    pub(crate) fn told(&self) -> Option<String> {
        let otlp = self.otlp.as_ref()?;
        let (place, share) = (otlp.endpoint.join(", "), self.sampled * 100.0);
        Some(format!("metrics and {share} % of traces go to {place}"))
    }
}
