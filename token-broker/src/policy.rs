//! Which caller gets tokens for what. Whoever is not written down gets nothing.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use proto::ids::{Dataset, Pool, TenantId};
use runtime::Problem;
use runtime::error::{Chain, Exit};
use runtime::tls::Identity;
use serde::Deserialize;

use crate::config::TenantConfig;

/// The file's content.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    callers: Vec<Rule>,
}

/// What one caller may ask for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// The identity in its certificate.
    identity: Identity,
    /// Tenants of these pools, and of no other.
    pools: Vec<Pool>,
    /// Of those, only these tenants; all when absent.
    tenants: Option<Vec<TenantId>>,
    /// Only these datasets; all when absent.
    datasets: Option<Vec<Dataset>>,
    /// Distinct tenants within an hour; no limit when absent. A collector that was taken over reads what it can: this bounds
    /// how much.
    tenants_per_hour: Option<usize>,
}

/// Why a caller gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("no rule of the policy names the caller")]
    Unknown,
    #[error("the caller may not ask for this tenant")]
    Tenant,
    #[error("the caller may not ask for this dataset")]
    Dataset,
    #[error("the caller has asked for more distinct tenants within an hour than it may")]
    Cap,
}

/// The rules of a file, read again when it changes; what is in use stays so while a new content is wrong.
pub(crate) struct Policy {
    file: PathBuf,
    state: Mutex<State>,
}

struct State {
    rules: Arc<Rules>,
    written: Option<SystemTime>,
    /// Tenants that each caller asked for, with the hour's begin in microseconds since 1970.
    asked: HashMap<Identity, (u64, HashSet<TenantId>)>,
}

const HOUR: u64 = Duration::from_secs(3_600).as_micros() as u64;

impl Policy {
    /// Reads the file.
    ///
    /// # Errors
    /// `LW-2035` when it can't be read or is wrong.
    pub(crate) fn open(file: &Path) -> Result<Self, Problem> {
        let (rules, written) = read(file)?;
        Ok(Policy {
            file: file.to_owned(),
            state: Mutex::new(State {
                rules: Arc::new(rules),
                written,
                asked: HashMap::new(),
            }),
        })
    }

    /// Whether a caller may have a token; `now` in microseconds since 1970. Counts the tenant when it may.
    pub(crate) fn allows(
        &self,
        caller: Option<&Identity>,
        tenant: &TenantConfig,
        dataset: &str,
        now: u64,
    ) -> Result<(), Denied> {
        let rules = self.current();
        let rule = caller.and_then(|c| rules.callers.iter().find(|r| r.identity == *c));
        let rule = rule.ok_or(Denied::Unknown)?;
        if !rule.sees(tenant) {
            return Err(Denied::Tenant);
        }
        if !rule
            .datasets
            .as_ref()
            .is_none_or(|all| all.iter().any(|d| d.as_str() == dataset))
        {
            return Err(Denied::Dataset);
        }
        let Some(cap) = rule.tenants_per_hour else {
            return Ok(());
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, tenants) = state.asked.entry(rule.identity.clone()).or_default();
        if now.saturating_sub(*since) >= HOUR {
            (*since, *tenants) = (now, HashSet::new());
        }
        if tenants.len() >= cap && !tenants.contains(&tenant.id) {
            return Err(Denied::Cap);
        }
        tenants.insert(tenant.id);
        Ok(())
    }

    /// Whether a caller may know that there is a tenant.
    pub(crate) fn shows(&self, caller: Option<&Identity>, tenant: &TenantConfig) -> bool {
        let rules = self.current();
        let rule = caller.and_then(|c| rules.callers.iter().find(|r| r.identity == *c));
        rule.is_some_and(|rule| rule.sees(tenant))
    }

    fn current(&self) -> Arc<Rules> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let written = written(&self.file);
        if written.is_some() && written != state.written {
            state.written = written;
            match read(&self.file) {
                Ok((rules, _)) => {
                    tracing::info!(file = %self.file.display(), callers = rules.callers.len(), "a new policy is in use");
                    state.rules = Arc::new(rules);
                }
                Err(e) => {
                    tracing::error!(problem = %Chain(&e), "the new policy can't be used; the old one stays in use");
                }
            }
        }
        Arc::clone(&state.rules)
    }
}

impl Rule {
    fn sees(&self, tenant: &TenantConfig) -> bool {
        self.pools.contains(&tenant.pool)
            && self
                .tenants
                .as_ref()
                .is_none_or(|all| all.contains(&tenant.id))
    }
}

fn written(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

fn read(file: &Path) -> Result<(Rules, Option<SystemTime>), Problem> {
    let wrong = |why: String| {
        Problem::new(
            "LW-2035",
            format!("the policy {} can't be used: {why}.", file.display()),
            "one [[callers]] a caller, with identity and pools, and if wanted tenants, datasets and tenants_per_hour",
        )
        .exit(Exit::Usage)
    };
    let written = written(file);
    let text = std::fs::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
    let rules: Rules = toml::from_str(&text).map_err(|e| wrong(e.message().to_owned()))?;
    for (n, rule) in rules.callers.iter().enumerate() {
        if rules.callers[..n]
            .iter()
            .any(|r| r.identity == rule.identity)
        {
            return Err(wrong(format!("{} has two rules", rule.identity)));
        }
        if let Some(unknown) = rule
            .datasets
            .iter()
            .flatten()
            .find(|d| catalog::find(d.as_str()).is_none())
        {
            return Err(wrong(format!("there is no dataset `{unknown}`")));
        }
    }
    Ok((rules, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "11111111-2222-3333-4444-555555555555";
    const TWO: &str = "22222222-2222-3333-4444-555555555555";

    fn tenant(id: &str, pool: &str) -> TenantConfig {
        let mut tenant = TenantConfig::with_secret(id.parse().unwrap(), "c", PathBuf::from("s"));
        tenant.pool = pool.parse().unwrap();
        tenant
    }

    fn caller(name: &str) -> Identity {
        format!("spiffe://example.org/{name}").parse().unwrap()
    }

    struct World {
        policy: Policy,
        file: PathBuf,
        _home: tempfile::TempDir,
    }

    impl World {
        fn new(text: &str) -> Result<Self, Problem> {
            let home = tempfile::tempdir().unwrap();
            let file = home.path().join("policy.toml");
            std::fs::write(&file, text).unwrap();
            Ok(World {
                policy: Policy::open(&file)?,
                file,
                _home: home,
            })
        }

        fn ask(
            &self,
            name: &str,
            tenant_id: &str,
            pool: &str,
            dataset: &str,
            hour: u64,
        ) -> Result<(), Denied> {
            let now = 1_800_000_000_000_000 + hour * HOUR;
            self.policy
                .allows(Some(&caller(name)), &tenant(tenant_id, pool), dataset, now)
        }
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let world = World::new(&format!(
            "[[callers]]\nidentity = 'spiffe://example.org/a'\npools = ['europe']\ndatasets = ['users']\n\
             [[callers]]\nidentity = 'spiffe://example.org/b'\npools = ['europe']\ntenants = ['{ONE}']\n"
        ))
        .unwrap();
        assert_eq!(world.ask("a", ONE, "europe", "users", 0), Ok(()));
        assert_eq!(
            world.ask("c", ONE, "europe", "users", 0),
            Err(Denied::Unknown)
        );
        assert_eq!(world.ask("a", ONE, "asia", "users", 0), Err(Denied::Tenant));
        assert_eq!(
            world.ask("a", ONE, "europe", "subscriptions", 0),
            Err(Denied::Dataset)
        );
        assert_eq!(world.ask("b", ONE, "europe", "subscriptions", 0), Ok(()));
        assert_eq!(
            world.ask("b", TWO, "europe", "users", 0),
            Err(Denied::Tenant)
        );
        let nobody = world
            .policy
            .allows(None, &tenant(ONE, "europe"), "users", 0);
        assert_eq!(nobody, Err(Denied::Unknown));
        assert!(
            world
                .policy
                .shows(Some(&caller("a")), &tenant(TWO, "europe"))
        );
        assert!(
            !world
                .policy
                .shows(Some(&caller("b")), &tenant(TWO, "europe"))
        );
    }

    #[test]
    fn a_cap_counts_distinct_tenants_for_an_hour() {
        let world = World::new(
            "[[callers]]\nidentity = 'spiffe://example.org/a'\npools = ['p']\ntenants_per_hour = 1\n",
        )
        .unwrap();
        assert_eq!(world.ask("a", ONE, "p", "users", 0), Ok(()));
        assert_eq!(world.ask("a", ONE, "p", "organization", 0), Ok(()));
        assert_eq!(world.ask("a", TWO, "p", "users", 0), Err(Denied::Cap));
        assert_eq!(world.ask("a", TWO, "p", "users", 1), Ok(()));
    }

    #[test]
    fn a_new_file_counts_at_once_and_a_wrong_one_does_not() {
        let world = World::new("").unwrap();
        assert_eq!(world.ask("a", ONE, "p", "users", 0), Err(Denied::Unknown));
        let write = |text: &str, second: u64| {
            std::fs::write(&world.file, text).unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 + second);
            std::fs::File::options()
                .write(true)
                .open(&world.file)
                .unwrap()
                .set_modified(at)
                .unwrap();
        };
        let rule = "[[callers]]\nidentity = 'spiffe://example.org/a'\npools = ['p']\n";
        write(rule, 1);
        assert_eq!(world.ask("a", ONE, "p", "users", 0), Ok(()));
        write("[[callers]]\nidentity = 1", 2);
        assert_eq!(world.ask("a", ONE, "p", "users", 0), Ok(()));
        write("", 3);
        assert_eq!(world.ask("a", ONE, "p", "users", 0), Err(Denied::Unknown));
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        for (text, told) in [
            (
                "[[callers]]\nidentity = 'collector'\npools = []",
                "spiffe://",
            ),
            ("[[callers]]\npools = []", "identity"),
            (
                "[[callers]]\nidentity = 'spiffe://e/a'\npools = []\nteants = []",
                "teants",
            ),
            (
                "[[callers]]\nidentity = 'spiffe://e/a'\npools = []\ndatasets = ['userz']",
                "userz",
            ),
            (
                "[[callers]]\nidentity = 'spiffe://e/a'\npools = []\n[[callers]]\nidentity = 'spiffe://e/a'\npools = []",
                "two rules",
            ),
        ] {
            let e = World::new(text).err().unwrap();
            assert!(e.code == "LW-2035" && e.what.contains(told), "{e}");
        }
    }
}
