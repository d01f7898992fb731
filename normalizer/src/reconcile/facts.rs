//! What may make Microsoft's count of products differ, as the ledger knows it.

use std::collections::{BTreeMap, HashSet};

use prost::Message as _;
use proto::kind::RecordKind;
use proto::pages::v1::RunSealed;
use runtime::db::{Connection, query};
use runtime::row;

use super::kept;
use super::reason::{ANY, Class, Units};
use super::times::{Times, USERS};
use crate::error::Error;
use crate::finding::kind::Kind;
use crate::ledger::absence::State;
use crate::ledger::pages::number;
use crate::position::count::{Counts, Holder};
use crate::store;

const READ: &str = "read what residuals follow from";

/// Rows that are read at a time.
const ROWS: u32 = 1_000;

/// A product whose residual is to be explained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub counts: Counts,
    /// Microsoft's count.
    pub consumed: i64,
    pub kind: Option<Kind>,
}

/// A record, or one that could not be made.
#[derive(Debug)]
pub(crate) struct Object {
    pub kind: RecordKind,
    /// Empty where it shows none.
    pub key: String,
    pub why: &'static str,
}

/// What is known of a class.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub units: Units,
    /// The first of the objects for which Microsoft may count more.
    pub more: Vec<Object>,
    /// Those for which it may count less.
    pub less: Vec<Object>,
}

/// By class, in the order in which they are taken away.
pub(crate) type Classes = BTreeMap<Class, Evidence>;

/// What may make the counts of some products differ.
pub(crate) struct Facts {
    pub times: Times,
    of: BTreeMap<String, Classes>,
    /// Objects of a class that are named.
    most: usize,
}

impl Facts {
    /// Looks at everything; `current` is the seal of the run that is being applied.
    pub async fn gather(
        c: &mut Connection,
        tenant: i64,
        current: Option<&RunSealed>,
        products: &BTreeMap<String, Product>,
        most: usize,
    ) -> Result<Facts, Error> {
        let mut facts = Facts {
            times: Times::load(c, tenant, current).await?,
            of: products
                .keys()
                .map(|sku| (sku.clone(), Classes::new()))
                .collect(),
            most,
        };
        facts.suspected(c, tenant).await?;
        facts.set_aside(c, tenant).await?;
        facts.moved(c, tenant).await?;
        facts.erased(c, tenant).await?;
        for (sku, product) in products {
            let before = facts.counted_before(c, (tenant, sku), product).await?;
            facts.product(sku, product, before);
        }
        Ok(facts)
    }

    /// What Microsoft counted when products were last read before the users were.
    pub async fn counted_before(
        &self,
        c: &mut Connection,
        of: (i64, &str),
        product: &Product,
    ) -> Result<Option<i64>, Error> {
        let Some(before) = self.times.before else {
            return Ok(None);
        };
        let counted = kept::counted_at(c, of, number(before.to), product.consumed).await?;
        Ok(Some(counted))
    }

    /// What is known of a product.
    pub fn take(&mut self, sku: &str) -> Classes {
        self.of.remove(sku).unwrap_or_default()
    }

    fn add(&mut self, (sku, class): (&str, Class), units: Units, object: Option<Object>) {
        let Some(classes) = self.of.get_mut(sku) else {
            return;
        };
        let evidence = classes.entry(class).or_default();
        evidence.units.add(units);
        let list = match units.less > 0 {
            true => &mut evidence.less,
            false => &mut evidence.more,
        };
        if list.len() < self.most {
            list.extend(object);
        }
    }

    fn product(&mut self, sku: &str, product: &Product, before: Option<i64>) {
        if let (Some(before), true) = (before, self.times.newest != self.times.before) {
            let now = product.consumed;
            let units = Units {
                more: (now - before).max(0),
                less: (before - now).max(0),
            };
            self.add((sku, Class::Recounted), units, None);
        }
        let failed = Units::more(product.counts.in_error);
        self.add((sku, Class::InError), failed, None);
        if let Some(Kind::Device | Kind::Server | Kind::CompanyWide) = product.kind {
            self.add((sku, Class::NotHeldByUsers), Units::more(ANY), None);
        }
        if self.times.narrowed {
            self.add((sku, Class::OutsidePopulation), Units::more(ANY), None);
        }
    }

    async fn suspected(&mut self, c: &mut Connection, tenant: i64) -> Result<(), Error> {
        let sql = "SELECT s.key, s.state, r.body FROM suspect s
            JOIN record r ON r.tenant = s.tenant AND r.kind = ? AND r.key = s.key AND r.removed = 0
            WHERE s.tenant = ? AND s.dataset = ? AND s.key > ? ORDER BY s.key LIMIT ?";
        let mut after = String::new();
        loop {
            let q = query(sql).bind(RecordKind::User as i32).bind(tenant);
            let q = q.bind(USERS).bind(&after).bind(ROWS);
            let rows: Vec<(String, i64, Vec<u8>)> =
                q.fetch_all(c).await.map_err(Error::db(READ))?;
            let Some((last, ..)) = rows.last() else {
                return Ok(());
            };
            after.clone_from(last);
            for (key, state, body) in rows {
                let why = match State::from_db(state) {
                    State::Open => "whether Graph still has the user is still to be asked",
                    State::Held => "the removal is held",
                    State::Approved => "the removal is approved and still to be proven",
                };
                for license in holder(&body)?.assigned_licenses {
                    let units = Units { more: 0, less: 1 };
                    let object = user(&key, why);
                    self.add((&license.sku_id, Class::Suspected), units, Some(object));
                }
            }
        }
    }

    async fn set_aside(&mut self, c: &mut Connection, tenant: i64) -> Result<(), Error> {
        // A record that the same run, or a later one, has written is newer than what could not be read.
        let sql = "SELECT s.id, s.key, s.skus, r.body FROM set_aside s
            LEFT JOIN record r ON r.tenant = s.tenant AND r.kind = ? AND r.key = s.key AND r.removed = 0
            LEFT JOIN page_source p ON p.id = r.source
            WHERE s.tenant = ? AND s.dataset = ? AND s.run <= ? AND s.id < ? AND (p.run IS NULL OR p.run < s.run)
            ORDER BY s.id DESC LIMIT ?";
        let applied = store::applied(c, tenant, USERS).await?;
        let mut seen = HashSet::new();
        let mut before = i64::MAX;
        loop {
            let q = query(sql).bind(RecordKind::User as i32).bind(tenant);
            let q = q.bind(USERS).bind(applied).bind(before).bind(ROWS);
            let rows: Vec<Aside> = q.fetch_all(c).await.map_err(Error::db(READ))?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            before = last.id;
            for row in rows {
                if row.key.clone().is_none_or(|key| seen.insert(key)) {
                    self.aside(&row)?;
                }
            }
        }
    }

    fn aside(&mut self, row: &Aside) -> Result<(), Error> {
        let known = match &row.body {
            Some(body) => Some(holder(body)?),
            None => None,
        };
        let known = known.map(|user| user.assigned_licenses);
        let skus: Vec<String> = self.of.keys().cloned().collect();
        for sku in skus {
            let names = row.skus.as_deref();
            let names = names.map(|skus| skus.split(' ').any(|s| s == sku));
            let counted = known
                .as_ref()
                .map(|held| held.iter().any(|l| l.sku_id == sku));
            let (units, why) = match (names, counted) {
                (Some(true), None | Some(false)) => {
                    (Units::more(1), "Graph says that the user holds it")
                }
                (Some(false), Some(true)) => (
                    Units { more: 0, less: 1 },
                    "Graph says that the user no longer holds it",
                ),
                (None, None) => (
                    Units::more(1),
                    "whether the user holds it can't be read either",
                ),
                _ => continue,
            };
            let object = user(row.key.as_deref().unwrap_or_default(), why);
            self.add((&sku, Class::SetAside), units, Some(object));
        }
        Ok(())
    }

    /// Nobody knows any more what they hold.
    async fn erased(&mut self, c: &mut Connection, tenant: i64) -> Result<(), Error> {
        let sql = "SELECT count(DISTINCT person) FROM suppression WHERE tenant = ?";
        let q = query(sql).bind(tenant);
        let people: i64 = q.fetch_one(c).await.map_err(Error::db(READ))?;
        if people > 0 {
            let skus: Vec<String> = self.of.keys().cloned().collect();
            for sku in skus {
                self.add((&sku, Class::Erased), Units::more(people), None);
            }
        }
        Ok(())
    }

    async fn moved(&mut self, c: &mut Connection, tenant: i64) -> Result<(), Error> {
        let sql = "SELECT m.sku, m.user_key, m.gained, m.lost, m.gone, r.id AS live, d.id AS bin FROM license_move m
            LEFT JOIN record r ON r.tenant = m.tenant AND r.kind = ? AND r.key = m.user_key AND r.removed = 0
            LEFT JOIN record d ON d.tenant = m.tenant AND d.kind = ? AND d.key = m.user_key AND d.removed = 0
            WHERE m.tenant = ? AND m.sku IN (??) AND (m.at > ? OR m.gone > 0) ORDER BY m.sku, m.at DESC, m.user_key";
        let skus: Vec<String> = self.of.keys().cloned().collect();
        let since = self.times.before.map_or(0, |reading| number(reading.to));
        let q = query(sql)
            .bind(RecordKind::User as i32)
            .bind(RecordKind::DeletedUser as i32);
        let q = q.bind(tenant).bind(&skus).bind(since);
        let mut gone = HashSet::new();
        q.each(c, |m: Moved| {
            let object = |what: &'static str| match m.user_key.is_empty() {
                true => None,
                false => Some(user(&m.user_key, what)),
            };
            if m.gained > 0 {
                let units = Units {
                    more: 0,
                    less: m.gained,
                };
                let object = object("the user got it since");
                self.add((&m.sku, Class::Moved), units, object);
            }
            if m.lost > 0 {
                let object = object("the user lost it since");
                self.add((&m.sku, Class::Moved), Units::more(m.lost), object);
            }
            let mut once =
                || m.user_key.is_empty() || gone.insert((m.sku.clone(), m.user_key.clone()));
            if m.gone > 0 && m.live.is_none() && once() {
                let object = match m.bin {
                    Some(_) => object("held it, and is in the recycle bin").map(|o| Object {
                        kind: RecordKind::DeletedUser,
                        ..o
                    }),
                    None => object("held it when the user was deleted"),
                };
                self.add((&m.sku, Class::Deleted), Units::more(m.gone), object);
            }
        })
        .await
        .map_err(Error::db(READ))
    }
}

row! {
    struct Aside {
        id: i64,
        key: Option<String>,
        skus: Option<String>,
        body: Option<Vec<u8>>,
    }
}

row! {
    struct Moved {
        sku: String,
        user_key: String,
        gained: i64,
        lost: i64,
        gone: i64,
        live: Option<i64>,
        bin: Option<i64>,
    }
}

fn holder(body: &[u8]) -> Result<Holder, Error> {
    Holder::decode(body).map_err(|_| Error::Damaged { what: "record" })
}

fn user(key: &str, why: &'static str) -> Object {
    Object {
        kind: RecordKind::User,
        key: key.to_owned(),
        why,
    }
}

impl Object {
    /// A user to whom the product could not be assigned.
    pub fn failed(key: String) -> Object {
        Object {
            kind: RecordKind::User,
            key,
            why: "an assignment failed, and no other one works",
        }
    }
}
