//! Each kind of trouble, read through by a client that does what it should: what it ends with is in `docs/trouble.md`.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::time::Duration;

use crate::support::Client;
use axum::body::Body;
use axum::http::Request;
use flate2::read::GzDecoder;
use graph_sim::{Config, Scenario, Sim, Trouble, TroubleKind};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// How a reading ended.
#[derive(Debug, PartialEq)]
enum End {
    Complete(BTreeMap<String, Value>),
    Incomplete(&'static str),
}

const RETRIES: u32 = 4;
const RESTARTS: u32 = 3;
/// Links that bring nothing new, one after the other.
const IDLE: u32 = 20;

struct Reader<'a> {
    client: &'a Client,
}

impl Reader<'_> {
    /// One answer: status and JSON, or what is wrong with its bytes.
    async fn once(&self, uri: &str) -> Result<(u16, Option<String>, Value), &'static str> {
        let request = Request::get(uri)
            .header("authorization", format!("Bearer {}", self.client.token))
            .header("consistencylevel", "eventual")
            .header("accept-encoding", "gzip")
            .body(Body::empty())
            .unwrap();
        let response = self.client.sim.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|_| "answers break off")?;
        let mut bytes = body.to_bytes().to_vec();
        if parts.headers.get("content-encoding").is_some() {
            let mut plain = Vec::new();
            GzDecoder::new(bytes.as_slice())
                .read_to_end(&mut plain)
                .map_err(|_| "answers can't be decoded")?;
            bytes = plain;
        }
        let json = serde_json::from_slice(&bytes).map_err(|_| "answers are no JSON")?;
        let after = parts.headers.get("retry-after");
        let after = after.map(|v| v.to_str().unwrap().to_owned());
        Ok((parts.status.as_u16(), after, json))
    }

    /// The answer after as many tries as it takes; none when the place was lost.
    async fn answer(&self, uri: &str) -> Result<Option<Value>, &'static str> {
        let mut why = "";
        for _ in 0..RETRIES {
            match self.once(uri).await {
                Ok((200, _, json)) => return Ok(Some(json)),
                Ok((429, after, _)) => {
                    why = "throttled";
                    let wait = after.and_then(|a| a.parse().ok()).unwrap_or(1);
                    self.client.sim.tick(Duration::from_secs(wait));
                }
                Ok((302, _, _)) => why = "redirected",
                Ok((500.., _, _)) => why = "the service fails",
                Ok((400, _, json)) if json["error"]["code"] == "Directory_ExpiredPageToken" => {
                    return Ok(None);
                }
                Ok((status, _, json)) => panic!("{status} {json}"),
                Err(what) => why = what,
            }
        }
        Err(why)
    }

    async fn pages(&self) -> Result<Option<BTreeMap<String, Value>>, &'static str> {
        let first = "http://graph-sim.localhost/v1.0/users?$select=id,displayName,userType,licenseAssignmentStates&$count=true&$top=50";
        let mut next = first.to_owned();
        let (mut users, mut count, mut idle) = (BTreeMap::new(), None, 0);
        let mut links = HashSet::new();
        loop {
            let Some(page) = self.answer(&next).await? else {
                return Ok(None);
            };
            count = count.or(page["@odata.count"].as_u64());
            let before = users.len();
            for user in page["value"].as_array().unwrap() {
                users.insert(user["id"].as_str().unwrap().to_owned(), user.clone());
            }
            idle = if users.len() > before { 0 } else { idle + 1 };
            let Some(link) = page["@odata.nextLink"].as_str() else {
                break;
            };
            next = link.to_owned();
            if !next.starts_with("http://graph-sim.localhost/") {
                return Err("a foreign link");
            }
            if idle > IDLE || !links.insert(next.clone()) {
                return Err("no progress");
            }
        }
        match count {
            Some(n) if n != users.len() as u64 => Err("counts disagree"),
            _ => Ok(Some(users)),
        }
    }

    async fn read(&self) -> End {
        for _ in 0..RESTARTS {
            match self.pages().await {
                Ok(Some(users)) => return End::Complete(users),
                Ok(None) => {}
                Err(why) => return End::Incomplete(why),
            }
        }
        End::Incomplete("pages expire")
    }
}

fn simulation() -> Sim {
    Sim::new(Config {
        users: 400,
        seed: 11,
        gzip: true,
        ..Config::default()
    })
}

/// Reads with this trouble; the end, and how often it was met.
async fn ends(sim: &Sim, trouble: Trouble) -> (End, u32) {
    let client = Client::of(sim, 0).await;
    sim.clear_trouble();
    sim.trouble(trouble).unwrap();
    let end = Reader { client: &client }.read().await;
    (end, sim.armed()[0].hits)
}

/// Trouble with what it needs.
fn armed(kind: TroubleKind) -> Trouble {
    Trouble {
        p50: Some(1.0),
        p99: Some(2.0),
        status: Some(503),
        every: Some(300),
        seconds: Some(300),
        size: Some(100_000),
        path: Some("/users".into()),
        ..Trouble::new(kind)
    }
}

/// Each kind: how a reading ends that meets it twice, and one that meets it always; none is complete.
const ENDS: [(TroubleKind, Option<&str>, Option<&str>); 19] = {
    use TroubleKind::*;
    [
        (Latency, None, None),
        (Status, None, Some("the service fails")),
        (Storm, None, Some("throttled")),
        (Cut, None, Some("answers break off")),
        (GzipCut, None, Some("answers can't be decoded")),
        (Html, None, Some("answers are no JSON")),
        (RepeatedPage, None, Some("no progress")),
        (EmptyPage, None, Some("no progress")),
        (
            MissingPage,
            Some("counts disagree"),
            Some("counts disagree"),
        ),
        (WrongCount, Some("counts disagree"), Some("counts disagree")),
        (Duplicate, None, None),
        (Unknown, None, None),
        (Null, None, None),
        (Huge, None, None),
        (ExpiredPage, None, Some("pages expire")),
        (Gateway, None, Some("answers are no JSON")),
        (Redirect, None, Some("redirected")),
        (ForeignLink, Some("a foreign link"), Some("a foreign link")),
        (Circle, Some("no progress"), Some("no progress")),
    ]
};

#[tokio::test]
async fn a_right_client_ends_as_it_should() {
    let sim = simulation();
    let client = Client::of(&sim, 0).await;
    let End::Complete(truth) = (Reader { client: &client }).read().await else {
        panic!("there is no trouble yet");
    };
    assert_eq!(truth.len(), 400);
    for (kind, twice, always) in ENDS {
        for (times, expected) in [(Some(2), twice), (None, always)] {
            let (end, hits) = ends(
                &sim,
                Trouble {
                    times,
                    ..armed(kind)
                },
            )
            .await;
            assert!(hits > 0, "{kind:?} was not met");
            match (end, expected) {
                (End::Complete(users), None) => {
                    assert!(users.keys().eq(truth.keys()), "{kind:?}");
                    let same = users == truth;
                    let changes = [TroubleKind::Unknown, TroubleKind::Null, TroubleKind::Huge];
                    assert_eq!(same, !changes.contains(&kind), "{kind:?}");
                }
                (end, expected) => assert_eq!(
                    end,
                    End::Incomplete(expected.unwrap_or("complete")),
                    "{kind:?}, {times:?}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn the_page_of_docs_names_each_kind() {
    let docs = include_str!("../../docs/trouble.md");
    for (kind, ..) in ENDS {
        let name = serde_json::to_value(kind).unwrap();
        let row = format!("| `{}` |", name.as_str().unwrap());
        assert!(docs.contains(&row), "{row}");
    }
    let example = docs
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let scenario = Scenario::parse(example).unwrap();
    assert_eq!(scenario.trouble.len(), 2);
}

#[tokio::test]
async fn equal_seeds_make_equal_trouble() {
    let bodies = async |seed| {
        let sim = simulation_with(seed);
        let client = Client::of(&sim, 0).await;
        let mut all = Vec::new();
        let mut next = "/users?$top=40".to_owned();
        for _ in 0..30 {
            let answer = client.get(&next).await;
            let page = answer.json();
            all.push((answer.status, page["value"].clone()));
            if let Some(link) = page["@odata.nextLink"].as_str() {
                next = link.to_owned();
            }
        }
        all
    };
    let one = bodies(5).await;
    assert_eq!(one, bodies(5).await);
    assert_ne!(one, bodies(6).await);
}

fn simulation_with(trouble_seed: u64) -> Sim {
    let some = |kind| Trouble {
        share: 0.3,
        ..armed(kind)
    };
    Sim::new(Config {
        trouble_seed,
        trouble: vec![
            some(TroubleKind::Status),
            some(TroubleKind::Duplicate),
            some(TroubleKind::EmptyPage),
        ],
        ..Config::default()
    })
}

#[tokio::test]
async fn a_clock_that_is_off_shows_in_dates() {
    let sim = simulation();
    let date = async || {
        let client = Client::of(&sim, 0).await;
        let answer = client.get("/organization").await;
        answer.headers["date"].to_str().unwrap().to_owned()
    };
    let before = date().await;
    sim.put_clock_off(86_400 * 40);
    assert_ne!(before.get(..16), date().await.get(..16));
    assert_eq!(sim.now(), Duration::ZERO);
}

#[tokio::test]
async fn delta_links_survive_a_lost_page() {
    let sim = simulation();
    let client = Client::of(&sim, 0).await;
    sim.trouble(armed(TroubleKind::MissingPage)).unwrap();
    let (users, delta) = client.pages("/users/delta?$select=id").await;
    assert!(!users.is_empty() && users.len() < 400 && delta.is_some());
}

#[tokio::test]
async fn parts_of_a_batch_meet_it_too() {
    let sim = simulation();
    let client = Client::of(&sim, 0).await;
    sim.trouble(Trouble {
        times: Some(1),
        ..armed(TroubleKind::Status)
    })
    .unwrap();
    let part = |id: &str| serde_json::json!({ "id": id, "method": "GET", "url": "/users?$top=1" });
    let answer = client
        .batch(&serde_json::json!({ "requests": [part("1"), part("2")] }))
        .await
        .json();
    let mut statuses: Vec<_> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].as_u64())
        .collect();
    statuses.sort();
    assert_eq!(statuses, [Some(200), Some(503)]);
}

/// The answer of the binary to a request, as far as it came.
async fn raw(authority: &str, head: String, body: &str) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head}\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the last byte is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_connection_is_really_cut() {
    let sim = simulation();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = sim.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        server
            .serve(listener, async {
                let _ = stopped.await;
            })
            .await
    });
    let client = Client::of(&sim, 0).await;
    let control = raw(
        &authority,
        "POST /_control/trouble HTTP/1.1\r\ncontent-type: application/json".to_owned(),
        r#"{"kind":"cut","path":"/users","times":1}"#,
    )
    .await;
    assert!(control.starts_with("HTTP/1.1 204"), "{control}");
    let get = format!(
        "GET /v1.0/users?$top=100 HTTP/1.1\r\nauthorization: Bearer {}",
        client.token
    );
    let length = |answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let promised = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "));
        (promised.unwrap().parse::<usize>().unwrap(), body.len())
    };
    let (promised, came) = length(&raw(&authority, get.clone(), "").await);
    assert!(came > 0 && came < promised, "{came} of {promised}");
    let (promised, came) = length(&raw(&authority, get, "").await);
    assert_eq!(promised, came);
    let listed = raw(&authority, "GET /_control/trouble HTTP/1.1".to_owned(), "").await;
    assert!(listed.contains(r#""hits":1"#), "{listed}");
    stop.send(()).unwrap();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
}
