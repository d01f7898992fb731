//! What of a dataset is about people inside.

use std::sync::Arc;

use catalog::{Declaration, People};
use proto::ids::{TenantId, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;

use super::roster::{Roster, Rosters, Set, Ways};
use super::{Person, Population};
use crate::error::Error;

/// Lets through what is about people inside.
pub enum Sieve {
    /// Everything.
    All,
    /// Objects that are people inside.
    Themselves(Arc<Population>, Arc<Set>),
    /// Objects in which the id of somebody inside stands at this place.
    Id(&'static str, Arc<Roster>),
    /// Rows with the name of somebody inside in this column.
    Column(&'static str, Arc<Roster>),
}

impl Sieve {
    /// Whether everybody passes.
    pub fn is_open(&self) -> bool {
        matches!(self, Sieve::All)
    }

    /// For a dataset of a tenant.
    ///
    /// # Errors
    /// When people can't be listed, or can't be told in this dataset.
    pub async fn new(
        rosters: &Rosters,
        tenant: TenantId,
        population: &Arc<Population>,
        dataset: &Declaration,
        ways: &Ways,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let people = || rosters.people(tenant, population, ways, now);
        Ok(match dataset.people {
            People::Nobody => Sieve::All,
            People::Themselves => {
                let members = rosters.members(tenant, population, ways, now).await?;
                Sieve::Themselves(Arc::clone(population), members)
            }
            People::Id(place) => Sieve::Id(place, people().await?),
            People::Column(name) => Sieve::Column(name, people().await?),
            People::Untold => return Err(Error::Untold),
        })
    }

    /// Whether an object may be published. One that can't be read is of nobody inside.
    pub fn passes(&self, object: &RawValue) -> bool {
        let object = object.get();
        match self {
            Sieve::All => true,
            Sieve::Themselves(population, members) => serde_json::from_str(object)
                .is_ok_and(|person: Person| population.admits(&person, |id| members.has(id))),
            Sieve::Id(place, roster) => serde_json::from_str(object).is_ok_and(|value: Value| {
                let id = value.pointer(place).and_then(Value::as_str);
                id.is_some_and(|id| roster.ids.has(id))
            }),
            Sieve::Column(name, roster) => serde_json::from_str(object).is_ok_and(|row: Value| {
                let name = row.get(name).and_then(Value::as_str);
                name.is_some_and(|name| roster.names.has(name))
            }),
        }
    }

    /// Whether something may be read for a parent, whose id stands in the property `owner` of what is published.
    pub fn passes_parent(&self, owner: &str, id: &str) -> bool {
        match self {
            Sieve::Id(place, roster) if place.strip_prefix('/') == Some(owner) => {
                roster.ids.has(id)
            }
            _ => true,
        }
    }
}
