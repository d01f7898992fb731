//! The one way into a sink: how often, one push after the other, and whether it works.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime::Problem;
use runtime::metrics::sinks as metrics;
use tokio::sync::{Mutex as Fair, MutexGuard};
use tokio::time::Instant;

use super::super::breaker::{Breaker, State};
use super::super::rate::Rate;
use crate::error::Error;
use crate::sink::{Limits, Refusal};

/// The pause after an answer that asks for one without saying how long.
const PAUSE: Duration = Duration::from_secs(10);

/// The way into a sink. Clones are one.
#[derive(Clone)]
pub(crate) struct Gate {
    sink: Arc<str>,
    /// Tenants pass it in the order in which they come, each with one push.
    turn: Arc<Fair<Rate>>,
    health: Arc<Mutex<Health>>,
}

#[derive(Default)]
struct Health {
    breaker: Breaker,
    /// What the sink said last when it took nothing.
    why: String,
}

impl Gate {
    pub(crate) fn new(sink: &str, limits: Option<Limits>) -> Self {
        let rate = Rate::new(limits.and_then(|l| l.pushes_a_minute));
        Gate {
            sink: sink.into(),
            turn: Arc::new(Fair::new(rate)),
            health: Arc::default(),
        }
    }

    /// Why nothing goes, as operators read it.
    pub(crate) fn why(&self) -> String {
        self.health(|h| h.why.clone())
    }

    /// Whether pushes go, as operators read it: `closed`, `half-open` or `open`.
    pub(crate) fn state(&self) -> &'static str {
        match self.health(|h| h.breaker.state(Instant::now())) {
            State::Closed => "closed",
            State::HalfOpen => "half-open",
            State::Open(_) => "open",
        }
    }

    /// Tries the sink at once, though it failed: somebody waits. A pause that it asked for is kept.
    pub(crate) fn probe(&self) {
        self.health(|h| h.breaker.probe(Instant::now()));
    }

    /// Fails while the sink is left alone.
    pub(crate) fn open(&self) -> Result<(), Error> {
        match self.health(|h| h.breaker.state(Instant::now())) {
            State::Open(until) => Err(Error::Held {
                sink: self.sink.to_string(),
                until,
            }),
            State::Closed | State::HalfOpen => Ok(()),
        }
    }

    /// Waits for the turn of one push.
    pub(crate) async fn enter(&self) -> Result<MutexGuard<'_, Rate>, Error> {
        let mut rate = self.turn.lock().await;
        loop {
            self.open()?;
            match rate.take(Instant::now()) {
                Ok(()) => return Ok(rate),
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    /// Notes what the sink said to a push, and says what that is for the tenant. `random` spreads delays.
    pub(crate) fn note(&self, refusal: Option<&Refusal>, random: f64) -> Option<Error> {
        let now = Instant::now();
        let error = |source: &Refusal| Error::Refused {
            sink: self.sink.to_string(),
            source: source.clone(),
        };
        self.health(|h| {
            match refusal {
                // A refusal of content is an answer of a sink that works.
                None | Some(Refusal::TooLarge | Refusal::Permanent { .. }) => h.breaker.succeeded(),
                Some(Refusal::Throttled { after, .. }) => {
                    h.breaker.pause(now, after.unwrap_or(PAUSE));
                }
                Some(
                    Refusal::Unauthorized { .. }
                    | Refusal::Misplaced { .. }
                    | Refusal::Unprepared { .. },
                ) => {
                    h.breaker.open(now, random);
                }
                Some(Refusal::Transient { .. }) => h.breaker.failed(now, random),
                Some(Refusal::Late) => {}
            }
            if let Some(refusal) = refusal {
                h.why = Problem::from(error(refusal)).to_string();
            }
        });
        metrics::breaker(&self.sink, self.state());
        refusal.map(error)
    }

    fn health<T>(&self, look: impl FnOnce(&mut Health) -> T) -> T {
        look(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
