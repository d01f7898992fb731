//! The alert nobody got: what an administrator changes and what ends or fails reaches a webhook, signed, also when its
//! receiver refuses at first.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use graph_sim::{Config, Sim};
use proto::token::v1::GetTokenRequest;
use proto::token::v1::token_service_client::TokenServiceClient;
use runtime::{CancellationToken, Clock};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::network::{BASE, Network};
use token_broker::audit::{self, Audit};
use token_broker::event::{Events, webhook};
use token_broker::{Broker, Deps};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

const SECRET: &str = "5e0c9a7f3b1d4c6e8f2a5e0c9a7f3b1d";
const LIMIT: Duration = Duration::from_secs(30);

/// A receiver as `docs/webhook.md` tells one to be, which refuses each event twice first.
#[derive(Clone)]
struct Receiver(Arc<Inner>);

struct Inner {
    clock: Clock,
    tries: Mutex<HashMap<String, u32>>,
    taken: Mutex<Vec<Value>>,
    /// What should never come.
    wrong: Mutex<Vec<String>>,
}

impl Receiver {
    async fn take(State(this): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
        if let Err(why) = this.verify(&headers, &body) {
            this.0.wrong.lock().unwrap().push(why);
            return StatusCode::UNAUTHORIZED;
        }
        let event: Value = serde_json::from_slice(&body).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        let mut tries = this.0.tries.lock().unwrap();
        let tries = tries.entry(id).or_default();
        *tries += 1;
        match *tries {
            1 | 2 => return StatusCode::SERVICE_UNAVAILABLE,
            3 => this.0.taken.lock().unwrap().push(event),
            _ => this
                .0
                .wrong
                .lock()
                .unwrap()
                .push("it came again".to_owned()),
        }
        StatusCode::NO_CONTENT
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let header = headers.get("leastwise-signature").ok_or("no signature")?;
        let header = header.to_str().map_err(|e| e.to_string())?;
        let (t, v1) = header.split_once(',').ok_or("no parts")?;
        let t = t.strip_prefix("t=").ok_or("no time")?;
        let v1 = v1.strip_prefix("v1=").ok_or("no version")?;
        let seconds: u64 = t.parse().map_err(|_| "no number")?;
        if (self.0.clock.micros() / 1_000_000).abs_diff(seconds) > 300 {
            return Err("it is old".to_owned());
        }
        let signed = [t.as_bytes(), b".", body].concat();
        match hmac(SECRET.as_bytes(), &signed) == v1 {
            true => Ok(()),
            false => Err("the signature is another".to_owned()),
        }
    }
}

/// RFC 2104 with SHA-256, in hex: computed without the code under test. For keys of a block at most.
fn hmac(key: &[u8], text: &[u8]) -> String {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(b, k)| *b ^= k);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text);
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner.finalize());
    outer
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A simulated tenant, and a broker with a webhook.
struct World {
    home: tempfile::TempDir,
    sim: Sim,
    network: Network,
    clock: Clock,
    receiver: Receiver,
    events: Events,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    async fn new() -> Self {
        let sim = Sim::new(Config {
            users: 5,
            base: Some(BASE.to_owned()),
            ..Config::default()
        });
        let clock = Clock::system();
        let receiver = Receiver(Arc::new(Inner {
            clock: clock.clone(),
            tries: Mutex::default(),
            taken: Mutex::default(),
            wrong: Mutex::default(),
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/hook", post(Receiver::take))
            .with_state(receiver.clone());
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("webhook-secret");
        std::fs::write(&path, format!("{SECRET}\n")).unwrap();
        let config = webhook::Config {
            url: url.parse().unwrap(),
            secret_file: path.into(),
        };
        config.check().unwrap();
        let http = runtime::http::direct().unwrap();
        let (events, delivery) = Events::open(Some(&config), http, clock.clone());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(delivery.unwrap().beside(stopped, LIMIT));
        World {
            home,
            network: Network::new(sim.clone()),
            sim,
            clock,
            receiver,
            events,
            stop,
            tasks,
        }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A broker that proves the main application by the file `secret`.
    fn broker(&self, rest: &str) -> Broker {
        let tenant = &self.sim.tenants()[0];
        let text = format!(
            "[[tenants]]\nid = '{}'\nauthority = '{BASE}'\ngraph = '{BASE}'\nclient_id = '{}'\nclient_secret_file = 'secret'\n{rest}",
            tenant.id, tenant.client_id
        );
        let mut config: token_broker::Config =
            runtime::config::parse(&text, "test", HashMap::new()).unwrap();
        config.resolve(self.home.path());
        let directory = self.home.path().join("audit");
        let deps = Deps {
            http: self.network.client(),
            direct: self.network.client(),
            policy_file: None,
            store: None,
            events: self.events.clone(),
            audit: Audit::open(&audit::Config::at(directory), self.clock.clone()).unwrap(),
            clock: self.clock.clone(),
        };
        Broker::new(config, deps).unwrap()
    }

    async fn consent(&self, change: Value) {
        let request = http::Request::post(format!("{BASE}/_control/consent?tenant=0&app=0"))
            .header("content-type", "application/json")
            .body(Bytes::from(change.to_string()))
            .unwrap();
        let answer = self.network.client().oneshot(request).await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// The next token, once the last one has ended: what the broker answers, as the code of a refusal. Nothing may be on
    /// its way: the clock would make its signature old.
    async fn next_token(&self, broker: &Broker) -> Result<String, String> {
        self.clock.advance(Duration::from_secs(3_700));
        let mut client = TokenServiceClient::new(runtime::grpc::local(broker.tokens()));
        let request = GetTokenRequest {
            tenant_id: self.sim.tenants()[0].id.clone(),
            dataset: "users".to_owned(),
            ..Default::default()
        };
        match client.get_token(request).await {
            Ok(answer) => Ok(answer.into_inner().access_token),
            Err(e) => Err(e.message().split(':').next().unwrap().to_owned()),
        }
    }

    /// Waits until the receiver has taken so many events; the clock runs ahead, so that no try is waited for.
    async fn taken(&self, count: usize) -> Vec<Value> {
        let wait = async {
            loop {
                let taken = self.receiver.0.taken.lock().unwrap().clone();
                if taken.len() >= count {
                    return taken;
                }
                self.clock.advance(Duration::from_secs(5));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let taken = tokio::time::timeout(LIMIT, wait).await;
        taken.unwrap_or_else(|_| panic!("{:?}", self.receiver.0.taken.lock().unwrap()))
    }

    /// Ends as the process does; every event that was told.
    async fn end(mut self) -> Vec<Value> {
        self.stop.cancel();
        // The receiver serves on until the deliveries are over.
        self.tasks.join_next().await.unwrap().unwrap();
        assert_eq!(*self.receiver.0.wrong.lock().unwrap(), [""; 0]);
        let taken = self.receiver.0.taken.lock().unwrap().clone();
        let text = format!("{taken:?}");
        assert!(!text.contains(&self.sim.tenants()[0].client_secret));
        for event in &taken {
            for field in [
                "id", "source", "type", "time", "tenant", "app", "detail", "remedy",
            ] {
                assert!(event[field].is_string(), "{field} is missing in {event}");
            }
            assert_eq!(event["specversion"], "1.0");
        }
        taken
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    let all = events.iter().map(|e| e["type"].as_str().unwrap());
    let mut all: Vec<&str> = all.collect();
    // They are delivered side by side.
    all.sort_unstable();
    all
}

fn detail<'a>(events: &'a [Value], kind: &str) -> &'a str {
    let event = events.iter().find(|e| e["type"] == kind).unwrap();
    event["detail"].as_str().unwrap()
}

#[tokio::test]
async fn each_visible_drift_reaches_the_webhook_after_the_next_token() {
    let world = World::new().await;
    world.file("secret", &world.sim.tenants()[0].client_secret);
    let broker = world.broker("");
    world.next_token(&broker).await.unwrap();
    assert!(world.receiver.0.tries.lock().unwrap().is_empty());

    // A permission goes.
    let all = ["User.Read.All", "Organization.Read.All"];
    world.consent(json!({"roles": [all[0]]})).await;
    world.next_token(&broker).await.unwrap();
    let events = world.taken(1).await;
    assert_eq!(types(&events), ["leastwise.drift.permissions"]);
    let told = detail(&events, "leastwise.drift.permissions");
    assert!(told.contains("-Organization.Read.All"), "{told}");

    // The service principal is deleted and made anew.
    for principal in ["missing", "enabled"] {
        world.consent(json!({"principal": principal})).await;
    }
    world.next_token(&broker).await.unwrap();
    let events = world.taken(2).await;
    assert_eq!(events[1]["type"], "leastwise.drift.service-principal");

    // A directory role: that is too much as well, so the caller gets nothing, and somebody is told both.
    let admin = "62e90394-69f5-4237-9190-012177145e10";
    world.consent(json!({"directoryRoles": [admin]})).await;
    let refused = world.next_token(&broker).await;
    assert_eq!(refused.unwrap_err(), "LW-2030");
    let events = world.taken(4).await;
    let kinds = [
        "leastwise.drift.directory-roles",
        "leastwise.excess.refused",
    ];
    assert_eq!(types(&events[2..]), kinds);
    for kind in kinds {
        assert!(detail(&events[2..], kind).contains(admin), "{events:?}");
    }

    // It goes again, and a permission that writes comes.
    let roles = json!({"directoryRoles": [], "roles": ["User.Read.All", "Mail.ReadWrite"]});
    world.consent(roles).await;
    world.next_token(&broker).await.unwrap_err();
    let events = world.taken(7).await;
    assert_eq!(
        types(&events[4..]),
        [
            "leastwise.drift.directory-roles",
            "leastwise.drift.permissions",
            "leastwise.excess.refused"
        ]
    );
    let refused = events[4..].iter().find(|e| e["code"] == "LW-2030").unwrap();
    assert_eq!(refused["app"], "default");

    // What lasts is not repeated by each request.
    world.next_token(&broker).await.unwrap_err();
    assert_eq!(world.end().await.len(), 7);
}

#[tokio::test]
async fn what_ends_soon_and_what_is_refused_is_told_once_until_it_is_over() {
    let world = World::new().await;
    world.file("secret", "wrong");
    let in_days = |days: u64| {
        let at = world.clock.micros() + days * 86_400_000_000;
        runtime::clock::rfc3339(at)[..10].to_owned()
    };
    let roles = json!({"roles": ["User.Read.All", "Organization.Read.All", "Directory.Read.All"]});
    world.consent(roles).await;
    let broker = world.broker(&format!(
        "[[tenants.exceptions]]\nrole = 'Directory.Read.All'\nreason = 'migration'\nuntil = '{}'\n",
        in_days(20)
    ));
    // The file is older than what a change may take: an hour has passed for the broker.
    assert_eq!(world.next_token(&broker).await.unwrap_err(), "LW-2001");
    let events = world.taken(1).await;
    for _ in 0..2 {
        assert_eq!(world.next_token(&broker).await.unwrap_err(), "LW-2001");
    }
    assert_eq!(types(&events), ["leastwise.credential.refused"]);
    assert_eq!(events[0]["code"], "LW-2001");
    let remedy = events[0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("AADSTS7000215"), "{remedy}");

    world.file("secret", &world.sim.tenants()[0].client_secret);
    world.next_token(&broker).await.unwrap();
    let events = world.taken(2).await;
    for _ in 0..2 {
        world.next_token(&broker).await.unwrap();
    }
    let told = detail(&events[1..], "leastwise.exception.ends");
    assert!(told.contains("Directory.Read.All"), "{told}");

    // It was over, so the next time is new.
    world.file("secret", "wrong again");
    world.next_token(&broker).await.unwrap_err();
    world.taken(3).await;
    assert_eq!(world.end().await.len(), 3);
}
