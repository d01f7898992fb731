//! Graph's front door: token, path, permission, then the answer of one resource.

use std::sync::Arc;

use crate::access::Resource;
use crate::entra::Bearer;
use crate::fault::Fault;
use crate::query::{self, Query};
use crate::reply::{Failure, Reply};
use crate::sim::Sim;
use crate::stock;
use crate::tenant::Identity;
use crate::throttle::Asker;
use crate::trouble::{Page, Refused};
use crate::world::World;
use crate::{batch, datasets, delta, headers, users};

/// One request, from outside or from a batch.
pub(crate) struct Request<'a> {
    pub(crate) seq: u64,
    pub(crate) method: &'a str,
    /// Below the version root, still encoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) base: &'a str,
    pub(crate) token: &'a str,
    pub(crate) asked: Asked,
    pub(crate) batched: bool,
}

/// What headers ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// `ConsistencyLevel: eventual`
    pub(crate) eventual: bool,
    /// `Prefer: return=minimal`
    pub(crate) minimal: bool,
    /// `Prefer: odata.maxpagesize=n`
    pub(crate) page: Option<u16>,
    /// `Accept` insists on JSON.
    pub(crate) json: bool,
    /// `x-ms-throttle-priority: low`
    pub(crate) low_priority: bool,
    pub(crate) client_request_id: Option<String>,
}

impl Asked {
    /// Takes one header into account.
    pub(crate) fn header(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "consistencylevel" => self.eventual = value.eq_ignore_ascii_case("eventual"),
            "accept" => self.json = value.starts_with("application/json"),
            "x-ms-throttle-priority" => self.low_priority = value.eq_ignore_ascii_case("low"),
            "client-request-id" if value.len() <= 100 => {
                self.client_request_id = Some(value.to_owned())
            }
            "prefer" => {
                for part in value.split([',', ';']).map(str::trim) {
                    self.minimal |= part == "return=minimal";
                    let size = part
                        .strip_prefix("odata.maxpagesize=")
                        .and_then(|n| n.parse::<u16>().ok());
                    self.page = size.filter(|n| *n > 0).or(self.page);
                }
            }
            _ => {}
        }
    }
}

/// A request that passed the door, and the state of the world that it sees.
pub(crate) struct Call<'a> {
    pub(crate) sim: &'a Sim,
    pub(crate) tenant: usize,
    pub(crate) who: &'a Identity,
    pub(crate) roles: &'a [String],
    pub(crate) base: &'a str,
    pub(crate) asked: &'a Asked,
    pub(crate) world: &'a World,
    /// The day that the answering replica knows; with late replicas it may be behind `today`.
    pub(crate) day: u32,
    pub(crate) today: u32,
    /// The day that the index of filters and searches knows.
    pub(crate) indexed: u32,
}

/// Answers a request; also says whose it was.
pub(crate) fn answer(sim: &Sim, request: &Request) -> (Reply, Option<usize>) {
    let ids = sim.ids(request.seq, request.asked.client_request_id.as_deref());
    let mut seen = Seen::default();
    let reply = serve(sim, request, &mut seen).unwrap_or_else(|failure| failure.reply(&ids));
    let reply = headers::common(reply, &ids);
    sim.note(request, &seen, &reply);
    (reply, seen.tenant)
}

/// What a good token says.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) tenant: Option<usize>,
    pub(crate) roles: Arc<[String]>,
}

fn serve(sim: &Sim, request: &Request, seen: &mut Seen) -> Result<Reply, Failure> {
    let bearer = Bearer::check(sim, request.token, &[request.base])?;
    let position = bearer.tenant;
    seen.tenant = Some(position);
    seen.roles = Arc::clone(&bearer.permissions);
    let path: Vec<String> = request
        .path
        .split('/')
        .filter(|s| !s.is_empty())
        .map(query::decode)
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if bearer.capable && sim.troubles().challenges(request.path) {
        return Err(Bearer::challenge(sim));
    }
    let told = sim.admit(&Asker {
        app: &bearer.app,
        tenant: position,
        tenant_id: &sim.identity(position).id,
        size: sim.size(),
        low_priority: request.asked.low_priority,
        method: request.method,
        path: &path,
        query: request.query,
    })?;
    if let Some(fault) = sim.failure(request.path) {
        return Err(broken(&fault, request));
    }
    let paged = request.query.contains("skiptoken=");
    let refused = sim
        .troubles()
        .refusal(request.path, paged, sim.now().as_secs());
    if let Some(refused) = refused {
        return Err(broken(&refused.into(), request));
    }
    let reply = dispatch(sim, request, &bearer, &path)?;
    let reply = troubled(sim, request, reply, |request| {
        dispatch(sim, request, &bearer, &path)
    });
    Ok(told.add_to(reply))
}

/// Does to a good answer what trouble wants; `read` answers another request of the same kind.
fn troubled(
    sim: &Sim,
    request: &Request,
    mut reply: Reply,
    read: impl Fn(&Request) -> Result<Reply, Failure>,
) -> Reply {
    if sim.troubles().armed().is_empty() || request.method != "GET" {
        return reply;
    }
    let Some(mut page) = Page::read(&reply.body) else {
        return reply;
    };
    let twists = sim.troubles().twists(request.path, &page);
    if twists.is_empty() {
        return reply;
    }
    let own = format!("{}/v1.0{}?{}", request.base, request.path, request.query);
    for twist in &twists {
        page.twist(twist, own.trim_end_matches('?'), |next| {
            let (_, query) = next.split_once('?')?;
            let request = Request {
                query,
                asked: request.asked.clone(),
                ..*request
            };
            Page::read(&read(&request).ok()?.body)
        });
    }
    reply.body = page.bytes();
    reply.objects = page.len();
    reply
}

/// Answers a request that has a good token and a budget.
fn dispatch(
    sim: &Sim,
    request: &Request,
    bearer: &Bearer,
    path: &[&str],
) -> Result<Reply, Failure> {
    if path == ["$batch"] {
        return if request.batched {
            Err(Failure::segment("$batch"))
        } else {
            batch::answer(sim, request)
        };
    }
    let resource = match path {
        path if let Some(resource) = datasets::resource(path) => resource,
        ["organization", ..] => Resource::Organization,
        ["subscribedSkus", ..] => Resource::SubscribedSkus,
        ["directory", "subscriptions", ..] => Resource::Subscriptions,
        ["users", ..] => Resource::Users,
        ["directory", other, ..] => return Err(Failure::segment(other)),
        [other, ..] => return Err(Failure::segment(other)),
        [] => return Err(Failure::segment("")),
    };
    if request.method != "GET" {
        return Err(Failure::method());
    }
    resource.check(&bearer.permissions)?;
    let query = Query::parse(request.query)?;
    let worlds = sim.worlds();
    let Some(world) = worlds.tenants.get(bearer.tenant) else {
        return Err(Failure::missing(&sim.identity(bearer.tenant).id));
    };
    let today = worlds.today();
    let call = Call {
        sim,
        tenant: bearer.tenant,
        who: sim.identity(bearer.tenant),
        roles: &bearer.permissions,
        base: request.base,
        asked: &request.asked,
        world,
        day: sim.seen_day(&worlds, request.seq),
        today,
        indexed: sim.indexed_day(&worlds),
    };
    route(&call, path, &query)
}

fn route(call: &Call, path: &[&str], query: &Query) -> Result<Reply, Failure> {
    if let Some(answer) = datasets::route(call, path, query) {
        return answer;
    }
    query.check_format()?;
    match path {
        ["organization"] => stock::organization(call, query, None),
        ["organization", id] => stock::organization(call, query, Some(id)),
        ["subscribedSkus"] => stock::subscribed_skus(call, query),
        ["directory", "subscriptions"] => stock::subscriptions(call, query),
        ["users"] => users::list(call, query),
        ["users", "$count"] => users::count(call, query),
        [
            "users",
            "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()",
        ] => delta::round(call, query),
        ["users", id] => users::single(call, id, query),
        ["users", _, segment, ..] | ["directory", "subscriptions", segment, ..] => {
            Err(Failure::segment(segment))
        }
        [.., segment] => Err(Failure::segment(segment)),
        [] => Err(Failure::segment("")),
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self {
            status: Some(refused.status),
            retry_after: refused.retry_after,
            code: refused.code.map(Into::into),
            ..Self::default()
        }
    }
}

/// The answer that a fault asks for.
fn broken(fault: &Fault, request: &Request) -> Failure {
    let status = fault.status.unwrap_or(500);
    let code = fault.code.as_deref().unwrap_or(match status {
        401 => "InvalidAuthenticationToken",
        403 => "Authorization_RequestDenied",
        404 => "Request_ResourceNotFound",
        410 => "resyncRequired",
        429 => "TooManyRequests",
        503 => "serviceNotAvailable",
        504 => "gatewayTimeout",
        400..500 => "Request_BadRequest",
        _ => "generalException",
    });
    let mut failure = Failure::new(status, code, "This answer was asked for by a test.");
    if status == 410 {
        // Graph names the URL of a fresh round.
        failure = failure.header(
            "location",
            format!("{}/v1.0{}?$deltatoken=", request.base, request.path),
        );
    }
    if (300..400).contains(&status) {
        failure = failure.header(
            "location",
            format!("https://graph.example.com/v1.0{}", request.path),
        );
    }
    match fault.retry_after {
        Some(seconds) => failure.header("retry-after", seconds.to_string()),
        None => failure,
    }
}
