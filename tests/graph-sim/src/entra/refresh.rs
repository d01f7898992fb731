//! Tokens for people: what a sign-in gives, and refresh tokens
//! (<https://learn.microsoft.com/entra/identity-platform/refresh-tokens>).

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::apps::App;
use super::ask::Ask;
use super::bearer;
use super::credential;
use super::grant::Wanted;
use super::jwt;
use super::people::Person;
use super::refusal::{Refusal, json_reply};
use super::state::lock;
use super::token::{Issue, LONG, Proof};
use crate::reply::Reply;
use crate::sealed::{base64url, checksum, unbase64url};
use crate::sim::Sim;

/// A refresh token that nobody uses for so long is dead: 90 days.
const IDLE: u64 = 90 * 86_400;
/// Scopes that are about the sign-in, not about a resource.
const SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];
/// What every person may allow an application.
const OWN: &str = "User.Read";

/// What is in a refresh token; nothing is remembered of it. It belongs to a person and an application.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    #[serde(rename = "t")]
    pub(crate) tenant: usize,
    #[serde(rename = "a")]
    pub(crate) app: usize,
    #[serde(rename = "u")]
    pub(crate) user: u32,
    /// When this token was given.
    #[serde(rename = "i")]
    pub(crate) issued: u64,
    /// So that no two are the same.
    #[serde(rename = "s")]
    pub(crate) seq: u64,
    #[serde(rename = "p")]
    pub(crate) scope: String,
}

/// When somebody's sessions were revoked, by tenant and user: after how many requests.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<(usize, u32), u64>>);

impl Session {
    fn seal(&self, sim: &Sim) -> String {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let check = checksum(sim.key() ^ 0x0f5e, &body).to_be_bytes();
        format!("1.A{}", base64url(&[&check[..], &body].concat()))
    }

    fn open(sim: &Sim, text: &str) -> Option<Self> {
        let bytes = unbase64url(text.strip_prefix("1.A")?)?;
        let (check, body) = bytes.split_first_chunk::<8>()?;
        let right = checksum(sim.key() ^ 0x0f5e, body).to_be_bytes() == *check;
        right.then(|| serde_json::from_slice(body).ok()).flatten()
    }
}

/// `grant_type=refresh_token`: a new access token and a new refresh token. The old one lives on, as with Entra,
/// unless each is taken once.
pub(crate) fn redeem(ask: &Ask) -> Result<Reply, Refusal> {
    let text = ask.need("refresh_token")?;
    let Some(session) = Session::open(ask.sim, text) else {
        return Err(Refusal::grant(
            9_002_313,
            "Invalid request. Request is malformed or invalid: the refresh token is none of Entra.",
        ));
    };
    let ask = &ask.at_home(session.tenant)?;
    let app = ask.app()?;
    if app.index != session.app {
        let message = "Provided grant is invalid or malformed: the refresh token was given to another client.";
        return Err(Refusal::grant(70_000, message).suberror("client_mismatch"));
    }
    let proof = credential::check(ask, &app)?;
    let revoked = lock(&ask.sim.entra().sessions.0)
        .get(&(session.tenant, session.user))
        .copied();
    if revoked.is_some_and(|seq| session.seq <= seq) {
        return Err(Refusal::grant(
            50_173,
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.",
        )
        .suberror("bad_token"));
    }
    let idle = ask.ids.unix.saturating_sub(session.issued);
    if idle > IDLE {
        return Err(Refusal::grant(
            700_082,
            format!(
                "The refresh token has expired due to inactivity. The token was issued {idle} seconds ago and was inactive for 90.00:00:00."
            ),
        ));
    }
    if ask.sim.entra().takes_once() && !ask.sim.entra().use_once(text) {
        let message =
            "Provided grant is invalid or malformed: the refresh token was redeemed before.";
        return Err(Refusal::grant(70_000, message));
    }
    let scope = ask.field("scope").unwrap_or(&session.scope).to_owned();
    let scope = format!("{scope} offline_access");
    answer(ask, &app, proof, session.user, &scope)
}

/// The answer to somebody who signed in.
pub(crate) fn answer(
    ask: &Ask,
    app: &App,
    proof: Proof,
    user: u32,
    scope: &str,
) -> Result<Reply, Refusal> {
    let (who, position) = (ask.who()?, ask.position()?);
    ask.sim
        .entra()
        .standings
        .of(position, app.index)
        .check(who, app)?;
    let Some(person) = Person::of(ask.sim, position, user) else {
        return Err(Refusal::grant(
            50_034,
            format!(
                "The user account does not exist in the {} directory. To sign into this application, the account must be added to the directory.",
                who.name
            ),
        ));
    };
    if !person.enabled {
        let message = "The user account is disabled.";
        return Err(Refusal::grant(50_057, message));
    }
    let (audience, scopes) = allowed(ask, app, scope)?;
    let Wanted {
        capable,
        not_before,
    } = Wanted::read(ask)?;
    let life = match capable {
        true => LONG,
        false => ask.sim.entra().person_life,
    };
    let shown = scopes.iter().map(|s| format!("{audience}/{s}"));
    let mut body = json!({
        "token_type": "Bearer",
        "scope": shown.collect::<Vec<_>>().join(" "),
        "expires_in": life,
        "ext_expires_in": life,
    });
    let asked = |name: &str| scope.split_whitespace().any(|s| s == name);
    if asked("offline_access") {
        let session = Session {
            tenant: position,
            app: app.index,
            user,
            issued: ask.ids.unix,
            seq: ask.seq,
            scope: scope.to_owned(),
        };
        body["refresh_token"] = session.seal(ask.sim).into();
    }
    if asked("openid") {
        body["id_token"] = id_token(ask, app, &person)?.into();
    }
    if ask.field("client_info") == Some("1") {
        let info = json!({ "uid": person.id, "utid": who.id });
        body["client_info"] = base64url(info.to_string().as_bytes()).into();
    }
    let issue = Issue {
        who,
        client: &app.client,
        name: app.name,
        principal: &app.principal,
        audience: &audience,
        proof,
        permissions: scopes,
        user: Some(&person),
        capable,
        not_before,
        life,
        seq: ask.seq,
        more: vec![],
    };
    body["access_token"] = issue.sign(ask.sim).into();
    Ok(json_reply(&body))
}

/// The resource, and what of it the application may do for a person: what an administrator consented to.
fn allowed(ask: &Ask, app: &App, scope: &str) -> Result<(String, Vec<String>), Refusal> {
    let mut granted = ask.sim.app_roles(ask.position()?, app.index);
    granted.push(OWN.to_owned());
    let graph = ask.sim.tenants().get(ask.position()?);
    let graph = graph.map_or("", |t| t.graph.as_str());
    let (mut audience, mut scopes) = (None, Vec::new());
    for one in scope.split_whitespace().filter(|s| !SIGN_IN.contains(s)) {
        // A scope without a resource is one of Graph.
        let (resource, name) = one.rsplit_once('/').unwrap_or((bearer::GRAPH, one));
        if !bearer::is_graph(resource, [ask.base, graph]) || audience.is_some_and(|a| a != resource)
        {
            return Err(Refusal::new(
                400,
                "invalid_scope",
                70_011,
                format!(
                    "The provided value for the input parameter 'scope' is not valid. The scope {one} is not valid: Graph's are wanted, of one address."
                ),
            ));
        }
        audience = Some(resource);
        match granted.iter().find(|g| g.eq_ignore_ascii_case(name)) {
            _ if name == ".default" => scopes.clone_from(&granted),
            Some(known) => scopes.push(known.clone()),
            None => {
                return Err(Refusal::grant(
                    65_001,
                    format!(
                        "The user or administrator has not consented to use the application with ID '{}' named '{}'. Send an interactive authorization request for this user and resource.",
                        app.client, app.name
                    ),
                )
                .suberror("consent_required"));
            }
        }
    }
    if scopes.is_empty() {
        scopes.push(OWN.to_owned());
    }
    Ok((audience.unwrap_or(bearer::GRAPH).to_owned(), scopes))
}

fn id_token(ask: &Ask, app: &App, person: &Person) -> Result<String, Refusal> {
    let (who, now) = (ask.who()?, ask.ids.unix);
    let claims: Value = json!({
        "aud": app.client,
        "iss": format!("{}/{}/v2.0", ask.base.trim_end_matches('/'), who.id),
        "iat": now.saturating_sub(300),
        "nbf": now.saturating_sub(300),
        "exp": now.saturating_add(3_600),
        "name": person.name,
        "oid": person.id,
        "preferred_username": person.upn,
        "sub": format!("{}-here", person.id),
        "tid": who.id,
        "ver": "2.0",
    });
    Ok(jwt::sign(ask.sim.entra().signing_key(), None, &claims))
}

impl Sim {
    /// Revokes the sessions of a user of a tenant (its position): refresh tokens that were given so far are dead. False
    /// if there is no such user.
    pub fn revoke_sessions(&self, tenant: usize, user: &str) -> bool {
        let Some(number) = Person::number(self, tenant, Some(user)) else {
            return false;
        };
        let so_far = self.stats().requests;
        lock(&self.entra().sessions.0).insert((tenant, number), so_far);
        true
    }
}
