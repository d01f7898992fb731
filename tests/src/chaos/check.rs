//! What must hold when a round has come to rest.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use graph_sim::Sim;
use prost::Message as _;
use proto::kind::RecordKind;
use proto::pages::v1::RunClosed;
use proto::shape::{self, Column, ColumnKind};
use sqlx::{AssertSqlSafe, PgPool};

use super::audit;
use crate::inventory::{self, KINDS, Records};
use crate::truth::{Truth, without_states};
use crate::world::name_taken;

/// Where the results of a round are.
pub struct Results<'a> {
    /// The normalizer's database.
    pub ledger: &'a PgPool,
    /// The collector's database.
    pub collector: &'a PgPool,
    /// The database of the PostgreSQL sink.
    pub sink: &'a PgPool,
    /// The directory of the files sink.
    pub files: &'a Path,
    /// The file of the SQLite sink.
    pub sqlite: &'a Path,
    /// From when on the databases are watched, in microseconds since 1970.
    pub since: i64,
}

/// What may be asked of a round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Messages were destroyed or a database went back: a run that was sealed may rightly be closed by nobody.
    pub lossy: bool,
    /// The ledger went back: a sink may have shown an older state for a while.
    pub restored: bool,
    /// Pages that came when a newer run was applied already.
    pub overtaken: BTreeSet<String>,
}

/// Which objects exist, and which didn't for a while: people leave, and some come back.
#[derive(Debug)]
pub struct Presence {
    at_first: BTreeSet<Object>,
    now: BTreeSet<Object>,
    left: BTreeSet<Object>,
}

/// Kind and name.
type Object = (&'static str, String);

const OBJECTS: [&str; 4] = ["organization", "subscribed_sku", "subscription", "user"];

impl Presence {
    /// The beginning of a round.
    pub fn new(sim: &Sim) -> Self {
        let now = Self::all(sim);
        Presence {
            at_first: now.clone(),
            now,
            left: BTreeSet::new(),
        }
    }

    /// Looks again, after a day.
    pub fn look(&mut self, sim: &Sim) {
        let now = Self::all(sim);
        self.left.extend(self.now.difference(&now).cloned());
        self.now = now;
    }

    fn all(sim: &Sim) -> BTreeSet<Object> {
        let truth = Truth::of(sim);
        OBJECTS
            .into_iter()
            .flat_map(|kind| {
                truth
                    .records(kind)
                    .into_keys()
                    .map(move |name| (kind, name))
            })
            .collect()
    }

    /// Whether it has been there since the first sight; after a restored ledger, which may have known less, since the
    /// beginning of the round.
    fn throughout(&self, object: &Object, restored: bool) -> bool {
        self.now.contains(object)
            && !self.left.contains(object)
            && (!restored || self.at_first.contains(object))
    }
}

impl Results<'_> {
    /// Fails with everything that doesn't hold.
    pub async fn hold(&self, presence: &Presence, now: &Truth, round: &Round) -> Result<()> {
        let mut wrong = Vec::new();
        for kind in KINDS {
            let expected = now.records(kind);
            for (sink, mut shown) in [
                ("files", inventory::read(self.files, kind)),
                (
                    "sqlite",
                    // It has a runtime of its own.
                    std::thread::scope(|scope| {
                        let read = scope.spawn(|| inventory::read_view(self.sqlite, kind));
                        read.join()
                    })
                    .map_err(|_| anyhow::anyhow!("the SQLite sink can't be read"))?,
                ),
                ("postgres", self.in_postgres(kind).await?),
            ] {
                shown.values_mut().for_each(|r| name_taken(kind, r));
                wrong.extend(inventory::difference(
                    &format!("{sink}, {kind}"),
                    &expected,
                    &shown,
                ));
            }
        }
        wrong.extend(
            audit::twice(self.ledger, self.sink)
                .await?
                .into_iter()
                .map(|k| format!("committed twice: {k}")),
        );
        wrong.extend(self.removed_wrongly(presence, round).await?);
        if !round.lossy {
            let lost =
                audit::lost(self.collector, self.ledger, self.since, &round.overtaken).await?;
            wrong.extend(
                lost.into_iter()
                    .map(|s| format!("confirmed by the queue, but lost: {s}")),
            );
        }
        wrong.extend(self.conservation().await?);
        match wrong.is_empty() {
            true => Ok(()),
            false => bail!("{}", wrong.join("\n")),
        }
    }

    /// Fails where a user isn't as it is, apart from what a delta doesn't track: nothing of that may wait for the
    /// next weekly reading.
    pub async fn tracked(&self, now: &Truth) -> Result<()> {
        let stripped = |records: Records| -> Records {
            let each = records.into_iter();
            each.map(|(k, v)| (k, without_states(&v))).collect()
        };
        let expected = stripped(now.records("user"));
        let shown = stripped(self.in_postgres("user").await?);
        match inventory::difference(
            "postgres, user, before the weekly reading",
            &expected,
            &shown,
        ) {
            None => Ok(()),
            Some(wrong) => bail!("{wrong}"),
        }
    }

    async fn in_postgres(&self, kind: &str) -> Result<Records> {
        let columns = match RecordKind::from_name(kind) {
            Some(kind) => kind.columns(),
            None => shape::columns("LicenseAssignment"),
        };
        let fields: Vec<_> = columns.iter().map(field).collect();
        let sql = format!(
            "SELECT jsonb_build_object({})::text FROM \"{kind}\"",
            fields.join(", ")
        );
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(self.sink)
            .await?;
        Ok(inventory::read_texts(kind, rows.iter().map(String::as_str)))
    }

    /// Records that a sink lost although their objects existed the whole time.
    async fn removed_wrongly(&self, presence: &Presence, round: &Round) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let removed = audit::removed(self.sink).await?;
        for (tenant, of, key) in removed {
            let Some(kind) = OBJECTS.into_iter().find(|kind| *kind == of) else {
                continue;
            };
            let name = match kind {
                "organization" => tenant,
                _ => format!("{tenant} {key}"),
            };
            let object = (kind, name);
            if presence.throughout(&object, round.restored) {
                wrong.push(format!("removed although it existed: {kind} {}", object.1));
            }
        }
        Ok(wrong)
    }

    /// Objects fetched = applied + set aside + discarded, run by run; live records = records in the sink.
    async fn conservation(&self) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        let verdicts: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT verdict FROM closing WHERE closing > 0")
                .fetch_all(self.ledger)
                .await?;
        for verdict in verdicts {
            let verdict = RunClosed::decode(&verdict[..])?;
            let c = verdict.counts.unwrap_or_default();
            if c.fetched != c.applied + c.set_aside + c.discarded {
                wrong.push(format!(
                    "run {} of {}: {c:?} doesn't balance",
                    verdict.run, verdict.dataset
                ));
            }
        }
        let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM inbox_seal")
            .fetch_one(self.ledger)
            .await?;
        if waiting > 0 {
            wrong.push(format!("{waiting} seals wait in the inbox at rest"));
        }
        let live: i64 = sqlx::query_scalar("SELECT count(*) FROM record WHERE removed = 0")
            .fetch_one(self.ledger)
            .await?;
        let tables =
            RecordKind::ALL.map(|kind| format!("(SELECT count(*) FROM \"{}\")", kind.name()));
        let sql = format!("SELECT {}", tables.join(" + "));
        let shown: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(self.sink)
            .await?;
        if live != shown {
            wrong.push(format!(
                "{live} live records in the ledger, {shown} in the sink"
            ));
        }
        Ok(wrong)
    }
}

/// A field as JSON has it, for `jsonb_build_object`.
fn field(column: &Column) -> String {
    let name = format!("\"{}\"", column.name);
    let value = match column.kind {
        ColumnKind::Moment => {
            format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
        }
        ColumnKind::Day => format!("{name}::text"),
        _ => name,
    };
    format!("'{}', {value}", column.json)
}
