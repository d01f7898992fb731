//! What the ledger answers: verdicts on seals, and wishes to have objects asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{ConsumeOptions, Outcome};
use proto::ids::{Attempt, Dataset, IdError, RunId, TenantId, Timestamp};
use proto::message::{Body, Queue};
use proto::pages::v1::{CheckRequested, RunClosed, Suspect};
use runtime::{CancellationToken, Problem};

use crate::error::Error;
use crate::run::Verdict;
use crate::scheduler::Inner;
use crate::store::Row;

/// Takes verdicts until `stop`.
pub async fn consume(inner: Arc<Inner>, stop: CancellationToken) -> Result<(), Problem> {
    let queue = Queue::Verdict(inner.shared.config.pool.clone());
    let bus = inner.shared.bus.clone();
    bus::consume(
        &bus,
        queue,
        ConsumeOptions::default(),
        stop,
        move |received| {
            let inner = Arc::clone(&inner);
            async move { take(&inner, received.body).await }
        },
    )
    .await
}

async fn take(inner: &Inner, body: Body) -> Result<Outcome, Error> {
    let done = match body {
        Body::Closed(closed) => match ids(&closed.tenant_id, &closed.dataset) {
            Ok((tenant, dataset)) => verdict(inner, tenant, dataset, closed).await,
            Err(e) => return Ok(Outcome::Reject(e.to_string())),
        },
        Body::Check(check) => match ids(&check.tenant_id, &check.dataset) {
            Ok((tenant, dataset)) => ask(inner, tenant, dataset, check).await,
            Err(e) => return Ok(Outcome::Reject(e.to_string())),
        },
        _ => return Ok(Outcome::Reject("not a verdict".to_owned())),
    };
    match done {
        // A dataset that this collector doesn't know (its database was restored): the verdict means nothing to it.
        Ok(()) | Err(Error::Fenced) => Ok(Outcome::Done),
        Err(e) => Err(e),
    }
}

async fn verdict(
    inner: &Inner,
    tenant: TenantId,
    dataset: Dataset,
    closed: RunClosed,
) -> Result<(), Error> {
    let Some(declaration) = catalog::find(dataset.as_str()) else {
        return Ok(());
    };
    let (rules, now) = (inner.shared.config.rules(declaration), inner.shared.now());
    let cadence = inner.shared.config.cadence(declaration);
    let verdict = Verdict {
        run: RunId(closed.run),
        by: Attempt(closed.attempt),
        complete: closed.complete,
        needs_full: closed.needs_full,
        suspects: suspects(closed.suspects),
        applied: RunId(closed.applied),
    };
    let take = move |row: &mut Row| {
        let (complete, needs_full) = (verdict.complete, verdict.needs_full);
        let read = row.state.sealed.as_ref().map(|s| &s.read);
        let removed = read.is_some_and(|r| r.tenant_removed);
        let gaps = read.map_or(Vec::new(), |r| r.gaps.clone());
        let began = read.map_or(now, |r| r.started_at);
        if row.state.verdict(verdict) && !needs_full {
            row.schedule.closed(
                complete.then_some(began),
                &gaps,
                cadence,
                fastrand::f64(),
                now,
            );
            // Nothing is left of the tenant; should it come back, it starts anew.
            row.forget = removed && complete;
        }
    };
    inner
        .shared
        .store
        .update(tenant, &dataset, None, &rules, now, take)
        .await?;
    inner.shared.touch();
    inner.look();
    Ok(())
}

async fn ask(
    inner: &Inner,
    tenant: TenantId,
    dataset: Dataset,
    check: CheckRequested,
) -> Result<(), Error> {
    let Some(declaration) = catalog::find(dataset.as_str()) else {
        return Ok(());
    };
    let (rules, now) = (inner.shared.config.rules(declaration), inner.shared.now());
    let suspects = suspects(check.suspects);
    inner
        .shared
        .store
        .update(tenant, &dataset, None, &rules, now, move |row| {
            row.state.check(suspects)
        })
        .await?;
    inner.shared.touch();
    inner.look();
    Ok(())
}

fn ids(tenant: &str, dataset: &str) -> Result<(TenantId, Dataset), IdError> {
    Ok((tenant.parse()?, dataset.parse()?))
}

fn suspects(list: Vec<Suspect>) -> BTreeMap<String, Timestamp> {
    list.into_iter()
        .map(|s| (s.id, Timestamp(s.since)))
        .collect()
}
