//! What all tenants of the pool are at, for the metrics. Every collector of the pool shows the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::ids::{TenantId, Timestamp};
use runtime::CancellationToken;
use runtime::error::code;
use runtime::metrics::schedule::{self as metrics, Tenants};
use runtime::metrics::tenants::watch;

use crate::config::Config;
use crate::scheduler::Inner;
use crate::store::Row;
use crate::tenants::Tenant;

/// A dataset is stale two cadences and this after what the ledger has of it.
const SLACK: Duration = Duration::from_secs(15 * 60);

/// Shows it until `stop`.
pub async fn show(inner: &Inner, stop: &CancellationToken) {
    watch(stop, || async {
        let store = &inner.shared.store;
        // What fails here fails elsewhere too, where it is said.
        if let (Ok(rows), Ok(paused)) = (store.all().await, store.pauses().await) {
            let paused = paused
                .iter()
                .filter_map(|p| p.tenant.parse().ok())
                .collect();
            let tenants = inner.tenants.read().await;
            metrics::tenants(seen(
                &rows,
                &tenants,
                &paused,
                &inner.shared.config,
                inner.shared.now(),
            ));
        }
    })
    .await;
}

fn seen(
    rows: &[Row],
    tenants: &BTreeMap<TenantId, Tenant>,
    paused: &BTreeSet<TenantId>,
    config: &Config,
    now: Timestamp,
) -> Tenants {
    let (mut late, mut verdicts) = (BTreeMap::new(), BTreeMap::new());
    let (mut ages, mut failing, mut stale) = (Vec::new(), Vec::new(), BTreeSet::new());
    let ours = |row: &&Row| tenants.contains_key(&row.tenant) && !paused.contains(&row.tenant);
    for row in rows.iter().filter(ours) {
        let tenant = &tenants[&row.tenant];
        let name = row.dataset.as_str();
        let Some(declaration) = tenant.datasets.iter().find(|d| d.name == name) else {
            continue;
        };
        let (schedule, id) = (&row.schedule, row.tenant.to_string());
        let cadence = config.cadence(declaration);
        let waits = match (&row.state.open, &row.state.sealed) {
            (None, None) => schedule.late(now).unwrap_or_default(),
            _ => Duration::ZERO,
        };
        highest(&mut late, &id, waits);
        if let Some(sealed) = &row.state.sealed {
            highest(&mut verdicts, &id, now.since(sealed.at));
        }
        // Of a release that did not note it.
        let age = match schedule.fresh_at {
            Timestamp(0) => cadence,
            at => now.since(at),
        };
        if !schedule.problem.is_empty() {
            let code = code(&schedule.problem).to_owned();
            failing.push((id.clone(), name.to_owned(), code, age.as_secs_f64()));
        }
        if !schedule.skipped {
            if config.scheduled && age > cadence * 2 + SLACK {
                stale.insert(row.tenant);
            }
            ages.push((
                age.div_duration_f64(cadence),
                (id, name.to_owned(), age.as_secs_f64()),
            ));
        }
    }
    ages.sort_by(|a, b| b.0.total_cmp(&a.0));
    let known = tenants.keys().filter(|t| paused.contains(t)).count();
    Tenants {
        fresh: (tenants.len() - known - stale.len()) as u64,
        stale: stale.len() as u64,
        paused: known as u64,
        late: late.into_iter().collect(),
        ages: ages.into_iter().map(|(_, age)| age).collect(),
        failing,
        verdicts: verdicts.into_iter().collect(),
    }
}

fn highest(all: &mut BTreeMap<String, f64>, tenant: &str, waits: Duration) {
    let known = all.entry(tenant.to_owned()).or_insert(0.0);
    *known = known.max(waits.as_secs_f64());
}
