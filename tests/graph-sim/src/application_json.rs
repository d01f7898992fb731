//! Applications and service principals as Graph writes them.

use serde_json::{Value, json};

use crate::calendar::{self, DAY_ZERO};
use crate::entra::apps::App;
use crate::entra::bearer::GRAPH_APP;
use crate::entra::identity::ManagedIdentity;
use crate::entra::keys::{Key, any_base64, base64};
use crate::graph::Call;
use crate::guid::{self, Kind};
use crate::rng::mix;
use crate::sealed::{base64url, digest};
use crate::shape::Object;

/// Names and ids of Graph's permissions for applications.
const PERMISSIONS: &str = include_str!("../data/graph-permissions.csv");
/// The tenant that Microsoft's own applications are registered in.
const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
/// The number of Graph's service principal among a tenant's.
const GRAPH_NUMBER: u64 = 1_000;

/// Whose service principal it is.
pub(crate) enum Principal<'a> {
    /// With whether it may sign in.
    Application(&'a App, bool),
    Identity(&'a ManagedIdentity),
    Graph,
}

pub(crate) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// A GUID that follows from a text.
pub(crate) fn id(call: &Call, text: &str) -> String {
    let key = mix(call.who.key, digest(text));
    guid::text(guid::of(key, Kind::Credential, 0))
}

/// When all of them were made: some days before the simulation began.
fn created() -> String {
    let day = u64::try_from(DAY_ZERO).unwrap_or_default() - 400;
    calendar::text(day * 86_400 + 36_000)
}

fn key_credentials(app: &App) -> Vec<Value> {
    let one = |id: &str, key: &Key| {
        let thumbprint = any_base64(key.x5t()).unwrap_or_default();
        json!({
            "customKeyIdentifier": base64(&thumbprint),
            "displayName": "CN=graph-sim client, for tests only",
            "endDateTime": calendar::text(key.end),
            "key": key.x5c(),
            "keyId": id,
            "startDateTime": calendar::text(key.start),
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
        })
    };
    let all = app.certificates.iter();
    all.map(|c| one(&c.id, c.key)).collect()
}

fn password_credentials(call: &Call, app: &App) -> Vec<Value> {
    let all = app.secrets.iter().map(|secret| {
        let (start, end) = secret.life(call.sim.entra().started);
        json!({
            "customKeyIdentifier": null,
            "displayName": secret.name,
            "endDateTime": calendar::text(end),
            "hint": secret.text.get(..3),
            "keyId": secret.id,
            "secretText": null,
            "startDateTime": calendar::text(start),
        })
    });
    all.collect()
}

/// An application.
pub(crate) fn application(call: &Call, app: &App) -> Object {
    // What it asks for; what was granted stands with the service principal.
    let mut wanted = call.sim.roles(call.tenant);
    if app.index == 1 {
        wanted.truncate(1);
    }
    let wanted = wanted
        .iter()
        .map(|role| json!({ "id": role_id(call, role), "type": "Role" }));
    let wanted: Vec<Value> = match app.public {
        true => Vec::new(),
        false => wanted.collect(),
    };
    object(json!({
        "id": app.object,
        "appId": app.client,
        "displayName": app.name,
        "createdDateTime": created(),
        "publisherDomain": call.who.domain,
        "signInAudience": "AzureADMyOrg",
        "isFallbackPublicClient": app.public,
        "oauth2RequirePostResponse": false,
        "api": {
            "acceptMappedClaims": null,
            "knownClientApplications": [],
            "requestedAccessTokenVersion": null,
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
        },
        "info": info(),
        "verifiedPublisher": { "addedDateTime": null, "displayName": null, "verifiedPublisherId": null },
        "parentalControlSettings": { "countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow" },
        "publicClient": { "redirectUris": if app.public { vec!["http://localhost"] } else { vec![] } },
        "spa": { "redirectUris": [] },
        "web": {
            "homePageUrl": null,
            "logoutUrl": null,
            "redirectUris": [],
            "implicitGrantSettings": { "enableAccessTokenIssuance": false, "enableIdTokenIssuance": false },
        },
        "keyCredentials": key_credentials(app),
        "passwordCredentials": password_credentials(call, app),
        "requiredResourceAccess": match wanted.is_empty() {
            true => vec![],
            false => vec![json!({ "resourceAppId": GRAPH_APP, "resourceAccess": wanted })],
        },
    }))
}

fn info() -> Value {
    json!({
        "logoUrl": null,
        "marketingUrl": null,
        "privacyStatementUrl": null,
        "supportUrl": null,
        "termsOfServiceUrl": null,
    })
}

/// A service principal. One of an application that was registered in its tenant has no credentials of its own.
pub(crate) fn principal(call: &Call, of: &Principal) -> Object {
    let mut value = json!({
        "accountEnabled": true,
        "appOwnerOrganizationId": call.who.id,
        "appRoleAssignmentRequired": false,
        "info": info(),
        "signInAudience": "AzureADMyOrg",
        "verifiedPublisher": { "addedDateTime": null, "displayName": null, "verifiedPublisherId": null },
    });
    let more = match of {
        Principal::Application(app, enabled) => json!({
            "id": app.principal,
            "appId": app.client,
            "appDisplayName": app.name,
            "displayName": app.name,
            "accountEnabled": enabled,
            "servicePrincipalNames": [app.client],
            "servicePrincipalType": "Application",
            "tags": ["WindowsAzureActiveDirectoryIntegratedApp"],
        }),
        Principal::Identity(one) => json!({
            "id": one.principal,
            "appId": one.client,
            "displayName": "inventory",
            "alternativeNames": [
                format!("isExplicit={}", if one.resource.contains("userAssigned") { "True" } else { "False" }),
                one.resource,
            ],
            "appOwnerOrganizationId": null,
            "servicePrincipalNames": [one.client],
            "servicePrincipalType": "ManagedIdentity",
            "signInAudience": null,
        }),
        Principal::Graph => json!({
            "id": guid::text(guid::of(call.who.key, Kind::Principal, GRAPH_NUMBER)),
            "appId": GRAPH_APP,
            "appDisplayName": "Microsoft Graph",
            "displayName": "Microsoft Graph",
            "appOwnerOrganizationId": MICROSOFT,
            "appRoles": app_roles(),
            "servicePrincipalNames": [GRAPH_APP, "https://graph.microsoft.com"],
            "servicePrincipalType": "Application",
            "signInAudience": "AzureADMultipleOrgs",
        }),
    };
    for (name, field) in object(more) {
        value[&name] = field;
    }
    object(value)
}

/// What Graph's service principal offers to applications.
fn app_roles() -> Vec<Value> {
    let rows = PERMISSIONS.lines().skip(1).filter_map(|row| {
        let mut cells = row.split(',');
        Some((cells.next()?, cells.next()?))
    });
    let role = |(name, id): (&str, &str)| {
        json!({
            "allowedMemberTypes": ["Application"],
            "description": name,
            "displayName": name,
            "id": id,
            "isEnabled": true,
            "origin": "Application",
            "value": name,
        })
    };
    rows.map(role).collect()
}

/// The id of a permission; of one that the list doesn't have, one that follows from its name.
fn role_id(call: &Call, role: &str) -> String {
    let known = PERMISSIONS.lines().find_map(|row| {
        let (name, rest) = row.split_once(',')?;
        (name == role).then(|| rest.split(',').next()).flatten()
    });
    known.map_or_else(|| id(call, role), str::to_owned)
}

/// That a service principal may something of Graph.
pub(crate) fn assignment(call: &Call, holder: &Object, graph: &Object, role: &str) -> Object {
    let said = |object: &Object, name: &str| object.get(name).cloned().unwrap_or_default();
    let principal = said(holder, "id");
    let bytes = guid::parse(principal.as_str().unwrap_or_default()).unwrap_or_default();
    let word = |n| mix(digest(role) ^ call.who.key, n).to_be_bytes();
    let id = [&bytes.to_be_bytes()[..], &word(1), &word(2)].concat();
    object(json!({
        "id": base64url(&id),
        "appRoleId": role_id(call, role),
        "createdDateTime": created(),
        "principalDisplayName": said(holder, "displayName"),
        "principalId": principal,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": said(graph, "displayName"),
        "resourceId": said(graph, "id"),
    }))
}
