//! The operator's service of a collector.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream;
use proto::admin::v1::collector_admin_server::CollectorAdmin;
use proto::admin::v1::{CollectorStatus, MakeDueRequest, MakeDueResponse, WatchRequest};
use proto::ids::{TenantId, Timestamp};
use runtime::grpc::Act;
use runtime::retry::until;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::scheduler::Inner;
use crate::status;

/// Serves `CollectorAdmin`.
pub struct Admin(pub(crate) Arc<Inner>);

#[tonic::async_trait]
impl CollectorAdmin for Admin {
    async fn make_due(
        &self,
        request: Request<MakeDueRequest>,
    ) -> Result<Response<MakeDueResponse>, Status> {
        let (inner, act) = (&self.0, Act::of(&request));
        let named: Vec<TenantId> = request
            .into_inner()
            .tenant_ids
            .iter()
            .map(|t| t.parse())
            .collect::<Result<_, _>>()
            .map_err(|e: proto::ids::IdError| Status::invalid_argument(e.to_string()))?;
        inner
            .refresh()
            .await
            .map_err(|e| Status::unavailable(e.to_string()))?;
        let tenants = inner.tenants.read().await.clone();
        if let Some(unknown) = named.iter().find(|t| !tenants.contains_key(*t)) {
            return Err(Status::not_found(format!(
                "LW-2011: tenant {unknown} is not in the registry."
            )));
        }
        let mut datasets = 0;
        for (id, tenant) in tenants
            .iter()
            .filter(|(id, _)| named.is_empty() || named.contains(id))
        {
            for declaration in &tenant.datasets {
                let (rules, now) = (inner.shared.config.rules(declaration), inner.shared.now());
                let due = |row: &mut crate::store::Row| {
                    row.schedule.forced = true;
                    row.schedule.failures = 0;
                    row.schedule.problem.clear();
                    row.schedule.rest_until = Timestamp(0);
                };
                match inner
                    .shared
                    .store
                    .update(*id, &declaration.id(), None, &rules, now, due)
                    .await
                {
                    Ok(_) => datasets += 1,
                    // A tenant that was taken out before it was ever read has no rows; what a newer release reads is
                    // left alone, and the state says so.
                    Err(Error::Fenced | Error::Newer { .. }) => {}
                    Err(e) => return Err(Status::internal(e.problem().to_string())),
                }
            }
        }
        inner.shared.touch();
        inner.wake.notify_one();
        act.note(format!("{datasets} datasets are due"));
        Ok(Response::new(MakeDueResponse { datasets }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<CollectorStatus, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let inner = Arc::clone(&self.0);
        if inner.tenants.read().await.is_empty() {
            // Nothing runs here: a look at the state at rest.
            inner
                .refresh()
                .await
                .map_err(|e| Status::unavailable(e.to_string()))?;
        }
        let mut changed = inner.shared.changed.subscribe();
        changed.mark_changed();
        let states = stream::unfold((inner, changed), |(inner, mut changed)| async move {
            // What other collectors do changes nothing here: there it is looked at once a second.
            let others = match inner.shared.store.is_shared() {
                true => Some(Instant::now() + Duration::from_secs(1)),
                false => None,
            };
            tokio::select! {
                change = changed.changed() => change.ok()?,
                () = until(others) => {}
            }
            let now = status::status(&inner)
                .await
                .map_err(|e| Status::internal(e.problem().to_string()));
            Some((now, (inner, changed)))
        });
        Ok(Response::new(Box::pin(states)))
    }
}
