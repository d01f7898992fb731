//! One token per app, asked for by one request at a time however many callers wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use proto::ids::TenantId;
use runtime::Clock;
use runtime::retry::Backoff;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::JoinSet;

use crate::claims::Granted;
use crate::error::Error;
use crate::registry::App;

/// Callers come back this often at least, so that a tenant taken out or a secret withdrawn bites soon.
pub(crate) const USE_FOR: Duration = Duration::from_secs(300);

/// No request starts with a token that ends sooner, so that none dies on the way.
const MARGIN: Duration = Duration::from_secs(300);

/// Renewals are spread by this much at most.
const JITTER: Duration = Duration::from_secs(120);

/// After a change of a credential or a consent, Entra ID's replicas may take this long.
const GRACE: Duration = Duration::from_secs(600);
/// How long Entra ID is left alone meanwhile.
const GRACE_REST: Duration = Duration::from_secs(15);
/// How long it is left alone after the first refusal, the second and so on: nobody has changed anything.
const REFUSED_REST: [u64; 4] = [60, 300, 900, 3_600];

const TRIES: u32 = 4;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_secs(60),
};
/// A longer wait is not waited for within a call.
const PATIENCE: Duration = Duration::from_secs(10);

/// A token that is at hand.
pub(crate) struct Token {
    pub secret: SecretString,
    /// What it says of itself; none where it can't be read.
    pub granted: Option<Granted>,
    /// Position of the credential that it was issued for.
    pub credential: usize,
    hash: [u8; 32],
    lifetime: Duration,
    /// Microseconds since 1970.
    expires: u64,
    renew: u64,
}

impl Token {
    /// `asked` is when it was asked for, in microseconds since 1970.
    pub(crate) fn new(answer: crate::entra::Answer, asked: u64) -> Self {
        let crate::entra::Answer { issued, credential } = answer;
        let lifetime = issued.lifetime;
        let early = lifetime.saturating_sub(MARGIN + USE_FOR);
        let renew = issued.refresh_in.unwrap_or(early).min(early);
        let jitter = JITTER.min(renew / 10).mul_f64(fastrand::f64());
        Token {
            hash: sha256(issued.token.expose_secret()),
            granted: Granted::of(&issued.token),
            secret: issued.token,
            credential,
            lifetime,
            expires: asked + micros(lifetime),
            renew: asked + micros(renew - jitter),
        }
    }

    /// How long a caller may use it; nothing when it ends too soon.
    fn use_for(&self, now: u64) -> Option<Duration> {
        let margin = MARGIN.min(self.lifetime / 2);
        let left = Duration::from_micros(self.expires.saturating_sub(now));
        let usable = left.checked_sub(margin)?;
        (usable >= Duration::from_secs(1)).then(|| usable.min(USE_FOR))
    }
}

/// The hash by which a caller names a token that Graph refused.
pub(crate) fn sha256(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

/// What a caller says of the token it had.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rejected {
    /// Graph refused a token, whichever.
    pub any: bool,
    /// Graph refused the token with this hash.
    pub hash: Option<[u8; 32]>,
    /// Graph's claims challenge.
    pub claims: Option<String>,
}

/// Asks for a token.
pub(crate) type Request =
    Arc<dyn Fn(Arc<App>, Option<String>) -> BoxFuture<'static, Result<Token, Error>> + Send + Sync>;

type Outcome = Result<Arc<Token>, Arc<Error>>;

/// Tokens by app.
pub(crate) struct Cache {
    clock: Clock,
    request: Request,
    slots: Mutex<HashMap<(TenantId, String), Arc<Slot>>>,
    flights: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    resting: Option<Resting>,
    flight: Option<Shared<BoxFuture<'static, Outcome>>>,
    failures: u32,
}

/// Entra ID is left alone for a while.
struct Resting {
    /// Microseconds since 1970.
    until: u64,
    error: Arc<Error>,
    /// The credentials' files as they were.
    files: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Cache {
    pub(crate) fn new(clock: Clock, request: Request) -> Self {
        Cache {
            clock,
            request,
            slots: Mutex::default(),
            flights: Mutex::default(),
        }
    }

    /// A token of the app, and how long the caller may use it. One that is at hand and not rejected is served at once,
    /// and renewed beside that when its time comes.
    pub(crate) async fn get(
        &self,
        app: &Arc<App>,
        rejected: &Rejected,
    ) -> Result<(Arc<Token>, Duration), Arc<Error>> {
        let slot = {
            let mut slots = lock(&self.slots);
            let key = (app.tenant, app.name.clone());
            Arc::clone(slots.entry(key).or_default())
        };
        let now = self.clock.micros();
        let flight = {
            let mut state = lock(&slot.0);
            // Of twenty callers that report the same token the first one empties the place.
            state
                .token
                .take_if(|t| rejected.any && rejected.hash.is_none_or(|hash| hash == t.hash));
            let at_hand = state.token.clone().and_then(|t| Some((t.use_for(now)?, t)));
            let wanted = at_hand.as_ref().is_none_or(|(_, t)| t.renew <= now);
            let resting = state.resting.as_ref();
            let resting = resting.filter(|r| r.until > now && r.files == files(app));
            let failure = resting.map(|r| Arc::clone(&r.error));
            if wanted && failure.is_none() && state.flight.is_none() {
                state.flight = Some(self.start(&slot, app, rejected.claims.clone()));
            }
            match (at_hand, &state.flight, failure) {
                (Some((use_for, token)), ..) => return Ok((token, use_for)),
                (None, Some(flight), _) => flight.clone(),
                (None, None, Some(error)) => return Err(error),
                (None, None, None) => {
                    unreachable!("nothing at hand, no rest: a flight was started")
                }
            }
        };
        let token = flight.await?;
        let use_for = token
            .use_for(self.clock.micros())
            .unwrap_or(Duration::from_secs(1));
        Ok((token, use_for))
    }

    /// The request goes on when its callers went away: the next one finds its answer.
    fn start(
        &self,
        slot: &Arc<Slot>,
        app: &Arc<App>,
        claims: Option<String>,
    ) -> Shared<BoxFuture<'static, Outcome>> {
        let (slot, app) = (Arc::clone(slot), Arc::clone(app));
        let (clock, request) = (self.clock.clone(), Arc::clone(&self.request));
        let flight = async move {
            let files = files(&app);
            let answer = ask(&request, &app, claims).await;
            let mut state = lock(&slot.0);
            state.flight = None;
            match answer {
                Ok(token) => {
                    let token = Arc::new(token);
                    (state.failures, state.resting) = (0, None);
                    state.token = Some(Arc::clone(&token));
                    Ok(token)
                }
                Err(error) => {
                    let error = Arc::new(error);
                    let now = clock.micros();
                    let rest = rest(&error, state.failures, &app, now);
                    state.failures += 1;
                    state.resting = Some(Resting {
                        until: now + micros(rest),
                        error: Arc::clone(&error),
                        files,
                    });
                    tracing::warn!(tenant = %app.tenant, app = app.name, error = %runtime::error::Chain(&*error),
                        rest_seconds = rest.as_secs(), "no token was issued");
                    Err(error)
                }
            }
        };
        let flight = flight.boxed().shared();
        let mut flights = lock(&self.flights);
        while flights.try_join_next().is_some() {}
        flights.spawn(flight.clone().map(drop));
        flight
    }
}

async fn ask(request: &Request, app: &Arc<App>, claims: Option<String>) -> Result<Token, Error> {
    let mut attempt = 0;
    loop {
        let e = match request(Arc::clone(app), claims.clone()).await {
            Err(e) if e.is_retryable() => e,
            done => return done,
        };
        let wait = BACKOFF.delay(attempt, fastrand::f64());
        let wait = e.retry_after().unwrap_or_default().max(wait);
        attempt += 1;
        if attempt == TRIES || wait > PATIENCE {
            return Err(e);
        }
        tokio::time::sleep(wait).await;
    }
}

/// How long Entra ID is left alone after a failure that `failures` others came before.
fn rest(error: &Error, failures: u32, app: &App, now: u64) -> Duration {
    if error.is_retryable() {
        return error
            .retry_after()
            .unwrap_or_default()
            .max(BACKOFF.delay(failures, fastrand::f64()));
    }
    let changed = app.credentials.iter().filter_map(|c| c.changed()).max();
    let fresh = changed.is_some_and(|at| now.saturating_sub(at) < micros(GRACE));
    if fresh && error.settles() {
        return GRACE_REST;
    }
    let step = usize::try_from(failures).unwrap_or(usize::MAX);
    Duration::from_secs(REFUSED_REST[step.min(REFUSED_REST.len() - 1)])
}

/// Changes whenever a credential's file does: an operator who has repaired one doesn't wait.
fn files(app: &App) -> u64 {
    let changed = app.credentials.iter().filter_map(|c| c.changed());
    changed.fold(0, |all, at| all.wrapping_mul(31).wrapping_add(at))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::entra::{Answer, Issued};
    use crate::error::Refusal;

    fn app() -> Arc<App> {
        Arc::new(App {
            tenant: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
            name: "core".to_owned(),
            client_id: "c".to_owned(),
            authority: String::new(),
            graph: String::new(),
            exchange: "",
            credentials: Vec::new(),
            datasets: None,
        })
    }

    fn down(retry_after: Option<u64>) -> Error {
        Error::Unreachable {
            tenant: app().tenant,
            authority: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
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
                    last.elapsed() < Duration::from_secs(90),
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
        app.credentials = vec![crate::CredentialConfig::ClientSecret { file: file.into() }];
        let changed = app.credentials[0].changed().unwrap();
        let rest = |code, later: u64| rest(&refused(code), 0, &app, changed + later * 1_000_000);
        assert_eq!(rest(7_000_215, 60), GRACE_REST);
        assert_eq!(rest(7_000_215, 601), Duration::from_secs(60));
        // An expired secret doesn't heal.
        assert_eq!(rest(7_000_222, 60), Duration::from_secs(60));
    }
}
