//! The control endpoints of Entra. Only a test asks here.

use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::apps::{self, App};
use super::device::Decision;
use super::federation::{self, Mint};
use super::identity;
use super::standing::Consent;
use crate::calendar;
use crate::http;
use crate::sim::Sim;

pub(crate) fn router() -> Router<Sim> {
    Router::new()
        .route("/entra", get(entra))
        .route("/keys", post(roll))
        .route("/assertions", post(assertions))
        .route("/tokens", post(tokens))
        .route("/issuer", post(issuer))
        .route("/issuer/keys", post(roll_issuer))
        .route("/certificate", post(upload))
        .route("/assertion", post(mint))
        .route("/consent", post(consent))
        .route("/revoke", post(revoke))
        .route("/device", post(device))
        .route("/directory-roles", post(directory_roles))
        .route("/refresh-tokens", post(refresh_tokens))
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

async fn roll_issuer(State(sim): State<Sim>, Query(Keep { keep }): Query<Keep>) -> StatusCode {
    sim.roll_issuer_keys(Duration::from_secs(keep.unwrap_or(86_400)));
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

/// How many equal requests are taken; any number if none is named.
#[derive(Deserialize)]
struct Most {
    most: Option<u32>,
}

async fn tokens(State(sim): State<Sim>, Query(Most { most }): Query<Most>) -> StatusCode {
    sim.limit_tokens(most);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Reached {
    reached: bool,
}

async fn issuer(State(sim): State<Sim>, Query(Reached { reached }): Query<Reached>) -> StatusCode {
    sim.reach_issuer(reached);
    StatusCode::NO_CONTENT
}

/// An assertion of the workload issuer.
async fn mint(
    State(sim): State<Sim>,
    uri: Uri,
    headers: HeaderMap,
    Json(mint): Json<Mint>,
) -> Response {
    let base = http::base(&sim, &uri, &headers);
    Json(json!({ "assertion": mint.sign(&sim, &base) })).into_response()
}

/// Which application: positions, the first ones if none are named; or a user's id.
#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    tenant: usize,
    #[serde(default)]
    app: usize,
    user: Option<String>,
}

fn done(done: bool) -> Response {
    match done {
        true => StatusCode::NO_CONTENT.into_response(),
        false => (StatusCode::NOT_FOUND, "no such tenant, application or user").into_response(),
    }
}

async fn consent(
    State(sim): State<Sim>,
    Query(place): Query<Place>,
    Json(change): Json<Consent>,
) -> Response {
    done(sim.consent(place.tenant, place.app, change))
}

/// A certificate in PEM, as an administrator uploads it.
async fn upload(State(sim): State<Sim>, Query(place): Query<Place>, pem: String) -> Response {
    match sim.upload_certificate(place.tenant, place.app, &pem) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(what) => (StatusCode::BAD_REQUEST, what).into_response(),
    }
}

async fn revoke(State(sim): State<Sim>, Query(place): Query<Place>) -> Response {
    done(match &place.user {
        Some(user) => sim.revoke_sessions(place.tenant, user),
        None => sim.revoke(place.tenant, place.app),
    })
}

async fn directory_roles(
    State(sim): State<Sim>,
    Query(place): Query<Place>,
    Json(roles): Json<Vec<String>>,
) -> Response {
    done(sim.direct(place.tenant, place.user.as_deref(), roles))
}

#[derive(Deserialize)]
struct Once {
    once: bool,
}

async fn refresh_tokens(State(sim): State<Sim>, Query(Once { once }): Query<Once>) -> StatusCode {
    sim.take_refresh_tokens_once(once);
    StatusCode::NO_CONTENT
}

async fn device(State(sim): State<Sim>, Json(decision): Json<Decision>) -> Response {
    match sim.decide(&decision) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(what) => (StatusCode::BAD_REQUEST, what).into_response(),
    }
}

/// All that a tenant's clients can show: applications with their credentials, managed identities, whom they trust.
async fn entra(
    State(sim): State<Sim>,
    uri: Uri,
    headers: HeaderMap,
    Query(place): Query<Place>,
) -> Response {
    if place.tenant >= sim.tenants().len() {
        return done(false);
    }
    let base = http::base(&sim, &uri, &headers);
    let who = sim.identity(place.tenant);
    let started = sim.entra().started;
    let all = (0..apps::COUNT).map(|n| {
        let mut app = apps::app(who, n).uploaded(&sim, place.tenant);
        let standing = sim.entra().standings.of(place.tenant, n);
        app.principal = standing.principal_id(who, &app);
        app
    });
    let identities = (0..identity::COUNT).map(|n| identity::of(who, n));
    Json(json!({
        "applications": all.map(|app| {
            let trusts = federation::trusts(who, &app, &base);
            of_app(&app, started, &trusts)
        }).collect::<Vec<_>>(),
        "managedIdentities": identities.map(|one| json!({
            "clientId": one.client,
            "objectId": one.principal,
            "resourceId": one.resource,
        })).collect::<Vec<_>>(),
        "imds": base,
        "identityEndpoint": format!("{base}/msi/token"),
        "identityHeader": identity::secret(&sim),
        "issuer": federation::issuer(&base),
    }))
    .into_response()
}

fn of_app(app: &App, started: u64, trusts: &[federation::Trust]) -> Value {
    let secrets = app.secrets.iter().map(|secret| {
        let (start, end) = secret.life(started);
        json!({
            "keyId": secret.id,
            "name": secret.name,
            "text": secret.text,
            "start": calendar::text(start),
            "end": calendar::text(end),
        })
    });
    let certificates = app.certificates.iter().map(|certificate| {
        json!({
            "keyId": certificate.id,
            "pem": certificate.key.pem(),
            "thumbprint": certificate.key.thumbprint(),
            "end": calendar::text(certificate.key.end),
        })
    });
    json!({
        "name": app.name,
        "clientId": app.client,
        "objectId": app.object,
        "servicePrincipalId": app.principal,
        "public": app.public,
        "secrets": secrets.collect::<Vec<_>>(),
        "certificates": certificates.collect::<Vec<_>>(),
        "federated": trusts.iter().map(|trust| json!({
            "name": trust.name,
            "issuer": trust.issuer,
            "subject": trust.subject,
            "audiences": [federation::AUDIENCE],
        })).collect::<Vec<_>>(),
    })
}
