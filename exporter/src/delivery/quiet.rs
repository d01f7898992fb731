//! When a snapshot sink looks: each look at a change costs as much as a kind is large, and closings come in groups.
//! Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::ids::{Closing, TenantId};
use tokio::time::Instant;

use crate::feed::Heads;

/// A tenant is left alone until no further closing came for so long.
const QUIET: Duration = Duration::from_secs(2);

/// And no longer than this, however many come.
const LONGEST: Duration = Duration::from_secs(30);

/// Tenants whose closings are waited for.
#[derive(Default)]
pub(crate) struct Quiet {
    /// The newest change of each tenant that was let through.
    passed: BTreeMap<TenantId, Closing>,
    waiting: BTreeMap<TenantId, Waiting>,
}

struct Waiting {
    changed: Closing,
    first: Instant,
    newest: Instant,
}

impl Waiting {
    fn until(&self) -> Instant {
        (self.newest + QUIET).min(self.first + LONGEST)
    }
}

impl Quiet {
    /// Whether to look at a tenant now. Nothing new, and the first that is seen of a tenant, doesn't wait, and nobody
    /// waits where somebody waits for him (`forced`).
    pub(crate) fn lets_through(
        &mut self,
        tenant: TenantId,
        changed: Closing,
        forced: bool,
        now: Instant,
    ) -> bool {
        let known = self.passed.get(&tenant).is_none_or(|c| *c == changed);
        if !known && !forced {
            let w = self.waiting.entry(tenant).or_insert(Waiting {
                changed,
                first: now,
                newest: now,
            });
            if w.changed != changed {
                (w.changed, w.newest) = (changed, now);
            }
            if now < w.until() {
                return false;
            }
        }
        self.waiting.remove(&tenant);
        self.passed.insert(tenant, changed);
        true
    }

    /// Whether a tenant waits.
    pub(crate) fn waits(&self, tenant: &TenantId) -> bool {
        self.waiting.contains_key(tenant)
    }

    /// When the first one has waited long enough.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.values().map(Waiting::until).min()
    }

    /// Forgets tenants that are no more.
    pub(crate) fn retain(&mut self, heads: &Heads) {
        self.passed.retain(|t, _| heads.contains_key(t));
        self.waiting.retain(|t, _| heads.contains_key(t));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_until_it_is_quiet_but_not_for_ever() {
        let tenant = "aaaaaaaa-0000-0000-0000-000000000001".parse().unwrap();
        let (mut q, start) = (Quiet::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        assert!(
            q.lets_through(tenant, Closing(1), false, at(0)),
            "the first"
        );
        assert!(
            q.lets_through(tenant, Closing(1), false, at(1)),
            "nothing new"
        );
        assert!(!q.lets_through(tenant, Closing(2), false, at(10)));
        assert!(!q.lets_through(tenant, Closing(3), false, at(11)));
        assert_eq!(q.next(), Some(at(13)));
        assert!(!q.lets_through(tenant, Closing(3), false, at(12)));
        assert!(q.lets_through(tenant, Closing(3), false, at(13)));
        assert_eq!((q.next(), q.waits(&tenant)), (None, false));
        for n in 0..30 {
            assert!(
                !q.lets_through(tenant, Closing(10 + n), false, at(20 + n)),
                "{n}"
            );
        }
        assert!(q.lets_through(tenant, Closing(50), false, at(50)));
        assert!(
            q.lets_through(tenant, Closing(60), true, at(60)),
            "somebody waits"
        );
    }
}
