//! Requests that Graph refuses, one a line, each with the section of the collected Graph facts that it stands on.

use std::time::Duration;

use crate::support::{Client, send};
use axum::body::Body;
use axum::http::Request;
use graph_sim::{Config, Sim};

/// Whose request it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    /// `User.Read.All`, `Organization.Read.All` and `AuditLog.Read.All`.
    App,
    /// The same, with `ConsistencyLevel: eventual`.
    Eventual,
    /// `User.ReadBasic.All` alone.
    Basic,
    /// `LicenseAssignment.Read.All` alone.
    Licences,
    /// `Directory.Read.All` alone.
    Directory,
    /// No permission at all.
    Nothing,
    /// The permissions of the first one, in a tenant without Entra ID P1.
    Free,
    NoToken,
    Garbled,
    /// A token of another issuer.
    Stranger,
    Expired,
}

use By::*;

/// Facts, who, method and path below the version root (or from the root, with `!`), status, code.
type Row = (&'static str, By, &'static str, u16, &'static str);

const BAD: &str = "Request_BadRequest";
const QUERY: &str = "Request_UnsupportedQuery";
const SYNTAX: &str = "BadRequest";
const DENIED: &str = "Authorization_RequestDenied";
const TOKEN: &str = "InvalidAuthenticationToken";
const NOT_PREMIUM: &str = "Authentication_RequestFromNonPremiumTenantOrB2CTenant";
const PAGE: &str = "Directory_ExpiredPageToken";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Tokens and permissions
    ("2.10 errors", NoToken, "GET /users", 401, TOKEN),
    ("2.10 errors", Garbled, "GET /users", 401, TOKEN),
    ("2.10 errors", Stranger, "GET /users", 401, TOKEN),
    ("2.10 errors", Expired, "GET /users", 401, TOKEN),
    ("2.10 errors", Expired, "POST /$batch", 401, TOKEN),
    ("1 permissions", Nothing, "GET /users", 403, DENIED),
    ("1 permissions", Nothing, "GET /organization", 403, DENIED),
    ("1 permissions", Nothing, "GET /subscribedSkus", 403, DENIED),
    ("1 permissions", Nothing, "GET /directory/subscriptions", 403, DENIED),
    ("1 permissions", Licences, "GET /users", 403, DENIED),
    ("1 permissions", Licences, "GET /users/delta", 403, DENIED),
    ("1 permissions", Licences, "GET /organization", 403, DENIED),
    ("1 permissions", Licences, "GET /directory/subscriptions", 403, DENIED),
    ("1 permissions", Basic, "GET /users/delta", 403, DENIED),
    ("1 permissions", Basic, "GET /users?$select=id,department", 403, DENIED),
    ("1 permissions", Basic, "GET /users?$select=assignedLicenses", 403, DENIED),
    ("3.3 users, extra permission", Basic, "GET /users?$select=id,signInActivity", 403, DENIED),
    ("3.3 users, extra permission", App, "GET /users?$select=employeeLeaveDateTime", 403, DENIED),
    ("3.3 users, extra permission", App, "GET /users?$select=customSecurityAttributes", 403, DENIED),
    ("2.10 errors, premium", Free, "GET /users?$select=id,signInActivity&$top=500", 403, NOT_PREMIUM),
    ("2.10 errors, premium", Free, "GET /users?$filter=signInActivity/lastSignInDateTime le 2026-01-01T00:00:00Z", 403, NOT_PREMIUM),
    ("2.10 errors, premium", Free, "GET /users/{id}?$select=signInActivity", 403, NOT_PREMIUM),
    ("1 permissions", App, "GET /groups", 403, DENIED),
    ("1 permissions", App, "GET /groups/delta", 403, DENIED),
    ("1 permissions", App, "GET /domains", 403, DENIED),
    ("1 permissions", App, "GET /directory/deletedItems/microsoft.graph.group", 403, DENIED),
    // Paths and methods
    ("2.10 errors, segment", App, "GET /nonsense", 400, SYNTAX),
    ("2.10 errors, segment", App, "GET /users/delta/x", 400, SYNTAX),
    ("2.10 errors, segment", App, "GET /users/{id}/nonsense", 400, SYNTAX),
    ("3.21 beta only", App, "GET /admin/cloudLicensing/allotments", 400, SYNTAX),
    ("3.21 beta only", App, "GET /users/{id}/usageRights", 400, SYNTAX),
    ("2.1 roots", App, "GET !/v2.0/users", 400, SYNTAX),
    ("2.9 retry rules, 405", App, "POST /users", 405, BAD),
    ("2.9 retry rules, 405", App, "DELETE /users/{id}", 405, BAD),
    ("2.9 retry rules, 405", App, "PATCH /organization", 405, BAD),
    ("2.10 errors, gone", App, "GET /users/00000000-0000-4000-8000-000000000000", 404, "Request_ResourceNotFound"),
    ("2.10 errors, gone", App, "GET /users/nobody@example.com", 404, "Request_ResourceNotFound"),
    // Options
    ("2.10 errors, beta-only property", App, "GET /users?$select=id,cloudLicensing", 400, SYNTAX),
    ("2.10 errors, beta-only property", App, "GET /users/{id}?$select=infoCatalogs", 400, SYNTAX),
    ("2.11 clouds, absent property", App, "GET /organization?$select=nonsense", 400, SYNTAX),
    ("3.8 subscribedSkus", App, "GET /subscribedSkus?$filter=capabilityStatus eq 'Enabled'", 400, QUERY),
    ("3.8 subscribedSkus", App, "GET /subscribedSkus?$search=\"x:y\"", 400, QUERY),
    ("3.8 subscribedSkus", App, "GET /subscribedSkus?$select=price", 400, SYNTAX),
    ("3.1 organization, $select only", App, "GET /organization?$top=5", 400, QUERY),
    ("3.1 organization, $select only", App, "GET /organization?$orderby=displayName", 400, QUERY),
    ("2.5 options", App, "GET /users?$nonsense=1", 400, SYNTAX),
    ("2.5 $skip", App, "GET /users?$skip=100", 400, BAD),
    ("2.4 paging, $top", App, "GET /users?$top=1000", 400, QUERY),
    ("2.4 paging, $top", App, "GET /users?$top=0", 400, QUERY),
    ("2.4 paging, $top", App, "GET /users?$top=x", 400, BAD),
    ("2.4 paging, sign-ins", App, "GET /users?$select=id,signInActivity&$top=501", 400, QUERY),
    ("3.3 not on the collection", App, "GET /users?$select=id,aboutMe", 501, "NotImplemented"),
    ("3.3 not on the collection", App, "GET /users?$select=mailboxSettings", 501, "NotImplemented"),
    ("2.10 errors, key", App, "GET /users/{upn}?$select=signInActivity", 400, SYNTAX),
    // Advanced queries without their header or parameter
    ("2.5 advanced, $count", App, "GET /users/$count", 400, BAD),
    ("2.5 advanced, ne", App, "GET /users?$filter=accountEnabled ne true", 400, QUERY),
    ("2.5 advanced, ne", Eventual, "GET /users?$filter=accountEnabled ne true", 400, QUERY),
    ("2.5 advanced, not", App, "GET /users?$count=true&$filter=not(accountEnabled eq true)", 400, QUERY),
    ("2.5 advanced, endsWith", App, "GET /users?$filter=endsWith(mail,'x')", 400, QUERY),
    ("2.5 advanced, $count within", App, "GET /users?$filter=assignedLicenses/$count eq 0", 400, QUERY),
    ("2.5 advanced, $search", App, "GET /users?$search=\"displayName:a\"", 400, QUERY),
    ("2.5 advanced, $search", Eventual, "GET /users?$search=displayName:a", 400, SYNTAX),
    ("2.5 advanced, $filter and $orderby", App, "GET /users?$filter=startsWith(displayName,'a')&$orderby=displayName", 400, QUERY),
    ("2.5 advanced, $orderby", App, "GET /users?$orderby=createdDateTime", 400, QUERY),
    ("2.5 advanced, $expand", Eventual, "GET /users?$count=true&$expand=manager", 400, QUERY),
    ("2.5 $expand, one relation", App, "GET /users?$expand=manager,directReports", 400, QUERY),
    ("2.5 $expand, one relation", App, "GET /users?$expand=nonsense", 400, SYNTAX),
    // Filters
    ("2.5a many ids", App, "GET /users?$filter=id in ('1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16')", 400, QUERY),
    ("2.5a many ids", App, "GET /users?$filter=id eq 'not-a-guid'", 400, BAD),
    ("2.5 filter, syntax", App, "GET /users?$filter=displayName eq 'x", 400, SYNTAX),
    ("2.5 filter, syntax", App, "GET /users?$filter=displayName eq 'O'Brien'", 400, SYNTAX),
    ("2.5 filter, syntax", App, "GET /users?$filter=displayName", 400, SYNTAX),
    ("2.5 filter, unknown", App, "GET /users?$filter=nonsense eq 1", 400, SYNTAX),
    ("3.20 beta only", App, "GET /users?$filter=signInEventTypes/any(t:t eq 'interactiveUser')", 400, SYNTAX),
    ("3.3 filter, types", App, "GET /users?$filter=accountEnabled eq 'true'", 400, SYNTAX),
    ("3.3 filter, types", App, "GET /users?$filter=createdDateTime ge '2026-01-01'", 400, SYNTAX),
    ("3.7 filter, unquoted", App, "GET /users?$filter=assignedLicenses/any(x:x/skuId eq '05e9a617-0261-4cee-bb44-138d3ef5d965')", 400, SYNTAX),
    ("3.3 licenseAssignmentStates", App, "GET /users?$filter=licenseAssignmentStates/any(x:x/state eq 'Error')", 400, QUERY),
    ("3.3 filter ops", App, "GET /users?$filter=contains(displayName,'x')", 400, QUERY),
    ("3.3 filter ops", App, "GET /users?$filter=accountEnabled ge true", 400, QUERY),
    ("3.3 filter ops", App, "GET /users?$filter=userType ge 'Guest'", 400, QUERY),
    ("3.3 signInActivity alone", App, "GET /users?$filter=signInActivity/lastSignInDateTime le 2026-01-01T00:00:00Z and accountEnabled eq true", 400, QUERY),
    ("3.3 signInActivity, count", Eventual, "GET /users/$count?$filter=signInActivity/lastSignInDateTime le 2026-01-01T00:00:00Z", 502, "UnknownError"),
    ("2.5 advanced, ne", Directory, "GET /groups?$filter=displayName ne 'x'", 400, QUERY),
    ("3.7 group licences", Directory, "GET /groups?$filter=nonsense eq true", 400, SYNTAX),
    ("2.4 paging, $top", Directory, "GET /groups?$top=1000", 400, QUERY),
    ("3.11 deleted items, cast", Directory, "GET /directory/deletedItems", 400, BAD),
    // Links
    ("2.10 errors, page", App, "GET /users?$skiptoken=abc", 400, PAGE),
    ("2.4 paging, opaque", App, "GET /users?$top=10&$skiptoken={token of top 20}", 400, PAGE),
    ("2.4 paging, opaque", App, "GET /users?$select=id&$top=20&$skiptoken={token of top 20}", 400, PAGE),
    ("2.4 paging, opaque", App, "GET /users?$filter=accountEnabled eq true&$top=20&$skiptoken={token of top 20}", 400, PAGE),
    ("2.4 paging, opaque", App, "GET /users/delta?$skiptoken={token of top 20}", 400, BAD),
    ("2.6 delta, options", App, "GET /users/delta?$top=5", 400, QUERY),
    ("2.6 delta, options", App, "GET /users/delta?$orderby=displayName", 400, QUERY),
    ("2.6 delta, options", App, "GET /users/delta?$expand=manager", 400, QUERY),
    ("2.6 delta, options", App, "GET /users/delta?$search=\"displayName:x\"", 400, QUERY),
    ("2.6 delta, token", App, "GET /users/delta?$deltatoken=abc", 400, BAD),
    ("2.6 delta, not tracked", App, "GET /users/delta?$select=skills", 501, "NotImplemented"),
    ("2.6 no delta", App, "GET /subscribedSkus/delta", 400, SYNTAX),
    ("2.6 no delta", App, "GET /directory/subscriptions/delta", 400, SYNTAX),
];

fn simulation() -> Sim {
    let all = [
        "User.Read.All",
        "Organization.Read.All",
        "AuditLog.Read.All",
    ];
    let roles = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    Sim::new(Config {
        tenants: 6,
        roles: roles(&all),
        roles_of: [
            (1, roles(&["User.ReadBasic.All"])),
            (2, roles(&["LicenseAssignment.Read.All"])),
            (3, Vec::new()),
            (5, roles(&["Directory.Read.All"])),
        ]
        .into(),
        without_premium: vec![4],
        ..Config::default()
    })
}

#[tokio::test]
async fn graph_refuses() {
    assert!(TABLE.len() >= 60);
    let sim = simulation();
    let mut clients = Vec::new();
    for tenant in 0..6 {
        clients.push(Client::of(&sim, tenant).await);
    }
    let app = &clients[0];
    let page = app.get("/users?$top=20").await.json();
    let token = page["@odata.nextLink"]
        .as_str()
        .unwrap()
        .split("$skiptoken=")
        .nth(1)
        .unwrap();
    let user = page["value"][0].clone();
    let stranger = Client::new(Config {
        seed: 99,
        ..Config::default()
    })
    .await;
    let mut wrong = Vec::new();
    // Expired ones last: time only moves forward.
    let (late, early): (Vec<&Row>, Vec<&Row>) = TABLE.iter().partition(|row| row.1 == Expired);
    for (n, row) in early.into_iter().chain(late).enumerate() {
        let (facts, by, what, status, code) = row;
        if *by == Expired {
            sim.tick(Duration::from_secs(4_000));
        }
        let client = match by {
            Basic => &clients[1],
            Licences => &clients[2],
            Nothing => &clients[3],
            Free => &clients[4],
            Directory => &clients[5],
            _ => app,
        };
        let bearer = match by {
            NoToken => String::new(),
            Garbled => "Bearer garbled".to_owned(),
            Stranger => format!("Bearer {}", stranger.token),
            _ => format!("Bearer {}", client.token),
        };
        let (method, path) = what.split_once(' ').unwrap();
        let own = if *by == Free {
            client.get("/users?$top=1").await.json()["value"][0].clone()
        } else {
            user.clone()
        };
        let path = path
            .replace("{id}", own["id"].as_str().unwrap())
            .replace("{upn}", own["userPrincipalName"].as_str().unwrap())
            .replace("{token of top 20}", token)
            .replace(' ', "%20")
            .replace('"', "%22");
        let uri = match path.strip_prefix('!') {
            Some(path) => format!("http://graph-sim.localhost{path}"),
            None => format!("http://graph-sim.localhost/v1.0{path}"),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("client-request-id", n);
        if !bearer.is_empty() {
            request = request.header("authorization", bearer);
        }
        if *by == Eventual {
            request = request.header("consistencylevel", "eventual");
        }
        let answer = send(&sim, request.body(Body::empty()).unwrap()).await;
        let (is, was) = (
            (answer.status, answer.code()),
            (*status, (*code).to_owned()),
        );
        if is != was {
            wrong.push(format!(
                "{facts}: {what} by {by:?}: {is:?} instead of {was:?}"
            ));
        }
        for name in ["request-id", "date", "x-ms-ags-diagnostic"] {
            assert!(answer.headers.contains_key(name), "{what}: no {name}");
        }
        assert_eq!(answer.headers["client-request-id"], n.to_string().as_str());
        assert!(
            !answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .is_empty()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands in the table beside its refused twin, to see that it isn't refused for another reason.
#[rustfmt::skip]
const TAKEN: &[(By, &str)] = &[
    (App, "/users?custom=1&$format=json"),
    (App, "/users?$select=id,signInActivity&$top=500"),
    (App, "/users/{upn}"),
    (App, "/users?$orderby=displayName desc&$top=3"),
    (App, "/users?$expand=manager($select=id)&$select=id"),
    (App, "/users?$filter=accountEnabled eq true and userType in ('Member','Guest')"),
    (App, "/users?$filter=assignedLicenses/any(x:x/skuId eq 05e9a617-0261-4cee-bb44-138d3ef5d965)"),
    (App, "/users?$filter=id in ('00000000-0000-4000-8000-000000000000') or id eq '00000000-0000-4000-8000-000000000001'"),
    (Basic, "/users?$select=id,displayName,mail"),
    (Basic, "/users/{upn}"),
    (Eventual, "/users/$count"),
    (Eventual, "/users?$count=true&$filter=accountEnabled ne true"),
    (Eventual, "/users?$count=true&$filter=assignedLicenses/$count eq 0 and endsWith(mail,'com')"),
    (Eventual, "/users?$search=\"displayName:an\" AND \"mail:an\""),
    (Eventual, "/users?$count=true&$filter=startsWith(displayName,'a')&$orderby=createdDateTime"),
    (Licences, "/subscribedSkus"),
    (Free, "/users?$select=id,mail"),
];

#[tokio::test]
async fn graph_takes() {
    let sim = simulation();
    for (by, path) in TAKEN {
        let tenant = match by {
            Basic => 1,
            Licences => 2,
            Free => 4,
            _ => 0,
        };
        let client = Client::of(&sim, tenant).await;
        let mut path = path.replace(' ', "%20").replace('"', "%22");
        if path.contains("{upn}") {
            let page = client.get("/users?$top=1").await.json();
            path = path.replace(
                "{upn}",
                page["value"][0]["userPrincipalName"].as_str().unwrap(),
            );
        }
        let eventual = [("ConsistencyLevel", "eventual")];
        let headers = if *by == Eventual { &eventual[..] } else { &[] };
        let answer = client.get_with(&path, headers).await;
        assert_eq!(
            answer.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
}
