//! Access tokens as Graph takes them: signature, lifetime, tenant, audience.

use std::sync::Arc;

use super::apps;
use super::jwt::Jwt;
use super::keys::{SIGNING, base64};
use super::standing::Principal;
use super::token::start;
use crate::access::unauthorised;
use crate::reply::Failure;
use crate::sim::Sim;

/// Clocks may differ by so many seconds.
const SKEW: u64 = 300;

/// What a token says whose signature is good.
pub(crate) struct Bearer {
    /// Position.
    pub(crate) tenant: usize,
    pub(crate) app: String,
    audience: String,
    /// `roles`, or `scp` where somebody signed in.
    pub(crate) permissions: Arc<[String]>,
    /// Position of the application; none for a managed identity.
    index: Option<usize>,
    /// Whether the client takes claims challenges.
    pub(crate) capable: bool,
    not_before: u64,
    expires: u64,
    /// Position of the key that signed it.
    key: usize,
}

impl Bearer {
    /// Reads a token that one of our keys signed and that is good now for Graph, which is reached at one of `roots`.
    pub(crate) fn check(sim: &Sim, token: &str, roots: &[&str]) -> Result<Arc<Self>, Failure> {
        let bearer = match sim.entra().known(token) {
            Some(bearer) => bearer,
            None => {
                let bearer = Arc::new(Self::read(sim, token)?);
                sim.entra().remember(token, &bearer);
                bearer
            }
        };
        let now = sim.unix();
        let published = sim.entra().published(sim.now().as_secs());
        if !published.into_iter().any(|key| key == bearer.key) {
            return Err(unsigned());
        }
        if bearer.expires <= now {
            return Err(unauthorised(
                "Lifetime validation failed, the token is expired.",
            ));
        }
        if bearer.not_before > now.saturating_add(SKEW) {
            return Err(unauthorised(
                "Lifetime validation failed, the token is not yet valid.",
            ));
        }
        let graph = sim.tenants().get(bearer.tenant);
        let graph = graph.map_or("", |t| t.graph.as_str());
        if !is_graph(&bearer.audience, roots.iter().copied().chain([graph])) {
            return Err(unauthorised(
                "Access token validation failure. Invalid audience.",
            ));
        }
        bearer.stands(sim)?;
        Ok(bearer)
    }

    /// Refuses what an administrator stopped since the token was given.
    fn stands(&self, sim: &Sim) -> Result<(), Failure> {
        let Some(index) = self.index else {
            return Ok(());
        };
        let standing = sim.entra().standings.of(self.tenant, index);
        if standing.principal == Principal::Missing {
            return Err(Failure::new(
                401,
                "Authorization_IdentityNotFound",
                "The identity of the calling application could not be established.",
            ));
        }
        match standing.not_before {
            Some(from) if self.capable && self.not_before < from => {
                Err(challenge(from, "TokenIssuedBeforeRevocationTimestamp"))
            }
            _ => Ok(()),
        }
    }

    /// A challenge that only a token made from now on answers.
    pub(crate) fn challenge(sim: &Sim) -> Failure {
        let from = start(sim.unix()) + 1;
        challenge(from, "LocationConditionEvaluationFailed")
    }

    /// Reads a token whose signature is good; whether it is good now and here is another question.
    fn read(sim: &Sim, token: &str) -> Result<Self, Failure> {
        if token.is_empty() {
            return Err(unauthorised("Access token is empty."));
        }
        let garbled = || unauthorised("IDX14100: JWT is not well formed, there are no dots (.).");
        let jwt = Jwt::read(token).ok_or_else(garbled)?;
        let kid = jwt.header("kid").unwrap_or_default();
        let key = SIGNING.iter().position(|key| key.x5t() == kid);
        let key = key
            .filter(|n| jwt.header("alg") == Some("RS256") && jwt.is_signed_by(&SIGNING[*n]))
            .ok_or_else(unsigned)?;
        let text = |name| jwt.claim(name).map(str::to_owned).ok_or_else(garbled);
        let tenant = sim
            .position(&text("tid")?)
            .ok_or_else(|| unauthorised("Access token validation failure."))?;
        let tid = &sim.identity(tenant).id;
        if text("iss")? != format!("https://sts.windows.net/{tid}/") {
            return Err(unauthorised(
                "Access token validation failure. Invalid issuer.",
            ));
        }
        let roles = jwt.claims.get("roles").and_then(|r| r.as_array());
        let roles = roles.into_iter().flatten().filter_map(|r| r.as_str());
        let scopes = jwt.claim("scp").unwrap_or_default().split_whitespace();
        let app = text("appid")?;
        let capable = jwt.claims.get("xms_cc").and_then(|c| c.as_array());
        Ok(Self {
            tenant,
            index: apps::find(sim.identity(tenant), &app).map(|a| a.index),
            capable: capable.is_some_and(|c| c.iter().any(|c| c == "cp1")),
            app,
            audience: text("aud")?,
            permissions: roles.chain(scopes).map(str::to_owned).collect(),
            not_before: jwt.date("nbf").ok_or_else(garbled)?,
            expires: jwt.date("exp").ok_or_else(garbled)?,
            key,
        })
    }
}

fn unsigned() -> Failure {
    unauthorised("Access token validation failure. Invalid signature.")
}

/// Graph wants another token, although this one is good
/// (<https://learn.microsoft.com/entra/identity-platform/claims-challenge>).
fn challenge(from: u64, why: &str) -> Failure {
    let claims = format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{from}"}}}}}}"#);
    let message = format!(
        "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: {why}"
    );
    Failure::new(401, "InvalidAuthenticationToken", message).header(
        "www-authenticate",
        format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"{GRAPH_APP}\", error=\"insufficient_claims\", claims=\"{}\"",
            base64(claims.as_bytes())
        ),
    )
}

/// Graph's address, and its id as a resource.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";
pub(crate) const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

/// Whether an audience or a resource is Graph, which is reached at one of `roots`.
pub(crate) fn is_graph<'a>(name: &str, roots: impl IntoIterator<Item = &'a str>) -> bool {
    let same = |known: &str| known.trim_end_matches('/') == name.trim_end_matches('/');
    is_real_graph(name) || roots.into_iter().any(same)
}

/// Whether it is Graph as Microsoft calls it.
pub(crate) fn is_real_graph(name: &str) -> bool {
    [GRAPH, GRAPH_APP].contains(&name.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::jwt;
    use super::super::keys::CLIENTS;
    use super::*;
    use crate::Config;

    /// A good token's claims with some of them changed; null takes one out.
    fn token(sim: &Sim, change: Value) -> Value {
        let info = &sim.tenants()[0];
        let mut claims = json!({
            "aud": GRAPH, "iss": format!("https://sts.windows.net/{}/", info.id), "tid": info.id, "appid": info.client_id,
            "nbf": sim.unix() - 300, "exp": sim.unix() + 3_600, "roles": ["User.Read.All"],
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    fn message(sim: &Sim, token: &str) -> String {
        Bearer::check(sim, token, &["http://graph.test"])
            .map_or_else(|f| f.message, |_| String::new())
    }

    #[test]
    fn a_token_for_something_else_is_none() {
        let sim = Sim::new(Config::default());
        let now = sim.unix();
        for (change, what) in [
            (json!({}), ""),
            (json!({ "aud": "https://graph.microsoft.com/" }), ""),
            (json!({ "aud": GRAPH_APP }), ""),
            (json!({ "aud": "http://graph.test" }), ""),
            (
                json!({ "aud": "https://management.azure.com" }),
                "Invalid audience",
            ),
            (
                json!({ "aud": "https://graph.microsoft.us" }),
                "Invalid audience",
            ),
            (json!({ "aud": "" }), "Invalid audience"),
            (json!({ "exp": now }), "the token is expired"),
            (json!({ "nbf": now + 400 }), "not yet valid"),
            (
                json!({ "iss": "https://sts.windows.net/other/" }),
                "Invalid issuer",
            ),
            (
                json!({ "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47" }),
                "validation failure",
            ),
            (json!({ "appid": null }), "not well formed"),
        ] {
            let claims = token(&sim, change.clone());
            let said = message(&sim, &jwt::sign(&SIGNING[0], None, &claims));
            assert_eq!(said.is_empty(), what.is_empty(), "{change}: {said}");
            assert!(said.contains(what), "{change}: {said}");
        }
        // Signed by somebody else, by a key that is not published, or not at all.
        let claims = token(&sim, json!({}));
        for key in [&CLIENTS[0], &SIGNING[1]] {
            let said = message(&sim, &jwt::sign(key, None, &claims));
            assert!(said.contains("Invalid signature"), "{said}");
        }
        let good = jwt::sign(&SIGNING[0], Some("nonce"), &claims);
        assert_eq!(message(&sim, &good), "");
        let (unsigned, _) = good.rsplit_once('.').unwrap();
        assert!(message(&sim, &format!("{unsigned}.")).contains("Invalid signature"));
        // A key that is gone takes its tokens with it.
        sim.roll_keys(std::time::Duration::from_secs(60));
        assert_eq!(message(&sim, &good), "");
        sim.tick(std::time::Duration::from_secs(60));
        assert!(message(&sim, &good).contains("Invalid signature"));
    }
}
