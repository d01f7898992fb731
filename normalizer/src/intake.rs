//! Takes messages into the inbox: in any order, as often as they come, applying nothing.

use bus::{DeadLetter, Outcome, Received};
use catalog::Declaration;
use prost::Message as _;
use proto::ids::{RunId, TenantId};
use proto::message::{Body, Label};
use proto::pages::v1::{PageFetched, RunSealed};
use proto::rules::{Rule, on};
use runtime::db::{Connection, query};

use crate::aside::source::Place;
use crate::error::Error;
use crate::inbox::{self, Row};
use crate::ledger::close;
use crate::ledger::pages::number;
use crate::map::SetAside;
use crate::privacy::suppression::note;
use crate::{Normalizer, aside, store};

/// The name of a page.
struct Name<'a> {
    tenant: TenantId,
    dataset: &'a Declaration,
    run: u64,
    attempt: u64,
    sequence: u32,
}

impl<'a> Name<'a> {
    fn of(label: &Label) -> Option<Name<'a>> {
        let dataset = catalog::find(label.dataset.as_ref()?.as_str())?;
        let Label {
            tenant,
            run,
            attempt,
            sequence,
            ..
        } = *label;
        Some(Name {
            tenant,
            dataset,
            run,
            attempt,
            sequence,
        })
    }
}

impl Normalizer {
    /// Takes a message of the queues that the normalizer consumes.
    pub(crate) async fn take(&self, received: Received) -> Result<Outcome, Error> {
        let Some(name) = Name::of(&received.label) else {
            return Ok(Outcome::Reject(
                "this release doesn't know the dataset".into(),
            ));
        };
        runtime::trace::tenant(&name.tenant);
        match received.body {
            Body::Page(page) => self.take_page(name, page).await?,
            // A seal speaks for its pool: the verdict goes there.
            Body::Sealed(seal) if received.pool.is_some_and(|p| p.as_str() != seal.pool) => {
                return Ok(Outcome::Reject(
                    "the seal names another pool than its key".into(),
                ));
            }
            Body::Sealed(seal) => self.take_seal(name, seal, false).await?,
            _ => return Ok(Outcome::Reject("not a page and not a seal".into())),
        }
        Ok(Outcome::Done)
    }

    /// A page that died becomes a gap; a seal that died closes its run with what is there. Both are read again.
    pub(crate) async fn take_dead(&self, letter: DeadLetter) -> Result<(), Error> {
        // A label alone proves nothing: anybody who can write to the queue may have made it up.
        let proven = letter.body.as_ref().and_then(|b| b.label().ok());
        let name = proven.as_ref().and_then(Name::of);
        tracing::warn!(
            label = ?letter.label, queue = %letter.queue, reason = letter.reason, readable = letter.body.is_some(),
            "a message could not be handled"
        );
        match (name, letter.body) {
            (Some(name), Some(Body::Page(_))) => {
                self.keep(&name, Row::gap(letter.reason), "").await
            }
            (Some(name), Some(Body::Sealed(seal))) => self.take_seal(name, seal, true).await,
            _ => Ok(()),
        }
    }

    async fn take_page(&self, name: Name<'_>, page: PageFetched) -> Result<(), Error> {
        let mut read = self
            .0
            .db
            .read()
            .await
            .map_err(Error::db("open the ledger"))?;
        let tenant = store::tenant(&mut read, &name.tenant.to_string()).await?;
        if let Some(tenant) = tenant
            && old(&mut read, tenant, &name).await?
        {
            overtaken(&name);
            return Ok(());
        }
        let of = (name.tenant, tenant);
        let care = self.care(&mut read, of, name.dataset.kind).await?;
        drop(read);
        let (kind, request_id) = (name.dataset.kind, page.graph_request_id.clone());
        // Takes milliseconds: other tasks of this thread go on meanwhile.
        let row = tokio::task::spawn_blocking(move || inbox::digest(kind, page, &care))
            .await
            .map_err(Error::Task)?;
        if let Some(reason) = &row.gap {
            let (tenant, run) = (name.tenant, name.run);
            tracing::warn!(%tenant, dataset = name.dataset.name, run, reason, "a page can't be used");
        }
        self.keep(&name, row, &request_id).await
    }

    async fn keep(&self, name: &Name<'_>, row: Row, request_id: &str) -> Result<(), Error> {
        let failed = "keep a page";
        let page = aside::Page {
            tenant: name.tenant,
            dataset: name.dataset.name,
            run: name.run,
            attempt: name.attempt,
            sequence: name.sequence,
        };
        let mut sources = self.seal(&page, &row).into_iter();
        let mut w = self.0.db.write().await.map_err(Error::db(failed))?;
        let tenant = store::tenant_or_new(&mut w, name.tenant).await?;
        if old(&mut w, tenant, name).await? {
            overtaken(name);
            return Ok(());
        }
        let gap = row.gap.is_some();
        let sql = "INSERT INTO inbox_page
            (tenant, dataset, run, attempt, sequence, gap, objects, set_aside, sha256, request_id, content)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let new = query(sql)
            .bind(tenant)
            .bind(name.dataset.name)
            .bind(number(name.run))
            .bind(number(name.attempt))
            .bind(name.sequence)
            .bind(row.gap)
            .bind(row.objects)
            .bind(i64::try_from(row.set_aside.len()).unwrap_or(i64::MAX))
            .bind(&row.sha256[..])
            .bind(request_id)
            .bind(row.content)
            .execute(&mut w)
            .await
            .map_err(Error::db(failed))?;
        if new > 0 {
            let at = self.now().0;
            if let Some(key) = &self.0.keys.erased {
                let since = (key.id.as_str(), number(at));
                note(&mut w, tenant, since, &row.learned).await?;
            }
            for (n, object) in row.set_aside.iter().enumerate() {
                let kept = aside::Kept {
                    source: sources.next(),
                    skus: aside::held::skus(name.dataset.kind, row.sources.get(n)),
                    at,
                };
                aside::put(&mut w, (tenant, &page), object, kept).await?;
            }
        }
        w.commit().await.map_err(Error::db(failed))?;
        if new > 0 {
            runtime::metrics::ledger::page_taken(name.dataset.name, gap);
            for u in &row.unfamiliar {
                runtime::metrics::ledger::unfamiliar(name.dataset.name, &u.what, &u.name, u.count);
            }
            runtime::metrics::ledger::set_aside(name.dataset.name, row.set_aside.len() as u64);
        }
        self.arrived(tenant, name.dataset.name);
        Ok(())
    }

    /// The sources of a page's set-aside objects, sealed; of the first ones, and none where there is no key.
    fn seal(&self, page: &aside::Page<'_>, row: &Row) -> Vec<(String, Vec<u8>)> {
        let Some(ring) = self.0.at_rest.as_deref() else {
            return Vec::new();
        };
        let tenant = page.tenant.to_string();
        let name = (page.run, page.attempt, page.sequence);
        let objects = row.set_aside.iter().zip(&row.sources);
        let sealed = |(object, source): (&SetAside, &String)| {
            Place::new(&tenant, page.dataset, name, object.key.as_deref()).seal(ring, source)
        };
        objects
            .take(aside::kept(&row.sources))
            .map(sealed)
            .collect()
    }

    async fn take_seal(&self, name: Name<'_>, seal: RunSealed, dead: bool) -> Result<(), Error> {
        let failed = "keep a seal";
        let mut w = self.0.db.write().await.map_err(Error::db(failed))?;
        let tenant = store::tenant_or_new(&mut w, name.tenant).await?;
        // One that comes again after its closing.
        let named = RunSealed {
            dataset: name.dataset.name.to_owned(),
            run: name.run,
            attempt: name.attempt,
            ..RunSealed::default()
        };
        if let Some(closing) = close::ask_again(&mut w, tenant, &named).await? {
            w.commit().await.map_err(Error::db(failed))?;
            self.to_publish(Some(closing));
            return Ok(());
        }
        let sql = "INSERT INTO inbox_seal (tenant, dataset, run, attempt, dead, seal) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO NOTHING";
        let q = query(sql)
            .bind(tenant)
            .bind(name.dataset.name)
            .bind(number(name.run))
            .bind(number(name.attempt));
        q.bind(dead)
            .bind(seal.encode_to_vec())
            .execute(&mut w)
            .await
            .map_err(Error::db(failed))?;
        w.commit().await.map_err(Error::db(failed))?;
        self.arrived(tenant, name.dataset.name);
        Ok(())
    }
}

/// A newer run was applied before the page came, so what it says is known.
fn overtaken(name: &Name<'_>) {
    let (dataset, sequence) = (name.dataset.name, name.sequence);
    tracing::info!(tenant = %name.tenant, dataset, run = name.run, attempt = name.attempt, sequence, "a page came too late");
}

/// Whether a run is not newer than what is applied: then it never will be.
async fn old(c: &mut Connection, tenant: i64, name: &Name<'_>) -> Result<bool, Error> {
    let applied = RunId::from_db(store::applied(c, tenant, name.dataset.name).await?);
    Ok(RunId(name.run) <= applied && on(Rule::Ascending))
}
