//! One token per tenant, asked for by one request at a time however many callers wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proto::ids::TenantId;
use runtime::Clock;
use runtime::retry::Backoff;
use tokio::sync::Mutex;

use crate::entra::Issued;
use crate::error::Error;

/// Callers come back this often at least, so that a tenant taken out or a secret withdrawn bites soon.
pub const USE_FOR: Duration = Duration::from_secs(300);

/// A token is renewed this long before its end, so that no request starts with one that dies on the way.
const MARGIN: Duration = Duration::from_secs(300);

/// After a refusal Entra ID is left alone this long: a wrong secret isn't tried by every caller.
const NEGATIVE: Duration = Duration::from_secs(5);

const TRIES: u32 = 4;
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_secs(10),
};

struct Cached {
    issued: Issued,
    /// Microseconds since 1970.
    expires: u64,
}

#[derive(Default)]
struct Slot {
    token: Option<Cached>,
    /// Until when (microseconds) Entra ID is left alone, and the last failure's text.
    resting: Option<(u64, Arc<Error>)>,
}

/// Tokens by tenant.
#[derive(Default)]
pub struct Cache(Mutex<HashMap<TenantId, Arc<Mutex<Slot>>>>);

impl Cache {
    /// A token that is valid for [`USE_FOR`], asked for by `request` where none is at hand; with `refused` the one
    /// at hand is thrown away first. Returns how long the caller may use it.
    pub async fn get<F>(
        &self,
        tenant: TenantId,
        refused: bool,
        clock: &Clock,
        request: impl Fn() -> F,
    ) -> Result<(Issued, Duration), Arc<Error>>
    where
        F: Future<Output = Result<Issued, Error>>,
    {
        let slot = Arc::clone(self.0.lock().await.entry(tenant).or_default());
        // Held while Entra ID is asked: this is the single flight.
        let mut slot = slot.lock().await;
        let left = |expires: u64| Duration::from_micros(expires.saturating_sub(clock.micros()));
        if refused {
            slot.token = None;
        }
        if let Some(c) = slot
            .token
            .as_ref()
            .filter(|c| left(c.expires) > MARGIN + USE_FOR)
        {
            return Ok((c.issued.clone(), USE_FOR));
        }
        if let Some((_, e)) = slot
            .resting
            .as_ref()
            .filter(|(until, _)| *until > clock.micros())
        {
            return Err(Arc::clone(e));
        }
        match ask(request).await {
            Ok(issued) => {
                let expires =
                    clock.micros() + u64::try_from(issued.lifetime.as_micros()).unwrap_or(0);
                slot.resting = None;
                slot.token = Some(Cached {
                    issued: issued.clone(),
                    expires,
                });
                Ok((
                    issued.clone(),
                    issued
                        .lifetime
                        .saturating_sub(MARGIN)
                        .clamp(Duration::from_secs(1), USE_FOR),
                ))
            }
            // Entra ID is down: a token that is still valid serves on.
            Err(e)
                if e.is_retryable()
                    && slot
                        .token
                        .as_ref()
                        .is_some_and(|c| left(c.expires) > MARGIN) =>
            {
                let Some(c) = &slot.token else {
                    return Err(Arc::new(e));
                };
                tracing::warn!(%tenant, error = %runtime::error::Chain(&e), "token not renewed, the old one serves on");
                Ok((
                    c.issued.clone(),
                    left(c.expires).saturating_sub(MARGIN).min(USE_FOR),
                ))
            }
            Err(e) => {
                let e = Arc::new(e);
                let until = clock.micros() + u64::try_from(NEGATIVE.as_micros()).unwrap_or(0);
                slot.resting = (!e.is_retryable()).then(|| (until, Arc::clone(&e)));
                Err(e)
            }
        }
    }
}

async fn ask<F: Future<Output = Result<Issued, Error>>>(
    request: impl Fn() -> F,
) -> Result<Issued, Error> {
    let mut attempt = 0;
    loop {
        match request().await {
            Err(e) if e.is_retryable() && attempt + 1 < TRIES => {
                let wait = e
                    .retry_after()
                    .unwrap_or_default()
                    .max(BACKOFF.delay(attempt, 0.5));
                tokio::time::sleep(wait.min(Duration::from_secs(30))).await;
                attempt += 1;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn tenant() -> TenantId {
        "11111111-2222-3333-4444-555555555555".parse().unwrap()
    }

    fn issued(seconds: u64) -> Issued {
        Issued {
            token: "t".to_owned().into(),
            lifetime: Duration::from_secs(seconds),
        }
    }

    fn down() -> Error {
        Error::Unreachable {
            tenant: tenant(),
            authority: String::new(),
            retry_after: None,
            source: "down".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_callers_cost_one_request_and_renewal_comes_before_the_end() {
        let (cache, clock, asked) = (Cache::default(), Clock::starting_at(0), AtomicU32::new(0));
        let get = |refused| {
            cache.get(tenant(), refused, &clock, || async {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok(issued(3599))
            })
        };
        let all = futures_all((0..20).map(|_| get(false))).await;
        assert!(
            all.iter()
                .all(|r| r.as_ref().is_ok_and(|(_, d)| *d == USE_FOR))
        );
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        clock.advance(Duration::from_secs(3100));
        get(false).await.map_err(|e| e.to_string()).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        get(true).await.map_err(|e| e.to_string()).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    async fn futures_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
        let mut out = Vec::new();
        for f in all {
            out.push(f.await);
        }
        out
    }

    #[tokio::test(start_paused = true)]
    async fn a_valid_token_serves_on_while_entra_is_down() {
        let (cache, clock) = (Cache::default(), Clock::starting_at(0));
        cache
            .get(tenant(), false, &clock, || async { Ok(issued(3599)) })
            .await
            .map_err(|e| e.to_string())
            .unwrap();
        clock.advance(Duration::from_secs(3200));
        let (_, use_for) = cache
            .get(tenant(), false, &clock, || async { Err(down()) })
            .await
            .map_err(|e| e.to_string())
            .unwrap();
        assert!(use_for <= Duration::from_secs(99), "{use_for:?}");
        clock.advance(Duration::from_secs(200));
        assert!(
            cache
                .get(tenant(), false, &clock, || async { Err(down()) })
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_repeated_at_once() {
        let (cache, clock, asked) = (Cache::default(), Clock::starting_at(0), AtomicU32::new(0));
        for _ in 0..5 {
            let refused = cache.get(tenant(), false, &clock, || async {
                asked.fetch_add(1, Ordering::Relaxed);
                Err(Error::Refused {
                    tenant: tenant(),
                    code: 7_000_215,
                    trace: String::new(),
                })
            });
            assert!(refused.await.is_err());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
