//! What docs/security.md promises and nothing else shows, and that what it names as proof is there.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use graph_sim::{LogEntry, Sim};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::Clock;
use serde_json::Value;
use tests::network::{BASE, Network};
use tests::reading;
use tests::world::{Setup, World};
use token_broker::audit::{self, Audit};
use token_broker::{Broker, Deps, TenantConfig};
use tower::ServiceExt as _;

/// The token endpoint apart, requests that are neither GET nor the `$batch` that carries GETs.
fn writes(log: &[LogEntry]) -> Vec<String> {
    let graph = log
        .iter()
        .filter(|e| !e.path.ends_with("/oauth2/v2.0/token"));
    let reads = |e: &&LogEntry| {
        e.method == "GET" || e.method == "POST" && e.path == "/$batch" && !e.batched
    };
    let others = graph.filter(|e| !reads(e));
    others.map(|e| format!("{} {}", e.method, e.path)).collect()
}

/// Sends something that the product never sends.
fn send(world: &World, method: &str, path: &str, body: &'static str) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{BASE}/v1.0{path}"))
        .header("content-type", "application/json")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap();
    world.run(world.network.client().oneshot(request)).unwrap();
}

#[test]
fn every_request_of_a_whole_sync_only_reads() {
    let world = reading::of_every_kind(Setup::users(1_200));
    let log = world.sim().log();
    assert_eq!(log[0].seq, 1, "the log has forgotten requests");
    assert_eq!(writes(&log), [""; 0]);
    assert!(world.sim().summary().write_attempts.is_empty());

    // All that the product does was done.
    let asked = |what: fn(&LogEntry) -> bool| log.iter().any(what);
    assert!(asked(|e| e.path == "/users/delta"));
    assert!(asked(|e| e.path == "/$batch"));
    assert!(asked(|e| e.batched
        && e.path == "/users"
        && e.query.contains("id in (")));
    assert!(asked(|e| e.batched && e.status == 404));
    assert!(asked(|e| e.query.contains("skiptoken")));

    // And the log would show what User.Read.All allows besides, also where Graph refuses it.
    send(&world, "POST", "/users/x/profile/names", "{}");
    send(&world, "DELETE", "/users/x/profile/notes/y", "");
    assert_eq!(
        writes(&world.sim().log()),
        [
            "POST /users/x/profile/names",
            "DELETE /users/x/profile/notes/y"
        ]
    );
}

#[test]
fn no_property_is_asked_for_that_no_record_needs() {
    let world = reading::of_every_kind(Setup::users(1_200));
    let log = world.sim().log();
    for dataset in catalog::defaults() {
        let path = format!("/{}", dataset.path);
        let of_it = log.iter().filter(|e| e.path.starts_with(&path));
        // A continuation carries what its first request asked for.
        // And a number has no properties.
        let first = of_it.filter(|e| {
            let goes_on = e.query.contains("skiptoken") || e.query.contains("token=…");
            !goes_on && !e.path.ends_with("/$count")
        });
        let mut asked = BTreeSet::new();
        for entry in first {
            let select = entry
                .query
                .split('&')
                .find_map(|p| p.strip_prefix("$select="));
            let select = select.unwrap_or_else(|| panic!("all properties: {entry:?}"));
            asked.extend(select.split(','));
        }
        assert_eq!(asked, dataset.select.iter().copied().collect(), "{path}");
    }
    let users = catalog::find("users").unwrap().select.len();
    assert!(page().contains(&format!("Of users {users} properties")));
}

/// A record for each token, with the id that the tenant's logs know the token by.
#[tokio::test]
async fn the_audit_log_names_a_token_as_the_tenants_logs_do() {
    let sim = Sim::new(Setup::users(10).sim);
    let (network, home) = (Network::new(sim.clone()), tempfile::tempdir().unwrap());
    let info = &sim.tenants()[0];
    let secret = home.path().join("secret");
    std::fs::write(&secret, &info.client_secret).unwrap();
    let tenant = TenantConfig {
        authority: Some(BASE.parse().unwrap()),
        graph: Some(BASE.parse().unwrap()),
        ..TenantConfig::with_secret(info.id.parse().unwrap(), &info.client_id, secret)
    };
    let (clock, records) = (Clock::system(), home.path().join("audit"));
    let deps = Deps {
        http: network.client(),
        direct: network.client(),
        policy_file: None,
        store: None,
        events: token_broker::event::Events::logged(clock.clone()),
        audit: Audit::open(&audit::Config::at(&records), clock.clone()).unwrap(),
        clock,
    };
    let tenants = vec![tenant];
    let broker = Broker::new(token_broker::Config { tenants }, deps).unwrap();
    let mut client = TokenServiceClient::new(runtime::grpc::local(broker.tokens()));
    let request = GetTokenRequest {
        tenant_id: info.id.clone(),
        dataset: "users".to_owned(),
        ..Default::default()
    };
    let token = client.get_token(request).await.unwrap().into_inner();

    let claims = token.access_token.split('.').nth(1).unwrap();
    let claims: Value = {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        serde_json::from_slice(&engine.decode(claims).unwrap()).unwrap()
    };
    let files = std::fs::read_dir(&records).unwrap().map(|f| f.unwrap());
    let text: String = files
        .filter_map(|f| std::fs::read_to_string(f.path()).ok())
        .collect();
    let lines = text.lines().filter_map(|l| serde_json::from_str(l).ok());
    let issued: Vec<Value> = lines.filter(|l: &Value| l["kind"] == "issue").collect();
    assert_eq!(issued.len(), 1, "{text}");
    assert!(claims["uti"].as_str().is_some_and(|uti| !uti.is_empty()));
    assert_eq!(issued[0]["uti"], claims["uti"]);
    assert_eq!(issued[0]["dataset"], "users");
    assert!(!text.contains(&token.access_token), "no record is a token");
    assert!(!text.contains(&info.client_secret), "or a secret");
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn each_proof_that_the_page_names_is_there() {
    let (page, docs) = (
        page(),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"),
    );
    let mut named = BTreeSet::new();
    for (at, _) in page.match_indices("](../") {
        let file = page[at + 2..].split(')').next().unwrap();
        let text = std::fs::read_to_string(docs.join(file)).unwrap_or_default();
        assert!(docs.join(file).exists(), "{file} is not there");
        let name = page[..at].rsplit('[').next().unwrap().trim_matches('`');
        if file.ends_with(".rs") {
            let test = format!("fn {name}(");
            assert!(text.contains(&test), "{file} has no test {name}");
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 10, "{named:?}");
}
