//! Sending by OTLP. A receiver that is down, hangs or refuses costs what was to be sent to it, and nothing else: sending
//! has threads of its own, and what waits for them is bounded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{
    Compression, MetricExporter, SpanExporter as Otlp, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter};
use tonic::transport::Channel;

use super::Config;
use crate::error::{Chain, Problem};
use crate::grpc::transport;
use crate::{metrics, tls};

/// A receiver that doesn't answer in this time doesn't get it.
const SEND: Duration = Duration::from_secs(5);
/// Spans that wait to be sent, some 20 MiB; further ones are lost.
const QUEUE: usize = 16_384;
/// Spans of a request.
const BATCH: usize = 1_024;

/// What sends.
pub(super) struct Senders {
    pub spans: BatchSpanProcessor,
    pub metrics: PeriodicReader<MetricExporter>,
}

/// Sends to where the configuration says, if it does. Call it inside of the runtime that has the connection.
pub(super) fn senders(
    config: &Config,
    tls: Option<&tls::Config>,
) -> Result<Option<Senders>, Problem> {
    let Some(otlp) = &config.otlp else {
        return Ok(None);
    };
    let channel = transport(otlp, config.tls.as_ref().or(tls))?;
    let spans = Spans {
        otlp: spans(channel.clone()).map_err(|e| unusable(&e))?,
        place: otlp.endpoint.join(", "),
        fails: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(BATCH);
    let spans = BatchSpanProcessor::builder(spans).with_batch_config(batches.build());
    let metrics = MetricExporter::builder()
        .with_tonic()
        .with_channel(channel)
        .with_compression(Compression::Gzip)
        .with_timeout(SEND)
        .build()
        .map_err(|e| unusable(&e))?;
    let every = Duration::from_secs(config.metrics_seconds);
    let metrics = PeriodicReader::builder(metrics).with_interval(every);
    Ok(Some(Senders {
        spans: spans.build(),
        metrics: metrics.build(),
    }))
}

fn spans(channel: Channel) -> Result<Otlp, opentelemetry_otlp::ExporterBuildError> {
    Otlp::builder()
        .with_tonic()
        .with_channel(channel)
        .with_compression(Compression::Gzip)
        .with_timeout(SEND)
        .build()
}

fn unusable(e: &opentelemetry_otlp::ExporterBuildError) -> Problem {
    let what = format!("telemetry can't be sent: {}.", Chain(e));
    Problem::new("LW-1013", what, "mend [telemetry] of the configuration")
}

/// Says when the receiver fails, and when it works again: once each.
#[derive(Debug)]
struct Spans {
    otlp: Otlp,
    place: String,
    fails: AtomicBool,
}

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let sent = self.otlp.export(batch).await;
        let failed = sent.is_err();
        metrics::calls::spans_sent(spans, failed);
        let before = self.fails.swap(failed, Ordering::Relaxed);
        match &sent {
            Err(e) if !before => {
                tracing::warn!(to = self.place, error = %Chain(e), "telemetry can't be sent, and is lost meanwhile");
            }
            Ok(()) if before => tracing::info!(to = self.place, "telemetry is sent again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.otlp.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
