//! Traces: from a run to its pages, its records and a sink. The queries go by attributes that `libs/runtime/src/trace` sets.

use crate::watch::board::Board;
use crate::watch::panel::Panel;

/// Every attribute that a query of this dashboard goes by. A test compares them with spans that were received.
const TENANT: &str = "span.leastwise.tenant.id";
const SINK: &str = "span.leastwise.sink";
const QUEUE: &str = "span.messaging.destination.name";
const STATUS: &str = "span.http.response.status_code";
const METHOD: &str = "span.rpc.method";
const TRANSACTION: &str = "span.db.operation.name";
const SERVICE: &str = "resource.service.name";

pub fn board() -> Board {
    let chosen = format!("{TENANT} =~ \"$tenant\"");
    let of_service = format!("{SERVICE} =~ \"$service\"");
    Board::new(
        "leastwise-traces",
        "Leastwise: traces",
        "From a run to its pages, from a page to the ledger, from the ledger to a sink. A tenant, a dataset and a service can be named; `.*` is any.",
    )
    .ask("tenant", ".*")
    .ask("dataset", ".*")
    .ask("service", ".*")
    .row("Run: what a collector read")
    .panels([
        Panel::text(
            "How to read it",
            "A **run** is the trace that begins with `read …` in the collector: its token, its requests to Graph, its pages (`send page.…`). \
             The normalizer's `process page.…` and `process seal` belong to it, and `apply …` is the transaction that brings it into the ledger. \
             `deliver …` in the exporter begins a trace of its own, with the request to the feed and the pushes to a sink.",
        ),
        Panel::traces("Runs", "Steps that read a dataset of a tenant.", format!("{{ {chosen} && name =~ \"read $dataset\" }}")),
    ])
    .row("Page: through the queue")
    .panels([
        Panel::traces("Pages sent and taken", "Messages of the queues of pages.", format!("{{ {QUEUE} =~ \"page.*\" && {of_service} }}")),
        Panel::traces("A tenant's pages and seals", "What the normalizer took.", format!("{{ {chosen} && {QUEUE} =~ \"page.*|seal\" && name =~ \"process .*\" }}")),
    ])
    .row("Record: into the ledger")
    .panels([
        Panel::traces("Runs applied", "The step that applies a sealed run.", format!("{{ {chosen} && name =~ \"apply $dataset\" }}")),
        Panel::traces("Transactions", "Of services' own databases, by how they end.", format!("{{ {TRANSACTION} =~ \".*\" && {of_service} }}")),
    ])
    .row("Sink: out of the ledger")
    .panels([
        Panel::traces("Deliveries", "The step that brings a tenant's changes into a sink.", format!("{{ {TENANT} =~ \"$tenant\" && {SINK} =~ \".*\" && name =~ \"deliver .*\" }}")),
    ])
    .row("What failed, and what was slow")
    .panels([
        Panel::traces("Errors", "Spans that ended with an error.", format!("{{ status = error && {of_service} }}")),
        Panel::traces("Refused by Graph, Entra ID or a sink", "Requests with a status from 400 on.", format!("{{ {STATUS} >= 400 && {of_service} }}")),
        Panel::traces("Calls between services", "gRPC, from a second on.", format!("{{ {METHOD} =~ \".*\" && {of_service} && duration > 1s }}")),
        Panel::traces("Slow", "Spans of ten seconds and more.", format!("{{ duration > 10s && {of_service} }}")),
    ])
}
