//! Erases people: in one transaction everything that the ledger has of them goes without a trace, and they are noted as
//! erased, so that no later page brings them back.
//!
//! Their rows don't stay as removed records: a row of a usage report is keyed by a name. Instead the tenant's horizon is
//! raised, so that each sink takes a snapshot, which lacks them.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::admin::v1::{EraseResponse, Erased};
use proto::ids::Closing;
use proto::kind::RecordKind;
use proto::pages::v1::{RunClosed, RunCounts, RunSealed};
use runtime::db::{Connection, Write, query};
use tonic::Status;

use super::forget::{count_down, forget};
use super::former;
use super::leftovers::{self, Keys};
use super::people::{Tie, is_about, tie, without_owner};
use super::policy::Pseudonyms;
use super::suppression::{Hashes, Suppressed, note};
use super::who::{self, Person};
use crate::Normalizer;
use crate::error::Error;
use crate::finding::derive::Findings;
use crate::ledger::absence;
use crate::ledger::bulk::{self, Shared};
use crate::ledger::fold::Fold;
use crate::ledger::pages::number;
use crate::map::{self, Mapped};
use crate::position::update;
use crate::store;

const ERASE: &str = "erase people";

/// What stands in the place of a dataset, where a closing is none of a run.
pub(super) const ERASURE: &str = "erasure";

/// What goes, by kind.
type Gone = BTreeMap<RecordKind, Vec<String>>;

/// An erasure under way.
struct Erasing<'a> {
    tenant: i64,
    tenant_id: &'a str,
    closing: Closing,
    people: &'a [Person],
    /// Records that went or changed.
    records: BTreeMap<RecordKind, u64>,
}

impl Normalizer {
    /// Erases these people from a tenant, by their ids or sign-in names.
    pub(crate) async fn erase(
        &self,
        tenant_id: &str,
        users: &[String],
    ) -> Result<EraseResponse, Status> {
        self.erased_can_be_told().await.map_err(refused)?;
        let mut w = self.0.db.write().await.map_err(Error::db(ERASE))?;
        let (tenant, tenant_id) = named(&mut w, tenant_id).await?;
        store::lock(&mut w, tenant).await?;
        let Some(hashes) = Hashes::new(&self.0.keys, &tenant_id) else {
            return Err(no_key());
        };
        let pseudonyms = Pseudonyms::new(&self.0.keys, &tenant_id);
        let people = who::find(&mut w, tenant, users, pseudonyms.as_ref()).await?;
        if people.is_empty() {
            return Err(Status::invalid_argument("name somebody"));
        }
        let newest: i64 = query("SELECT closing FROM tenant WHERE id = ?")
            .bind(tenant)
            .fetch_one(&mut w)
            .await
            .map_err(Error::db(ERASE))?;
        let mut erasing = Erasing {
            tenant,
            tenant_id: &tenant_id,
            // A sink that took a snapshot of the newest one stands at the number behind it, and has to be below the horizon.
            closing: Closing::from_db(newest + 1).next(self.now()),
            people: &people,
            records: BTreeMap::new(),
        };
        let gone = erasing.find(&mut w).await?;
        let unknown = |p: &&Person| p.id.is_none() && gone.is_empty();
        if people.iter().any(|p| unknown(&p)) {
            return Err(Status::not_found(
                "the ledger has nobody of this sign-in name: name the id that Graph gives them (nothing was erased)",
            ));
        }
        erasing.users(&mut w, self).await?;
        erasing.forget(&mut w, &gone).await?;
        for kind in [RecordKind::ManagedDevice, RecordKind::Device] {
            erasing.owners(&mut w, kind).await?;
        }
        former::forget(&mut w, tenant, &people).await?;

        let mut known = Vec::new();
        for person in &people {
            known.extend(person.hashes(&hashes));
        }
        let now = number(self.now().0);
        note(&mut w, tenant, (hashes.key_id(), now), &known).await?;
        let ids: Vec<String> = people.iter().filter_map(|p| p.id.clone()).collect();
        let set_aside = leftovers::set_aside(&mut w, tenant, &ids).await?;
        leftovers::verdicts(&mut w, tenant, &by_dataset(gone)).await?;
        let mut pages = 0;
        if let Some(all) = Suppressed::load(&mut w, &self.0.keys, tenant, &tenant_id).await? {
            pages = leftovers::pages(&mut w, tenant, &all).await?;
        }
        let closing = erasing.close(&mut w, now).await?;
        w.commit().await.map_err(Error::db(ERASE))?;
        self.to_publish(closing);
        let hex = |p: &Person| p.hashes(&hashes).first().map(|(hash, _)| hex(hash));
        Ok(EraseResponse {
            tenant_id: tenant_id.clone(),
            people: people.iter().filter_map(hex).collect(),
            closing: closing.map_or(0, |_| erasing.closing.0),
            records: erasing.told(),
            set_aside,
            pages,
            unnamed: people.iter().filter(|p| p.names.is_empty()).count() as u64,
            without_id: people.iter().filter(|p| p.id.is_none()).count() as u64,
            remnants: match self.0.db.scrub().await {
                Ok(()) => String::new(),
                Err(e) => e.to_string(),
            },
        })
    }
}

impl Erasing<'_> {
    fn shared(&self, kind: RecordKind) -> Shared {
        Shared {
            tenant: self.tenant,
            kind,
            closing: self.closing,
            source: None,
        }
    }

    /// The keys of every record that is tied to them and goes.
    async fn find(&mut self, c: &mut Connection) -> Result<Gone, Error> {
        let mut gone = Gone::new();
        for kind in RecordKind::ALL {
            let keys = match tie(kind) {
                Tie::None | Tie::Owner => continue,
                Tie::Key => self.by_id(c, kind).await?,
                Tie::End(_) | Tie::Row => self.by_content(c, kind).await?,
            };
            if !keys.is_empty() {
                gone.insert(kind, keys);
            }
        }
        Ok(gone)
    }

    async fn by_id(&mut self, c: &mut Connection, kind: RecordKind) -> Result<Vec<String>, Error> {
        let ids: Vec<&str> = self.people.iter().filter_map(|p| p.id.as_deref()).collect();
        let rows = bulk::existing(c, (self.tenant, kind), &ids).await;
        let rows = rows.map_err(Error::db(ERASE))?;
        self.count(kind, rows.iter().filter(|r| !r.removed).count());
        Ok(rows.into_iter().map(|r| r.key).collect())
    }

    async fn by_content(
        &mut self,
        c: &mut Connection,
        kind: RecordKind,
    ) -> Result<Vec<String>, Error> {
        let (mut keys, mut live) = (Vec::new(), 0);
        self.each(c, kind, |key, removed, _| {
            live += usize::from(!removed);
            keys.push(key);
        })
        .await?;
        self.count(kind, live);
        Ok(keys)
    }

    /// Every record that is tied to them.
    async fn each(
        &self,
        c: &mut Connection,
        kind: RecordKind,
        mut take: impl FnMut(String, bool, Vec<u8>),
    ) -> Result<(), Error> {
        let sql =
            "SELECT key, removed, body FROM record WHERE tenant = ? AND kind = ? ORDER BY key";
        let q = query(sql).bind(self.tenant).bind(kind as i32);
        let mut damaged = false;
        q.each(
            c,
            |(key, removed, body): (String, bool, Vec<u8>)| match is_about(
                kind,
                &key,
                &body,
                self.people,
            ) {
                Ok(true) => take(key, removed, body),
                Ok(false) => {}
                Err(_) => damaged = true,
            },
        )
        .await
        .map_err(Error::db(ERASE))?;
        match damaged {
            true => Err(Error::Damaged { what: "record" }),
            false => Ok(()),
        }
    }

    fn count(&mut self, kind: RecordKind, records: usize) {
        if records > 0 {
            *self.records.entry(kind).or_default() += records as u64;
        }
    }

    /// Removes users as a run does: what follows from them, counters, positions and findings, follows.
    async fn users(&mut self, c: &mut Connection, normalizer: &Normalizer) -> Result<(), Error> {
        let ids: absence::Keys = self.people.iter().filter_map(|p| p.id.clone()).collect();
        let run = self.shared(RecordKind::User);
        let (config, names) = (&normalizer.0.config, &normalizer.0.names);
        let findings = Findings::begin(c, &run, self.tenant_id, names).await?;
        let mut fold = Fold::new(run, false, findings);
        fold.remove(c, &ids).await?;
        // As if a run that was read now had said so.
        let said = RunSealed {
            tenant_id: self.tenant_id.to_owned(),
            sealed_at: normalizer.now().0,
            ..RunSealed::default()
        };
        let derived = update::update(c, &mut fold, &said, &config.residual).await?;
        // The findings about them are counted already.
        let positions = derived.saturating_sub(fold.findings.written);
        self.count(
            RecordKind::LicensePosition,
            usize::try_from(positions).unwrap_or(0),
        );
        Ok(())
    }

    async fn forget(&self, c: &mut Connection, gone: &Gone) -> Result<(), Error> {
        for (kind, keys) in gone {
            forget(c, self.tenant, *kind, keys).await?;
            let live = self.records.get(kind).copied().unwrap_or(0);
            count_down(c, self.tenant, *kind, live).await?;
        }
        Ok(())
    }

    /// Their things stay, without them.
    async fn owners(&mut self, c: &mut Connection, kind: RecordKind) -> Result<(), Error> {
        let mut things = Vec::new();
        self.each(c, kind, |key, _, body| things.push((key, body)))
            .await?;
        let left = |(key, body): (String, Vec<u8>)| {
            let body = bytes::Bytes::from(without_owner(kind, &body)?);
            let hash = map::hash(kind, &body);
            Ok(Mapped { key, hash, body })
        };
        let left: Result<Vec<Mapped>, prost::DecodeError> = things.into_iter().map(left).collect();
        let left = left.map_err(|_| Error::Damaged { what: "record" })?;
        let rows: Vec<&Mapped> = left.iter().collect();
        let written = bulk::upsert(c, self.shared(kind), &rows).await;
        written.map_err(Error::db(ERASE))?;
        self.count(kind, rows.len());
        Ok(())
    }

    /// One more closing of the tenant, which every sink has to know; none where the ledger had nothing of them.
    async fn close(&self, c: &mut Write, now: i64) -> Result<Option<i64>, Error> {
        let records: u64 = self.records.values().sum();
        if records == 0 {
            return Ok(None);
        }
        let closing = self.closing.to_db();
        let sql = "UPDATE tenant SET closing = ?, changed = ?, horizon = ? WHERE id = ?";
        let q = query(sql).bind(closing).bind(closing);
        // Who was at the head before is not beyond this; who takes a snapshot now is.
        let q = q.bind(closing - 1).bind(self.tenant);
        q.execute(c).await.map_err(Error::db(ERASE))?;
        let told = RunClosed {
            tenant_id: self.tenant_id.to_owned(),
            dataset: ERASURE.to_owned(),
            run: self.closing.0,
            closing: self.closing.0,
            complete: true,
            counts: Some(RunCounts {
                removed: records,
                ..RunCounts::default()
            }),
            ..RunClosed::default()
        };
        let sql = "INSERT INTO closing (tenant, closing, dataset, run, attempt, mode, pages, requests, started_at,
            closed_at, changed_records, verdict, verdict_published) VALUES (?, ?, ?, ?, 0, 0, 0, 0, ?, ?, ?, ?, 1) RETURNING id";
        let q = query(sql).bind(self.tenant).bind(closing).bind(ERASURE);
        let q = q.bind(closing).bind(now).bind(now).bind(records);
        let row = q.bind(told.encode_to_vec()).fetch_one(c).await;
        row.map(Some).map_err(Error::db(ERASE))
    }

    fn told(&self) -> Vec<Erased> {
        let told = |(kind, records): (&RecordKind, &u64)| Erased {
            kind: kind.name().to_owned(),
            records: *records,
        };
        self.records.iter().map(told).collect()
    }
}

/// The tenant of an id; the only one where none is named.
pub(super) async fn named(c: &mut Connection, tenant_id: &str) -> Result<(i64, String), Status> {
    let sql = "SELECT id, tenant FROM tenant WHERE ? = '' OR tenant = ? ORDER BY tenant LIMIT 2";
    let q = query(sql).bind(tenant_id).bind(tenant_id);
    let found: Vec<(i64, String)> = q.fetch_all(c).await.map_err(Error::db(ERASE))?;
    match found.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Status::not_found("the ledger doesn't know the tenant")),
        _ => Err(Status::invalid_argument(
            "there are several tenants: name one",
        )),
    }
}

pub(super) fn no_key() -> Status {
    Status::failed_precondition(
        "LW-5064: there is no key for the list of who was erased, without which they would come back. What to do: name a \
         key file as normalizer.erasure_key_file: (umask 077; openssl rand -base64 32 > <file>)",
    )
}

pub(super) fn refused(problem: runtime::Problem) -> Status {
    Status::failed_precondition(problem.to_string())
}

/// A hash as people see it.
pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

fn by_dataset(gone: Gone) -> Keys {
    let named = gone.into_iter().filter_map(|(kind, keys)| {
        let dataset = catalog::ALL.into_iter().find(|d| d.kind == kind)?;
        Some((dataset.name, keys.into_iter().collect()))
    });
    named.collect()
}
