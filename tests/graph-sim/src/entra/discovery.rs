//! What tells clients where Entra's endpoints are, and what it signs with
//! (OpenID Connect Discovery 1.0; RFC 7517).

use serde_json::{Value, json};

use super::ask::{Ask, HOSTS};
use super::keys::{Key, SIGNING};
use super::refusal::{Refusal, json_reply};
use crate::reply::Reply;

/// Names that stand for whichever tenant somebody is at home in.
const ALIASES: [&str; 3] = ["common", "organizations", "consumers"];

/// How Entra signs what it publishes keys for.
const ISSUER_OF_KEYS: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub(crate) fn configuration(ask: &Ask) -> Result<Reply, Refusal> {
    let base = ask.base.trim_end_matches('/');
    // A domain's document has the tenant's id.
    let (place, issuer) = match ALIASES.contains(&ask.tenant) {
        true => (ask.tenant, "{tenantid}"),
        false => (ask.who()?.id.as_str(), ask.who()?.id.as_str()),
    };
    let graph = base.split_once("://").map_or(base, |(_, host)| host);
    Ok(json_reply(&json!({
        "token_endpoint": format!("{base}/{place}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{place}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/{issuer}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "authorization_endpoint": format!("{base}/{place}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{place}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{place}/oauth2/v2.0/logout"),
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name", "msgraph_host", "aud",
            "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email",
        ],
        "kerberos_endpoint": format!("{base}/{place}/kerberos"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": graph,
        "rbac_url": "https://pas.windows.net",
    })))
}

/// `GET /{tenant}/discovery/v2.0/keys`
pub(crate) fn keys(ask: &Ask) -> Result<Reply, Refusal> {
    if !ALIASES.contains(&ask.tenant) {
        ask.position()?;
    }
    let now = ask.sim.now().as_secs();
    let published = ask.sim.entra().published(now);
    let keys: Vec<Value> = published
        .map(|n| jwk(&SIGNING[n], Some(ISSUER_OF_KEYS)))
        .collect();
    Ok(json_reply(&json!({ "keys": keys })))
}

/// A key as a JWK with its certificate.
pub(crate) fn jwk(key: &Key, issuer: Option<&str>) -> Value {
    let mut jwk = json!({
        "kty": "RSA",
        "use": "sig",
        "kid": key.x5t(),
        "x5t": key.x5t(),
        "n": key.modulus(),
        "e": "AQAB",
        "x5c": [key.x5c()],
    });
    if let Some(issuer) = issuer {
        jwk["cloud_instance_name"] = "microsoftonline.com".into();
        jwk["issuer"] = issuer.into();
    }
    jwk
}

/// `GET /common/discovery/instance`: whether an authority is one of Microsoft's, and what else it is called.
pub(crate) fn instance(ask: &Ask) -> Result<Reply, Refusal> {
    let version = ask.field("api-version").unwrap_or_default();
    if !matches!(version, "1.0" | "1.1") {
        return Err(Refusal::request(
            50_049,
            format!("Unknown or invalid instance: the api-version '{version}' is none."),
        ));
    }
    let endpoint = ask.field("authorization_endpoint").unwrap_or_default();
    let place = endpoint.split_once("://").map_or("", |(_, rest)| rest);
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let own = ask.base.split_once("://").map_or("", |(_, host)| host);
    let own = own.trim_end_matches('/');
    // MSAL leaves the port out.
    let name = own.rsplit_once(':').map_or(own, |(name, _)| name);
    if host.is_empty() || ![own, name].contains(&host) && !HOSTS.contains(&host) {
        return Err(Refusal::new(
            400,
            "invalid_instance",
            50_049,
            "Unknown or invalid instance.",
        ));
    }
    let tenant = path.split('/').next().unwrap_or_default();
    let mut metadata = vec![json!({
        "preferred_network": HOSTS[0],
        "preferred_cache": HOSTS[1],
        "aliases": HOSTS,
    })];
    if !HOSTS.contains(&own) {
        metadata
            .push(json!({ "preferred_network": own, "preferred_cache": own, "aliases": [own] }));
    }
    Ok(json_reply(&json!({
        "tenant_discovery_endpoint":
            format!("{}/{tenant}/v2.0/.well-known/openid-configuration", ask.base.trim_end_matches('/')),
        "api-version": version,
        "metadata": metadata,
    })))
}
