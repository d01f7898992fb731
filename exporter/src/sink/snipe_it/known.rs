//! What stands in Snipe-IT of a tenant, as far as it concerns us. It is read before anything is written.

use std::collections::{BTreeMap, HashMap};

use proto::ids::TenantId;
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

use super::super::Refusal;
use super::api::{Api, plain};
use super::rows::{MatchBy, natural};
use super::{People, SnipeIt};

/// What stands there.
pub(super) struct Known {
    /// When it was read.
    pub at: Instant,
    /// Licences of the tenant, by SKU.
    pub licences: BTreeMap<String, Licence>,
    /// All users, by id.
    people: HashMap<u64, Person>,
    /// What users are found by: its database compares without regard to case.
    by: MatchBy,
    names: HashMap<String, Vec<u64>>,
    /// `employee_num`, which is our key of users whom we created.
    keys: HashMap<String, u64>,
}

/// A licence.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Licence {
    pub id: u64,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub order_number: String,
    #[serde(deserialize_with = "text")]
    pub notes: String,
    /// How many there are.
    #[serde(rename = "seats")]
    pub total: u64,
    #[serde(default)]
    pub reassignable: bool,
    /// All of them; `None` until they were read.
    #[serde(skip)]
    pub seats: Option<Vec<Seat>>,
    /// Below this place no seat is free.
    #[serde(skip)]
    pub taken: usize,
}

/// A seat.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seat {
    pub id: u64,
    #[serde(rename = "assigned_user", deserialize_with = "id")]
    pub holder: Option<u64>,
    #[serde(default, rename = "assigned_asset", deserialize_with = "id")]
    pub asset: Option<u64>,
    #[serde(default, deserialize_with = "text")]
    pub notes: String,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Person {
    pub id: u64,
    #[serde(deserialize_with = "text")]
    pub username: String,
    #[serde(default, deserialize_with = "text")]
    pub first_name: String,
    #[serde(default, deserialize_with = "text")]
    pub last_name: String,
    #[serde(default, deserialize_with = "text")]
    pub email: String,
    #[serde(default, deserialize_with = "text")]
    pub employee_num: String,
}

#[derive(Deserialize)]
struct Id {
    id: u64,
}

/// A text, which comes escaped; nothing is empty.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.map(|t| plain(&t)).unwrap_or_default())
}

fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let id: Option<Id> = Option::deserialize(from)?;
    Ok(id.map(|i| i.id))
}

/// Rows keep their order while they are read.
const SORTED: [(&str, &str); 2] = [("sort", "id"), ("order", "asc")];

impl Known {
    /// Reads licences and users.
    pub(super) async fn read(
        api: &Api,
        settings: &SnipeIt,
        tenant: TenantId,
        until: Instant,
    ) -> Result<Known, Refusal> {
        category(api, settings, until).await?;
        let prefix = natural(tenant, "");
        let search = [("search", prefix.as_str())];
        let filter = [&search[..], &SORTED[..]].concat();
        let found: Vec<Licence> = api.list(&["licenses"], &filter, until).await?;
        let mut licences = BTreeMap::new();
        for licence in found {
            // It finds the text anywhere. Of two with one key the older one is ours.
            if let Some(sku) = licence.order_number.strip_prefix(&prefix) {
                licences.entry(sku.to_owned()).or_insert(licence);
            }
        }
        let people: Vec<Person> = api.list(&["users"], &SORTED, until).await?;
        let mut known = Known {
            at: Instant::now(),
            licences,
            people: HashMap::with_capacity(people.len()),
            // Who is to be created has a sign-in name of his own.
            by: match settings.people {
                People::Match => settings.match_by,
                People::Create => MatchBy::Username,
            },
            names: HashMap::new(),
            keys: HashMap::new(),
        };
        people.into_iter().for_each(|person| known.put(person));
        Ok(known)
    }

    /// Reads the seats of all licences that aren't known yet.
    pub(super) async fn read_seats(&mut self, api: &Api, until: Instant) -> Result<(), Refusal> {
        for licence in self.licences.values_mut() {
            licence.read_seats(api, until).await?;
        }
        Ok(())
    }

    /// Who is found by this text; nobody where it is more than one.
    pub(super) fn found(&self, text: &str) -> Option<&Person> {
        match self.names.get(&text.to_lowercase()).map(Vec::as_slice) {
            Some([id]) => self.people.get(id),
            _ => None,
        }
    }

    /// Whom we created under this key.
    pub(super) fn ours(&self, key: &str) -> Option<&Person> {
        self.people.get(self.keys.get(key)?)
    }

    /// Notes a user as he is now.
    pub(super) fn put(&mut self, person: Person) {
        self.take(person.id);
        let name = self.by.of(&person).to_lowercase();
        self.names.entry(name).or_default().push(person.id);
        self.keys.insert(person.employee_num.clone(), person.id);
        self.people.insert(person.id, person);
    }

    /// Forgets a user.
    pub(super) fn take(&mut self, id: u64) {
        let Some(person) = self.people.remove(&id) else {
            return;
        };
        if let Some(ids) = self.names.get_mut(&self.by.of(&person).to_lowercase()) {
            ids.retain(|other| *other != id);
        }
        self.keys.remove(&person.employee_num);
    }
}

impl MatchBy {
    fn of(self, person: &Person) -> &str {
        match self {
            MatchBy::Username => &person.username,
            MatchBy::Email => &person.email,
            MatchBy::EmployeeNum => &person.employee_num,
        }
    }
}

impl Licence {
    pub(super) async fn read_seats(&mut self, api: &Api, until: Instant) -> Result<(), Refusal> {
        if self.seats.is_none() {
            let id = self.id.to_string();
            let seats: Vec<Seat> = api.list(&["licenses", &id, "seats"], &[], until).await?;
            self.total = seats.len() as u64;
            (self.seats, self.taken) = (Some(seats), 0);
        }
        Ok(())
    }

    /// Its seats, as far as they are known.
    pub(super) fn seats(&self) -> &[Seat] {
        self.seats.as_deref().unwrap_or_default()
    }

    /// How many are held.
    pub(super) fn held(&self) -> u64 {
        self.seats().iter().filter(|s| !s.is_free()).count() as u64
    }

    /// The place of a free one.
    pub(super) fn free(&mut self) -> Option<usize> {
        let rest = self.seats().iter().skip(self.taken);
        let place = self.taken + rest.take_while(|s| !s.is_free()).count();
        self.taken = place;
        (place < self.seats().len()).then_some(place)
    }
}

impl Seat {
    pub(super) fn is_free(&self) -> bool {
        self.holder.is_none() && self.asset.is_none()
    }
}

/// Whether new licences have a category.
pub(super) async fn category(api: &Api, settings: &SnipeIt, until: Instant) -> Result<(), Refusal> {
    let kind = [("category_type", "license")];
    let found: Vec<Id> = api.list(&["categories"], &kind, until).await?;
    match found.iter().any(|c| c.id == settings.category_id) {
        true => Ok(()),
        false => Err(Refusal::Unprepared {
            why: format!(
                "it has no category of licences with the id {}",
                settings.category_id
            ),
        }),
    }
}
