//! Managed identities: the endpoints that a machine (IMDS) or App Service has for its own processes
//! (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>,
//! <https://learn.microsoft.com/azure/app-service/overview-managed-identity>).

use std::collections::HashMap;
use std::sync::Mutex;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::apps::MAIN;
use super::ask::Ask;
use super::bearer;
use super::federation;
use super::refusal::json_reply;
use super::state::lock;
use super::token::{Issue, LONG, Proof};
use crate::guid::{self, Kind};
use crate::reply::Reply;
use crate::sim::Sim;
use crate::tenant::Identity as Tenant;

/// Their clients are numbered behind those of the applications.
const FIRST: u64 = 64;
/// Each tenant has one that is assigned by its users, and the machine's own.
pub(crate) const COUNT: usize = 2;
/// What App Service answers when it can't do what is asked, whatever that is.
const VAGUE: &str = "An unexpected error occured while fetching the AAD Token. Please contact support with this provided Correlation ID.";

/// A managed identity.
pub(crate) struct ManagedIdentity {
    pub(crate) client: String,
    pub(crate) principal: String,
    pub(crate) resource: String,
}

/// The identity with this number.
pub(crate) fn of(who: &Tenant, index: usize) -> ManagedIdentity {
    let text = |kind| guid::text(guid::of(who.key, kind, FIRST + index as u64));
    let provider = match index {
        0 => "Microsoft.ManagedIdentity/userAssignedIdentities/inventory",
        _ => "Microsoft.Compute/virtualMachines/inventory",
    };
    let subscription = guid::text(guid::of(who.key, Kind::Credential, FIRST + 1_000));
    ManagedIdentity {
        client: text(Kind::Client),
        principal: text(Kind::Principal),
        resource: format!(
            "/subscriptions/{subscription}/resourcegroups/inventory/providers/{provider}"
        ),
    }
}

/// What App Service gives its processes in `IDENTITY_HEADER`.
pub(crate) fn secret(sim: &Sim) -> String {
    guid::text(guid::of(sim.key(), Kind::Credential, FIRST))
}

/// Tokens that the platform keeps: nothing makes it ask for new ones before half of their life.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<(usize, usize, String), Made>>);

#[derive(Clone)]
struct Made {
    token: String,
    expires: u64,
}

/// `GET /metadata/identity/oauth2/token`
pub(crate) fn imds(ask: &Ask) -> Reply {
    let wrong = |error: &str, text: &str| {
        let mut reply = json_reply(&json!({ "error": error, "error_description": text }));
        reply.status = 400;
        reply
    };
    if ask.header("x-forwarded-for").is_some() {
        return wrong("invalid_request", "The request came through a proxy");
    }
    if !ask
        .header("metadata")
        .is_some_and(|v| v.eq_ignore_ascii_case("true"))
    {
        return wrong("invalid_request", "Required metadata header not specified");
    }
    for name in ["api-version", "resource"] {
        if ask.field(name).is_none() {
            let text = format!("Required query variable '{name}' is missing");
            return wrong("invalid_request", &text);
        }
    }
    if ask.field("api-version") < Some("2018-02-01") {
        return wrong(
            "bad_request_102",
            "The api-version is too old or none: 2018-02-01 is the first one",
        );
    }
    let Some((tenant, index)) = assigned(ask, "msi_res_id") else {
        return wrong("invalid_request", "Identity not found");
    };
    let resource = ask.field("resource").unwrap_or_default();
    if !is_known(ask, tenant, resource) {
        let text = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant named {}.",
            ask.sim.identity(tenant).name
        );
        return wrong("invalid_resource", &text);
    }
    let made = make(ask, tenant, index, resource, None);
    let now = ask.ids.unix;
    let left = made.expires.saturating_sub(now).to_string();
    json_reply(&json!({
        "access_token": made.token,
        "client_id": of(ask.sim.identity(tenant), index).client,
        "expires_in": left,
        "expires_on": made.expires.to_string(),
        "ext_expires_in": left,
        "not_before": made.expires.saturating_sub(LONG + 301).to_string(),
        "refresh_token": "",
        "resource": resource,
        "token_type": "Bearer",
    }))
}

/// `GET /msi/token`, which is what `IDENTITY_ENDPOINT` says.
pub(crate) fn app_service(ask: &Ask) -> Reply {
    let wrong = |status: u16, text: &str| {
        let mut reply = json_reply(&json!({ "statusCode": status, "message": text }));
        reply.status = status;
        reply
    };
    if ask.header("x-identity-header") != Some(secret(ask.sim).as_str()) {
        return wrong(
            401,
            "The X-IDENTITY-HEADER is missing, or is not that of this process.",
        );
    }
    let version = ask.field("api-version").unwrap_or_default();
    if !matches!(version, "2019-08-01" | "2025-03-30") {
        return wrong(400, "The api-version is missing or unknown.");
    }
    let resource = ask.field("resource").unwrap_or_default();
    let Some((tenant, index)) = assigned(ask, "mi_res_id") else {
        return wrong(
            400,
            "No Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        );
    };
    if !is_known(ask, tenant, resource) {
        return wrong(500, VAGUE);
    }
    let refused = match version {
        "2019-08-01" => None,
        _ => ask.field("token_sha256_to_refresh"),
    };
    let made = make(ask, tenant, index, resource, refused);
    json_reply(&json!({
        "access_token": made.token,
        "client_id": of(ask.sim.identity(tenant), index).client,
        "expires_on": made.expires.to_string(),
        "resource": resource,
        "token_type": "Bearer",
    }))
}

/// Which identity is asked for: the machine's own in the first tenant, unless one is named.
fn assigned(ask: &Ask, by_resource: &str) -> Option<(usize, usize)> {
    let asked = |name| ask.field(name);
    let (client, object) = (
        asked("client_id"),
        asked("object_id").or(asked("principal_id")),
    );
    let resource = asked(by_resource);
    if client.is_none() && object.is_none() && resource.is_none() {
        return Some((0, COUNT - 1)).filter(|_| !ask.sim.tenants().is_empty());
    }
    let all = (0..ask.sim.tenants().len()).flat_map(|t| (0..COUNT).map(move |n| (t, n)));
    all.into_iter().find(|(tenant, index)| {
        let one = of(ask.sim.identity(*tenant), *index);
        let is =
            |said: Option<&str>, right: &str| said.is_some_and(|s| s.eq_ignore_ascii_case(right));
        is(client, &one.client) || is(object, &one.principal) || is(resource, &one.resource)
    })
}

fn is_known(ask: &Ask, tenant: usize, resource: &str) -> bool {
    let graph = ask.sim.tenants().get(tenant);
    let graph = graph.map_or("", |t| t.graph.as_str());
    federation::is_exchange(resource) || bearer::is_graph(resource, [ask.base, graph])
}

/// The token that the platform keeps, or a new one.
fn make(ask: &Ask, tenant: usize, index: usize, resource: &str, refused: Option<&str>) -> Made {
    let now = ask.ids.unix;
    let mut kept = lock(&ask.sim.entra().kept.0);
    let place = (tenant, index, resource.to_owned());
    if let Some(made) = kept.get(&place) {
        let fresh = made.expires > now.saturating_add(LONG / 2);
        if fresh && refused != Some(sha256(&made.token).as_str()) {
            return made.clone();
        }
    }
    let who = ask.sim.identity(tenant);
    let one = of(who, index);
    let issue = Issue {
        who,
        client: &one.client,
        name: "inventory",
        principal: &one.principal,
        audience: resource,
        proof: Proof::Assertion,
        permissions: ask.sim.app_roles(tenant, MAIN),
        user: None,
        capable: false,
        not_before: None,
        life: LONG,
        seq: ask.seq,
        more: vec![("xms_mirid", Value::from(one.resource.as_str()))],
    };
    let made = Made {
        token: issue.sign(ask.sim),
        expires: now.saturating_add(LONG + 1),
    };
    kept.insert(place, made.clone());
    made
}

fn sha256(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
