//! The page of a process: `/metrics`, `/livez`, `/readyz`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Health;
use crate::error::Problem;
use crate::telemetry::Metrics;

/// What the page shows.
#[derive(Clone)]
pub(super) struct Page {
    pub metrics: Metrics,
    pub health: Health,
    pub stop: CancellationToken,
}

impl Page {
    /// Serves for ever.
    ///
    /// # Errors
    /// `LW-4095` when serving ends by itself.
    pub async fn serve(self, listener: TcpListener) -> Result<(), Problem> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .with_state(self);
        axum::serve(listener, router).await.map_err(|e| {
            let what = format!("the page of metrics and health ended: {e}.");
            Problem::new("LW-4095", what, "start again; report it")
        })
    }
}

async fn metrics(State(page): State<Page>) -> Response {
    match page.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{e}\n")).into_response(),
    }
}

async fn ready(State(page): State<Page>) -> Response {
    let mut unready = page.health.unready().await;
    if page.stop.is_cancelled() {
        unready.insert("process", "it is stopping".to_owned());
    }
    if unready.is_empty() {
        return "ready\n".into_response();
    }
    let lines = unready.iter().map(|(name, why)| format!("{name}: {why}\n"));
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect::<String>()).into_response()
}
