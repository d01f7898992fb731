//! Entra ID: what is below `https://login.microsoftonline.com/{tenant}`.

#[allow(dead_code)]
pub(crate) mod apps;
mod ask;
mod assertion;
mod bearer;
mod control;
mod credential;
mod discovery;
mod grant;
mod jwt;
#[allow(dead_code)]
mod keys;
#[allow(dead_code)]
mod refusal;
mod state;
mod token;

pub(crate) use bearer::Bearer;
pub(crate) use control::router as control;
pub(crate) use state::Entra;

use axum::http::HeaderMap;

use self::ask::Ask;
use self::refusal::Refusal;
use crate::fault::Fault;
use crate::graph::{Request, Seen};
use crate::reply::Reply;
use crate::sim::Sim;

/// What a path below the root is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Endpoint {
    Token,
    Configuration,
    Keys,
    Instance,
}

impl Endpoint {
    /// The endpoint, and what stands where the tenant does.
    fn of(path: &str) -> Option<(Self, &str)> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let endpoint = match segments.get(1..)? {
            ["oauth2", "v2.0", "token"] => Self::Token,
            ["v2.0", ".well-known", "openid-configuration"] => Self::Configuration,
            ["discovery", "v2.0", "keys"] => Self::Keys,
            ["discovery", "instance"] => Self::Instance,
            _ => return None,
        };
        Some((endpoint, segments.first()?))
    }

    fn method(self) -> &'static str {
        match self {
            Self::Token => "POST",
            Self::Configuration | Self::Keys | Self::Instance => "GET",
        }
    }
}

/// Answers a request, if it is one to Entra.
pub(crate) fn answer(sim: &Sim, request: &Request, headers: &HeaderMap) -> Option<Reply> {
    let (endpoint, tenant) = Endpoint::of(request.path)?;
    let ids = sim.ids(request.seq, request.asked.client_request_id.as_deref());
    let ask = Ask {
        sim,
        tenant,
        fields: match endpoint.method() {
            "POST" => Ask::fields(&String::from_utf8_lossy(request.body)),
            _ => Ask::fields(request.query),
        },
        headers,
        base: request.base,
        ids: &ids,
        seq: request.seq,
    };
    let answered = match sim.failure(request.path) {
        Some(fault) => Ok(broken(&fault)),
        None if request.method != endpoint.method() => {
            Err(Refusal::method(endpoint.method(), request.method))
        }
        None => match endpoint {
            Endpoint::Token => grant::token(&ask),
            Endpoint::Configuration => discovery::configuration(&ask),
            Endpoint::Keys => discovery::keys(&ask),
            Endpoint::Instance => discovery::instance(&ask),
        },
    };
    let tenant = answered.is_ok().then(|| sim.position(tenant)).flatten();
    let reply = answered.unwrap_or_else(|refusal| refusal.reply(&ids));
    let reply = reply
        .header("x-ms-request-id", ids.request.as_str())
        .header("client-request-id", ids.client.as_str())
        .header("x-ms-ests-server", "2.1.00000.0 - SIM ProdSlices");
    let seen = Seen {
        tenant,
        ..Seen::default()
    };
    sim.note(request, &seen, &reply);
    Some(reply)
}

/// The answer that a fault asks for. Entra throttles in plain text.
fn broken(fault: &Fault) -> Reply {
    let status = fault.status.unwrap_or(503);
    let text = match status {
        429 => "Too Many Requests",
        _ => "This answer was asked for by a test.",
    };
    let mut reply = Reply::text(text.to_owned());
    reply.status = status;
    let after = fault.retry_after.map(|s| ("retry-after", s.to_string()));
    reply.headers.extend(after);
    reply
}
