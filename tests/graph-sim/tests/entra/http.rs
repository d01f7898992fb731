//! Requests that are none to Graph.

use axum::body::Body;
use axum::http::Request;
use graph_sim::Sim;
use serde_json::Value;

use crate::support::{Answer, form, send};

pub const BASE: &str = "http://graph-sim.localhost";

pub async fn get_with(sim: &Sim, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("{BASE}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(sim, request.body(Body::empty()).unwrap()).await
}

pub async fn get(sim: &Sim, path: &str) -> Answer {
    get_with(sim, path, &[]).await
}

/// A form.
pub async fn post(sim: &Sim, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = Request::post(format!("{BASE}{path}"))
        .header("content-type", "application/x-www-form-urlencoded");
    send(sim, request.body(Body::from(form(fields))).unwrap()).await
}

/// JSON to a control endpoint, which must take it.
pub async fn control(sim: &Sim, path: &str, body: Value) -> Answer {
    let request = Request::post(format!("{BASE}/_control/{path}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    let answer = send(sim, request.unwrap()).await;
    let said = String::from_utf8_lossy(&answer.body);
    assert!(answer.status < 300, "{path}: {} {said}", answer.status);
    answer
}

/// What the control endpoint shows of a tenant.
pub async fn shown(sim: &Sim, tenant: usize) -> Value {
    get(sim, &format!("/_control/entra?tenant={tenant}"))
        .await
        .json()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
