//! The control endpoints below `/_control`: time, faults, the log and the truth. Only a test asks here.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use serde::Deserialize;
use serde_json::json;

use crate::fault::Fault;
use crate::miscount::Miscount;
use crate::sim::Sim;
use crate::storm::Storm;
use crate::throttle::Throttling;
use crate::trouble::Trouble;
use crate::truth_kinds;

/// More days at once than anybody needs; a typing error must not fill the memory.
const MOST_DAYS: u32 = 3_650;

#[derive(Deserialize)]
struct Days {
    days: Option<u32>,
}

#[derive(Deserialize)]
struct Seconds {
    seconds: u64,
}

#[derive(Deserialize)]
struct Off {
    /// Seconds, negative for late.
    off: i64,
}

pub(crate) fn router() -> Router<Sim> {
    Router::new()
        .route("/advance", post(advance))
        .route("/tick", post(tick))
        .route("/storm", post(storm))
        .route("/reports", post(reports))
        .route("/miscount", post(miscount))
        .route("/faults", post(arm).delete(clear))
        .route(
            "/trouble",
            get(async |State(sim): State<Sim>| Json(sim.armed()))
                .post(arm_trouble)
                .delete(clear_trouble),
        )
        .route("/throttling", post(throttle).delete(throttle_no_more))
        .route("/clock", post(put_clock_off))
        .merge(crate::entra::control())
        .route(
            "/log",
            get(async |State(sim): State<Sim>| Json(sim.log())).delete(clear_log),
        )
        .route(
            "/log/summary",
            get(async |State(sim): State<Sim>| Json(sim.summary())),
        )
        .route(
            "/stats",
            get(async |State(sim): State<Sim>| Json(sim.stats())),
        )
        .route(
            "/tenants",
            get(async |State(sim): State<Sim>| Json(sim.tenants().to_vec())),
        )
        .route("/truth", get(truth_of_day))
        .route("/truth/{tenant}/{dataset}", get(truth))
        .route("/delta", post(delta))
}

/// The days stand in the query or in a body of JSON; one without either.
async fn advance(
    State(sim): State<Sim>,
    Query(Days { days }): Query<Days>,
    body: Bytes,
) -> Response {
    let in_body = match body.is_empty() {
        true => None,
        false => match serde_json::from_slice::<Days>(&body) {
            Ok(Days { days }) => days,
            Err(e) => return (StatusCode::BAD_REQUEST, e.to_string()).into_response(),
        },
    };
    let days = days.or(in_body).unwrap_or(1);
    if days > MOST_DAYS {
        return (StatusCode::BAD_REQUEST, format!("at most {MOST_DAYS} days")).into_response();
    }
    match tokio::task::spawn_blocking(move || sim.advance(days)).await {
        Ok(day) => Json(json!({ "day": day })).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

/// What delta does that it need not; what is not named stays.
#[derive(Deserialize)]
struct Delta {
    /// Whether old tokens are answered with 410.
    gone: Option<bool>,
    /// Whether objects come several times.
    replays: Option<bool>,
}

async fn delta(State(sim): State<Sim>, Query(Delta { gone, replays }): Query<Delta>) -> StatusCode {
    gone.into_iter().for_each(|on| sim.reset_delta(on));
    replays.into_iter().for_each(|on| sim.replay_delta(on));
    StatusCode::NO_CONTENT
}

/// Which truth is asked for.
#[derive(Deserialize)]
struct Truth {
    /// Id or position.
    #[serde(default)]
    tenant: String,
    kind: String,
    /// Today, unless an earlier day is named.
    day: Option<u32>,
}

/// One JSON object a line, made while they are sent.
async fn truth_of_day(State(sim): State<Sim>, Query(asked): Query<Truth>) -> Response {
    let tenant = if asked.tenant.is_empty() {
        "0"
    } else {
        &asked.tenant
    };
    let Some(tenant) = position(&sim, tenant) else {
        return (StatusCode::NOT_FOUND, "no such tenant").into_response();
    };
    if asked.day.is_some_and(|day| day > sim.day()) {
        return (StatusCode::BAD_REQUEST, "that day is still to come").into_response();
    }
    if !truth_kinds::known(&asked.kind) {
        return (StatusCode::NOT_FOUND, "no such kind").into_response();
    }
    let chunks = stream::unfold(Some(0), move |from| {
        let (sim, kind, day) = (sim.clone(), asked.kind.clone(), asked.day);
        async move {
            let from = from?;
            let work = move || sim.truth_lines(tenant, &kind, day, from);
            let (lines, next) = tokio::task::spawn_blocking(work).await.ok()??;
            Some((Ok::<_, Infallible>(Bytes::from(lines)), next))
        }
    });
    let ndjson = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (ndjson, Body::from_stream(chunks)).into_response()
}

/// The tenant that an id or a position names.
fn position(sim: &Sim, name: &str) -> Option<usize> {
    let named = |(n, t): (usize, &crate::TenantInfo)| t.id == name || n.to_string() == name;
    sim.tenants().iter().enumerate().position(named)
}

#[derive(Deserialize)]
struct Reports {
    /// Whether names are concealed.
    concealed: bool,
}

async fn reports(
    State(sim): State<Sim>,
    Query(Reports { concealed }): Query<Reports>,
) -> StatusCode {
    sim.conceal_names(concealed);
    StatusCode::NO_CONTENT
}

/// Which tenant a storm meets; the first one if none is named.
#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    tenant: usize,
}

async fn storm(
    State(sim): State<Sim>,
    Query(Place { tenant }): Query<Place>,
    Json(storm): Json<Storm>,
) -> Response {
    let day = sim.clone();
    match tokio::task::spawn_blocking(move || sim.storm(tenant, storm)).await {
        Ok(Some(users)) => Json(json!({ "day": day.day(), "users": users })).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "no such tenant").into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

async fn miscount(
    State(sim): State<Sim>,
    Query(Place { tenant }): Query<Place>,
    Json(miscount): Json<Miscount>,
) -> StatusCode {
    if tenant >= sim.tenants().len() {
        return StatusCode::NOT_FOUND;
    }
    sim.miscount(tenant, miscount);
    StatusCode::NO_CONTENT
}

async fn tick(State(sim): State<Sim>, Query(Seconds { seconds }): Query<Seconds>) -> Response {
    sim.tick(Duration::from_secs(seconds));
    Json(json!({ "now": sim.now().as_secs() })).into_response()
}

async fn arm(State(sim): State<Sim>, Json(fault): Json<Fault>) -> Response {
    if fault.status.is_some_and(|s| !(400..600).contains(&s)) {
        return (StatusCode::BAD_REQUEST, "a fault's status is 400 to 599").into_response();
    }
    sim.fault(fault);
    StatusCode::NO_CONTENT.into_response()
}

async fn clear(State(sim): State<Sim>) -> StatusCode {
    sim.clear_faults();
    StatusCode::NO_CONTENT
}

async fn arm_trouble(State(sim): State<Sim>, Json(trouble): Json<Trouble>) -> Response {
    match sim.trouble(trouble) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(what) => (StatusCode::BAD_REQUEST, what).into_response(),
    }
}

async fn clear_log(State(sim): State<Sim>) -> StatusCode {
    sim.clear_log();
    StatusCode::NO_CONTENT
}

async fn clear_trouble(State(sim): State<Sim>) -> StatusCode {
    sim.clear_trouble();
    StatusCode::NO_CONTENT
}

async fn throttle(State(sim): State<Sim>, Json(how): Json<Throttling>) -> StatusCode {
    sim.throttle(Some(how));
    StatusCode::NO_CONTENT
}

async fn throttle_no_more(State(sim): State<Sim>) -> StatusCode {
    sim.throttle(None);
    StatusCode::NO_CONTENT
}

async fn put_clock_off(State(sim): State<Sim>, Query(Off { off }): Query<Off>) -> StatusCode {
    sim.put_clock_off(off);
    StatusCode::NO_CONTENT
}

/// One JSON object a line; users are made while they are sent.
async fn truth(
    State(sim): State<Sim>,
    Path((tenant, dataset)): Path<(String, String)>,
) -> Response {
    let Some(tenant) = position(&sim, &tenant) else {
        return (StatusCode::NOT_FOUND, "no such tenant").into_response();
    };
    let ndjson = [(header::CONTENT_TYPE, "application/x-ndjson")];
    if dataset == "users" {
        let chunks = stream::unfold(Some(0), move |from| {
            let sim = sim.clone();
            async move {
                let (lines, next) = sim.truth_chunk(tenant, from?);
                Some((Ok::<_, Infallible>(Bytes::from(lines)), next))
            }
        });
        return (ndjson, Body::from_stream(chunks)).into_response();
    }
    match tokio::task::spawn_blocking(move || sim.truth(tenant, &dataset)).await {
        Ok(Some(values)) => {
            let lines: String = values.iter().map(|v| format!("{v}\n")).collect();
            (ndjson, lines).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "no such dataset").into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}
