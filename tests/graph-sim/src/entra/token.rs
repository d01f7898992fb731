//! Access tokens as Entra makes them for applications, with the claims that public samples have.

use serde_json::{Value, json};

use super::bearer;
use super::federation;
use super::jwt;
use super::people::Person;
use crate::rng::mix;
use crate::sealed::base64url;
use crate::sim::Sim;
use crate::tenant::Identity;

/// Seconds that a token is good for, as Entra says it.
pub(crate) const EXPIRES_IN: u64 = 3_599;
/// The same for a client that takes claims challenges; Graph can revoke such a token.
pub(crate) const LONG: u64 = 86_399;
/// Entra dates its tokens back.
const BACKDATED: u64 = 300;
/// Stands in every token of an application for Graph, and is no role.
const NO_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";

/// How a client showed who it is (`appidacr`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    Nothing,
    Secret,
    /// A certificate, or the assertion of somebody who is trusted.
    Assertion,
}

/// Whom a token is for, and what for.
pub(crate) struct Issue<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) client: &'a str,
    pub(crate) name: &'a str,
    /// `id` of the service principal.
    pub(crate) principal: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) proof: Proof,
    /// Roles of the application, or what a person allowed it.
    pub(crate) permissions: Vec<String>,
    /// Who signed in, if somebody did.
    pub(crate) user: Option<&'a Person>,
    /// Whether the client takes claims challenges.
    pub(crate) capable: bool,
    /// The challenge that it answers wants no token from before.
    pub(crate) not_before: Option<u64>,
    pub(crate) life: u64,
    /// The number of the request.
    pub(crate) seq: u64,
    /// Claims of special cases.
    pub(crate) more: Vec<(&'static str, Value)>,
}

/// From when on a token is valid that is made now.
pub(crate) fn start(now: u64) -> u64 {
    now.saturating_sub(BACKDATED)
}

/// The claim of the directory roles that an application holds; the usual one where it holds none.
pub(crate) fn directory_roles(roles: &[String]) -> Vec<(&'static str, Value)> {
    if roles.is_empty() {
        return Vec::new();
    }
    let all: Vec<&str> = [NO_ROLE]
        .into_iter()
        .chain(roles.iter().map(String::as_str))
        .collect();
    vec![("wids", json!(all))]
}

impl Issue<'_> {
    /// The token.
    pub(crate) fn sign(self, sim: &Sim) -> String {
        let mut claims = self.claims(sim);
        if federation::is_exchange(self.audience) {
            // The exchange is a resource of the second version.
            claims["iss"] = federation::entra_issuer(self.who).into();
            claims["ver"] = "2.0".into();
            claims["azp"] = self.client.into();
        }
        let nonce = bearer::is_real_graph(self.audience).then(|| opaque(sim, self.seq, 1, 32));
        jwt::sign(sim.entra().signing_key(), nonce.as_deref(), &claims)
    }

    fn claims(&self, sim: &Sim) -> Value {
        let now = sim.unix();
        let start = start(now);
        let tid = &self.who.id;
        let mut claims = json!({
            "aud": self.audience,
            "iss": format!("https://sts.windows.net/{tid}/"),
            "iat": start,
            "nbf": start.max(self.not_before.unwrap_or(0)),
            "exp": now.saturating_add(self.life + 1),
            "aio": opaque(sim, self.seq, 2, 33),
            "app_displayname": self.name,
            "appid": self.client,
            "appidacr": match self.proof {
                Proof::Nothing => "0",
                Proof::Secret => "1",
                Proof::Assertion => "2",
            },
            "idp": format!("https://sts.windows.net/{tid}/"),
            "idtyp": "app",
            "oid": self.principal,
            "rh": format!("1.{}.", opaque(sim, self.who.key, 3, 33)),
            "sub": self.principal,
            "tenant_region_scope": "EU",
            "tid": tid,
            "uti": opaque(sim, self.seq, 4, 16),
            "ver": "1.0",
            "wids": [NO_ROLE],
            "xms_act_fct": "3 9",
            "xms_ftd": opaque(sim, self.seq, 5, 48),
            "xms_idrel": "7 20",
            "xms_rd": opaque(sim, self.seq, 6, 24),
            "xms_sub_fct": "9 3",
            "xms_tcdt": 1_577_836_800_u64 + self.who.key % 100_000_000,
            "xms_tdbr": "EU",
        });
        if let Some(user) = self.user {
            user.sign_in(&mut claims, self.permissions.join(" "));
        } else if !self.permissions.is_empty() {
            // Without any permission there is no such claim, and a token all the same.
            claims["roles"] = json!(self.permissions);
        }
        if self.capable {
            claims["xms_cc"] = json!(["cp1"]);
        }
        for (name, value) in &self.more {
            claims[name] = value.clone();
        }
        claims
    }
}

/// Bytes that mean something only to Microsoft.
fn opaque(sim: &Sim, seq: u64, what: u64, len: usize) -> String {
    let key = mix(mix(sim.key() ^ 0x0709, seq), what);
    let words = (0..len.div_ceil(8) as u64).flat_map(|n| mix(key, n).to_be_bytes());
    base64url(&words.take(len).collect::<Vec<_>>())
}
