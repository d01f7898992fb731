//! Who is inside: read where a dataset needs it, kept for a while, and in memory only.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use catalog::Declaration;
use proto::ids::{TenantId, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::{PERSON, Person, Population, fold};
use crate::error::Error;
use crate::graph::Graph;
use crate::graph_error::GraphError;
use crate::page;
use crate::read::list;
use crate::run::Link;

/// Who came or went meanwhile is noticed after this time.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// A set of ids or names. Only their hashes are kept: 16 bytes each, whatever they are.
#[derive(Default)]
pub struct Set(Vec<u128>);

impl Set {
    fn put(&mut self, text: &str) {
        self.0.push(hash(text));
    }

    fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup();
        self.0.shrink_to_fit();
        self
    }

    /// Whether it holds an id or name; letter case counts for nothing.
    pub fn has(&self, text: &str) -> bool {
        self.0.binary_search(&hash(text)).is_ok()
    }
}

fn hash(text: &str) -> u128 {
    let hash = Sha256::digest(fold(text));
    hash[..16].iter().fold(0, |n, b| n << 8 | u128::from(*b))
}

/// Everybody inside.
#[derive(Default)]
pub struct Roster {
    /// Their ids.
    pub ids: Set,
    /// Their user principal names.
    pub names: Set,
}

/// What is known of tenants' people.
#[derive(Default)]
pub struct Rosters {
    members: Kept<Set>,
    people: Kept<Roster>,
}

/// The ways to Graph by which people are listed; each has the token of its own dataset.
pub struct Ways {
    users: Graph,
    members: Graph,
}

impl Ways {
    /// `to` makes the way of a dataset.
    pub fn new(to: impl Fn(&'static Declaration) -> Graph) -> Self {
        let to = |name: &str| to(catalog::find(name).unwrap_or_else(|| unreachable!("a constant")));
        Ways {
            users: to("users"),
            members: to("groupMembers"),
        }
    }
}

impl Rosters {
    /// The members of the groups that a population names.
    pub(super) async fn members(
        &self,
        tenant: TenantId,
        population: &Population,
        ways: &Ways,
        now: Timestamp,
    ) -> Result<Arc<Set>, Error> {
        let read = async {
            let mut all = Set::default();
            for group in &population.groups {
                let first = format!("v1.0/groups/{group}/transitiveMembers?$select=id&$top=999");
                let first = Link(first);
                let members = list::all(&ways.members, &first, |set: &mut Set, object| {
                    set.put(&page::id(object).ok_or_else(unread)?);
                    Ok(())
                });
                all.0.append(&mut members.await?.0);
            }
            Ok(all.sorted())
        };
        self.members
            .get(tenant, population.version, now, read)
            .await
    }

    /// Everybody inside.
    pub(super) async fn people(
        &self,
        tenant: TenantId,
        population: &Population,
        ways: &Ways,
        now: Timestamp,
    ) -> Result<Arc<Roster>, Error> {
        let read = async {
            let members = self.members(tenant, population, ways, now).await?;
            let first = format!("v1.0/users?$select={}&$top=999", PERSON.join(","));
            let all: Roster = list::all(&ways.users, &Link(first), |all: &mut Roster, object| {
                let person: Person = read(object)?;
                if population.admits(&person, |id| members.has(id)) {
                    all.ids.put(&person.id);
                    let name = person.user_principal_name.filter(|name| !name.is_empty());
                    name.iter().for_each(|name| all.names.put(name));
                }
                Ok(())
            })
            .await?;
            Ok(Roster {
                ids: all.ids.sorted(),
                names: all.names.sorted(),
            })
        };
        self.people.get(tenant, population.version, now, read).await
    }
}

/// The parser's message may name content, so it is left out.
fn read<'a, T: Deserialize<'a>>(object: &'a RawValue) -> Result<T, GraphError> {
    serde_json::from_str(object.get()).map_err(|_| unread())
}

fn unread() -> GraphError {
    page::answer("users", "an object whose id or properties can't be read")
}

/// One value a tenant; those who want it at the same time wait for the one that reads it.
struct Kept<T>(std::sync::Mutex<BTreeMap<TenantId, Place<T>>>);

type Place<T> = Arc<Mutex<Option<Dated<T>>>>;

struct Dated<T> {
    at: Timestamp,
    version: u64,
    value: Arc<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(std::sync::Mutex::default())
    }
}

impl<T> Kept<T> {
    async fn get(
        &self,
        tenant: TenantId,
        version: u64,
        now: Timestamp,
        read: impl Future<Output = Result<T, Error>>,
    ) -> Result<Arc<T>, Error> {
        let place = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // What nobody reads now and is too old goes, so that it doesn't fill the memory.
            let used = |place: &Place<T>| {
                let free = place.try_lock();
                free.map_or(true, |kept| kept.as_ref().is_some_and(|d| d.is_good(now)))
            };
            all.retain(|other, place| *other == tenant || used(place));
            Arc::clone(all.entry(tenant).or_default())
        };
        let mut kept = place.lock().await;
        if let Some(dated) = kept
            .as_ref()
            .filter(|d| d.version == version && d.is_good(now))
        {
            return Ok(Arc::clone(&dated.value));
        }
        let value = Arc::new(read.await?);
        *kept = Some(Dated {
            at: now,
            version,
            value: Arc::clone(&value),
        });
        Ok(value)
    }
}

impl<T> Dated<T> {
    fn is_good(&self, now: Timestamp) -> bool {
        now.since(self.at) < GOOD_FOR
    }
}
