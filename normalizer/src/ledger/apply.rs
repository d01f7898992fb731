//! Applies a sealed run: one transaction, in which pages, suspects, removals, positions and the verdict agree.

use catalog::Declaration;
use proto::ids::{Closing, RunId, Timestamp};
use proto::pages::v1::{RunCounts, RunMode, RunSealed};
use runtime::db::{Connection, Write, query};
use runtime::row;

use super::absence::{Judgement, Keys, judge};
use super::admit::{self, Admission, Mode, admit};
use super::bulk::{self as rows, Shared};
use super::close::{self, Closed};
use super::fold::Fold;
use super::gaps::Gaps;
use super::pages::{Named, number};
use super::said::Said;
use super::suspects::{self, Suspects};
use crate::config::Config;
use crate::error::Error;
use crate::finding::derive::Findings;
use crate::names::Names;
use crate::position::update;
use crate::privacy::suppression::Suppressed;
use crate::{inbox, privacy, store};

/// A seal that waits in the inbox.
pub(crate) struct Waiting {
    pub tenant: i64,
    pub seal: RunSealed,
    /// Came as a dead letter: waits for nothing, and its run is incomplete.
    pub dead: bool,
    /// The stored seal can't be read; only the names of the run are known.
    pub damaged: bool,
    /// Its pages can't be applied: all of them count as gaps.
    pub lost: bool,
}

row! {
    /// What the ledger had of the dataset.
    #[derive(Default)]
    struct Before {
        applied: i64,
        whole: i64,
        read_end: i64,
        live: i64,
    }
}

/// Numbers of objects by what became of them.
pub(crate) type Settled = Vec<(&'static str, u64)>;

/// What became of a seal.
#[derive(Default)]
pub(crate) struct Applied {
    /// None where another process has closed the run meanwhile.
    pub admission: Option<Admission>,
    /// The row whose verdict is to be published.
    pub closing: Option<i64>,
    /// What became of the objects that the seal names.
    pub settled: Settled,
}

/// Applies the run of a seal, or says why not. All pages are there, or the seal is a dead letter.
pub(crate) async fn apply(
    w: &mut Write,
    (config, names, keys): (&Config, &Names, &privacy::keys::Keys),
    waiting: &Waiting,
    now: Timestamp,
) -> Result<Applied, Error> {
    let (tenant, seal) = (waiting.tenant, &waiting.seal);
    // From here on this process is alone with the tenant, and sees what others have done before.
    store::lock(w, tenant).await?;
    if !close::waits(w, tenant, seal).await? {
        return Ok(Applied::default());
    }
    if let Some(closing) = close::ask_again(w, tenant, seal).await? {
        // It came again while its run was being closed: it has its verdict.
        close::clear(w, tenant, seal, false).await?;
        return Ok(Applied {
            admission: None,
            closing: Some(closing),
            settled: Settled::default(),
        });
    }
    let sql =
        "SELECT applied, whole, read_end, live FROM dataset_state WHERE tenant = ? AND dataset = ?";
    let known: Option<Before> = query(sql)
        .bind(tenant)
        .bind(&seal.dataset)
        .fetch_optional(w)
        .await
        .map_err(Error::db(READ))?;
    let fresh = known.is_none();
    let before = known.unwrap_or_default();

    let mode = if seal.mode() == RunMode::Some {
        Mode::Some
    } else {
        Mode::Full
    };
    let run = RunId(seal.run);
    let state = admit::State {
        applied: RunId::from_db(before.applied),
        whole: RunId::from_db(before.whole),
    };
    let admission = admit(
        admit::Seal {
            run,
            mode,
            base: RunId(seal.base),
        },
        state,
    );
    let all = || vec![("not_applied", seal.objects)];
    let (closing, settled) = match (admission, catalog::find(&seal.dataset)) {
        (Admission::Apply, None) => {
            close::clear(w, tenant, seal, true).await?;
            (None, all())
        }
        (Admission::Drop | Admission::NeedsFull, _) => {
            let needs_full = admission == Admission::NeedsFull;
            let nothing = Closed::nothing(tenant, seal, needs_full, state.applied, now);
            let closing = close::close(w, nothing).await?;
            close::clear(w, tenant, seal, !needs_full).await?;
            (Some(closing), all())
        }
        (Admission::Apply, Some(dataset)) => {
            let id = &seal.tenant_id;
            let run = Run {
                suppressed: Suppressed::load(w, keys, tenant, id).await?,
                config,
                names,
                waiting,
                dataset,
                mode,
                before,
                fresh,
                now,
            };
            let (closing, settled) = run.apply(w).await?;
            (Some(closing), settled)
        }
    };
    Ok(Applied {
        admission: Some(admission),
        closing,
        settled,
    })
}

const READ: &str = "read the state of a dataset";

struct Run<'a> {
    /// Who was erased, perhaps after a page came.
    suppressed: Option<Suppressed>,
    config: &'a Config,
    names: &'a Names,
    waiting: &'a Waiting,
    dataset: &'static Declaration,
    mode: Mode,
    before: Before,
    fresh: bool,
    now: Timestamp,
}

impl Run<'_> {
    async fn apply(&self, c: &mut Connection) -> Result<(i64, Settled), Error> {
        let Waiting {
            tenant, seal, dead, ..
        } = self.waiting;
        let (tenant, kind) = (*tenant, self.dataset.kind);
        let newest: i64 = query("SELECT closing FROM tenant WHERE id = ?")
            .bind(tenant)
            .fetch_one(c)
            .await
            .map_err(Error::db("read a tenant"))?;
        let closing = Closing::from_db(newest).next(self.now);
        let suspects = suspects::load(c, tenant, self.dataset.name).await?;

        rows::widen(c).await.map_err(Error::db("begin to apply"))?;
        let source = None;
        let shared = Shared {
            tenant,
            kind,
            closing,
            source,
        };
        let findings = Findings::begin(c, &shared, &seal.tenant_id, self.names).await?;
        let mut fold = Fold::new(shared, self.fresh, findings);
        let mut said = self.pages(c, &mut fold, &suspects).await?;
        // The collector knows what a page can't show: that objects are missing which Graph has counted.
        let complete = said.gaps.count() == 0 && seal.gaps.is_empty() && !dead;

        // What was said of keys matters where the ledger has a live record of them.
        for list in [&mut said.gone, &mut said.missing] {
            let keys: Vec<&str> = list.iter().map(String::as_str).collect();
            let live = fold.live(c, &keys).await?;
            *list = live.into_iter().map(str::to_owned).collect();
        }
        let live = u64::try_from(self.before.live).unwrap_or(0) + fold.inserted + fold.revived;
        let full = self.mode == Mode::Full || seal.tenant_removed;
        let absent = if full && complete && fold.named() < live {
            fold.unnamed(c).await?
        } else {
            Keys::new()
        };
        let outcome = judge(Judgement {
            run: RunId(seal.run),
            mode: self.mode,
            complete,
            tenant_removed: seal.tenant_removed,
            absence: self.dataset.absence(),
            started_at: Timestamp(seal.started_at),
            last_read_end: Timestamp(u64::try_from(self.before.read_end).unwrap_or(0)),
            now: self.now,
            lateness: self.config.lateness(),
            guard: self.config.guard,
            live,
            answered: &said.answered,
            gone: &said.gone,
            missing: &said.missing,
            absent: &absent,
            suspects: suspects.clone(),
        });
        if !outcome.remove.is_empty() {
            fold.shared.source = Some(self.source(c, seal.attempt, -1, &[], "").await?);
            fold.remove(c, &outcome.remove).await?;
        }
        suspects::store(c, (tenant, self.dataset.name), &suspects, &outcome.suspects).await?;
        let held = outcome
            .suspects
            .values()
            .filter(|s| s.state == super::absence::State::Held)
            .count() as u64;
        let counts = RunCounts {
            fetched: said.objects,
            applied: fold.applied,
            set_aside: said.set_aside,
            discarded: said.discarded + fold.discarded,
            changed: fold.changed(),
            removed: fold.removed,
            suspects: outcome.suspects.len() as u64,
            held,
            gaps: said.gaps.count() + seal.gaps.len() as u64,
        };
        self.store_state(
            c,
            complete,
            live - fold.removed.min(live),
            &said,
            fold.changed() + fold.removed,
        )
        .await?;
        let derived = update::update(c, &mut fold, seal, &self.config.residual).await?;
        let changed_records = fold.changed() + fold.removed + derived;
        close::advance(c, (tenant, closing, changed_records > 0), seal).await?;
        close::clear(c, tenant, seal, true).await?;
        let settled = self.settled(&said, &counts);
        let (now, pages, suspects) = (self.now, said.pages, &outcome.suspects);
        if *dead {
            said.gaps
                .tell("the seal came as a dead letter: it waited for nothing");
        }
        let row = close::close(
            c,
            Closed {
                tenant,
                seal,
                closing,
                complete,
                needs_full: false,
                now,
                pages,
                counts,
                gaps: said.gaps,
                suspects,
                unfamiliar: said.unfamiliar.into_list(),
                changed_records,
                applied: RunId(seal.run).max(RunId::from_db(self.before.applied)),
            },
        )
        .await?;
        if held > 0 {
            tracing::warn!(tenant = %seal.tenant_id, dataset = %seal.dataset, run = seal.run, held, "removals are held: approve or reject them");
        }
        Ok((row, settled))
    }

    /// What became of what the seal names. Nothing is left over, unless a page lacks something: then it is one of those
    /// that are told as gaps. Of people who were erased ids are left out of pages.
    fn settled(&self, said: &Said, counts: &RunCounts) -> Settled {
        let known = counts.applied + counts.discarded + counts.set_aside + said.named;
        let rest = self.waiting.seal.objects.saturating_sub(known);
        let (gap, left_out) = match (counts.gaps > 0, self.suppressed.is_some()) {
            (true, _) => (rest, 0),
            (false, true) => (0, rest),
            (false, false) => (0, 0),
        };
        vec![
            ("applied", counts.applied),
            ("superseded", counts.discarded),
            ("set_aside", counts.set_aside),
            ("named", said.named),
            ("gap", gap),
            ("left_out", left_out),
        ]
    }

    /// Folds the named pages, one at a time: a run may have more than fits into memory.
    async fn pages(
        &self,
        c: &mut Connection,
        fold: &mut Fold,
        suspects: &Suspects,
    ) -> Result<Said, Error> {
        let Waiting { tenant, seal, .. } = self.waiting;
        let named = Named::of(seal);
        if self.waiting.lost {
            let mut gaps = Gaps::default();
            gaps.many(named.count().max(1), "the run could not be applied");
            return Ok(Said {
                pages: named.count(),
                gaps,
                ..Said::default()
            });
        }
        let sql = "SELECT id, attempt, sequence FROM inbox_page WHERE tenant = ? AND dataset = ? AND run = ?
            ORDER BY attempt, sequence";
        let q = query(sql)
            .bind(tenant)
            .bind(&seal.dataset)
            .bind(number(seal.run));
        let pages: Vec<(i64, i64, u32)> = q.fetch_all(c).await.map_err(Error::db(PAGE))?;

        let mut said = Said {
            pages: named.count(),
            ..Said::default()
        };
        let mut there = 0;
        for (id, attempt, sequence) in pages {
            let attempt = u64::try_from(attempt).unwrap_or(0);
            if named.contains(attempt, sequence) {
                there += 1;
                self.page(c, fold, suspects, &mut said, (id, attempt, sequence))
                    .await?;
            }
        }
        said.gaps.many(named.count() - there, "they never came");
        Ok(said)
    }

    async fn page(
        &self,
        c: &mut Connection,
        fold: &mut Fold,
        suspects: &Suspects,
        said: &mut Said,
        (id, attempt, sequence): (i64, u64, u32),
    ) -> Result<(), Error> {
        let sql = "SELECT gap, objects, sha256, request_id, content FROM inbox_page WHERE id = ?";
        let (gap, objects, sha256, request_id, content): (
            Option<String>,
            u32,
            Vec<u8>,
            String,
            Vec<u8>,
        ) = query(sql)
            .bind(id)
            .fetch_one(c)
            .await
            .map_err(Error::db(PAGE))?;
        let sifted = |mut page| match &self.suppressed {
            Some(all) => all.sift_stored(self.dataset.kind, &mut page).map(|()| page),
            None => Ok(page),
        };
        let page = match gap.map_or_else(|| inbox::open(&content).and_then(sifted), Err) {
            Ok(page) => page,
            Err(reason) => {
                said.gaps.page(attempt, sequence, reason);
                return Ok(());
            }
        };
        let written = fold.changed();
        let source = self
            .source(c, attempt, i64::from(sequence), &sha256, &request_id)
            .await?;
        fold.shared.source = Some(source);
        fold.page(c, &page.records).await?;
        if fold.changed() == written {
            // No record names it.
            query("DELETE FROM page_source WHERE id = ?")
                .bind(source)
                .execute(c)
                .await
                .map_err(Error::db(PAGE))?;
        }

        let set_aside: Vec<&str> = page
            .set_aside
            .iter()
            .filter_map(|s| s.key.as_deref())
            .collect();
        if !set_aside.is_empty() {
            fold.live(c, &set_aside).await?;
        }
        let (records, aside) = (page.records.len() as u64, page.set_aside.len() as u64);
        said.objects += u64::from(objects);
        said.set_aside += aside;
        said.named += (page.gone.len() + page.missing.len()) as u64;
        said.discarded += u64::from(objects).saturating_sub(records + aside);
        said.listen(suspects, page);
        Ok(())
    }

    /// The page that records come from; number -1 is the run as a whole.
    async fn source(
        &self,
        c: &mut Connection,
        attempt: u64,
        page: i64,
        sha256: &[u8],
        request_id: &str,
    ) -> Result<i64, Error> {
        let sql =
            "INSERT INTO page_source (tenant, dataset, run, attempt, sequence, sha256, request_id)
            VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id";
        let Waiting { tenant, seal, .. } = self.waiting;
        let q = query(sql)
            .bind(tenant)
            .bind(&seal.dataset)
            .bind(number(seal.run))
            .bind(number(attempt));
        q.bind(page)
            .bind(sha256)
            .bind(request_id)
            .fetch_one(c)
            .await
            .map_err(Error::db(PAGE))
    }

    async fn store_state(
        &self,
        c: &mut Connection,
        complete: bool,
        live: u64,
        said: &Said,
        changes: u64,
    ) -> Result<(), Error> {
        let seal = &self.waiting.seal;
        let run = number(seal.run);
        let sql = "INSERT INTO dataset_state
            (tenant, dataset, applied, whole, read_end, complete, live, pages, objects, changes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (tenant, dataset) DO UPDATE SET applied = excluded.applied, whole = excluded.whole,
            read_end = excluded.read_end, complete = excluded.complete, live = excluded.live, pages = excluded.pages,
            objects = excluded.objects, changes = excluded.changes";
        query(sql)
            .bind(self.waiting.tenant)
            .bind(self.dataset.name)
            .bind(run.max(self.before.applied))
            .bind(if complete {
                run.max(self.before.whole)
            } else {
                self.before.whole
            })
            .bind(number(seal.sealed_at).max(self.before.read_end))
            .bind(complete)
            .bind(number(live))
            .bind(number(said.pages))
            .bind(number(said.objects))
            .bind(number(changes))
            .execute(c)
            .await
            .map_err(Error::db("store the state of a dataset"))?;
        if complete && self.mode == Mode::Full {
            // A newer look at every object: what older runs set aside is no longer of interest.
            let sql = "DELETE FROM set_aside WHERE tenant = ? AND dataset = ? AND run < ?";
            let q = query(sql)
                .bind(self.waiting.tenant)
                .bind(self.dataset.name)
                .bind(run);
            q.execute(c)
                .await
                .map_err(Error::db("clear what was set aside"))?;
        }
        Ok(())
    }
}

const PAGE: &str = "read a page of the inbox";
