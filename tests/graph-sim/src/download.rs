//! Reports that were prepared, at an address that needs no token; with one it is refused.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;

use crate::reply::Reply;
use crate::sim::Sim;
use crate::trouble::Delivery;
use crate::{deliver, reports};

/// What stands for a token in the paths that a fault names.
const PATH: &str = "/data/download";

/// `GET /data/download/{token}`: CSV, made while it is sent.
pub(crate) async fn serve(
    State(sim): State<Sim>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let refused = |status: StatusCode, why: &'static str| (status, why).into_response();
    if let Some(fault) = sim.failure(PATH) {
        let status = fault.status.and_then(|s| StatusCode::from_u16(s).ok());
        return refused(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            "This answer was asked for by a test.",
        );
    }
    // The address is the permission; a token for Graph is not one for this host.
    if headers.contains_key(header::AUTHORIZATION) {
        return refused(
            StatusCode::UNAUTHORIZED,
            "The Authorization header is not accepted here.",
        );
    }
    let Some(ticket) = reports::open(&sim, &token) else {
        return refused(StatusCode::FORBIDDEN, "The link has expired.");
    };
    let delivery = sim.troubles().delivery(&reports::path(&ticket), false);
    if delivery != Delivery::Whole {
        let mut reply = Reply::text(String::new());
        let mut start = Some(0);
        while let Some(from) = start {
            let (rows, next) = reports::fetched(&sim, &ticket, from);
            reply.body.extend(rows);
            start = next;
        }
        reply.delivery = delivery;
        return deliver::response(reply, false);
    }
    let chunks = stream::unfold(Some(0), move |from| {
        let sim = sim.clone();
        async move {
            let from = from?;
            let work = tokio::task::spawn_blocking(move || reports::fetched(&sim, &ticket, from));
            let (rows, next) = work.await.ok()?;
            Some((Ok::<_, Infallible>(Bytes::from(rows)), next))
        }
    });
    let kind = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"report.csv\"",
        ),
    ];
    (kind, Body::from_stream(chunks)).into_response()
}
