//! Telemetry of a process of its own.

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use super::json::Json;
use super::{Config, LogFormat, filter, otlp};
use crate::error::Problem;
use crate::metrics::calls;
use crate::tls;

/// Telemetry is given so long at the end; what is not sent then is lost.
const FLUSH: Duration = Duration::from_secs(2);

/// The metrics of this process, for its page.
#[derive(Clone, Debug)]
pub struct Metrics(Registry);

/// The telemetry of a process of its own.
pub struct Server {
    metrics: Registry,
    meters: SdkMeterProvider,
    traces: SdkTracerProvider,
}

impl Server {
    /// Starts logs, traces and metrics of a process called `name`. Logs are JSON with `trace_id` and `span_id` unless
    /// somebody looks at a terminal or asks for another format. Traces and metrics are sent where the configuration says,
    /// over connections of the runtime in which this is called; `tls` is the process's.
    ///
    /// # Errors
    /// `LW-4096` when the metrics can't be set up, and what is wrong with the configuration.
    pub fn begin(
        (name, version): (&'static str, &'static str),
        format: Option<LogFormat>,
        config: &Config,
        tls: Option<&tls::Config>,
    ) -> Result<Server, Problem> {
        let terminal = std::io::stderr().is_terminal();
        let format = format.unwrap_or(match terminal {
            true => LogFormat::Text,
            false => LogFormat::Json,
        });
        let layer = fmt::layer()
            .with_ansi(terminal)
            .with_writer(std::io::stderr);
        let layer = match format {
            LogFormat::Text => layer.with_target(false).with_filter(filter("info")).boxed(),
            LogFormat::Json => layer
                .event_format(Json)
                // A line names its span by id: what the span holds need not be made into text for each request.
                .fmt_fields(fmt::format::debug_fn(|_, _, _| Ok(())))
                .with_filter(filter("info"))
                .boxed(),
        };
        let resource = resource(name, version);
        let (spans, sent_metrics) = match otlp::senders(config, tls)? {
            Some(senders) => (Some(senders.spans), Some(senders.metrics)),
            None => (None, None),
        };
        let mut traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                config.sampled,
            ))));
        if let Some(spans) = spans {
            traces = traces.with_span_processor(spans);
        }
        let traces = traces.build();
        global::set_tracer_provider(traces.clone());
        // Err: somebody has installed a subscriber already, which is then the one that counts.
        let _ = registry()
            // Log lines are the log's, which has the ids: sent with spans they would be there twice.
            .with(
                spans_of(&traces, name)
                    .with_filter(filter_fn(|m| m.is_span()))
                    .with_filter(filter("info")),
            )
            .with(layer)
            .try_init();
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .map_err(|e| {
                Problem::new(
                    "LW-4096",
                    format!("metrics can't be set up: {e}."),
                    "report it",
                )
            })?;
        let mut meters = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(exporter);
        if let Some(sent) = sent_metrics {
            meters = meters.with_reader(sent);
        }
        let meters = meters.build();
        global::set_meter_provider(meters.clone());
        observe_process();
        Ok(Server {
            metrics: registry,
            meters,
            traces,
        })
    }

    /// For the process's page.
    pub fn metrics(&self) -> Metrics {
        Metrics(self.metrics.clone())
    }

    /// Sends what has not been sent yet, as long as that doesn't take long.
    pub fn end(self) {
        // Err: it is lost, and the process ends all the same.
        let _ = self.traces.shutdown_with_timeout(FLUSH);
        let _ = self.meters.shutdown_with_timeout(FLUSH);
    }
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When one of them can't be written so.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

/// Gives spans their ids, and to whoever sends them.
fn spans_of<S>(provider: &SdkTracerProvider, name: &'static str) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Where in the code and on which thread: of a service that answers thousands a second that costs more than it tells.
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(name))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
}

/// Spans that go nowhere.
#[cfg(test)]
pub(crate) fn traces<S>(name: &'static str) -> (OpenTelemetryLayer<S, SdkTracer>, SdkTracerProvider)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let provider = SdkTracerProvider::builder().build();
    (spans_of(&provider, name), provider)
}

fn resource(name: &'static str, version: &'static str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.namespace", "leastwise"),
            KeyValue::new("service.name", name),
            KeyValue::new("service.version", version),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .build()
}

/// CPU and memory of this process, as Linux counts them.
fn observe_process() {
    let meter = global::meter("leastwise");
    let cpu = calls::cpu();
    meter
        .f64_observable_counter(cpu.name)
        .with_unit(cpu.unit)
        .with_description(cpu.what)
        .with_callback(|o| {
            if let Some(seconds) = cpu_seconds() {
                o.observe(seconds, &[]);
            }
        })
        .build();
    let memory = calls::memory();
    meter
        .u64_observable_gauge(memory.name)
        .with_unit(memory.unit)
        .with_description(memory.what)
        .with_callback(|o| {
            if let Some(bytes) = resident_bytes() {
                o.observe(bytes, &[]);
            }
        })
        .build();
}

/// `proc_pid_stat(5)`, fields 14 and 15, in hundredths of a second.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    Some(ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

/// `proc_pid_status(5)`, VmRSS, in KiB.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
