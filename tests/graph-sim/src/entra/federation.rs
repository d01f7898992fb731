//! Federated identity credentials: an application trusts the assertions of another issuer
//! (<https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>).

use serde::Deserialize;
use serde_json::{Value, json};

use super::apps::{App, MAIN};
use super::ask::Ask;
use super::assertion::{life, malformed};
use super::discovery;
use super::identity;
use super::jwt::{self, Jwt};
use super::keys::{EXPIRED, Key, SIGNING};
use super::refusal::{Refusal, json_reply};
use crate::reply::Reply;
use crate::sim::Sim;
use crate::tenant::Identity;

/// The audience that all such assertions have in the public cloud, and its id as a resource.
pub(crate) const AUDIENCE: &str = "api://AzureADTokenExchange";
const AUDIENCE_APP: &str = "fb60f99c-7a34-4190-8149-302f77469936";
/// Whose assertions the main application trusts.
const SUBJECT: &str = "system:serviceaccount:inventory:reader";
/// Where the simulated workload issuer is, below the base.
const PLACE: &str = "/_issuer";

/// A federated identity credential.
pub(crate) struct Trust {
    pub(crate) name: &'static str,
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

/// Whom an application trusts, where the simulator is reached at `base`.
pub(crate) fn trusts(who: &Identity, app: &App, base: &str) -> Vec<Trust> {
    if app.index != MAIN {
        return Vec::new();
    }
    vec![
        Trust {
            name: "workload",
            issuer: issuer(base),
            subject: SUBJECT.to_owned(),
        },
        Trust {
            name: "identity",
            issuer: entra_issuer(who),
            subject: identity::of(who, 0).principal,
        },
    ]
}

/// The name of the workload issuer.
pub(crate) fn issuer(base: &str) -> String {
    format!("{}{PLACE}", base.trim_end_matches('/'))
}

/// What Entra calls itself in tokens of the second version.
pub(crate) fn entra_issuer(who: &Identity) -> String {
    format!("https://login.microsoftonline.com/{}/v2.0", who.id)
}

/// Whether a resource is that of the exchange.
pub(crate) fn is_exchange(resource: &str) -> bool {
    [AUDIENCE, AUDIENCE_APP].contains(&resource.trim_end_matches('/'))
}

/// Whether an assertion comes from an issuer rather than from the application itself.
pub(crate) fn is_foreign(jwt: &Jwt) -> bool {
    jwt.claim("iss").is_some_and(|iss| iss.contains("://"))
}

/// Refuses an assertion that `app` doesn't trust. Names are compared as they are: case and slashes count.
pub(crate) fn check(ask: &Ask, app: &App, jwt: &Jwt) -> Result<(), Refusal> {
    let who = ask.who()?;
    let said = |name| jwt.claim(name).unwrap_or_default();
    let (issuer, subject) = (said("iss"), said("sub"));
    let audience = match jwt.claims.get("aud") {
        Some(Value::Array(all)) => all.first().and_then(Value::as_str).unwrap_or_default(),
        _ => said("aud"),
    };
    let trusts = trusts(who, app, ask.base);
    if trusts.is_empty() {
        return Err(Refusal::request(
            70_021,
            format!(
                "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. Assertion Subject: '{subject}'. Assertion Audience: '{audience}'. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
            ),
        ));
    }
    let of_issuer: Vec<&Trust> = trusts.iter().filter(|t| t.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(unmatched(700_211, "issuer", issuer));
    }
    if !of_issuer.iter().any(|t| t.subject == subject) {
        let folded = |t: &&Trust| t.subject.eq_ignore_ascii_case(subject);
        return Err(match of_issuer.iter().any(folded) {
            true => Refusal::client(
                7_002_138,
                format!(
                    "No matching federated identity record found for presented assertion subject '{subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Please update the federated identity credential."
                ),
            ),
            false => unmatched(700_213, "subject", subject),
        });
    }
    if !is_exchange(audience) {
        return Err(unmatched(700_212, "audience", audience));
    }
    if !ask.sim.entra().issuer_is_reached() {
        return Err(Refusal::request(
            90_061,
            format!(
                "Request to External OIDC endpoint failed. The endpoint is '{issuer}/.well-known/openid-configuration'."
            ),
        ));
    }
    let own = issuer == entra_issuer(who);
    if !signs(ask.sim, jwt, own) {
        return Err(Refusal::client(
            900_384,
            "JWT signature validation failed. The key that signed the assertion is not among those that its issuer publishes.",
        ));
    }
    if own && jwt.claim("idtyp") != Some("app") {
        return Err(Refusal::client(
            700_229,
            "Only app-only tokens can be used as Federated Identity Credentials for AAD issuer.",
        ));
    }
    if jwt.date("exp").is_none() {
        return Err(malformed("exp is missing, or is no date"));
    }
    life(ask, jwt)
}

fn unmatched(code: u32, what: &str, value: &str) -> Refusal {
    Refusal::client(
        code,
        format!(
            "No matching federated identity record found for presented assertion {what} '{value}'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
        ),
    )
}

/// Whether a key signed it that the issuer publishes.
fn signs(sim: &Sim, jwt: &Jwt, own: bool) -> bool {
    let kid = jwt.header("kid").unwrap_or_default();
    let is = |key: &&Key| key.x5t() == kid && jwt.is_signed_by(key);
    match own {
        true => sim
            .entra()
            .published(sim.now().as_secs())
            .map(|n| &SIGNING[n])
            .any(|key| is(&key)),
        false => sim
            .entra()
            .issuer_keys(sim.now().as_secs())
            .any(|key| is(&key)),
    }
}

/// What the workload issuer is to say; what is not named is as the main application trusts it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Mint {
    issuer: Option<String>,
    subject: Option<String>,
    audience: Option<String>,
    /// Seconds; negative for one that is over.
    lifetime: Option<i64>,
    /// Signs with a key that nobody publishes.
    unpublished: bool,
}

impl Mint {
    /// The assertion.
    pub(crate) fn sign(self, sim: &Sim, base: &str) -> String {
        let now = sim.unix();
        let claims = json!({
            "aud": [self.audience.unwrap_or_else(|| AUDIENCE.to_owned())],
            "exp": now.saturating_add_signed(self.lifetime.unwrap_or(3_600)),
            "iat": now,
            "iss": self.issuer.unwrap_or_else(|| issuer(base)),
            "nbf": now,
            "sub": self.subject.unwrap_or_else(|| SUBJECT.to_owned()),
        });
        let key = match self.unpublished {
            // Somebody else's.
            true => &EXPIRED,
            false => sim.entra().issuer_key(),
        };
        jwt::sign(key, None, &claims)
    }
}

/// `GET /_issuer/.well-known/openid-configuration`
pub(crate) fn configuration(ask: &Ask) -> Reply {
    let issuer = issuer(ask.base);
    json_reply(&json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

/// `GET /_issuer/keys`
pub(crate) fn keys(sim: &Sim) -> Reply {
    let keys = sim.entra().issuer_keys(sim.now().as_secs());
    let keys: Vec<Value> = keys.map(|key| discovery::jwk(key, None)).collect();
    json_reply(&json!({ "keys": keys }))
}
