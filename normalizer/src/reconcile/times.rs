//! When products and users were read: from what the closings of their runs say.

use prost::Message as _;
use proto::admin::v1::RunManifest;
use proto::pages::v1::RunSealed;
use runtime::db::{Connection, query};

use crate::error::Error;
use crate::feed::unsigned;
use crate::ledger::pages::number;

/// The dataset of users.
pub(crate) const USERS: &str = "users";
/// The dataset of products.
pub(crate) const PRODUCTS: &str = "subscribedSkus";

/// Readings that are looked at to find one that had ended before the users' began: a product's takes a moment.
const LOOKED_AT: u32 = 5;

/// A reading, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub from: u64,
    pub to: u64,
}

/// The newest readings.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Of the users.
    pub users: Option<Reading>,
    /// Only a part of them is read.
    pub narrowed: bool,
    /// The number of the users' run, where it is not complete.
    pub incomplete_run: Option<u64>,
    /// The last reading of the products that had ended before the users' began.
    pub before: Option<Reading>,
    /// Of the products.
    pub newest: Option<Reading>,
}

struct Run {
    number: u64,
    reading: Reading,
    manifest: RunManifest,
}

impl Times {
    /// As the ledger knows them, and the run that is being applied.
    pub async fn load(
        c: &mut Connection,
        tenant: i64,
        current: Option<&RunSealed>,
    ) -> Result<Times, Error> {
        let mut times = Times::default();
        let of = |dataset: &str| current.filter(|seal| seal.dataset == dataset);
        if let Some(seal) = of(USERS) {
            times.users = Some(reading(seal));
            times.narrowed = seal.narrowed;
        } else if let Some(run) = newest(c, tenant, USERS, u64::MAX).await?.pop() {
            times.users = Some(run.reading);
            times.narrowed = run.manifest.narrowed;
            times.incomplete_run = (!run.manifest.gaps.is_empty()).then_some(run.number);
        }
        let products = of(PRODUCTS).map(reading);
        times.newest = match products {
            Some(now) => Some(now),
            None => {
                let last = newest(c, tenant, PRODUCTS, u64::MAX).await?.pop();
                last.map(|run| run.reading)
            }
        };
        if let Some(users) = times.users {
            let ended = |r: &Reading| r.to <= users.from;
            times.before = match products.filter(ended) {
                Some(now) => Some(now),
                None => {
                    let runs = newest(c, tenant, PRODUCTS, users.from).await?;
                    runs.into_iter().map(|r| r.reading).rfind(ended)
                }
            };
        }
        Ok(times)
    }
}

fn reading(seal: &RunSealed) -> Reading {
    Reading {
        from: seal.started_at,
        to: seal.sealed_at,
    }
}

/// The newest applied runs of a dataset that began until a moment, the newest last.
async fn newest(
    c: &mut Connection,
    tenant: i64,
    dataset: &str,
    until: u64,
) -> Result<Vec<Run>, Error> {
    let sql = "SELECT run, started_at, manifest FROM closing
        WHERE tenant = ? AND dataset = ? AND closing > 0 AND started_at <= ? ORDER BY run DESC LIMIT ?";
    let q = query(sql).bind(tenant).bind(dataset).bind(number(until));
    let rows: Vec<(i64, i64, Vec<u8>)> = q
        .bind(LOOKED_AT)
        .fetch_all(c)
        .await
        .map_err(Error::db("read when something was read"))?;
    let run = |(run, started_at, manifest): (i64, i64, Vec<u8>)| {
        let manifest =
            RunManifest::decode(&manifest[..]).map_err(|_| Error::Damaged { what: "manifest" })?;
        let reading = Reading {
            from: unsigned(started_at),
            to: manifest.sealed_at,
        };
        Ok(Run {
            number: unsigned(run),
            reading,
            manifest,
        })
    };
    rows.into_iter().rev().map(run).collect()
}
