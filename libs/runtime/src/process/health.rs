//! Whether a process is ready: what it needs is there.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics;

/// A check that takes longer has failed.
const LONGEST: Duration = Duration::from_secs(2);

/// How often the metrics are told.
const SHOW_EVERY: Duration = Duration::from_secs(5);

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Answer + Send + Sync>;

/// What a process needs, and whether it is there. Clones are one.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    missing: BTreeMap<&'static str, String>,
    checks: BTreeMap<&'static str, Check>,
}

impl Health {
    /// Puts a check down. It is asked for each look at `/readyz`: it must be cheap, and say why not.
    pub fn check<F>(&self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.state().checks.insert(name, check);
    }

    /// Something isn't there yet.
    pub fn missing(&self, name: &'static str, why: String) {
        self.state().missing.insert(name, why);
    }

    /// It is there.
    pub fn arrived(&self, name: &'static str) {
        self.state().missing.remove(name);
    }

    /// What is not ready and why; nothing when everything is.
    pub async fn unready(&self) -> BTreeMap<&'static str, String> {
        let all = self.look().await.into_iter();
        all.filter_map(|(name, why)| Some((name, why?))).collect()
    }

    /// Everything that is needed, and why it isn't there where it isn't.
    async fn look(&self) -> BTreeMap<&'static str, Option<String>> {
        let (missing, checks) = {
            let state = self.state();
            (state.missing.clone(), state.checks.clone())
        };
        let mut all = BTreeMap::new();
        for (name, check) in checks {
            let asked = tokio::time::timeout(LONGEST, check()).await;
            let asked = asked.unwrap_or_else(|_| Err("it does not answer".to_owned()));
            all.insert(name, asked.err());
        }
        all.extend(missing.into_iter().map(|(name, why)| (name, Some(why))));
        all
    }

    /// Shows in the metrics what is there, for ever.
    pub(super) async fn show(&self) {
        loop {
            let all = self.look().await.into_iter();
            metrics::calls::ready(all.map(|(name, why)| (name.to_owned(), why.is_none())));
            tokio::time::sleep(SHOW_EVERY).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn says_what_is_not_ready_and_why() {
        let health = Health::default();
        assert!(health.unready().await.is_empty());
        health.missing("queue", "LW-4025: not there.".to_owned());
        health.check("fine", || async { Ok(()) });
        health.check("database", || async { Err("it is gone".to_owned()) });
        health.check("slow", std::future::pending);
        let unready = health.unready().await;
        let names: Vec<_> = unready.keys().copied().collect();
        assert_eq!(names, ["database", "queue", "slow"]);
        health.arrived("queue");
        assert_eq!(health.unready().await.len(), 2);
    }
}
