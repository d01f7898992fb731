//! The token endpoint of Entra ID for client credentials.

use serde_json::json;

use crate::access::{Claims, EXPIRES_IN};
use crate::calendar;
use crate::query;
use crate::reply::{Ids, Reply};
use crate::sim::Sim;

const GRAPH: &str = "https://graph.microsoft.com";

/// Answers `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn token(
    sim: &Sim,
    tenant: &str,
    body: &[u8],
    base: &str,
    ids: &Ids,
) -> (Reply, Option<usize>) {
    match grant(sim, tenant, body, base, ids) {
        Ok((reply, position)) => (reply, Some(position)),
        Err(refusal) => (refusal.reply(ids), None),
    }
}

fn grant(
    sim: &Sim,
    tenant: &str,
    body: &[u8],
    base: &str,
    ids: &Ids,
) -> Result<(Reply, usize), Refusal> {
    let Some(position) = sim.position(tenant) else {
        return Err(Refusal::new(
            400,
            "invalid_request",
            90002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
            ),
        ));
    };
    let info = &sim.tenants()[position];
    let text = String::from_utf8_lossy(body);
    let form: Vec<(String, String)> = query::pairs(text.trim()).collect();
    let field = |name: &str| {
        form.iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
            .ok_or_else(|| {
                Refusal::new(
                    400,
                    "invalid_request",
                    900_144,
                    format!("The request body must contain the following parameter: '{name}'."),
                )
            })
    };
    let grant_type = field("grant_type")?;
    if grant_type != "client_credentials" {
        let message = format!("The app requested an unsupported grant type '{grant_type}'.");
        return Err(Refusal::new(400, "unsupported_grant_type", 70003, message));
    }
    let client = field("client_id")?;
    if !client.eq_ignore_ascii_case(&info.client_id) {
        return Err(Refusal::new(
            400,
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
                sim.identity(position).name
            ),
        ));
    }
    let scope = field("scope")?;
    let Some(resource) = scope.trim().strip_suffix("/.default") else {
        return Err(Refusal::new(
            400,
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    let known = [GRAPH, base, &info.graph]
        .iter()
        .any(|k| k.trim_end_matches('/') == resource.trim_end_matches('/'));
    if !known {
        let message = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid."
        );
        return Err(Refusal::new(400, "invalid_scope", 70011, message));
    }
    let Ok(secret) = field("client_secret") else {
        let message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(Refusal::new(
            401,
            "invalid_client",
            7_000_218,
            message.to_owned(),
        ));
    };
    if secret != info.client_secret {
        return Err(Refusal::new(
            401,
            "invalid_client",
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
            ),
        ));
    }
    let claims = Claims::new(
        &info.id,
        &info.client_id,
        resource,
        sim.roles(position),
        ids.unix,
    );
    let body = json!({
        "token_type": "Bearer",
        "expires_in": EXPIRES_IN,
        "ext_expires_in": EXPIRES_IN,
        "access_token": claims.sign(sim.key()),
    });
    let mut reply = Reply::json(body.to_string().into_bytes());
    reply.content_type = "application/json; charset=utf-8";
    Ok((
        reply.header("cache-control", "no-store, no-cache"),
        position,
    ))
}

/// An error of the token endpoint.
pub(crate) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, error: &'static str, code: u32, message: String) -> Self {
        Self {
            status,
            error,
            code,
            message,
        }
    }

    /// Only POST is served.
    pub(crate) fn method(method: &str) -> Self {
        let message =
            format!("The endpoint only accepts POST requests. Received a {method} request.");
        Self::new(405, "invalid_request", 900_561, message)
    }

    /// Entra's error body.
    pub(crate) fn reply(self, ids: &Ids) -> Reply {
        let Self {
            status,
            error,
            code,
            message,
        } = self;
        let timestamp = calendar::text(ids.unix).replace('T', " ");
        let (trace, correlation) = (&ids.request, &ids.client);
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: {message}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}"
            ),
            "error_codes": [code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
        });
        let mut reply = Reply::json(body.to_string().into_bytes());
        reply.status = status;
        reply.content_type = "application/json; charset=utf-8";
        reply
    }
}
