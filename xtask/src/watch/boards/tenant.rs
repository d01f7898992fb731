//! One tenant: which stage keeps it waiting, and what fails. A series is there for the 20 tenants where a value is worst; a
//! tenant without one is better than they are.

use crate::watch::board::Board;
use crate::watch::panel::Panel;

pub fn board() -> Board {
    let mine = |series: &str, by: &str| format!("max by ({by}) ({series}{{tenant=~\"$tenant\"}})");
    Board::new(
        "leastwise-tenant",
        "Leastwise: tenant",
        "One tenant: which stage keeps it waiting, and what fails. Series exist for the 20 worst tenants of each; one without is better.",
    )
    .choose("tenant", "leastwise_tenant_stale_seconds")
    .row("What fails")
    .panels([
        Panel::table("Tokens", "Datasets whose last request for a token failed.")
            .query(mine("leastwise_token_failing", "tenant, dataset, code"), ""),
        Panel::table("Readings", "Datasets that failed last, and seconds since they succeeded.")
            .query(mine("leastwise_dataset_failing_seconds", "tenant, dataset, code"), ""),
        Panel::table("Removals held", "Removals that wait for somebody's decision: leastwise runs list --held.")
            .query(mine("leastwise_tenant_held", "tenant"), ""),
    ])
    .row("Where it waits")
    .panels([
        Panel::graph("For its turn", "Collector: how long the dataset waits that waits longest.")
            .query(mine("leastwise_tenant_lateness_seconds", "tenant"), "{{tenant}}")
            .unit("s")
            .width(6)
            .red_from(900.0)
            .traced("var-tenant=${tenant}&"),
        Panel::graph("To be applied", "Normalizer: age of the oldest seal that is not applied.")
            .query(mine("leastwise_tenant_pending_seconds", "tenant"), "{{tenant}}")
            .unit("s")
            .width(6)
            .red_from(600.0)
            .traced("var-tenant=${tenant}&"),
        Panel::graph("For a verdict", "Collector: age of the oldest seal without a verdict.")
            .query(mine("leastwise_tenant_verdict_wait_seconds", "tenant"), "{{tenant}}")
            .unit("s")
            .width(6)
            .red_from(900.0)
            .traced("var-tenant=${tenant}&"),
        Panel::graph("To be delivered", "Exporter: age of the oldest change that a sink lacks.")
            .query(mine("leastwise_tenant_sink_lag_seconds", "tenant, sink"), "{{tenant}} {{sink}}")
            .unit("s")
            .width(6)
            .red_from(900.0)
            .traced("var-tenant=${tenant}&"),
    ])
    .row("How old it is")
    .panels([
        Panel::graph("Age of readings", "Age of the newest reading that the ledger has applied, of the datasets where it is highest beside their cadence.")
            .query(mine("leastwise_tenant_stale_seconds", "tenant, dataset"), "{{tenant}} {{dataset}}")
            .unit("s")
            .width(16)
            .traced("var-tenant=${tenant}&"),
        Panel::table("Credentials", "Days until the next credential of an app ends.")
            .query(mine("leastwise_credential_left_days", "tenant, app"), "")
            .unit("d"),
    ])
}
