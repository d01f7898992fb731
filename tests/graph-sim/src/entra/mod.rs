//! Entra ID: what is below `https://login.microsoftonline.com/{tenant}`.

mod adminconsent;
pub(crate) mod apps;
mod ask;
mod assertion;
pub(crate) mod bearer;
mod control;
mod credential;
mod device;
mod discovery;
pub(crate) mod errors;
pub(crate) mod federation;
mod grant;
pub(crate) mod identity;
mod jwt;
pub(crate) mod keys;
mod loops;
mod people;
mod refresh;
mod refusal;
pub(crate) mod standing;
mod state;
mod token;
mod upload;

pub(crate) use bearer::Bearer;
pub(crate) use control::router as control;
pub use device::Decision;
pub use standing::{Consent, Principal};
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
    DeviceCode,
    DevicePage,
    AdminConsent,
    /// Managed identities of a machine.
    Imds,
    /// Managed identities of App Service.
    AppService,
    /// The workload issuer's.
    IssuerConfiguration,
    IssuerKeys,
}

impl Endpoint {
    /// The endpoint, and what stands where the tenant does.
    fn of(path: &str) -> Option<(Self, &str)> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let endpoint = match segments.get(1..)? {
            ["identity", "oauth2", "token"] if segments[0] == "metadata" => Self::Imds,
            ["token"] if segments[0] == "msi" => Self::AppService,
            [".well-known", "openid-configuration"] if segments[0] == "_issuer" => {
                Self::IssuerConfiguration
            }
            ["keys"] if segments[0] == "_issuer" => Self::IssuerKeys,
            ["oauth2", "v2.0", "token"] => Self::Token,
            ["oauth2", "v2.0", "devicecode"] => Self::DeviceCode,
            [] if segments[0] == "_device" => Self::DevicePage,
            ["adminconsent"] | ["v2.0", "adminconsent"] => Self::AdminConsent,
            ["v2.0", ".well-known", "openid-configuration"] => Self::Configuration,
            ["discovery", "v2.0", "keys"] => Self::Keys,
            ["discovery", "instance"] => Self::Instance,
            _ => return None,
        };
        Some((endpoint, segments.first()?))
    }

    fn method(self) -> &'static str {
        match self {
            Self::Token | Self::DeviceCode => "POST",
            _ => "GET",
        }
    }
}

/// Answers a request, if it is one to Entra.
pub(crate) fn answer(sim: &Sim, request: &Request, headers: &HeaderMap) -> Option<Reply> {
    let (endpoint, tenant) = Endpoint::of(request.path)?;
    let ids = sim.ids(request.seq, request.asked.client_request_id.as_deref());
    let fields = match endpoint.method() {
        "POST" => Ask::fields(&String::from_utf8_lossy(request.body)),
        _ => Ask::fields(request.query),
    };
    let ask = Ask {
        sim,
        tenant,
        fields: &fields,
        headers,
        base: request.base,
        ids: &ids,
        seq: request.seq,
    };
    let answered = match sim.failure(request.path).or_else(|| troubled(sim, request)) {
        Some(fault) => broken(&fault),
        None if request.method != endpoint.method() => {
            Err(Refusal::method(endpoint.method(), request.method))
        }
        None if endpoint == Endpoint::Token && loops::repeats(&ask) => Ok(loops::too_many()),
        None => match endpoint {
            Endpoint::Token => grant::token(&ask),
            Endpoint::Configuration => discovery::configuration(&ask),
            Endpoint::Keys => discovery::keys(&ask),
            Endpoint::Instance => discovery::instance(&ask),
            Endpoint::DeviceCode => device::begin(&ask),
            Endpoint::DevicePage => Ok(device::page(&ask)),
            Endpoint::AdminConsent => adminconsent::redirect(&ask),
            Endpoint::Imds => Ok(identity::imds(&ask)),
            Endpoint::AppService => Ok(identity::app_service(&ask)),
            Endpoint::IssuerConfiguration => Ok(federation::configuration(&ask)),
            Endpoint::IssuerKeys => Ok(federation::keys(sim)),
        },
    };
    let good = answered.as_ref().is_ok_and(|reply| reply.status < 400);
    let tenant = good.then(|| sim.position(tenant)).flatten();
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

/// What trouble does to the token endpoint.
fn troubled(sim: &Sim, request: &Request) -> Option<Fault> {
    let now = sim.now().as_secs();
    let refused = sim.troubles().sign_in(request.path, now)?;
    Some(refused.into())
}

/// The answer that a fault asks for: one of Entra's own, or one of what stands before it. That throttles in plain text.
fn broken(fault: &Fault) -> Result<Reply, Refusal> {
    let own = fault.code.as_deref().and_then(errors::number);
    if let Some(mut refusal) = own.and_then(errors::refusal) {
        refusal.status = fault.status.unwrap_or(refusal.status);
        return Err(refusal);
    }
    let status = fault.status.unwrap_or(503);
    let text = match status {
        429 => loops::TOO_MANY,
        _ => "This answer was asked for by a test.",
    };
    let mut reply = Reply::text(text.to_owned());
    reply.status = status;
    let after = fault.retry_after.map(|s| ("retry-after", s.to_string()));
    reply.headers.extend(after);
    Ok(reply)
}
