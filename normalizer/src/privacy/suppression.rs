//! Who was erased, as keyed hashes: whatever comes of them again is left out before it is stored.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use proto::inventory::v1::ManagedDevice;
use proto::kind::RecordKind;
use runtime::Problem;
use runtime::db::{Connection, query};
use runtime::error::{Chain, Exit};
use runtime::keyed::Keyed;

use super::keys::Keys;
use super::people::{Tie, Who, is_about, tie, without_owner};
use crate::Normalizer;
use crate::error::Error;
use crate::inbox::Content;
use crate::map::{self, Mapped, Objects};
use crate::worker::BACKOFF;

const READ: &str = "read who was erased";
const UNREADABLE: &str = "a record that can't be read again";

/// A hash by which somebody is known, and the one that stands for the person.
pub(crate) type Learned = (Vec<u8>, Vec<u8>);

/// Makes the hashes of a tenant's people.
#[derive(Clone)]
pub(crate) struct Hashes {
    key: Arc<Keyed>,
    tenant: String,
}

impl Hashes {
    /// None without a key.
    pub fn new(keys: &Keys, tenant: &str) -> Option<Hashes> {
        Some(Hashes {
            key: Arc::clone(keys.erased.as_ref()?),
            tenant: tenant.to_owned(),
        })
    }

    /// Of an id.
    pub fn id(&self, id: &str) -> Vec<u8> {
        self.of("id", id)
    }

    /// Of a sign-in name, or of its pseudonym.
    pub fn name(&self, name: &str) -> Vec<u8> {
        self.of("name", name)
    }

    /// Of a device, by the id that it has in Entra ID.
    pub fn device(&self, id: &str) -> Vec<u8> {
        self.of("device", id)
    }

    /// The key's own id.
    pub fn key_id(&self) -> &str {
        &self.key.id
    }

    fn of(&self, what: &str, text: &str) -> Vec<u8> {
        let hash = self.key.hash(&[
            "leastwise erased 1",
            &self.tenant,
            what,
            &text.to_lowercase(),
        ]);
        hash.to_vec()
    }
}

/// Who of a tenant was erased.
pub(crate) struct Suppressed {
    hashes: Hashes,
    /// By hash: the person.
    people: HashMap<Vec<u8>, Vec<u8>>,
}

/// The part of a user that tells a name.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Named {
    #[prost(string, optional, tag = "3")]
    pub user_principal_name: Option<String>,
}

impl Who for Suppressed {
    fn is_id(&self, id: &str) -> bool {
        self.people.contains_key(&self.hashes.id(id))
    }
    fn is_name(&self, name: &str) -> bool {
        self.people.contains_key(&self.hashes.name(name))
    }
    fn is_device(&self, id: &str) -> bool {
        self.people.contains_key(&self.hashes.device(id))
    }
}

impl Suppressed {
    /// None where nobody was erased. Without their key, which a start doesn't let happen, nobody can be told.
    pub async fn load(
        c: &mut Connection,
        keys: &Keys,
        tenant: i64,
        tenant_id: &str,
    ) -> Result<Option<Suppressed>, Error> {
        let Some(hashes) = Hashes::new(keys, tenant_id) else {
            return Ok(None);
        };
        let q = query("SELECT hash, person FROM suppression WHERE tenant = ?").bind(tenant);
        let rows: Vec<Learned> = q.fetch_all(c).await.map_err(Error::db(READ))?;
        let people: HashMap<_, _> = rows.into_iter().collect();
        Ok((!people.is_empty()).then_some(Suppressed { hashes, people }))
    }

    /// Leaves them out of a page, and says by what else they are known now.
    ///
    /// # Errors
    /// When a record can't be read.
    pub fn sift(&self, kind: RecordKind, objects: &mut Objects) -> Result<Vec<Learned>, String> {
        let mut learned = Vec::new();
        for record in &objects.records {
            learned.extend(
                self.learn(kind, record)
                    .map_err(|_| UNREADABLE.to_owned())?,
            );
        }
        self.records(kind, &mut objects.records)?;
        match tie(kind) {
            Tie::None => {}
            Tie::Key => {
                let aside: Vec<bool> = objects.set_aside.iter().map(|o| self.keeps(o)).collect();
                let mut keep = aside.iter().copied();
                objects.set_aside.retain(|_| keep.next().unwrap_or(false));
                let mut keep = aside.iter().copied();
                objects.sources.retain(|_| keep.next().unwrap_or(false));
                // Of one without a readable id nobody knows whose it is.
                let mut named = objects.set_aside.iter().map(|o| o.key.is_some());
                if !named.all(|named| named) {
                    objects.sources.clear();
                }
            }
            Tie::End(_) | Tie::Row | Tie::Owner => objects.sources.clear(),
        }
        Ok(learned)
    }

    /// Leaves them out of a page that was stored before they were erased.
    ///
    /// # Errors
    /// When a record can't be read.
    pub fn sift_stored(&self, kind: RecordKind, page: &mut Content) -> Result<(), String> {
        self.records(kind, &mut page.records)?;
        if tie(kind) == Tie::Key {
            page.set_aside.retain(|o| self.keeps(o));
        }
        self.keys(kind, &mut page.gone);
        self.keys(kind, &mut page.missing);
        Ok(())
    }

    /// Takes their ids out of a list of keys.
    pub fn keys(&self, kind: RecordKind, keys: &mut Vec<String>) {
        if tie(kind) == Tie::Key {
            keys.retain(|key| !self.is_id(key));
        }
    }

    fn keeps(&self, object: &map::SetAside) -> bool {
        object.key.as_ref().is_none_or(|key| !self.is_id(key))
    }

    fn records(&self, kind: RecordKind, records: &mut Vec<Mapped>) -> Result<(), String> {
        let mut wrong = false;
        records.retain_mut(
            |record| match is_about(kind, &record.key, &record.body, self) {
                Ok(true) if tie(kind) == Tie::Owner => {
                    match without_owner(kind, &record.body) {
                        Ok(body) => {
                            record.hash = map::hash(kind, &body);
                            record.body = body.into();
                        }
                        Err(_) => wrong = true,
                    }
                    true
                }
                Ok(about) => !about,
                Err(_) => {
                    wrong = true;
                    true
                }
            },
        );
        match wrong {
            true => Err(UNREADABLE.to_owned()),
            false => Ok(()),
        }
    }

    /// By what somebody who is known by the id is known now besides, if it is new: a name or a device.
    fn learn(
        &self,
        kind: RecordKind,
        record: &Mapped,
    ) -> Result<Option<Learned>, prost::DecodeError> {
        let (id, hash) = match kind {
            RecordKind::User => {
                let name = Named::decode(&record.body[..])?.user_principal_name;
                (record.key.clone(), name.map(|name| self.hashes.name(&name)))
            }
            RecordKind::ManagedDevice => {
                let device = ManagedDevice::decode(&record.body[..])?;
                let hash = device.azure_ad_device_id.map(|id| self.hashes.device(&id));
                (device.user_id.unwrap_or_default(), hash)
            }
            _ => return Ok(None),
        };
        let person = self.people.get(&self.hashes.id(&id));
        let new = hash.filter(|hash| !self.people.contains_key(hash));
        Ok(new.zip(person.cloned()))
    }
}

/// Notes by which hashes people are known; those that are known already stay as they are.
pub(crate) async fn note(
    c: &mut Connection,
    tenant: i64,
    (key_id, since): (&str, i64),
    hashes: &[Learned],
) -> Result<(), Error> {
    let sql = "INSERT INTO suppression (tenant, hash, person, key_id, since) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING";
    for (hash, person) in hashes {
        let q = query(sql).bind(tenant).bind(hash).bind(person);
        let q = q.bind(key_id).bind(since);
        q.execute(c)
            .await
            .map_err(Error::db("note who was erased"))?;
    }
    Ok(())
}

impl Normalizer {
    /// Waits for the database, and then as [`erased_can_be_told`](Self::erased_can_be_told).
    ///
    /// # Errors
    /// `LW-5063`.
    pub(crate) async fn until_erased_can_be_told(&self) -> Result<(), Problem> {
        let mut failures = 0;
        loop {
            match self.keys_of_erased().await {
                Ok(needed) => return self.has_keys(&needed),
                Err(e) => {
                    tracing::error!(error = %Chain(&e), "nothing is taken before it is known who was erased");
                    tokio::time::sleep(BACKOFF.delay(failures, 0.5)).await;
                    failures += 1;
                }
            }
        }
    }

    /// Whoever was erased can be told by the key at hand.
    ///
    /// # Errors
    /// `LW-5063` where not: they would come back.
    pub(crate) async fn erased_can_be_told(&self) -> Result<(), Problem> {
        self.has_keys(&self.keys_of_erased().await?)
    }

    async fn keys_of_erased(&self) -> Result<Vec<String>, Error> {
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let q = query("SELECT DISTINCT key_id FROM suppression");
        q.fetch_all(&mut read).await.map_err(Error::db(READ))
    }

    fn has_keys(&self, needed: &[String]) -> Result<(), Problem> {
        let held = self.0.keys.erased.as_ref().map(|key| &key.id);
        match needed.iter().find(|id| Some(*id) != held) {
            None => Ok(()),
            Some(id) => Err(Problem::new(
                "LW-5063",
                format!("people were erased under the key {id}, which is not in normalizer.erasure_key_file: they would come back."),
                "put that key's file there again; where it is lost, empty the table `suppression` and erase them once more",
            )
            .exit(Exit::Usage)),
        }
    }
}

#[cfg(test)]
#[path = "suppression_tests.rs"]
mod tests;
