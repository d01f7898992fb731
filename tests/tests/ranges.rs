//! Large collections are read in ranges: all of them, whatever the server's order, and whatever happens meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use runtime::Clock;
use runtime::db::Durability;
use runtime::http::{Chunks, Streaming};
use serde_json::{Value, json};
use tests::desk::{self, Desk};
use tests::world::{Setting, Setup, World};

fn large(users: u32) -> Setup {
    Setup {
        ranges_above: 1_000,
        ..Setup::users(users)
    }
}

/// How often users were asked for in a range, and in a chain without one.
fn asked(world: &World) -> (usize, usize) {
    let log = world.sim().log();
    let pages = log
        .iter()
        .filter(|e| e.path.ends_with("/users") && e.query.contains("userPrincipalName"));
    let (ranged, whole): (Vec<_>, Vec<_>) = pages.partition(|e| e.query.contains("$filter="));
    (ranged.len(), whole.len())
}

#[test]
fn a_large_tenant_is_read_in_ranges() {
    let mut world = World::new(Setting::Embedded, large(6_000));
    world.sync_whole();
    world.is(&world.truth());
    let (ranged, whole) = asked(&world);
    assert!(ranged >= 8, "{ranged}");
    assert_eq!(whole, 1, "the page of names");
    world.sim().advance(2);
    world.next_week();
    world.sync_whole();
    world.is(&world.truth());
}

#[test]
fn a_crash_amid_ranges_costs_what_was_under_way() {
    for requests in [7, 12] {
        let mut world = World::new(Setting::Embedded, large(6_000));
        world.sync_until_crash(requests, 3);
        world.open();
        world.start();
        world.sync_whole();
        world.is(&world.truth());
        let (ranged, _) = asked(&world);
        // Eight ranges, a second page of some of them; at most eight were under way when it crashed.
        assert!(ranged <= 24, "{ranged}");
    }
}

#[test]
fn users_who_change_while_they_are_read_are_neither_lost_nor_removed() {
    let mut setup = large(4_000);
    setup.lateness = 600;
    setup.paused = true;
    let mut world = World::new(Setting::Embedded, setup);
    // The token, three small datasets, a link, a count with names; then five ranges.
    for requests in [9, 11, 13] {
        world.sync_until(requests);
        world.sim().advance(1);
    }
    world.come_to_rest();
    world.is_as_far_as_tracked(&world.truth());
}

/// A server that others wrote: pages of twenty whatever is asked for.
#[derive(Default)]
struct Server {
    names: Vec<String>,
    /// Sorted by name, as an index would have it.
    sorted: bool,
    refuses_filters: bool,
    /// So many links to next pages expire.
    expires: AtomicU32,
    /// Says that there are so many more.
    counts_more: usize,
    /// The request of this number is never answered.
    hangs: Option<u32>,
    requests: AtomicU32,
}

impl Server {
    fn answer(&self, method: &str, url: &str) -> (u16, Value) {
        if method == "POST" {
            return (200, json!({ "access_token": "t" }));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let url = url::Url::parse(url).unwrap();
        if url.path().ends_with("/$count") {
            return (200, json!(self.names.len() + self.counts_more));
        }
        let query = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs.find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
        };
        if url.path().ends_with("/delta") {
            let link = format!("{}&$deltatoken=1", url.as_str().split('&').next().unwrap());
            return (200, json!({ "value": [], "@odata.deltaLink": link }));
        }
        let bound = |word: &str| {
            let filter = query("$filter")?;
            let rest = filter.split_once(&format!("userPrincipalName {word} '"))?.1;
            Some(rest.split_once('\'').unwrap().0.to_owned())
        };
        if query("$filter").is_some() && self.refuses_filters {
            let error = json!({ "error": { "code": "Request_UnsupportedQuery", "message": "" } });
            return (400, error);
        }
        let (from, to) = (bound("ge"), bound("le"));
        let mut found: Vec<&String> = self
            .names
            .iter()
            .filter(|n| {
                from.as_ref().is_none_or(|f| *n >= f) && to.as_ref().is_none_or(|t| *n <= t)
            })
            .collect();
        if self.sorted {
            found.sort();
        }
        let place: usize = query("$skiptoken").map_or(0, |t| t.parse().unwrap());
        let expires = |n: u32| n.checked_sub(1);
        let (ordering, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        if place > 0 && self.expires.fetch_update(ordering, fetch, expires).is_ok() {
            let error = json!({ "error": { "code": "Directory_ExpiredPageToken", "message": "" } });
            return (400, error);
        }
        let page = found.iter().skip(place).take(20);
        let value: Vec<Value> = page
            .map(|n| json!({ "id": n, "userPrincipalName": n }))
            .collect();
        let mut body = json!({ "value": value });
        if place + 20 < found.len() {
            let mut next = url.clone();
            let kept: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(k, _)| k != "$skiptoken")
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect();
            next.query_pairs_mut()
                .clear()
                .extend_pairs(kept)
                .append_pair("$skiptoken", &(place + 20).to_string());
            body["@odata.nextLink"] = next.as_str().into();
        }
        (200, body)
    }
}

/// What a collector publishes of a server's users.
struct Reading {
    objects: Vec<Value>,
    requests: u32,
    /// The seal's.
    gaps: Vec<String>,
    /// By the simulated clock.
    took: Duration,
}

fn read(server: Server) -> Reading {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Arc::new(server);
        let answering = Arc::clone(&server);
        let http = Streaming::new(tower::service_fn(move |request: http::Request<Bytes>| {
            let (status, body) =
                answering.answer(request.method().as_str(), &request.uri().to_string());
            let hangs = Some(answering.requests.load(Ordering::Relaxed)) == answering.hangs;
            let body = Bytes::from(body.to_string());
            let chunks: Chunks = futures::stream::iter([Ok(body)]).boxed();
            let answer = http::Response::builder().status(status).body(chunks);
            async move {
                tokio::time::sleep(Duration::from_millis(300)).await;
                if hangs {
                    std::future::pending::<()>().await;
                }
                answer.map_err(Into::into)
            }
        }));
        let home = tempfile::tempdir().unwrap();
        let base = "http://graph.localhost".to_owned();
        let mut tenant = graph_sim::Sim::new(graph_sim::Config::default()).tenants()[0].clone();
        (tenant.authority, tenant.graph) = (base.clone(), base);
        let mut desk = Desk::start(desk::Setup {
            config: collector::Config {
                ranges_above: 100,
                lateness_seconds: 0,
                ..collector::Config::default()
            },
            tenants: &[tenant],
            datasets: &["users"],
            http: http.into(),
            clock: Clock::starting_at(tests::world::ORIGIN),
            db: desk::database(home.path(), Durability::Normal)
                .await
                .unwrap(),
            alone: true,
            keep: true,
        });
        let start = tokio::time::Instant::now();
        let seal = desk.sealed().await;
        let requests = server.requests.load(Ordering::Relaxed);
        let objects = desk.published.objects();
        desk.stop().await;
        Reading {
            objects,
            requests,
            gaps: seal.gaps,
            took: start.elapsed(),
        }
    })
}

fn names(count: usize) -> Vec<String> {
    let mut names: Vec<String> = (0..count)
        .map(|n| format!("{}.{n}@example.com", ["anna", "bert", "carl"][n % 3]))
        .collect();
    fastrand::Rng::with_seed(7).shuffle(&mut names);
    names
}

#[track_caller]
fn all(names: &[String], objects: &[Value]) {
    let seen: BTreeSet<&str> = objects.iter().map(|o| o["id"].as_str().unwrap()).collect();
    assert_eq!(seen, names.iter().map(String::as_str).collect());
}

#[test]
fn a_server_of_small_pages_is_read_whole_in_any_order() {
    for sorted in [false, true] {
        let names = names(3_000);
        let Reading {
            objects,
            requests,
            gaps,
            ..
        } = read(Server {
            names: names.clone(),
            sorted,
            ..Server::default()
        });
        all(&names, &objects);
        assert!(gaps.is_empty());
        // 150 pages; what is read again when ranges are split is bounded.
        assert!(requests < 450, "{sorted}: {requests}");
    }
}

#[test]
fn a_server_that_refuses_ranges_is_read_as_one_chain() {
    let names = names(500);
    let Reading { objects, gaps, .. } = read(Server {
        names: names.clone(),
        refuses_filters: true,
        ..Server::default()
    });
    all(&names, &objects);
    assert_eq!((objects.len(), gaps.len()), (500, 0));
}

#[test]
fn a_range_whose_continuation_expires_begins_anew() {
    let names = names(1_500);
    let Reading { objects, gaps, .. } = read(Server {
        names: names.clone(),
        expires: AtomicU32::new(6),
        ..Server::default()
    });
    all(&names, &objects);
    assert!(gaps.is_empty());
}

#[test]
fn fewer_objects_than_are_counted_are_a_gap() {
    for users in [60, 500] {
        let names = names(users);
        let Reading { objects, gaps, .. } = read(Server {
            names: names.clone(),
            counts_more: 7,
            ..Server::default()
        });
        all(&names, &objects);
        assert!(gaps[0].starts_with("LW-3010"), "{gaps:?}");
    }
}

#[test]
fn an_answer_that_never_comes_holds_up_nothing() {
    // The link, the count with names, the count alone: then ranges.
    for hangs in [4, 40, 70] {
        let names = names(1_200);
        let Reading {
            objects,
            gaps,
            took,
            ..
        } = read(Server {
            names: names.clone(),
            hangs: Some(hangs),
            ..Server::default()
        });
        all(&names, &objects);
        assert!(gaps.is_empty());
        // An answer takes 0.3 s, and 100 s are waited for one.
        assert!(took < Duration::from_secs(30), "{hangs}: {took:?}");
    }
}
