//! What the token-broker does.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::KeyValue;

use super::instrument::instruments;
use super::{dataset_is, tenants};

instruments! {
    REQUESTS: Counter = "leastwise.token.requests", "{request}", ["outcome"],
        "Tokens that callers asked for: `issued`, or the code of the refusal.";
    FETCHES: Counter = "leastwise.token.fetches", "{request}", ["reason"],
        "Tokens that Entra ID was asked for: `first`, `renewal` (before the end, nobody waits), `expired` (somebody waits), `rejected` (Graph refused the last one). `expired` ones that go on are callers who wait.";
    JOINS: Counter = "leastwise.token.joins", "{request}", [],
        "Callers who waited for what another one had asked for.";
    LEFT: Histogram = "leastwise.token.left", "s", [],
        "How long a token is still valid when it is handed out. One that gets shorter is a renewal that fails.",
        // None is handed out with less than five minutes; usual ones last for an hour, managed identities' for a day.
        &[300.0, 600.0, 900.0, 1_800.0, 2_700.0, 3_600.0, 5_400.0, 43_200.0, 86_400.0];
    ENTRA: Histogram = "leastwise.entra.duration", "s", ["outcome", "http.response.status_code"],
        "How long Entra ID takes; `outcome` is `issued`, `transient` (it passes by itself; status 429 is throttling), `credential`, `setup`, `policy`, `sign_in`, `pending` (a person is not done with a sign-in), or `unreachable` with status 0.",
        &[0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0];
    AUDIT: Histogram = "leastwise.audit.write.duration", "s", ["outcome"],
        "How long it takes to make records of the audit log durable; `written` or `failed`. While it fails, no token is handed out.",
        &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];
    NEXT_END: Gauge = "leastwise.credential.next_end", "d", [],
        "Days until the next certificate of any app ends, negative when it has; as of the last request to Entra ID.";
    ENDING: Gauge = "leastwise.credential.ending", "{credential}", [],
        "How many end within 30 days.";
    ENDS: Table = "leastwise.credential.left", "d", ["tenant", "app"],
        "Days until the next credential of an app ends, negative when it has, where they are fewest; as of the last request to Entra ID.";
    EVENTS: Counter = "leastwise.events", "{event}", ["type"],
        "Events as the webhook tells them; drift is `leastwise.drift.…`.";
    WEBHOOK: Counter = "leastwise.webhook.deliveries", "{delivery}", ["outcome"],
        "`delivered`, `refused` (tried again), `lost`, `overflow`. The last two mean that somebody was not told.";
    FAILING: Table = "leastwise.token.failing", "{tenant}", ["tenant", "dataset", "code"],
        "1 while the last request for a token failed at this process, at most 15 minutes ago, with the problem's code.";
}

fn outcome_is(name: &'static str) -> KeyValue {
    KeyValue::new("outcome", name)
}

/// A token was asked for: `issued`, or the code of the refusal.
pub fn requested(outcome: Cow<'static, str>) {
    REQUESTS.add(1, &[KeyValue::new("outcome", outcome)]);
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
    LEFT.took(left, &[]);
}

/// Entra ID answered with this HTTP status, 0 for none, after so long; `outcome` is one of few.
pub fn entra_answered(outcome: &'static str, status: u16, took: Duration) {
    let status = KeyValue::new("http.response.status_code", i64::from(status));
    ENTRA.took(took, &[outcome_is(outcome), status]);
}

/// Records of the audit log were written, or not, after so long.
pub fn audit_written(done: bool, took: Duration) {
    let outcome = if done { "written" } else { "failed" };
    AUDIT.took(took, &[outcome_is(outcome)]);
}

/// When credentials end: days until the next one does, negative when it has, and how many do within 30 days.
pub fn credentials_end(next: Option<f64>, ending: usize) {
    if let Some(days) = next {
        NEXT_END.is(days, &[]);
    }
    ENDING.is(u32::try_from(ending).unwrap_or(u32::MAX).into(), &[]);
}

/// Something needs somebody; `kind` is its type, one of few.
pub fn event_told(kind: &'static str) {
    EVENTS.add(1, &[KeyValue::new("type", kind)]);
}

/// A delivery to the webhook ended: `delivered`, `refused` (it is tried again), `lost` or `overflow`.
pub fn webhook_ended(outcome: &'static str) {
    WEBHOOK.add(1, &[outcome_is(outcome)]);
}

/// When the next credential of each app ends, in days, by tenant and app.
pub fn ends(mut all: Vec<(String, String, f64)>) {
    all.sort_by(|a, b| a.2.total_cmp(&b.2));
    let row = |(tenant, app, days)| (vec![tenants::is(tenant), KeyValue::new("app", app)], days);
    ENDS.put(all.into_iter().take(tenants::SHOWN).map(row).collect());
}

/// Tenants' datasets for which the last request for a token failed, with the problem's code.
pub fn failing(all: Vec<(String, String, String)>) {
    let row = |(tenant, dataset, code): (String, String, String)| {
        let labels = vec![
            tenants::is(tenant),
            dataset_is(&dataset),
            KeyValue::new("code", code),
        ];
        (labels, 1.0)
    };
    FAILING.put(all.into_iter().take(tenants::SHOWN).map(row).collect());
}
