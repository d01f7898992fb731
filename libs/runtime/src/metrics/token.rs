//! What the token-broker does. `docs/metrics.md` lists them.

use std::time::Duration;

use opentelemetry::KeyValue;

use super::{Named, Newest, Seconds};

static REQUESTS: Named = Named::new("leastwise.token.requests", "Tokens asked for.");
static FETCHES: Named = Named::new(
    "leastwise.token.fetches",
    "Tokens that Entra ID was asked for, by why.",
);
static JOINS: Named = Named::new(
    "leastwise.token.joins",
    "Callers who waited for what another one had asked for.",
);
static LEFT: Seconds = Seconds::new(
    "leastwise.token.left",
    "How long a token is still valid when it is handed out.",
    // None is handed out with less than five minutes; usual ones last for an hour, managed identities' for a day.
    &[
        300.0, 600.0, 900.0, 1_800.0, 2_700.0, 3_600.0, 5_400.0, 43_200.0, 86_400.0,
    ],
);
static ENTRA: Seconds = Seconds::new(
    "leastwise.entra.duration",
    "How long Entra ID takes to answer a request for a token.",
    &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0],
);
static AUDIT: Seconds = Seconds::new(
    "leastwise.audit.write.duration",
    "How long it takes to make records of the audit log durable.",
    &[
        0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0,
    ],
);
static NEXT_END: Newest = Newest::new(
    "leastwise.credential.next_end",
    "Days until the next credential ends.",
    "d",
);
static ENDING: Newest = Newest::new(
    "leastwise.credential.ending",
    "Credentials that end within 30 days.",
    "",
);
static EVENTS: Named = Named::new("leastwise.events", "Events that need somebody, by type.");
static WEBHOOK: Named = Named::new(
    "leastwise.webhook.deliveries",
    "Deliveries to the webhook, by what came of them.",
);

fn outcome_is(name: &'static str) -> KeyValue {
    KeyValue::new("outcome", name)
}

/// A token was asked for: `issued`, or the code of the refusal.
pub fn requested(outcome: &str) {
    REQUESTS.add(1, &[KeyValue::new("outcome", outcome.to_owned())]);
}

/// Entra ID is asked for a token, for one of few reasons.
pub fn fetched(reason: &'static str) {
    FETCHES.add(1, &[KeyValue::new("reason", reason)]);
}

/// A caller waits for what another one has asked for.
pub fn joined() {
    JOINS.add(1, &[]);
}

/// A token is handed out that is valid for so long.
pub fn handed_out(left: Duration) {
    LEFT.record(left, &[]);
}

/// Entra ID answered with this HTTP status, 0 for none, after so long; `outcome` is one of few.
pub fn entra_answered(outcome: &'static str, status: u16, took: Duration) {
    let status = KeyValue::new("http.response.status_code", i64::from(status));
    ENTRA.record(took, &[outcome_is(outcome), status]);
}

/// Records of the audit log were written, or not, after so long.
pub fn audit_written(done: bool, took: Duration) {
    let outcome = if done { "written" } else { "failed" };
    AUDIT.record(took, &[outcome_is(outcome)]);
}

/// When credentials end: days until the next one does, negative when it has, and how many do within 30 days.
pub fn credentials_end(next: Option<f64>, ending: usize) {
    if let Some(days) = next {
        NEXT_END.record(days);
    }
    ENDING.record(u32::try_from(ending).unwrap_or(u32::MAX).into());
}

/// Something needs somebody; `kind` is its type, one of few.
pub fn event_told(kind: &'static str) {
    EVENTS.add(1, &[KeyValue::new("type", kind)]);
}

/// A delivery to the webhook ended: `delivered`, `refused` (it is tried again), `lost` or `overflow`.
pub fn webhook_ended(outcome: &'static str) {
    WEBHOOK.add(1, &[outcome_is(outcome)]);
}
