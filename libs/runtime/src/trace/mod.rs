//! Traces across processes: spans named by OpenTelemetry's semantic conventions, and W3C `traceparent` to carry them.
//!
//! Without the feature `server` nobody collects traces: spans are then only the places of log lines, and there is no
//! `traceparent`.

pub mod reference;
pub mod semconv;

use http::{HeaderMap, HeaderValue, Request, StatusCode, Version};
use tracing::Span;

/// The header that carries a trace: of HTTP/2, and of a message of the queue.
pub const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of the span in which this is called; none outside of a trace.
#[cfg(feature = "server")]
pub fn current() -> Option<String> {
    of(&Span::current())
}

/// The `traceparent` of the span in which this is called; none outside of a trace.
#[cfg(not(feature = "server"))]
pub fn current() -> Option<String> {
    None
}

/// The `traceparent` of a span.
#[cfg(feature = "server")]
pub fn of(span: &Span) -> Option<String> {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags()
        )
    })
}

/// Makes the span a child of the one that sent this `traceparent`: who called is waiting. Call it before the span is
/// entered; what is malformed is ignored.
#[cfg(feature = "server")]
pub fn child_of(span: &Span, traceparent: Option<&str>) {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    if let Some(parent) = traceparent.and_then(parse) {
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // Err: nobody collects this span.
        let _ = span.set_parent(context);
    }
}

/// See the other one.
#[cfg(not(feature = "server"))]
pub fn child_of(_: &Span, _: Option<&str>) {}

/// Links the span to the one that sent this `traceparent`: a message may come late, again, and with others, so its
/// processing is no child of its sending. What is malformed is ignored.
#[cfg(feature = "server")]
pub fn link_to(span: &Span, traceparent: Option<&str>) {
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    if let Some(sender) = traceparent.and_then(parse) {
        span.add_link(sender);
    }
}

/// See the other one.
#[cfg(not(feature = "server"))]
pub fn link_to(_: &Span, _: Option<&str>) {}

/// A span in which a message is handed to the queue: `send page.full`.
pub fn send(queue: &str) -> Span {
    tracing::info_span!(
        "send",
        otel.name = semconv::name(semconv::SEND, queue).as_str(),
        otel.kind = "producer",
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        messaging.system = semconv::RABBITMQ,
        messaging.operation.name = semconv::SEND,
        messaging.operation.r#type = semconv::SEND,
        messaging.destination.name = queue,
    )
}

/// A span in which a message is worked on: `process page.full`. It belongs to the trace of the span that sent it, and is
/// linked to it, as the conventions ask for: each time that the message comes.
pub fn process(queue: &str, sender: Option<&str>) -> Span {
    let span = tracing::info_span!(
        "process",
        otel.name = semconv::name(semconv::PROCESS, queue).as_str(),
        otel.kind = "consumer",
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        messaging.system = semconv::RABBITMQ,
        messaging.operation.name = semconv::PROCESS,
        messaging.operation.r#type = semconv::PROCESS,
        messaging.destination.name = queue,
        leastwise.tenant.id = tracing::field::Empty,
    );
    child_of(&span, sender);
    link_to(&span, sender);
    span
}

/// A span in which a gRPC call is answered. `path` is `/package.Service/Method`.
pub fn served(path: &str) -> Span {
    let method = path.trim_start_matches('/');
    tracing::info_span!(
        "serve",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        rpc.system.name = semconv::GRPC,
        rpc.method = method,
        leastwise.tenant.id = tracing::field::Empty,
    )
}

/// A span around one step of a tenant's way from Graph to the sinks; `step` is its name: `read`, `apply`, `deliver`.
pub fn step(step: &'static str, tenant: &dyn std::fmt::Display, what: &str) -> Span {
    tracing::info_span!(
        "step",
        otel.name = semconv::name(step, what).as_str(),
        otel.kind = "internal",
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        leastwise.tenant.id = %tenant,
        leastwise.sink = tracing::field::Empty,
    )
}

/// A span around a transaction that writes to a service's own database.
pub fn transaction(system: &'static str) -> Span {
    tracing::info_span!(
        "transaction",
        otel.name = "transaction",
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        db.system.name = system,
        db.operation.name = tracing::field::Empty,
    )
}

/// Says of the span in which this is called which tenant it is about.
pub fn tenant(tenant: &dyn std::fmt::Display) {
    Span::current().record("leastwise.tenant.id", tracing::field::display(tenant));
}

/// Says how a span ended: with an error of this type, or well.
pub fn ended(span: &Span, failed: Option<&str>) {
    if let Some(why) = failed {
        span.record("otel.status_code", "ERROR");
        span.record(semconv::ERROR_TYPE, why);
    }
}

/// A span in which a request is sent to Graph: by the conventions for HTTP clients, and with what a support case asks for.
/// `resend` counts the tries before this one. What is in the path's query is data of the tenant, and in no span.
pub fn asked(method: &str, base: &str, path: &str, client_request_id: &str, resend: u32) -> Span {
    let server = base.split("://").last().unwrap_or_default();
    let server = server.split([':', '/']).next().unwrap_or_default();
    let path = crate::http::told(path);
    tracing::info_span!(
        "request",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.request.resend_count = resend,
        http.response.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        network.protocol.version = tracing::field::Empty,
        server.address = server,
        url.path = format!("/{path}").as_str(),
        graph.client_request_id = client_request_id,
        graph.request_id = tracing::field::Empty,
        graph.resource_units = tracing::field::Empty,
    )
}

/// A span in which a request is sent to Entra ID or a sink: as [`asked`], without the path, which may be a secret.
pub fn called(method: &http::Method, host: Option<&str>) -> Span {
    tracing::info_span!(
        "request",
        otel.name = method.as_str(),
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        http.request.method = method.as_str(),
        http.response.status_code = tracing::field::Empty,
        error.r#type = tracing::field::Empty,
        network.protocol.version = tracing::field::Empty,
        server.address = host.unwrap_or_default(),
    )
}

/// What came of a request: its status and the protocol's version, `None` where no answer came.
pub fn answered(
    span: &Span,
    answer: Option<(StatusCode, Version)>,
    request_id: &str,
    units: Option<f64>,
) {
    let status = answer.map(|(status, _)| status.as_u16());
    if let Some((_, version)) = answer {
        // `HTTP/2.0` and `HTTP/1.1` are called 2 and 1.1 there.
        let version = format!("{version:?}");
        let version = version.trim_start_matches("HTTP/").trim_end_matches(".0");
        span.record("network.protocol.version", version);
    }
    let failed = status.is_none_or(|s| s >= 400);
    if failed {
        span.record("otel.status_code", "ERROR");
    }
    match status {
        Some(status) => {
            span.record("http.response.status_code", status);
            if failed {
                span.record(semconv::ERROR_TYPE, status.to_string().as_str());
            }
        }
        None => {
            span.record(semconv::ERROR_TYPE, "connection");
        }
    }
    span.record("graph.request_id", request_id);
    if let Some(units) = units {
        span.record("graph.resource_units", units);
    }
}

/// Puts the current trace into a request.
pub fn inject<B>(mut request: Request<B>) -> Request<B> {
    if let Some(value) = current().and_then(|t| HeaderValue::try_from(t).ok()) {
        request.headers_mut().insert(TRACEPARENT, value);
    }
    request
}

/// The trace that a request belongs to.
pub fn extract(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT)?.to_str().ok()
}

#[cfg(feature = "server")]
fn parse(traceparent: &str) -> Option<opentelemetry::trace::SpanContext> {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    let parts: Vec<&str> = traceparent.split('-').collect();
    let hex = |s: &str, length| {
        s.len() == length
            && s.bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let [version, trace, span, flags, ..] = parts[..] else {
        return None;
    };
    // A later version may carry more behind these four.
    if !hex(version, 2) || version == "ff" || version == "00" && parts.len() != 4 {
        return None;
    }
    if !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn collected(test: impl FnOnce()) {
        let (layer, _provider) = crate::telemetry::traces("test");
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, test);
    }

    #[test]
    fn a_call_and_a_message_continue_the_trace() {
        assert_eq!(current(), None);
        collected(|| {
            let span = served("/leastwise.feed.v1.Feed/Follow");
            child_of(&span, Some(SENT));
            let inside = span.in_scope(current).unwrap();
            assert_eq!(inside[..36], SENT[..36], "the same trace");
            assert_ne!(inside, SENT, "another span");
            let request = span.in_scope(|| inject(Request::new(())));
            assert_eq!(extract(request.headers()), Some(inside.as_str()));

            let processed = of(&process("page.full", Some(SENT))).unwrap();
            assert_eq!(processed[..36], SENT[..36], "the same trace");
        });
    }

    #[test]
    fn malformed_traces_are_ignored() {
        assert!(parse(SENT).is_some());
        assert!(parse(&SENT.replacen("00", "cc", 1)).is_some());
        for bad in [
            "",
            "00",
            &SENT[1..],
            &SENT.to_uppercase(),
            &format!("{SENT}-x"),
            &SENT.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
