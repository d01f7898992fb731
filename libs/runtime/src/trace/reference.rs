//! The spans that there are, for the reference and for whoever judges what was sent.

/// A span.
#[derive(Debug)]
pub struct Spans {
    /// Its name; `…` stands for what differs.
    pub name: &'static str,
    /// By OpenTelemetry.
    pub kind: &'static str,
    /// The keys of its attributes. `error.type` is beside them where it failed.
    pub attributes: &'static [&'static str],
    /// What it is around.
    pub what: &'static str,
}

/// All of them.
pub const ALL: &[Spans] = &[
    Spans {
        name: "read …",
        kind: "internal",
        attributes: &["leastwise.tenant.id"],
        what: "One turn of a collector at one dataset of a tenant (`read users`): from its beginning, or where it was left, to its seal. Tokens, requests and pages of it are below.",
    },
    Spans {
        name: "GET, POST, PUT, PATCH, DELETE",
        kind: "client",
        attributes: &[
            "http.request.method",
            "http.request.resend_count",
            "http.response.status_code",
            "network.protocol.version",
            "server.address",
            "url.path",
            "graph.client_request_id",
            "graph.request_id",
            "graph.resource_units",
        ],
        what: "A request to Graph, to Entra ID or to a sink; the last two without the path and what begins with `graph`. Microsoft's support finds it by `graph.client_request_id` and `graph.request_id`. What is asked for in the query is in no span.",
    },
    Spans {
        name: "leastwise.….v1.…/…",
        kind: "server",
        attributes: &["rpc.system.name", "rpc.method", "leastwise.tenant.id"],
        what: "A gRPC call that is answered, in the trace of who called.",
    },
    Spans {
        name: "send …",
        kind: "producer",
        attributes: MESSAGING,
        what: "A message on its way to a queue, until the queue has confirmed it.",
    },
    Spans {
        name: "process …",
        kind: "consumer",
        attributes: &[
            "messaging.system",
            "messaging.operation.name",
            "messaging.operation.type",
            "messaging.destination.name",
            "leastwise.tenant.id",
        ],
        what: "A message that is worked on, in the trace of its sender and linked to it: each time that it comes.",
    },
    Spans {
        name: "apply …",
        kind: "internal",
        attributes: &["leastwise.tenant.id"],
        what: "A run that is applied to the ledger or closed otherwise (`apply users`), in the trace of what came last for it, and linked to that.",
    },
    Spans {
        name: "publish verdict",
        kind: "internal",
        attributes: &["leastwise.tenant.id"],
        what: "Verdict and closing of a run on their way to collectors and exporters, in the trace of what closed it.",
    },
    Spans {
        name: "deliver …",
        kind: "internal",
        attributes: &["leastwise.tenant.id", "leastwise.sink"],
        what: "What a sink gets of one tenant (`deliver` and the sink's name), linked to the newest announcement. The exporter's calls of the feed are below.",
    },
    Spans {
        name: "transaction",
        kind: "client",
        attributes: &["db.system.name", "db.operation.name"],
        what: "A transaction that writes to a service's own database; `db.operation.name` is how it ended, `COMMIT` or `ROLLBACK`.",
    },
];

const MESSAGING: &[&str] = &[
    "messaging.system",
    "messaging.operation.name",
    "messaging.operation.type",
    "messaging.destination.name",
];

/// The one that a span's name belongs to.
pub fn find(name: &str) -> Option<&'static Spans> {
    let belongs = |spans: &&Spans| match spans.name.split_once('…') {
        Some((start, _)) => name.starts_with(start),
        None => spans.name.split(", ").any(|n| n == name),
    };
    ALL.iter().find(belongs)
}
