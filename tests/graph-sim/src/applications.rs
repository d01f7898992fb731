//! Applications and service principals: what a client reads of itself and of its like.
//!
//! <https://learn.microsoft.com/graph/api/resources/application>,
//! <https://learn.microsoft.com/graph/api/resources/serviceprincipal>

use serde_json::{Value, json};

use crate::application_json::{self, Principal};
use crate::collection::{self, Filter, Item, Items, Set};
use crate::entra::standing::Principal as State;
use crate::entra::{apps, federation, identity};
use crate::filter::Rules;
use crate::graph::Call;
use crate::query::Query;
use crate::reply::{Failure, Reply};
use crate::shape::{self, Object, Shape};

const APPLICATION: Rules = Rules {
    kind: "application",
    has: |name| shape::of("application").has(name),
};
const PRINCIPAL: Rules = Rules {
    kind: "servicePrincipal",
    has: |name| shape::of("servicePrincipal").has(name),
};

/// Whether a path is of these objects, in whatever way it names one.
pub(crate) fn is_path(path: &[&str]) -> bool {
    let root = path.first().unwrap_or(&"");
    let root = root.split('(').next().unwrap_or_default();
    matches!(root, "applications" | "servicePrincipals")
}

/// Answers what is below `applications` and `servicePrincipals`.
pub(crate) fn answer(call: &Call, path: &[&str], query: &Query) -> Result<Reply, Failure> {
    query.check_format()?;
    let (root, key, rest) = match path {
        [root, rest @ ..] if let Some((name, client)) = by_client(root) => {
            (name, Some(Key::Client(client)), rest)
        }
        [root, id, rest @ ..] => (*root, Some(Key::Id(id)), rest),
        [root] => (*root, None, &[][..]),
        [] => ("", None, &[][..]),
    };
    match (root, key) {
        ("applications", None) => list(call, query, root, applications(call)),
        ("servicePrincipals", None) => list(call, query, root, principals(call)),
        (_, Some(Key::Id("delta" | "delta()"))) => Err(Failure::unsupported(
            "The simulator has no delta of applications.",
        )),
        (_, Some(Key::Id("$count"))) if rest.is_empty() => count(call, query, root),
        ("applications", Some(key)) => {
            let app = key.find(applications(call))?;
            match rest {
                [] => one(call, query, root, app),
                ["federatedIdentityCredentials"] => trusts(call, query, &app),
                ["owners"] => nothing(call, query, "directoryObjects"),
                [other, ..] => Err(Failure::segment(other)),
            }
        }
        ("servicePrincipals", Some(key)) => {
            let principal = key.find(principals(call))?;
            match rest {
                [] => one(call, query, root, principal),
                ["appRoleAssignments"] => assignments(call, query, &principal, false),
                ["appRoleAssignedTo"] => assignments(call, query, &principal, true),
                ["oauth2PermissionGrants"] => nothing(call, query, "oauth2PermissionGrants"),
                ["memberOf" | "transitiveMemberOf" | "owners"] => {
                    nothing(call, query, "directoryObjects")
                }
                [other, ..] => Err(Failure::segment(other)),
            }
        }
        (other, _) => Err(Failure::segment(other)),
    }
}

/// How an object is named.
#[derive(Clone, Copy)]
enum Key<'a> {
    Id(&'a str),
    /// `appId`
    Client(&'a str),
}

impl Key<'_> {
    fn find(self, all: Vec<Object>) -> Result<Object, Failure> {
        let (name, text) = match self {
            Self::Id(id) => ("id", id),
            Self::Client(client) => ("appId", client),
        };
        let is = |object: &Object| {
            let said = object.get(name).and_then(Value::as_str);
            said.is_some_and(|said| said.eq_ignore_ascii_case(text))
        };
        all.into_iter()
            .find(is)
            .ok_or_else(|| Failure::missing(text))
    }
}

/// `applications(appId='…')`
fn by_client(segment: &str) -> Option<(&str, &str)> {
    let (root, key) = segment.strip_suffix("')")?.split_once("(appId='")?;
    Some((root, key))
}

fn shape_of(root: &str) -> (&'static Shape, Rules<'static>) {
    match root {
        "applications" => (shape::of("application"), APPLICATION),
        _ => (shape::of("servicePrincipal"), PRINCIPAL),
    }
}

/// All applications that are registered in the tenant.
fn applications(call: &Call) -> Vec<Object> {
    (0..apps::COUNT)
        .map(|n| {
            application_json::application(
                call,
                &apps::app(call.who, n).uploaded(call.sim, call.tenant),
            )
        })
        .collect()
}

/// All service principals: of the applications, of managed identities, and of Graph.
fn principals(call: &Call) -> Vec<Object> {
    let standings = &call.sim.entra().standings;
    let own = (0..apps::COUNT).filter_map(|n| {
        let mut app = apps::app(call.who, n).uploaded(call.sim, call.tenant);
        let standing = standings.of(call.tenant, n);
        app.principal = standing.principal_id(call.who, &app);
        let state = standing.principal;
        (state != State::Missing).then(|| {
            let enabled = state == State::Enabled;
            application_json::principal(call, &Principal::Application(&app, enabled))
        })
    });
    let identities = (0..identity::COUNT).map(|n| {
        let one = identity::of(call.who, n);
        application_json::principal(call, &Principal::Identity(&one))
    });
    let graph = [application_json::principal(call, &Principal::Graph)];
    own.chain(identities).chain(graph).collect()
}

fn list(call: &Call, query: &Query, root: &str, all: Vec<Object>) -> Result<Reply, Failure> {
    let (shape, rules) = shape_of(root);
    let chosen = shape.choose(query, false)?;
    let filter = Filter::read(query, rules, Filter::mode(call, query))?;
    let context = match chosen.named {
        true => format!("{root}({})", chosen.names()),
        false => root.to_owned(),
    };
    let set = Set {
        path: root.to_owned(),
        context,
        page: 100,
        most: 999,
    };
    let hits: Vec<Object> = all.into_iter().filter_map(|o| filter.pass(o)).collect();
    let total = hits.len() as u32;
    let items = |start: u32| -> Items<'_> {
        let hits = hits.into_iter().zip(0..).skip(start as usize);
        Box::new(hits.map(|(hit, n)| (n, Item::Values(chosen.pick(in_list(hit))))))
    };
    collection::page(call, query, &set, || total, items)
}

/// A list leaves the bytes of keys out.
fn in_list(mut object: Object) -> Object {
    if let Some(Value::Array(keys)) = object.get_mut("keyCredentials") {
        keys.iter_mut().for_each(|key| key["key"] = Value::Null);
    }
    object
}

fn count(call: &Call, query: &Query, root: &str) -> Result<Reply, Failure> {
    let all = match root {
        "applications" => applications(call),
        "servicePrincipals" => principals(call),
        other => return Err(Failure::segment(other)),
    };
    let (_, rules) = shape_of(root);
    let filter = Filter::read(query, rules, Filter::mode(call, query))?;
    let hits = all.into_iter().filter_map(|o| filter.pass(o)).count();
    collection::count(call, || hits as u32)
}

fn one(call: &Call, query: &Query, root: &str, object: Object) -> Result<Reply, Failure> {
    let (shape, _) = shape_of(root);
    let chosen = shape.choose(query, true)?;
    let names = match chosen.named {
        true => format!("({})", chosen.names()),
        false => String::new(),
    };
    // The bytes of a key come only to who selects them.
    let object = match chosen.named {
        true => object,
        false => in_list(object),
    };
    Ok(collection::entity(
        call,
        &format!("{root}{names}"),
        chosen.pick(object),
    ))
}

/// A short collection of another type, with its path and its context.
fn related(
    call: &Call,
    query: &Query,
    names: (&str, &str),
    of: &str,
    all: Vec<Object>,
) -> Result<Reply, Failure> {
    let (path, context) = names;
    query.only(&["$select", "$top", "$skiptoken"])?;
    let chosen = match of {
        "" => None,
        of => Some(shape::of(of).choose(query, false)?),
    };
    let set = Set {
        path: path.to_owned(),
        context: context.to_owned(),
        page: 100,
        most: 999,
    };
    let total = all.len() as u32;
    let items = |start: u32| -> Items<'_> {
        let all = all.into_iter().zip(0..).skip(start as usize);
        let shown = move |object| match &chosen {
            Some(chosen) => chosen.pick(object),
            None => object,
        };
        Box::new(all.map(move |(object, n)| (n, Item::Values(shown(object)))))
    };
    collection::page(call, query, &set, || total, items)
}

fn nothing(call: &Call, query: &Query, context: &str) -> Result<Reply, Failure> {
    related(call, query, ("", context), "", Vec::new())
}

/// `GET /applications/{id}/federatedIdentityCredentials`
fn trusts(call: &Call, query: &Query, app: &Object) -> Result<Reply, Failure> {
    let id = app.get("id").and_then(Value::as_str).unwrap_or_default();
    let client = app.get("appId").and_then(Value::as_str).unwrap_or_default();
    let found = apps::find(call.who, client);
    let trusts = found.map(|app| federation::trusts(call.who, &app, call.base));
    let all = trusts.into_iter().flatten().map(|trust| {
        application_json::object(json!({
            "id": application_json::id(call, &trust.subject),
            "name": trust.name,
            "issuer": trust.issuer,
            "subject": trust.subject,
            "audiences": [federation::AUDIENCE],
        }))
    });
    let context = format!("applications('{id}')/federatedIdentityCredentials");
    let path = format!("applications/{id}/federatedIdentityCredentials");
    let all = all.collect();
    related(
        call,
        query,
        (&path, &context),
        "federatedIdentityCredential",
        all,
    )
}

/// What a service principal may, or who may what of it. Everything here is a permission of Graph.
fn assignments(
    call: &Call,
    query: &Query,
    principal: &Object,
    of_resource: bool,
) -> Result<Reply, Failure> {
    let said = |object: &Object, name: &str| {
        let text = object.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let wanted = said(principal, "id");
    let graph = application_json::principal(call, &Principal::Graph);
    let of_graph = wanted == said(&graph, "id");
    let mut all = Vec::new();
    for holder in principals(call) {
        let holds = match of_resource {
            true => of_graph,
            false => said(&holder, "id") == wanted,
        };
        if !holds {
            continue;
        }
        let app = apps::find(call.who, &said(&holder, "appId"));
        let roles = match (app, said(&holder, "servicePrincipalType").as_str()) {
            (Some(app), _) if !app.public => call.sim.app_roles(call.tenant, app.index),
            (None, "ManagedIdentity") => call.sim.app_roles(call.tenant, apps::MAIN),
            _ => Vec::new(),
        };
        for role in &roles {
            all.push(application_json::assignment(call, &holder, &graph, role));
        }
    }
    let end = match of_resource {
        true => "appRoleAssignedTo",
        false => "appRoleAssignments",
    };
    let path = format!("servicePrincipals/{wanted}/{end}");
    let names = (path.as_str(), "appRoleAssignments");
    related(call, query, names, "appRoleAssignment", all)
}
