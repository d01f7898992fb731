//! Sinks and their rejects, as operators see them.

use proto::admin::v1::{ListRejectsRequest, SinkReject, SinkSummary};
use proto::ids::TenantId;
use runtime::Problem;
use tonic::Status;

use super::failed;
use crate::delivery::{lacks, stands};
use crate::desk::Desk;
use crate::error::Error;
use crate::expiry;
use crate::sink::Sink;
use crate::store::{Listed, Which};

/// Rejects that are listed where nobody says how many.
const REJECTS: u32 = 100;

/// The place of a sink in the configuration.
pub(super) fn number(desk: &Desk, name: &str) -> Result<usize, Status> {
    let sinks = &desk.config.sinks;
    sinks.iter().position(|s| s.name() == name).ok_or_else(|| {
        let known: Vec<_> = sinks.iter().map(|s| s.name()).collect();
        let known = known.join(", ");
        Status::not_found(format!("there is no sink `{name}`; the sinks are {known}"))
    })
}

/// These tenants, or all that the sink may receive where none is named.
pub(super) async fn tenants(
    desk: &Desk,
    number: usize,
    named: Vec<String>,
) -> Result<Vec<TenantId>, Status> {
    let heads = desk.feed.heads().await.map_err(failed)?;
    let sink = &desk.config.sinks[number];
    let all: Vec<_> = heads.into_keys().filter(|t| sink.allows(*t)).collect();
    if named.is_empty() {
        return Ok(all);
    }
    let known = |id: &String| {
        let id: Option<TenantId> = id.to_lowercase().parse().ok();
        id.filter(|id| all.contains(id))
    };
    let missing = |id: &String| {
        let sink = sink.name();
        Status::not_found(format!("the sink `{sink}` gets no tenant {id}"))
    };
    named
        .iter()
        .map(|id| known(id).ok_or_else(|| missing(id)))
        .collect()
}

/// Every sink.
pub(super) async fn list(desk: &Desk) -> Result<Vec<SinkSummary>, Error> {
    let heads = desk.feed.heads().await?;
    let now = desk.clock.micros();
    let ready = desk.ready()?;
    let mut all = Vec::new();
    for (number, (config, ready)) in desk.config.sinks.iter().zip(&ready).enumerate() {
        let mut summary = SinkSummary {
            sink: config.name().to_owned(),
            kind: config.kind().to_owned(),
            location: config.location(),
            breaker: match ready.sink {
                Sink::Changes(_) => ready.gate.state().to_owned(),
                Sink::Rows(_) | Sink::Snapshots(_) => String::new(),
            },
            rejects: desk.store.rejected(config.name()).await?,
            credential_days: config.expires.map(|last| {
                let left = expiry::days_left(last, now);
                i32::try_from(left).unwrap_or(i32::MAX)
            }),
            ..SinkSummary::default()
        };
        let mut behind = Vec::new();
        for (tenant, head) in heads.iter().filter(|(t, _)| config.allows(**t)) {
            summary.tenants += 1;
            let standing = desk.board.read(|state| {
                let sink = state.sinks.get(number)?;
                sink.tenants.get(tenant).cloned()
            });
            let (delivered, oldest) = match standing {
                Some(s) => {
                    if let Some(problem) = s.problem {
                        summary.problem = problem;
                    }
                    (s.settled >= Some(head.closing), s.oldest)
                }
                // Nobody has looked since this process began.
                None => {
                    let stood = stands(&desk.store, &ready.sink, config.name(), *tenant);
                    match stood.await {
                        Ok(cursor) => {
                            let lacks = cursor.as_of < head.changed;
                            (!lacks, lacks.then_some(head.changed))
                        }
                        Err(e) => {
                            summary.problem = Problem::from(e).to_string();
                            (false, None)
                        }
                    }
                }
            };
            summary.delivered += u32::from(delivered);
            if !delivered {
                behind.push(*tenant);
            }
            let lag = oldest.map_or(0, |c| now.saturating_sub(c.0) / 1_000_000);
            summary.lag_seconds = summary.lag_seconds.max(lag);
        }
        let lacks = lacks(&desk.feed, &desk.store, &ready.sink, config.name(), &behind);
        summary.lag_records = lacks.await;
        all.push(summary);
    }
    Ok(all)
}

pub(super) fn which(request: ListRejectsRequest) -> Which {
    Which {
        sink: request.sink,
        tenant: request.tenant_id.to_lowercase(),
        kind: request.kind,
        key: request.key,
    }
}

/// Rejects, newest first.
pub(super) async fn rejects(
    desk: &Desk,
    request: ListRejectsRequest,
) -> Result<Vec<SinkReject>, Error> {
    let most = match request.limit {
        0 => REJECTS,
        most => most,
    };
    let listed = desk.store.rejects(&which(request), most).await?;
    let told = |l: Listed| SinkReject {
        sink: l.sink,
        tenant_id: l.tenant_id,
        kind: l.kind,
        key: l.key,
        closing: l.closing,
        reason: l.reason,
        at: l.at,
        tries: l.tries,
        replay: l.replay,
    };
    Ok(listed.into_iter().map(told).collect())
}
