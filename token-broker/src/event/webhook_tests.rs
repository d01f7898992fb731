//! Deliveries to receivers that answer as told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Request, Response};

use super::super::message::Subject;
use super::super::{Events, Kind};
use super::*;

/// A receiver that answers as told, and what came to it.
struct World {
    _home: tempfile::TempDir,
    clock: Clock,
    events: Events,
    delivery: Option<Delivery>,
    seen: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl World {
    fn new(answer: impl Fn(u32) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret");
        std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
        let config = Config {
            url: Url::parse("https://receiver.example/hook?key=abc").unwrap(),
            secret_file: path.into(),
        };
        config.check().unwrap();
        let (seen, asked) = (Arc::new(Mutex::new(Vec::new())), AtomicU32::new(0));
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        let asked = Arc::new(asked);
        let http = Client::new(tower::service_fn(move |request: Request<Bytes>| {
            noted.lock().unwrap().push(request);
            let answer = answer(asked.fetch_add(1, Ordering::Relaxed));
            async move { Ok::<_, runtime::http::BoxError>(answer) }
        }));
        let clock = Clock::starting_at(1_800_000_000_000_000);
        let (events, delivery) = Events::open(Some(&config), http, clock.clone());
        World {
            _home: home,
            clock,
            events,
            delivery,
            seen,
        }
    }

    fn tell(&self, detail: &str) {
        let subject = Subject::default();
        self.events.tell(
            Kind::PolicyCap,
            subject,
            detail.to_owned(),
            "act".to_owned(),
        );
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Delivers while `work` goes on.
    async fn run(&mut self, work: impl Future<Output = ()>) {
        let delivery = self.delivery.take().unwrap();
        delivery.beside(work, Duration::from_secs(20)).await;
    }
}

fn status(code: u16) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

fn waiting(code: u16, seconds: &str) -> Response<Bytes> {
    let mut answer = status(code);
    let headers = answer.headers_mut();
    headers.insert("retry-after", seconds.parse().unwrap());
    answer
}

#[test]
fn the_signature_is_what_others_compute() {
    // printf '1800000000.{"id":"1"}' | openssl dgst -sha256 -hmac 0123456789abcdef
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
    assert_eq!(
        signature(&key, 1_800_000_000, b"{\"id\":\"1\"}"),
        "t=1800000000,v1=c8e2c3e0d17518c9ae2f78d38c97afc3e4f4638998dcf5b5142cb55fe124e345"
    );
}

#[tokio::test(start_paused = true)]
async fn each_try_is_signed_anew_and_the_event_stays_the_same() {
    let mut world = World::new(|n| status(if n < 2 { 503 } else { 204 }));
    world.tell("one");
    world.run(tokio::time::sleep(Duration::from_secs(60))).await;
    let seen = world.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|r| r.body() == seen[0].body()));
    let body: serde_json::Value = serde_json::from_slice(seen[0].body()).unwrap();
    assert_eq!(
        (&body["type"], &body["detail"], &body["remedy"]),
        (&"leastwise.policy.cap".into(), &"one".into(), &"act".into())
    );
    assert_eq!(body["specversion"], "1.0");
    assert_eq!(body["time"], "2027-01-15T08:00:00Z");
    assert_ne!(seen[0].headers()[SIGNATURE], seen[2].headers()[SIGNATURE]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let mut world = World::new(|n| match n {
        0 => waiting(429, "600"),
        _ => status(200),
    });
    world.tell("one");
    let (clock, seen) = (world.clock.clone(), Arc::clone(&world.seen));
    world
        .run(async {
            tokio::time::sleep(Duration::from_secs(590)).await;
            assert_eq!(seen.lock().unwrap().len(), 1);
            clock.advance(Duration::from_secs(20));
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(seen.lock().unwrap().len(), 2);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_holds_up_no_other_and_is_given_up_at_last() {
    let mut world = World::new(|n| status(if n == 1 { 200 } else { 500 }));
    world.tell("refused");
    world.tell("taken");
    world
        .run(tokio::time::sleep(Duration::from_secs(3_600)))
        .await;
    assert_eq!(world.requests(), 1 + usize::try_from(TRIES).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_waits_at_the_end_is_delivered_within_the_grace() {
    let mut world = World::new(|n| match n {
        0 => waiting(503, "3000"),
        _ => status(200),
    });
    world.tell("waits");
    let began = tokio::time::Instant::now();
    world.run(tokio::time::sleep(Duration::from_secs(5))).await;
    assert_eq!(world.requests(), 2);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_ends_nothing_later_than_the_grace() {
    let mut world = World::new(|_| waiting(503, "3000"));
    for n in 0..2_000 {
        world.tell(&format!("{n}"));
    }
    let began = tokio::time::Instant::now();
    world.run(std::future::ready(())).await;
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_cannot_work_is_said() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("secret");
    std::fs::write(&path, "0123456789abcdef").unwrap();
    let with = |url: &str| Config {
        url: Url::parse(url).unwrap(),
        secret_file: path.clone().into(),
    };
    with("https://receiver.example/hook").check().unwrap();
    with("http://127.0.0.1:8080/hook").check().unwrap();
    for (url, told) in [
        ("http://receiver.example/hook", "not https"),
        ("https://ann:pass@receiver.example/", "a name or a password"),
    ] {
        let e = with(url).check().unwrap_err();
        assert!(e.code == "LW-1020" && e.what.contains(told), "{e}");
    }
    std::fs::write(&path, "short").unwrap();
    let e = with("https://receiver.example/").check().unwrap_err();
    assert!(e.what.contains("too short"), "{e}");
    std::fs::remove_file(&path).unwrap();
    let e = with("https://receiver.example/").check().unwrap_err();
    assert_eq!(e.code, "LW-1009");
}
