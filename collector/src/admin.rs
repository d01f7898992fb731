//! The operator's service of a collector.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream;
use proto::admin::v1::collector_admin_server::CollectorAdmin;
use proto::admin::v1::{
    CollectorStatus, MakeDueRequest, MakeDueResponse, PauseRequest, PauseResponse, ResumeRequest,
    ResumeResponse, WatchRequest,
};
use proto::ids::{TenantId, Timestamp};
use runtime::Problem;
use runtime::clock::rfc3339;
use runtime::grpc::{Act, Peer, reason};
use runtime::retry::until;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::scheduler::Inner;
use crate::status;
use crate::store::Pause;

/// Serves `CollectorAdmin`.
pub struct Admin(pub(crate) Arc<Inner>);

fn named(tenant: &str) -> Result<TenantId, Status> {
    let id = tenant.parse();
    id.map_err(|e: proto::ids::IdError| Status::invalid_argument(e.to_string()))
}

fn unknown(tenant: TenantId) -> Status {
    Status::not_found(format!("LW-2011: tenant {tenant} is not in the registry."))
}

fn unavailable(problem: Problem) -> Status {
    Status::unavailable(problem.to_string())
}

impl Inner {
    /// The tenants that are paused.
    pub(crate) async fn paused(&self) -> Result<BTreeMap<TenantId, Pause>, Status> {
        let all = self.shared.store.pauses().await;
        let all = all.map_err(|e| unavailable(e.problem()))?;
        let with_id = |p: Pause| Some((p.tenant.parse().ok()?, p));
        Ok(all.into_iter().filter_map(with_id).collect())
    }
}

#[tonic::async_trait]
impl CollectorAdmin for Admin {
    async fn make_due(
        &self,
        request: Request<MakeDueRequest>,
    ) -> Result<Response<MakeDueResponse>, Status> {
        let (inner, act) = (&self.0, Act::of(&request));
        let MakeDueRequest {
            tenant_ids,
            datasets: wanted,
            full,
            give_up,
        } = request.into_inner();
        let tenant_ids = tenant_ids.into_iter();
        let named: Vec<TenantId> = tenant_ids.map(|t| named(&t)).collect::<Result<_, _>>()?;
        inner.refresh().await.map_err(unavailable)?;
        let tenants = inner.tenants.read().await.clone();
        if let Some(other) = named.iter().find(|t| !tenants.contains_key(*t)) {
            return Err(unknown(*other));
        }
        let paused = inner.paused().await?;
        if let Some(pause) = named.iter().find_map(|t| paused.get(t)) {
            return Err(Status::failed_precondition(format!(
                "LW-4056: tenant {} is paused since {} by {}: {}. What to do: leastwise tenants resume",
                pause.tenant,
                rfc3339(pause.since),
                pause.who,
                pause.why
            )));
        }
        let mut datasets = 0;
        for (id, tenant) in tenants
            .iter()
            .filter(|(id, _)| named.is_empty() || named.contains(id))
            .filter(|(id, _)| !paused.contains_key(id))
        {
            let wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|w| w == name);
            for declaration in tenant.datasets.iter().filter(|d| wanted(d.name)) {
                let (rules, now) = (inner.shared.config.rules(declaration), inner.shared.now());
                let due = |row: &mut crate::store::Row| {
                    row.state.cursor.full |= full;
                    if give_up {
                        row.state.sealed = None;
                    }
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
        inner.look();
        act.note(format!("{datasets} datasets are due"));
        Ok(Response::new(MakeDueResponse { datasets }))
    }

    async fn pause(
        &self,
        request: Request<PauseRequest>,
    ) -> Result<Response<PauseResponse>, Status> {
        let (inner, act) = (&self.0, Act::of(&request));
        let tenant = named(&request.get_ref().tenant_id)?;
        inner.refresh().await.map_err(unavailable)?;
        if !inner.tenants.read().await.contains_key(&tenant) {
            return Err(unknown(tenant));
        }
        let who = Peer::of(&request).map(|w| w.to_string());
        let who = who.unwrap_or_else(|| "this machine's operator".to_owned());
        let (now, why) = (inner.shared.now(), reason(request.metadata()));
        let done = inner.shared.store.pause(tenant, now, &who, &why).await;
        done.map_err(|e| unavailable(e.problem()))?;
        act.note(format!("tenant {tenant} is paused"));
        inner.shared.touch();
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<ResumeResponse>, Status> {
        let (inner, act) = (&self.0, Act::of(&request));
        let tenant = named(&request.get_ref().tenant_id)?;
        let done = inner.shared.store.resume(tenant).await;
        if !done.map_err(|e| unavailable(e.problem()))? {
            return Err(Status::not_found(format!(
                "LW-4055: tenant {tenant} isn't paused. What to do: leastwise status shows which are"
            )));
        }
        act.note(format!("tenant {tenant} goes on"));
        inner.shared.touch();
        inner.look();
        Ok(Response::new(ResumeResponse {}))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<CollectorStatus, Status>> + Send>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let inner = Arc::clone(&self.0);
        if inner.tenants.read().await.is_empty() {
            // Nothing runs here: a look at the state at rest.
            inner.refresh().await.map_err(unavailable)?;
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
            let now = status::status(&inner).await;
            Some((now, (inner, changed)))
        });
        Ok(Response::new(Box::pin(states)))
    }
}
