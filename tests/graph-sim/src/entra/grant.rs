//! The token endpoint: `POST /{tenant}/oauth2/v2.0/token`.

use serde_json::{Value, json};

use super::ask::Ask;
use super::bearer;
use super::credential;
use super::device;
use super::federation;
use super::refresh;
use super::refusal::{Refusal, json_reply};
use super::token::{self, EXPIRES_IN, Issue, LONG, Proof};
use crate::reply::Reply;

/// Answers with a token.
pub(crate) fn token(ask: &Ask) -> Result<Reply, Refusal> {
    let grant = ask.need("grant_type")?;
    if grant == "client_credentials" {
        alias(ask.tenant)?;
        ask.position()?;
    }
    match grant {
        "client_credentials" => client_credentials(ask),
        "refresh_token" => refresh::redeem(ask),
        "urn:ietf:params:oauth:grant-type:device_code" | "device_code" => device::redeem(ask),
        _ => Err(Refusal::new(
            400,
            "unsupported_grant_type",
            70_003,
            format!("The app requested an unsupported grant type '{grant}'."),
        )),
    }
}

/// An application has no home tenant, so the names that stand for it are none for it.
fn alias(tenant: &str) -> Result<(), Refusal> {
    match tenant {
        "common" | "consumers" => Err(Refusal::request(
            9_001_023,
            "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
        )),
        "organizations" => Err(Refusal::request(
            50_059,
            "No tenant-identifying information found in either the request or implied by any provided credentials.",
        )),
        _ => Ok(()),
    }
}

fn client_credentials(ask: &Ask) -> Result<Reply, Refusal> {
    let app = ask.app()?;
    let resource = resource(ask)?;
    let proof = credential::check(ask, &app)?;
    if proof == Proof::Nothing {
        // A public client has nothing that this grant could go by.
        return Err(Refusal::new(
            400,
            "unauthorized_client",
            700_025,
            "Client is public so the grant 'client_credentials' is not for it.",
        ));
    }
    let Wanted {
        capable,
        not_before,
    } = Wanted::read(ask)?;
    let life = if capable { LONG } else { EXPIRES_IN };
    let (who, position) = (ask.who()?, ask.position()?);
    let standing = ask.sim.entra().standings.of(position, app.index);
    standing.check(who, &app)?;
    let principal = standing.principal_id(who, &app);
    let issue = Issue {
        who,
        client: &app.client,
        name: app.name,
        principal: &principal,
        audience: &resource,
        proof,
        permissions: ask.sim.app_roles(position, app.index),
        user: None,
        capable,
        not_before,
        life,
        seq: ask.seq,
        more: token::directory_roles(&standing.directory_roles),
    };
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": issue.sign(ask.sim),
    });
    if capable {
        body["refresh_in"] = (life / 2).into();
    }
    Ok(json_reply(&body))
}

/// The resource that the scope names.
fn resource(ask: &Ask) -> Result<String, Refusal> {
    let scope = ask.need("scope")?.trim();
    let mut parts = scope.split_whitespace();
    let (Some(only), None) = (parts.next(), parts.next()) else {
        return Err(Refusal::new(
            400,
            "invalid_scope",
            70_011,
            format!(
                "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {scope} is not valid: one resource is wanted."
            ),
        ));
    };
    let Some(resource) = only.strip_suffix("/.default") else {
        return Err(Refusal::new(
            400,
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    };
    let graph = ask.sim.tenants().get(ask.position()?);
    let graph = graph.map_or("", |t| t.graph.as_str());
    if bearer::is_graph(resource, [ask.base, graph]) || federation::is_exchange(resource) {
        return Ok(resource.to_owned());
    }
    Err(Refusal::new(
        400,
        "invalid_resource",
        500_011,
        format!(
            "The resource principal named {resource} was not found in the tenant named {}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
            ask.who()?.name
        ),
    ))
}

/// What the parameter `claims` wants
/// (<https://learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation>).
#[derive(Default)]
pub(crate) struct Wanted {
    /// The client takes claims challenges.
    pub(crate) capable: bool,
    /// From a challenge: no token from before.
    pub(crate) not_before: Option<u64>,
}

impl Wanted {
    pub(crate) fn read(ask: &Ask) -> Result<Self, Refusal> {
        let Some(text) = ask.field("claims") else {
            return Ok(Self::default());
        };
        let claims: Value = serde_json::from_str(text).map_err(|e| {
            let message =
                format!("Invalid request. The parameter 'claims' is not valid JSON: {e}.");
            Refusal::request(9_002_313, message)
        })?;
        let of_token = |name| claims.get("access_token").and_then(|c| c.get(name));
        let values = of_token("xms_cc").and_then(|c| c.get("values"));
        let values = values.and_then(Value::as_array).into_iter().flatten();
        let mut values = values.filter_map(Value::as_str);
        let from = of_token("nbf").and_then(|c| c.get("value"));
        Ok(Self {
            capable: values.any(|v| v.eq_ignore_ascii_case("cp1")),
            not_before: from.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok())),
        })
    }
}
