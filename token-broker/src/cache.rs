//! One token per app, asked for by one request at a time however many callers wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use proto::ids::TenantId;
use runtime::Clock;
use runtime::metrics::token as metrics;
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

/// Tries within one call, where the one before was not in vain: while Entra ID is down each call asks once.
const TRIES: u32 = 4;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(500),
    // With its jitter, and with what collectors add to it: after an outage everybody is served again within a minute.
    max: Duration::from_secs(40),
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

    /// How long it is valid.
    pub(crate) fn left(&self, now: u64) -> Duration {
        Duration::from_micros(self.expires.saturating_sub(now))
    }

    /// How long a caller may use it; nothing when it ends too soon.
    fn use_for(&self, now: u64) -> Option<Duration> {
        let margin = MARGIN.min(self.lifetime / 2);
        let usable = self.left(now).checked_sub(margin)?;
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
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// The places of a tenant's tokens, which are a handful, each with what names its app's.
type Slots = Vec<(Arc<str>, Arc<Slot>)>;

/// Tokens by app.
pub(crate) struct Cache {
    clock: Clock,
    request: Request,
    slots: Mutex<HashMap<TenantId, Slots>>,
    flights: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    resting: Option<Resting>,
    /// Not held by its slot, which it holds: a cache that is dropped before an answer comes is gone.
    flight: Option<WeakShared<BoxFuture<'static, Outcome>>>,
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
        let slot = self.slot(app);
        let now = self.clock.micros();
        let flight = {
            let mut state = lock(&slot.0);
            // Of twenty callers that report the same token the first one empties the place.
            let taken = state
                .token
                .take_if(|t| rejected.any && rejected.hash.is_none_or(|hash| hash == t.hash));
            let at_hand = state.token.clone().and_then(|t| Some((t.use_for(now)?, t)));
            let wanted = at_hand.as_ref().is_none_or(|(_, t)| t.renew <= now);
            let resting = state.resting.as_ref();
            let resting = resting.filter(|r| r.until > now && r.files == files(app));
            let failure = resting.map(|r| Arc::clone(&r.error));
            let mut flight = state.flight.as_ref().and_then(WeakShared::upgrade);
            if wanted && failure.is_none() && flight.is_none() {
                let started = self.start(&slot, app, rejected.claims.clone());
                state.flight = started.downgrade();
                flight = Some(started);
                metrics::fetched(match (&at_hand, &taken, &state.token) {
                    (Some(_), ..) => "renewal",
                    (None, Some(_), _) => "rejected",
                    (None, None, Some(_)) => "expired",
                    (None, None, None) => "first",
                });
            } else if at_hand.is_none() && flight.is_some() {
                metrics::joined();
            }
            match (at_hand, flight, failure) {
                (Some((use_for, token)), ..) => return Ok((token, use_for)),
                (None, Some(flight), _) => flight,
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

    fn slot(&self, app: &App) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        let of_tenant = slots.entry(app.tenant).or_default();
        if let Some((_, slot)) = of_tenant.iter().find(|(key, _)| *key == app.key) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        of_tenant.push((Arc::clone(&app.key), Arc::clone(&slot)));
        slot
    }

    /// Forgets every token of a tenant.
    pub(crate) fn forget(&self, tenant: TenantId) {
        lock(&self.slots).remove(&tenant);
    }

    /// The request goes on when its callers went away: the next one finds its answer.
    fn start(&self, slot: &Arc<Slot>, app: &Arc<App>, claims: Option<String>) -> Flight {
        let (slot, app) = (Arc::clone(slot), Arc::clone(app));
        let (clock, request) = (self.clock.clone(), Arc::clone(&self.request));
        let flight = async move {
            let files = files(&app);
            let tries = match lock(&slot.0).failures {
                0 => TRIES,
                _ => 1,
            };
            let answer = ask(&request, &app, claims, tries).await;
            let mut state = lock(&slot.0);
            state.flight = None;
            match answer {
                Ok(token) => {
                    let token = Arc::new(token);
                    (state.failures, state.resting) = (0, None);
                    state.token = Some(Arc::clone(&token));
                    Ok(token)
                }
                Err(mut error) => {
                    let now = clock.micros();
                    let rest = rest(&error, state.failures, &app, now);
                    error.set_again(now + micros(rest));
                    let error = Arc::new(error);
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

async fn ask(
    request: &Request,
    app: &Arc<App>,
    claims: Option<String>,
    tries: u32,
) -> Result<Token, Error> {
    let mut attempt = 0;
    loop {
        let e = match request(Arc::clone(app), claims.clone()).await {
            Err(e) if e.is_retryable() => e,
            done => return done,
        };
        let wait = BACKOFF.delay(attempt, fastrand::f64());
        let wait = e.retry_after().unwrap_or_default().max(wait);
        attempt += 1;
        if attempt == tries || wait > PATIENCE {
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
    if settles(error, app, now) {
        return GRACE_REST;
    }
    let step = usize::try_from(failures).unwrap_or(usize::MAX);
    Duration::from_secs(REFUSED_REST[step.min(REFUSED_REST.len() - 1)])
}

/// Whether a change of a credential minutes ago explains the failure: then it passes by itself.
pub(crate) fn settles(error: &Error, app: &App, now: u64) -> bool {
    let credentials = app.credentials.iter();
    let changed = credentials.filter_map(|c| c.changed(&app.files)).max();
    let fresh = changed.is_some_and(|at| now.saturating_sub(at) < micros(GRACE));
    fresh && error.settles()
}

/// Changes whenever a credential's file does: an operator who has repaired one doesn't wait.
fn files(app: &App) -> u64 {
    let changed = app.credentials.iter().filter_map(|c| c.changed(&app.files));
    changed.fold(0, |all, at| all.wrapping_mul(31).wrapping_add(at))
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
