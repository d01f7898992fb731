//! Whom an operator means, and by what the ledger knows them.

use std::collections::BTreeSet;

use prost::Message as _;
use proto::inventory::v1::ManagedDevice;
use proto::kind::RecordKind;
use runtime::db::{Connection, query};

use super::people::Who;
use super::policy::Pseudonyms;
use super::suppression::{Hashes, Learned, Named};
use crate::error::Error;

const READ: &str = "look for people";
const NAME: &str = "userPrincipalName";

/// Somebody who is to be erased.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// What Graph calls them.
    pub id: Option<String>,
    /// Sign-in names in lower case, and their pseudonyms.
    pub names: BTreeSet<String>,
    /// Ids of their devices in Entra ID.
    pub devices: BTreeSet<String>,
}

impl Person {
    /// Of what an operator wrote: a sign-in name has an @, an id has none.
    fn named(written: &str, pseudonyms: Option<&Pseudonyms>) -> Person {
        let mut person = Person::default();
        match written.contains('@') {
            true => person.knows(written, pseudonyms),
            false => person.id = Some(written.to_lowercase()),
        }
        person
    }

    fn knows(&mut self, name: &str, pseudonyms: Option<&Pseudonyms>) {
        self.names.extend(pseudonyms.map(|p| p.of(NAME, name)));
        self.names.insert(name.to_lowercase());
    }

    /// The hashes by which they are known from now on; the first one stands for the person.
    pub fn hashes(&self, hashes: &Hashes) -> Vec<Learned> {
        let ids = self.id.iter().map(|id| hashes.id(id));
        let names = self.names.iter().map(|name| hashes.name(name));
        let devices = self.devices.iter().map(|id| hashes.device(id));
        let all: Vec<Vec<u8>> = ids.chain(names).chain(devices).collect();
        let person = all.first().cloned().unwrap_or_default();
        all.into_iter().map(|hash| (hash, person.clone())).collect()
    }
}

/// All of them.
impl Who for [Person] {
    fn is_id(&self, id: &str) -> bool {
        self.iter().any(|p| p.id.as_deref() == Some(id))
    }
    fn is_name(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.iter().any(|p| p.names.contains(&name))
    }
    fn is_device(&self, id: &str) -> bool {
        self.iter().any(|p| p.devices.contains(id))
    }
}

/// Looks for the people whom an operator names, among the users of a tenant.
pub(super) async fn find(
    c: &mut Connection,
    tenant: i64,
    written: &[String],
    pseudonyms: Option<&Pseudonyms>,
) -> Result<Vec<Person>, Error> {
    let written = written.iter().map(|w| w.trim()).filter(|w| !w.is_empty());
    let mut people: Vec<Person> = written.map(|w| Person::named(w, pseudonyms)).collect();
    for person in &mut people {
        let Some(id) = &person.id else { continue };
        let sql = "SELECT body FROM record WHERE tenant = ? AND kind = ? AND key = ?";
        let q = query(sql)
            .bind(tenant)
            .bind(RecordKind::User as i32)
            .bind(id);
        let body: Option<Vec<u8>> = q.fetch_optional(c).await.map_err(Error::db(READ))?;
        if let Some(name) = body.and_then(|body| name(&body)) {
            person.knows(&name, pseudonyms);
        }
    }
    if people.iter().any(|p| p.id.is_none()) {
        let sql = "SELECT key, body FROM record WHERE tenant = ? AND kind = ? AND removed = 0";
        let q = query(sql).bind(tenant).bind(RecordKind::User as i32);
        q.each(c, |(id, body): (String, Vec<u8>)| {
            let Some(name) = name(&body).map(|name| name.to_lowercase()) else {
                return;
            };
            let unknown = people.iter_mut().filter(|p| p.id.is_none());
            for person in unknown.filter(|p| p.names.contains(&name)) {
                person.id = Some(id.clone());
            }
        })
        .await
        .map_err(Error::db(READ))?;
    }
    devices(c, tenant, &mut people).await?;
    Ok(people)
}

/// Looks for their devices.
async fn devices(c: &mut Connection, tenant: i64, people: &mut [Person]) -> Result<(), Error> {
    let sql = "SELECT body FROM record WHERE tenant = ? AND kind = ? AND removed = 0";
    let q = query(sql)
        .bind(tenant)
        .bind(RecordKind::ManagedDevice as i32);
    q.each(c, |body: Vec<u8>| {
        // One that can't be read is told of when it is to change.
        let device = ManagedDevice::decode(&body[..]).unwrap_or_default();
        let owner = people
            .iter_mut()
            .find(|p| p.id.is_some() && p.id == device.user_id);
        if let Some(owner) = owner {
            owner.devices.extend(device.azure_ad_device_id);
        }
    })
    .await
    .map_err(Error::db(READ))
}

fn name(body: &[u8]) -> Option<String> {
    Named::decode(body).ok()?.user_principal_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_or_a_name_is_meant() {
        let ann = Person::named("Ann@Contoso.com", None);
        assert_eq!((ann.id.as_deref(), ann.names.len()), (None, 1));
        let by_id = Person::named("A1B2", None);
        assert_eq!(by_id.id.as_deref(), Some("a1b2"));
        let people = [ann, by_id];
        assert!(people.is_name("ANN@contoso.com") && people.is_id("a1b2"));
        assert!(!people.is_name("a1b2") && !people.is_id("a1"));
    }
}
