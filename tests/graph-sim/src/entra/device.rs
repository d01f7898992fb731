//! The device code flow (RFC 8628; <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>).

use std::collections::HashMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ask::Ask;
use super::credential;
use super::people::Person;
use super::refresh;
use super::refusal::{Refusal, json_reply};
use super::state::lock;
use crate::reply::Reply;
use crate::rng::mix;
use crate::sealed::base64url;
use crate::sim::Sim;

/// Seconds that a code is good for, and between two questions.
const LIFE: u64 = 900;
const INTERVAL: u64 = 5;
/// So many flows are remembered; then the old ones are forgotten.
const MOST: usize = 10_000;

/// What somebody does with a code that a device shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// The code.
    pub user_code: String,
    /// The id of the user who signs in; without one the first who may.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether that user goes on, or declines.
    #[serde(default = "yes")]
    pub approve: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Approved(u32),
    Declined,
}

struct Flow {
    user_code: String,
    tenant: usize,
    app: usize,
    scope: String,
    /// In seconds of the simulation.
    ends: u64,
    interval: u64,
    asked: Option<u64>,
    state: State,
}

/// The flows that began, by device code.
#[derive(Default)]
pub(crate) struct Flows(Mutex<HashMap<String, Flow>>);

/// `POST /{tenant}/oauth2/v2.0/devicecode`
pub(crate) fn begin(ask: &Ask) -> Result<Reply, Refusal> {
    let ask = &ask.home()?;
    let app = ask.app()?;
    let scope = ask.need("scope")?.to_owned();
    let word = |n| mix(mix(ask.sim.key() ^ 0x0de7, ask.seq), n);
    let code = base64url(&[word(0), word(1), word(2)].map(u64::to_be_bytes).concat());
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let letter = |n: u64| char::from(letters[(word(3) >> (5 * n) & 31) as usize]);
    let user_code: String = (0..9).map(letter).collect();
    let now = ask.sim.now().as_secs();
    let flow = Flow {
        user_code: user_code.clone(),
        tenant: ask.position()?,
        app: app.index,
        scope,
        ends: now.saturating_add(LIFE),
        interval: INTERVAL,
        asked: None,
        state: State::Pending,
    };
    let mut flows = lock(&ask.sim.entra().flows.0);
    if flows.len() >= MOST {
        flows.clear();
    }
    flows.insert(code.clone(), flow);
    let page = format!("{}/_device", ask.base.trim_end_matches('/'));
    Ok(json_reply(&json!({
        "user_code": user_code,
        "device_code": code,
        "verification_uri": page,
        "expires_in": LIFE,
        "interval": INTERVAL,
        "message": format!(
            "To sign in, use a web browser to open the page {page} and enter the code {user_code} to authenticate."
        ),
    })))
}

/// The page that a person is sent to. Here nobody signs in by hand, so it says how a test does.
pub(crate) fn page(ask: &Ask) -> Reply {
    let base = ask.base.trim_end_matches('/');
    Reply::text(format!(
        "This is a simulation: decide on a code with POST {base}/_control/device {{\"userCode\":\"...\",\"approve\":true}}.\n"
    ))
}

/// `grant_type=urn:ietf:params:oauth:grant-type:device_code`: not yet, never, or tokens.
pub(crate) fn redeem(ask: &Ask) -> Result<Reply, Refusal> {
    let code = ask.field("device_code").or(ask.field("code"));
    let code = code.ok_or_else(|| Refusal::lacks("device_code"))?;
    let bad = |error: &'static str, number: u32, text: &str| Refusal::new(400, error, number, text);
    let (tenant, index, scope, state) = {
        let mut flows = lock(&ask.sim.entra().flows.0);
        let now = ask.sim.now().as_secs();
        let Some(flow) = flows.get_mut(code) else {
            return Err(bad(
                "bad_verification_code",
                70_018,
                "Invalid verification code due to user typing in wrong user code for device code flow, or the code was used.",
            ));
        };
        if now >= flow.ends {
            return Err(bad(
                "expired_token",
                70_020,
                "The provided value for the input parameter 'device_code' is not valid. This device code has expired.",
            ));
        }
        let early = flow.asked.is_some_and(|at| now < at + flow.interval);
        flow.asked = Some(now);
        if early && flow.state == State::Pending {
            // RFC 8628 section 3.5: from now on five seconds more.
            flow.interval += 5;
            return Err(bad(
                "slow_down",
                70_016,
                "The client asks more often than the interval allows.",
            ));
        }
        (flow.tenant, flow.app, flow.scope.clone(), flow.state)
    };
    let ask = &ask.at_home(tenant)?;
    let app = ask.app()?;
    if app.index != index || ask.position()? != tenant {
        let text = "The code was given to another client.";
        return Err(bad("bad_verification_code", 70_018, text));
    }
    let proof = credential::check(ask, &app)?;
    match state {
        State::Pending => Err(bad(
            "authorization_pending",
            70_016,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        )),
        State::Declined => Err(bad(
            "authorization_declined",
            65_004,
            "The user declined to sign in.",
        )),
        State::Approved(user) => {
            let reply = refresh::answer(ask, &app, proof, user, &scope)?;
            lock(&ask.sim.entra().flows.0).remove(code);
            Ok(reply)
        }
    }
}

impl Sim {
    /// Lets somebody decide on a code that a device shows; the error says what is wrong with it.
    pub fn decide(&self, decision: &Decision) -> Result<(), String> {
        let mut flows = lock(&self.entra().flows.0);
        let code = &decision.user_code;
        let flow = flows.values_mut().find(|f| f.user_code == *code);
        let flow = flow.ok_or_else(|| format!("no device shows the code {code}"))?;
        let number = Person::number(self, flow.tenant, decision.user.as_deref());
        flow.state = match (decision.approve, number) {
            (false, _) => State::Declined,
            (true, Some(user)) => State::Approved(user),
            (true, None) => return Err("no such user: give an id of the tenant".to_owned()),
        };
        Ok(())
    }
}
