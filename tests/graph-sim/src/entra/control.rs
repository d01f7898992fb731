//! The control endpoints of Entra: keys, assertions. Only a test asks here.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;

use crate::sim::Sim;

pub(crate) fn router() -> Router<Sim> {
    Router::new()
        .route("/keys", post(roll))
        .route("/assertions", post(assertions))
}

/// How long the key before stays: a day unless it is said.
#[derive(Deserialize)]
struct Keep {
    keep: Option<u64>,
}

async fn roll(State(sim): State<Sim>, Query(Keep { keep }): Query<Keep>) -> StatusCode {
    sim.roll_keys(Duration::from_secs(keep.unwrap_or(86_400)));
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Strict {
    strict: bool,
}

async fn assertions(State(sim): State<Sim>, Query(Strict { strict }): Query<Strict>) -> StatusCode {
    sim.be_strict_with_assertions(strict);
    StatusCode::NO_CONTENT
}
