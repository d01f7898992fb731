//! One request for many callers, before an Entra ID that answers as told.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::entra::{Answer, Issued};
use crate::error::Refusal;
use crate::files::Files;

fn app() -> Arc<App> {
    Arc::new(App {
        tenant: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        name: "core".to_owned(),
        client_id: "c".to_owned(),
        authority: String::new(),
        graph: String::new(),
        exchange: "",
        key: "core".into(),
        files: Files::default(),
        credentials: Vec::new(),
        longest_credential_days: None,
        datasets: None,
    })
}

fn down(retry_after: Option<u64>) -> Error {
    Error::Unreachable {
        tenant: app().tenant,
        authority: String::new(),
        retry_after: retry_after.map(Duration::from_secs),
        again_at: 0,
        source: "down".into(),
    }
}

fn refused(code: u64) -> Error {
    Error::Refused {
        tenant: app().tenant,
        app: "core".to_owned(),
        refusal: Box::new(Refusal {
            class: crate::aadsts::Class::Credential,
            error: "invalid_client".to_owned(),
            code,
            trace: String::new(),
            correlation: String::new(),
        }),
    }
}

/// A cache before an Entra ID that answers as told, and how often it was asked.
struct World {
    cache: Cache,
    clock: Clock,
    asked: Arc<AtomicU32>,
}

impl World {
    fn new(answer: impl Fn(u32) -> Result<u64, Error> + Send + Sync + 'static) -> Self {
        let clock = Clock::starting_at(1_800_000_000_000_000);
        let asked = Arc::new(AtomicU32::new(0));
        let (count, now) = (Arc::clone(&asked), clock.clone());
        let request: Request = Arc::new(move |_, _| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let (answer, asked) = (answer(n), now.micros());
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let issued = Issued {
                    token: format!("token {n}").into(),
                    lifetime: Duration::from_secs(answer?),
                    refresh_in: None,
                };
                Ok(Token::new(
                    Answer {
                        issued,
                        credential: 0,
                    },
                    asked,
                ))
            }
            .boxed()
        });
        World {
            cache: Cache::new(clock.clone(), request),
            clock,
            asked,
        }
    }

    async fn get(&self, rejected: &Rejected) -> Result<(String, Duration), Arc<Error>> {
        let (token, use_for) = self.cache.get(&app(), rejected).await?;
        Ok((token.secret.expose_secret().to_owned(), use_for))
    }

    async fn token(&self) -> String {
        self.get(&Rejected::default())
            .await
            .map_err(|e| e.to_string())
            .unwrap()
            .0
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Lets what goes on beside the callers come to its end.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_cold_callers_cost_one_request() {
    let world = World::new(|_| Ok(3_599));
    let none = Rejected::default();
    let callers = (0..200).map(|_| world.get(&none));
    let answers = futures::future::join_all(callers).await;
    assert!(
        answers
            .iter()
            .all(|a| a.as_ref().is_ok_and(|(_, d)| *d == USE_FOR))
    );
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn renewal_comes_before_the_end_and_makes_nobody_wait() {
    let world = World::new(|_| Ok(3_599));
    assert_eq!(world.token().await, "token 0");
    world.clock.advance(Duration::from_secs(3_100));
    assert_eq!(world.token().await, "token 0");
    world.settle().await;
    assert_eq!(world.token().await, "token 1");
    assert_eq!(world.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_outlives_a_caller_that_went_away() {
    let world = World::new(|_| Ok(3_599));
    let none = Rejected::default();
    let gone = tokio::time::timeout(Duration::from_millis(10), world.get(&none)).await;
    assert!(gone.is_err());
    world.settle().await;
    assert_eq!(world.token().await, "token 0");
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn twenty_reports_of_one_rejected_token_cost_one_renewal() {
    let world = World::new(|_| Ok(3_599));
    let first = world.token().await;
    let rejected = Rejected {
        any: true,
        hash: Some(sha256(&first)),
        claims: Some("{}".to_owned()),
    };
    for _ in 0..20 {
        world
            .get(&rejected)
            .await
            .map_err(|e| e.to_string())
            .unwrap();
    }
    assert_eq!(world.token().await, "token 1");
    assert_eq!(world.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_valid_token_serves_on_while_entra_is_down() {
    let world = World::new(|n| if n == 0 { Ok(3_599) } else { Err(down(None)) });
    world.token().await;
    world.clock.advance(Duration::from_secs(3_200));
    let (_, use_for) = world
        .get(&Rejected::default())
        .await
        .map_err(|e| e.to_string())
        .unwrap();
    assert!(use_for <= Duration::from_secs(99), "{use_for:?}");
    world.settle().await;
    world.clock.advance(Duration::from_secs(200));
    assert!(world.get(&Rejected::default()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_within_a_minute() {
    let world = World::new(|n| if n < 60 { Err(down(None)) } else { Ok(3_599) });
    let mut last = tokio::time::Instant::now();
    loop {
        let before = world.asked();
        let answer = world.get(&Rejected::default()).await;
        if world.asked() > before {
            assert!(
                last.elapsed() < Duration::from_secs(60),
                "{:?}",
                last.elapsed()
            );
            last = tokio::time::Instant::now();
        }
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_entra_is_down_each_call_asks_once_and_says_when_to_come_back() {
    let world = World::new(|_| Err(down(None)));
    for asked in TRIES..TRIES + 12 {
        let error = world.get(&Rejected::default()).await.unwrap_err();
        assert_eq!(world.asked(), asked);
        let wait = error.again_in(world.clock.micros()).unwrap();
        assert!(wait < Duration::from_secs(51), "{wait:?}");
        tokio::time::sleep(wait).await;
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_for_every_caller() {
    let world = World::new(|n| {
        if n == 0 {
            Err(down(Some(120)))
        } else {
            Ok(3_599)
        }
    });
    for _ in 0..5 {
        assert!(world.get(&Rejected::default()).await.is_err());
    }
    assert_eq!(world.asked(), 1);
    world.clock.advance(Duration::from_secs(121));
    world.token().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_repeated_more_and_more_rarely() {
    let world = World::new(|_| Err(refused(7_000_222)));
    for expected in [1, 1, 2, 2, 3] {
        assert!(world.get(&Rejected::default()).await.is_err());
        assert_eq!(world.asked(), expected);
        world
            .clock
            .advance(Duration::from_secs(if expected == 1 { 31 } else { 151 }));
    }
}

#[test]
fn a_change_that_still_spreads_is_tried_again_soon() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("secret");
    std::fs::write(&file, "new").unwrap();
    let mut app = Arc::into_inner(app()).unwrap();
    app.credentials = vec![crate::CredentialConfig::ClientSecret {
        file: file.into(),
        expires: None,
    }];
    let changed = app.credentials[0].changed(&app.files).unwrap();
    let rest = |code, later: u64| rest(&refused(code), 0, &app, changed + later * 1_000_000);
    assert_eq!(rest(7_000_215, 60), GRACE_REST);
    assert_eq!(rest(7_000_215, 601), Duration::from_secs(60));
    // An expired secret doesn't heal.
    assert_eq!(rest(7_000_222, 60), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_cache_that_is_dropped_amid_a_request() {
    let world = World::new(|_| Ok(3_599));
    let asked = Arc::clone(&world.asked);
    let none = Rejected::default();
    let waits = world.get(&none).now_or_never();
    assert!(waits.is_none() && world.asked() == 1);
    drop(world);
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&asked), 1, "the request is still held");
}
