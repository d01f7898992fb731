//! The token-broker: who gets tokens, what Entra ID says, which credentials end.

use super::{percentile, rate, share_without};
use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    Board::new(
        "leastwise-tokens",
        "Leastwise: token-broker and credentials",
        "Who gets tokens, what Entra ID says, which credentials end, and whether the audit log keeps up.",
    )
    .row("Credentials")
    .panels([
        Panel::stat("Next end", "Days until the next certificate of any app ends.")
            .query("min(leastwise_credential_next_end_days)", "")
            .unit("d")
            .red_below(14.0),
        Panel::stat("Ending", "Credentials that end within 30 days.")
            .query("max(leastwise_credential_ending)", "")
            .red_from(1.0),
        Panel::table("Days left", "Of the apps whose credentials end first.")
            .query("min by (tenant, app) (leastwise_credential_left_days)", "")
            .unit("d"),
        Panel::table("Failing", "Datasets of tenants whose last request for a token failed, and with which code.")
            .query("max by (tenant, dataset, code) (leastwise_token_failing)", ""),
    ])
    .row("Tokens")
    .panels([
        Panel::graph("Requests", "Tokens that callers asked for, by outcome: issued, or the code of the refusal.")
            .query(rate("leastwise_token_requests_total", "", "outcome"), "{{outcome}}")
            .unit("reqps"),
        Panel::graph("Refused", "The share of requests that got no token.")
            .query(share_without("leastwise_token_requests_total", "outcome=\"issued\""), "refused")
            .unit("percentunit")
            .red_from(0.05),
        Panel::graph("Callers' time", "How long callers wait; 99 of 100.")
            .query(percentile(0.99, "rpc_server_call_duration_seconds", "service=\"token-broker\"", "rpc_method"), "{{rpc_method}}")
            .unit("s")
            .traced("var-service=token-broker&"),
        Panel::graph("Fetched", "Tokens that Entra ID was asked for, by why; `expired` ones are callers who wait.")
            .query(rate("leastwise_token_fetches_total", "", "reason"), "{{reason}}")
            .unit("reqps"),
        Panel::graph("Joined", "Callers who waited for what another one had asked for.")
            .query("sum(rate(leastwise_token_joins_total[$__rate_interval]))", "joined")
            .unit("reqps"),
        Panel::graph("Time left", "How long a token is still valid when it is handed out; the shortest tenth. Shorter and shorter: a renewal fails.")
            .query(percentile(0.1, "leastwise_token_left_seconds", "", ""), "shortest tenth")
            .unit("s"),
    ])
    .row("Entra ID")
    .panels([
        Panel::graph("Answers", "By outcome and status; 0 is no answer, 429 throttling.")
            .query(rate("leastwise_entra_duration_seconds_count", "", "outcome, http_response_status_code"), "{{outcome}} {{http_response_status_code}}")
            .unit("reqps")
            .width(12),
        Panel::graph("Time", "99 of 100, by outcome.")
            .query(percentile(0.99, "leastwise_entra_duration_seconds", "", "outcome"), "{{outcome}}")
            .unit("s")
            .width(12)
            .traced("var-service=token-broker&"),
    ])
    .row("Who is told")
    .panels([
        Panel::graph("Audit log", "Records made durable a second; while it fails, no token is handed out.")
            .query(rate("leastwise_audit_write_duration_seconds_count", "", "outcome"), "{{outcome}}")
            .unit("cps"),
        Panel::graph("Audit log's time", "99 of 100.")
            .query(percentile(0.99, "leastwise_audit_write_duration_seconds", "", "outcome"), "{{outcome}}")
            .unit("s"),
        Panel::table("Events", "What needs somebody, by type, since the process started; the log and the webhook name the tenant.")
            .query("sum by (type) (leastwise_events_total)", ""),
        Panel::graph("Webhook", "Deliveries a second; `lost` and `overflow` mean that somebody was not told.")
            .query(rate("leastwise_webhook_deliveries_total", "", "outcome"), "{{outcome}}")
            .unit("cps"),
    ])
}
