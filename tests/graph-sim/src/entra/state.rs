//! What Entra remembers: which keys are published, which tokens were found good, which assertions were used.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::bearer::Bearer;
use super::device::Flows;
use super::identity::Kept;
use super::keys::{ISSUER, Key, SIGNING};
use super::loops::Loops;
use super::people::Roles;
use super::refresh::Sessions;
use super::standing::Standings;
use super::token::EXPIRES_IN;
use crate::config::Config;
use crate::sim::Sim;

/// So many good tokens are remembered; then all are looked at anew.
const MOST_TOKENS: usize = 4_096;
/// So many used assertions are remembered.
const MOST_USED: usize = 100_000;

/// The state of Entra, for all tenants.
pub(crate) struct Entra {
    /// When the simulation started, in seconds since 1970.
    pub(crate) started: u64,
    /// Seconds that the access tokens of people live.
    pub(super) person_life: u64,
    ring: Mutex<Ring>,
    issuer: Mutex<Ring>,
    good: RwLock<HashMap<Box<str>, Arc<Bearer>>>,
    strict: AtomicBool,
    used: Mutex<HashSet<String>>,
    issuer_lost: AtomicBool,
    pub(crate) standings: Standings,
    pub(super) kept: Kept,
    pub(super) flows: Flows,
    pub(super) sessions: Sessions,
    pub(super) people: Roles,
    one_time: AtomicBool,
    pub(super) loops: Loops,
}

/// Which keys are published, by position among all that there are.
#[derive(Default)]
struct Ring {
    current: usize,
    /// The one before, and the simulated second at which it goes.
    before: Option<(usize, u64)>,
}

impl Ring {
    /// The positions of the keys that are published; `now` in simulated seconds.
    fn published(&self, now: u64) -> impl Iterator<Item = usize> + use<> {
        let before = self.before.filter(|(_, gone)| now < *gone);
        [Some(self.current), before.map(|(key, _)| key)]
            .into_iter()
            .flatten()
    }

    fn roll(&mut self, keys: usize, gone: u64) {
        self.before = Some((self.current, gone));
        self.current = (self.current + 1) % keys;
    }
}

impl Entra {
    pub(crate) fn new(started: u64, config: &Config) -> Self {
        Self {
            started,
            person_life: config
                .person_token_life
                .map_or(EXPIRES_IN, |life| life.as_secs()),
            ring: Mutex::default(),
            issuer: Mutex::default(),
            good: RwLock::default(),
            strict: AtomicBool::new(config.strict_assertions),
            used: Mutex::default(),
            issuer_lost: AtomicBool::default(),
            standings: Standings::default(),
            kept: Kept::default(),
            flows: Flows::default(),
            sessions: Sessions::default(),
            people: Roles::default(),
            one_time: AtomicBool::default(),
            loops: Loops::new(config.token_requests),
        }
    }

    /// The key that tokens are signed with.
    pub(crate) fn signing_key(&self) -> &'static Key {
        &SIGNING[lock(&self.ring).current % SIGNING.len()]
    }

    /// The positions of the keys that are published; `now` in simulated seconds.
    pub(crate) fn published(&self, now: u64) -> impl Iterator<Item = usize> + use<> {
        lock(&self.ring).published(now)
    }

    /// The key that the workload issuer signs with.
    pub(crate) fn issuer_key(&self) -> &'static Key {
        &ISSUER[lock(&self.issuer).current % ISSUER.len()]
    }

    /// The keys that the workload issuer publishes; `now` in simulated seconds.
    pub(crate) fn issuer_keys(&self, now: u64) -> impl Iterator<Item = &'static Key> + use<> {
        let published = lock(&self.issuer).published(now);
        published.map(|n| &ISSUER[n])
    }

    /// What is known of a token that was found good before.
    pub(crate) fn known(&self, token: &str) -> Option<Arc<Bearer>> {
        let good = self.good.read().unwrap_or_else(PoisonError::into_inner);
        good.get(token).cloned()
    }

    pub(crate) fn remember(&self, token: &str, bearer: &Arc<Bearer>) {
        let mut good = self.good.write().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= MOST_TOKENS {
            good.clear();
        }
        good.insert(token.into(), Arc::clone(bearer));
    }

    /// Whether assertions must be as the standards want them.
    pub(crate) fn is_strict(&self) -> bool {
        self.strict.load(Ordering::Relaxed)
    }

    /// Whether a refresh token is taken once.
    pub(crate) fn takes_once(&self) -> bool {
        self.one_time.load(Ordering::Relaxed)
    }

    /// Whether Entra reaches the workload issuer for its keys.
    pub(crate) fn issuer_is_reached(&self) -> bool {
        !self.issuer_lost.load(Ordering::Relaxed)
    }

    /// Whether nobody used the assertion or refresh token with this name before.
    pub(crate) fn use_once(&self, name: &str) -> bool {
        let mut used = lock(&self.used);
        if used.len() >= MOST_USED {
            used.clear();
        }
        used.insert(name.to_owned())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sim {
    /// Lets Entra sign with a new key from now on. The key before stays published for so long, in simulated time; then
    /// nobody takes tokens that it signed. There are three keys, so the fourth is the first one again.
    pub fn roll_keys(&self, keep: Duration) {
        let gone = self.now().saturating_add(keep).as_secs();
        lock(&self.entra().ring).roll(SIGNING.len(), gone);
    }

    /// The same for the workload issuer, which has two keys.
    pub fn roll_issuer_keys(&self, keep: Duration) {
        let gone = self.now().saturating_add(keep).as_secs();
        lock(&self.entra().issuer).roll(ISSUER.len(), gone);
    }

    /// Lets Entra reach the workload issuer or not from now on.
    pub fn reach_issuer(&self, reached: bool) {
        let entra = self.entra();
        entra.issuer_lost.store(!reached, Ordering::Relaxed);
    }

    /// Lets each refresh token be taken once from now on. Entra itself takes the ones before for long; other providers
    /// don't (RFC 9700, section 4.14.2).
    pub fn take_refresh_tokens_once(&self, once: bool) {
        self.entra().one_time.store(once, Ordering::Relaxed);
    }

    /// Lets client assertions be refused that the standards forbid, though Entra takes them, or takes them again.
    pub fn be_strict_with_assertions(&self, strict: bool) {
        self.entra().strict.store(strict, Ordering::Relaxed);
    }
}
