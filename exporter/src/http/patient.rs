//! Requests of sinks that have no gate of the core's: what passes by itself is waited for, within bounds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use tokio::time::Instant;

use super::{Answer, Tokens};
use crate::sink::Refusal;

/// How often a request is sent at most.
const TRIES: u32 = 4;

/// The first pause where the system names none; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// A longer pause is left to the next pass.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The longest pause that a system may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// How requests get to one system.
pub(crate) struct Patient {
    tokens: Tokens,
    /// How long an answer may take.
    answer: Duration,
    /// Until when the system wants to be left alone, and what it said.
    pause: Mutex<Option<(Instant, Refusal)>>,
}

impl Patient {
    pub(crate) fn new(tokens: Tokens, answer: Duration) -> Self {
        Patient {
            tokens,
            answer,
            pause: Mutex::default(),
        }
    }

    /// How long an answer may take.
    pub(crate) fn answer(&self) -> Duration {
        self.answer
    }

    /// Sends a request, again where it had no effect or may have it twice.
    pub(crate) async fn send(&self, request: &Request<Bytes>) -> Result<Answer, Refusal> {
        self.send_until(request, None).await
    }

    /// The same; no try begins after `until`.
    pub(crate) async fn send_until(
        &self,
        request: &Request<Bytes>,
        until: Option<Instant>,
    ) -> Result<Answer, Refusal> {
        self.paused()?;
        // What comes twice by these is as if it had come once.
        let twice = [Method::GET, Method::PUT, Method::DELETE].contains(request.method());
        let mut tries = 0;
        loop {
            tries += 1;
            let wait = PAUSE * 2_u32.pow(tries - 1);
            let refusal = match self.once(request, until).await {
                Err(refusal) => refusal,
                answer => return answer,
            };
            let wait = match &refusal {
                Refusal::Throttled { after, .. } => {
                    let wait = after.unwrap_or(wait);
                    if tries >= TRIES || wait > LONGEST_WAIT {
                        self.pause(wait, &refusal);
                        return Err(refusal);
                    }
                    wait
                }
                Refusal::Transient { .. } if twice && tries < TRIES => wait,
                _ => return Err(refusal),
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(
        &self,
        request: &Request<Bytes>,
        until: Option<Instant>,
    ) -> Result<Answer, Refusal> {
        let end = Instant::now() + self.answer;
        let until = until.map_or(end, |until| until.min(end));
        let answer = tokio::time::timeout_at(end, self.tokens.send(request, until));
        answer.await.unwrap_or_else(|_| {
            Err(Refusal::Transient {
                why: "no answer in time".to_owned(),
            })
        })
    }

    fn paused(&self) -> Result<(), Refusal> {
        let pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        match &*pause {
            Some((until, refusal)) if *until > Instant::now() => Err(refusal.clone()),
            _ => Ok(()),
        }
    }

    fn pause(&self, wait: Duration, refusal: &Refusal) {
        let until = Instant::now() + wait.min(LONGEST_PAUSE);
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = Some((until, refusal.clone()));
    }
}
