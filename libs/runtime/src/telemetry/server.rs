//! Telemetry of a process of its own.

use std::io::IsTerminal as _;
use std::sync::Arc;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use super::json::Json;
use super::{LogFormat, filter};
use crate::error::Problem;

/// The metrics of this process, for its page.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    _provider: Arc<SdkMeterProvider>,
}

/// Starts logs, traces and metrics of a process called `name`. Logs are JSON with `trace_id` and `span_id` unless
/// somebody looks at a terminal or asks for another format. Metrics go nowhere by themselves: see [`Metrics::text`].
///
/// # Errors
/// `LW-4096` when the metrics can't be set up.
pub fn init_server(
    name: &'static str,
    version: &'static str,
    format: Option<LogFormat>,
) -> Result<Metrics, Problem> {
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
    let (traces, provider) = traces(name);
    global::set_tracer_provider(provider);
    // Err: somebody has installed a subscriber already, which is then the one that counts.
    let _ = registry()
        .with(traces.with_filter(filter("info")))
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
    let provider = SdkMeterProvider::builder()
        .with_resource(resource(name, version))
        .with_reader(exporter)
        .build();
    global::set_meter_provider(provider.clone());
    observe_process();
    Ok(Metrics {
        registry,
        _provider: Arc::new(provider),
    })
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When one of them can't be written so.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

/// Gives spans their ids. Nobody exports them yet; logs carry the ids, and calls and messages carry them on.
pub(crate) fn traces<S>(name: &'static str) -> (OpenTelemetryLayer<S, SdkTracer>, SdkTracerProvider)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let provider = SdkTracerProvider::builder().build();
    // Where in the code and on which thread: of a service that answers thousands a second that costs more than it tells.
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(name))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    (layer, provider)
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
    meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("CPU time of this process.")
        .with_callback(|o| {
            if let Some(seconds) = cpu_seconds() {
                o.observe(seconds, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_description("Resident memory of this process.")
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
