//! A circuit breaker: a sink that fails again and again is left alone, then tried with one push. Pure.

use std::time::Duration;

use runtime::retry::Backoff;
use tokio::time::Instant;

/// Failures in a row that open it. One sink has many tenants; each would otherwise wait for its own time-out.
const FAILURES: u32 = 5;

/// How long it stays open, doubled with each probe that fails.
const OPEN: Backoff = Backoff {
    base: Duration::from_secs(10),
    max: Duration::from_secs(900),
};

/// The longest pause that a sink may ask for: a wrong header must not stop it for days.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Whether a sink is to be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// How often it was opened since the last success.
    opened: u32,
    /// Until when nothing is sent.
    until: Option<Instant>,
    /// Whether that is because the sink fails; else it asked for a pause.
    broken: bool,
}

/// As operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Pushes go.
    Closed,
    /// The next push is a probe: one tenant's, and the others wait for what comes of it.
    HalfOpen,
    /// No push goes before this moment.
    Open(Instant),
}

impl Breaker {
    pub(crate) fn state(&self, now: Instant) -> State {
        match self.until {
            Some(until) if until > now => State::Open(until),
            Some(_) if self.broken => State::HalfOpen,
            _ => State::Closed,
        }
    }

    /// The sink took something, or said of each record what is wrong with it.
    pub(crate) fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    /// The sink failed in a way that may pass. `random` spreads the time that it is left alone.
    pub(crate) fn failed(&mut self, now: Instant, random: f64) {
        self.failures += 1;
        if self.failures >= FAILURES || self.broken {
            self.open(now, random);
        }
    }

    /// The sink failed in a way that doesn't pass by itself.
    pub(crate) fn open(&mut self, now: Instant, random: f64) {
        self.until = Some(now + OPEN.delay(self.opened, random));
        self.opened = self.opened.saturating_add(1);
        self.broken = true;
    }

    /// The next push is a probe, however long it was to be left alone.
    pub(crate) fn probe(&mut self, now: Instant) {
        if self.broken {
            self.until = Some(now);
        }
    }

    /// The sink asks for a pause: it works, so its end needs no probe.
    pub(crate) fn pause(&mut self, now: Instant, wait: Duration) {
        let until = now + wait.min(LONGEST_PAUSE);
        self.until = Some(self.until.map_or(until, |u| u.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_closes_by_a_probe() {
        let (mut b, start) = (Breaker::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        for _ in 1..FAILURES {
            b.failed(start, 0.5);
        }
        assert_eq!(b.state(start), State::Closed);
        b.succeeded();
        for _ in 0..FAILURES {
            b.failed(start, 0.5);
        }
        assert_eq!(b.state(start), State::Open(at(10)));
        assert_eq!(b.state(at(10)), State::HalfOpen);
        b.failed(at(10), 0.5);
        let mut asked = b.clone();
        asked.probe(at(11));
        assert_eq!(asked.state(at(11)), State::HalfOpen, "somebody waits");
        assert_eq!(
            b.state(at(10)),
            State::Open(at(30)),
            "one probe, twice as long"
        );
        b.succeeded();
        assert_eq!(b.state(at(30)), State::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_no_failure_and_has_an_end() {
        let (mut b, now) = (Breaker::default(), Instant::now());
        b.pause(now, Duration::from_secs(7));
        b.pause(now, Duration::from_secs(3));
        assert_eq!(b.state(now), State::Open(now + Duration::from_secs(7)));
        assert_eq!(b.state(now + Duration::from_secs(7)), State::Closed);
        b.pause(now, Duration::from_secs(1_000_000));
        assert_eq!(b.state(now), State::Open(now + LONGEST_PAUSE));
        b.open(now, 0.5);
        assert_eq!(b.state(now), State::Open(now + Duration::from_secs(10)));
    }

    proptest! {
        /// Whatever happens: it is never open for longer than the longest times, and one success closes it.
        #[test]
        fn never_stays_open(events in proptest::collection::vec((0u8..4, 0u64..2_000, 0.0f64..1.0), 0..60)) {
            let mut b = Breaker::default();
            // The runtime's clock stands still between the events: each brings its own time.
            let mut now = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { Instant::now() });
            for (event, seconds, random) in events {
                now += Duration::from_secs(seconds);
                match event {
                    0 => b.succeeded(),
                    1 => b.failed(now, random),
                    2 => b.open(now, random),
                    _ => b.pause(now, Duration::from_secs(seconds * 10)),
                }
                if let State::Open(until) = b.state(now) {
                    prop_assert!(until <= now + LONGEST_PAUSE.max(OPEN.max.mul_f64(1.25)));
                    prop_assert_ne!(b.state(until), State::Open(until));
                }
                if event == 0 {
                    prop_assert_eq!(b.state(now), State::Closed);
                }
            }
        }
    }
}
