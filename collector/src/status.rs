//! The state of every dataset as an operator sees it.

use proto::admin::v1::{CollectorStatus, DatasetStatus, PausedTenant};
use proto::ids::Timestamp;
use tonic::Status;

use crate::error::Error;
use crate::run::Todo;
use crate::scheduler::Inner;
use crate::store::Row;

/// The state of every dataset of the tenants that are worked for.
///
/// # Errors
/// When the database fails.
pub async fn status(inner: &Inner) -> Result<CollectorStatus, Status> {
    let tenants = inner.tenants.read().await.clone();
    let now = inner.shared.now();
    let rows = inner.shared.store.all().await;
    let rows = rows.map_err(|e| Status::internal(e.problem().to_string()))?;
    let paused = inner.paused().await?;
    let enabled = |r: &Row| {
        tenants
            .get(&r.tenant)
            .is_some_and(|t| t.datasets.iter().any(|d| d.name == r.dataset.as_str()))
    };
    let datasets: Vec<DatasetStatus> = rows
        .iter()
        .filter(|r| enabled(r))
        .map(|r| {
            let mut dataset = describe(inner, r, now);
            if paused.contains_key(&r.tenant) {
                "paused".clone_into(&mut dataset.phase);
            }
            dataset
        })
        .collect();
    let idle = !tenants.is_empty()
        && datasets.iter().all(|d| {
            matches!(
                d.phase.as_str(),
                "waiting" | "failed" | "skipped" | "paused"
            )
        });
    let paused = paused.into_values().map(|p| PausedTenant {
        tenant_id: p.tenant,
        since: p.since,
        who: p.who,
        why: p.why,
    });
    Ok(CollectorStatus {
        datasets,
        idle,
        paused: paused.collect(),
    })
}

fn describe(inner: &Inner, row: &Row, now: Timestamp) -> DatasetStatus {
    let Row {
        state, schedule, ..
    } = row;
    let rules = catalog::find(row.dataset.as_str()).map(|d| inner.shared.config.rules(d));
    let scheduled = inner.shared.config.scheduled;
    let next_at = rules.map_or(Timestamp(0), |rules| {
        schedule.wake_at(state, &rules, scheduled, now)
    });
    let newer = rules.filter(|rules| state.is_newer(rules));
    let rests = schedule.rest_until > now && !schedule.problem.is_empty();
    let phase = match (&state.open, &state.sealed) {
        _ if newer.is_some() => "failed",
        _ if rests && schedule.skipped => "skipped",
        _ if rests => "failed",
        (Some(open), _) if open.todo == Todo::Nothing => "sealed",
        (Some(_), _) => "reading",
        (_, Some(_)) => "sealed",
        _ if next_at <= now => "due",
        _ => "waiting",
    };
    let newest = state.newest();
    DatasetStatus {
        tenant_id: row.tenant.to_string(),
        dataset: row.dataset.to_string(),
        phase: phase.to_owned(),
        run: state.cursor.run.0,
        mode: newest
            .map(|o| if o.is_full() { "full" } else { "some" })
            .unwrap_or_default()
            .to_owned(),
        pages: newest.map_or(0, |o| o.page_count()),
        objects: newest.map_or(0, |o| o.objects),
        requests: newest.map_or(0, |o| o.requests),
        started_at: newest.map_or(0, |o| o.started_at.0),
        sealed_at: state.sealed.as_ref().map_or(0, |s| s.at.0),
        next_at: next_at.0,
        waiting_ids: u32::try_from(state.waiting_ids()).unwrap_or(u32::MAX),
        problem: newer.map_or_else(
            || schedule.problem.clone(),
            |rules| Error::newer(state, &rules).problem().to_string(),
        ),
        closed_runs: schedule.closed_runs,
        complete: schedule.complete,
    }
}
