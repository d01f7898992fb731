//! What a run says of itself at its end.

use proto::ids::{Dataset, TenantId};
use proto::pages::v1::{PageRange, RunMode, RunSealed};

use crate::run::Sealed;
use crate::tenants::Tenant;
use crate::worker::Shared;

/// The seal of a run that was read.
pub fn message(
    shared: &Shared,
    (id, tenant): (TenantId, &Tenant),
    dataset: &Dataset,
    sealed: &Sealed,
    datasets: Vec<String>,
) -> RunSealed {
    let read = &sealed.read;
    RunSealed {
        tenant_id: id.to_string(),
        dataset: dataset.to_string(),
        run: read.run.0,
        attempt: sealed.by.0,
        mode: if read.is_full() {
            RunMode::Full
        } else {
            RunMode::Some
        }
        .into(),
        base: read.base.0,
        pages: read
            .pages
            .iter()
            .map(|(a, first, last)| PageRange {
                attempt: a.0,
                first: *first,
                last: *last,
            })
            .collect(),
        objects: read.objects,
        started_at: read.started_at.0,
        sealed_at: sealed.at.0,
        requests: read.requests,
        pool: shared.config.pool.to_string(),
        tenant_removed: read.tenant_removed,
        datasets,
        counted: read.counted,
        gaps: read.gaps.clone(),
        data_as_of: read.data_as_of.clone(),
        narrowed: tenant.population.is_some(),
    }
}
