//! A receiver of OTLP: what services send of traces and metrics, kept to be looked at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

/// A running receiver; it ends when it is dropped.
pub struct Receiver {
    /// Where it is, `http://127.0.0.1:port`.
    pub endpoint: String,
    kept: Kept,
    _server: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Seen>>);

/// What came.
#[derive(Clone, Default)]
pub struct Seen {
    /// Spans, in the order in which they came.
    pub spans: Vec<Span>,
    /// The names of metrics.
    pub metrics: Vec<String>,
    /// All texts of all that came, as they came.
    pub raw: Vec<String>,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Span {
    /// Who sent it: `service.name`.
    pub service: String,
    /// Its name.
    pub name: String,
    /// `client`, `server`, `producer`, `consumer` or `internal`.
    pub kind: &'static str,
    /// In hexadecimal.
    pub trace: String,
    /// In hexadecimal.
    pub id: String,
    /// The id of the span above it; empty without one.
    pub parent: String,
    /// Traces and ids of the spans that it is linked to.
    pub links: Vec<(String, String)>,
    /// Keys and values.
    pub attributes: Vec<(String, String)>,
}

impl Span {
    /// The value of an attribute; empty without one.
    pub fn attribute(&self, key: &str) -> &str {
        let found = self.attributes.iter().find(|(k, _)| k == key);
        found.map_or("", |(_, value)| value)
    }
}

impl Receiver {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> anyhow::Result<Receiver> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let kept = Kept::default();
        let traces = TraceServiceServer::new(kept.clone());
        let metrics = MetricsServiceServer::new(kept.clone());
        let serving = tonic::transport::Server::builder()
            .add_service(traces.accept_compressed(CompressionEncoding::Gzip))
            .add_service(metrics.accept_compressed(CompressionEncoding::Gzip))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let mut server = JoinSet::new();
        server.spawn(async move { drop(serving.await) });
        Ok(Receiver {
            endpoint,
            kept,
            _server: server,
        })
    }

    /// What has come so far.
    pub fn seen(&self) -> Seen {
        self.kept.lock().clone()
    }

    /// Waits until what came is enough, and says what `enough` made of it.
    ///
    /// # Errors
    /// When it is not within the limit, with the names of the spans that came.
    pub async fn until<T>(
        &self,
        limit: Duration,
        mut enough: impl FnMut(&Seen) -> Option<T>,
    ) -> anyhow::Result<T> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let seen = self.seen();
            if let Some(found) = enough(&seen) {
                return Ok(found);
            }
            if tokio::time::Instant::now() > end {
                let names: std::collections::BTreeSet<_> = seen
                    .spans
                    .iter()
                    .map(|s| format!("{} {}", s.service, s.name))
                    .collect();
                anyhow::bail!("not enough came within {limit:?}: {names:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let mut seen = self.lock();
        seen.raw.push(format!("{request:?}"));
        for of in request.resource_spans {
            let resource = of.resource.unwrap_or_default();
            let service = attributes(&resource.attributes);
            let service = service.into_iter().find(|(k, _)| k == "service.name");
            let service = service.map_or_else(String::new, |(_, name)| name);
            for span in of.scope_spans.into_iter().flat_map(|s| s.spans) {
                let link = |link: &opentelemetry_proto::tonic::trace::v1::span::Link| {
                    (hex(&link.trace_id), hex(&link.span_id))
                };
                seen.spans.push(Span {
                    service: service.clone(),
                    kind: kind(span.kind()),
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    links: span.links.iter().map(link).collect(),
                    attributes: attributes(&span.attributes),
                    name: span.name,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Kept {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let request = request.into_inner();
        let mut seen = self.lock();
        seen.raw.push(format!("{request:?}"));
        let of = request.resource_metrics.into_iter();
        let metrics = of.flat_map(|r| r.scope_metrics).flat_map(|s| s.metrics);
        seen.metrics.extend(metrics.map(|m| m.name));
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Client => "client",
        SpanKind::Server => "server",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
        SpanKind::Internal => "internal",
        SpanKind::Unspecified => "unspecified",
    }
}

fn attributes(all: &[KeyValue]) -> Vec<(String, String)> {
    let text = |kv: &KeyValue| {
        let value = kv.value.as_ref().and_then(|v| v.value.as_ref());
        let value = match value {
            Some(Value::StringValue(text)) => text.clone(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        };
        (kv.key.clone(), value)
    };
    all.iter().map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
