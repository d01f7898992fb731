//! From a request to a token that may be handed out: asked of Entra ID, checked, compared with the last one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use catalog::Declaration;
use futures::FutureExt as _;
use proto::ids::TenantId;
use runtime::Problem;

use crate::audit::{Audit, Event, Kind};
use crate::cache::{Cache, Rejected, Request, Token};
use crate::claims::Granted;
use crate::entra::Entra;
use crate::error::Error;
use crate::event::Drift;
use crate::excess::{Report, covers};
use crate::registry::{App, Registry, Tenant};
use crate::store::Store;

/// A token doesn't wait longer for what only tells of changes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks for tokens and looks into them.
pub(crate) struct Issuer {
    pub(crate) entra: Entra,
    registry: Arc<Registry>,
    audit: Audit,
    store: Option<Store>,
    /// What each app's last token of this process granted: where there is no store, or it can't be used.
    last: Mutex<HashMap<(TenantId, String), Granted>>,
}

impl Issuer {
    pub(crate) fn new(
        entra: Entra,
        registry: Arc<Registry>,
        audit: Audit,
        store: Option<Store>,
    ) -> Arc<Self> {
        Arc::new(Issuer {
            entra,
            registry,
            audit,
            store,
            last: Mutex::default(),
        })
    }

    /// As the cache asks.
    pub(crate) fn request(self: Arc<Self>) -> Request {
        Arc::new(move |app, claims| {
            let issuer = Arc::clone(&self);
            async move {
                let outcome = issuer.issue(&app, claims.as_deref()).await;
                issuer.entra.events.ended(&app, &outcome);
                outcome
            }
            .boxed()
        })
    }

    async fn issue(&self, app: &App, claims: Option<&str>) -> Result<Token, Error> {
        let asked = self.entra.clock.micros();
        let answer = self.entra.request(app, claims).await?;
        let token = Token::new(answer, asked);
        let Some(granted) = &token.granted else {
            tracing::warn!(tenant = %app.tenant, app = app.name, "the token can't be read: what it grants is not checked");
            return Ok(token);
        };
        granted.check(app, app.is_legacy(token.credential))?;
        self.compare(app, granted).await;
        if let Some(tenant) = self.registry.get(app.tenant) {
            let report = tenant.report(app, granted, asked / 1_000_000);
            tell(app, &report);
            for (role, until) in &report.until {
                self.entra.events.tolerated(app, role, *until);
            }
            refuse(app, report)?;
        }
        Ok(token)
    }

    /// Whether a credential of an app works, and what its token grants; nothing is kept of it.
    pub(crate) async fn try_out(&self, tenant: &Tenant, app: &App) -> Result<Token, Error> {
        let asked = self.entra.clock.micros();
        let answer = self.entra.request(app, None).await?;
        let token = Token::new(answer, asked);
        if let Some(granted) = &token.granted {
            granted.check(app, app.is_legacy(token.credential))?;
            refuse(app, tenant.report(app, granted, asked / 1_000_000))?;
        }
        Ok(token)
    }

    /// Whoever widened the app told nobody: we do.
    async fn compare(&self, app: &App, granted: &Granted) {
        let before = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.insert((app.tenant, app.name.clone()), granted.clone())
        };
        if let Some(store) = &self.store {
            let stored = tokio::time::timeout(PATIENCE, self.compare_stored(store, app, granted));
            let late = || Problem::new("LW-2061", "the store of the token-broker is late.", "");
            match stored.await.unwrap_or_else(|_| Err(late())) {
                Ok(()) => return,
                Err(e) => {
                    tracing::error!(tenant = %app.tenant, app = app.name, problem = %runtime::error::Chain(&e),
                        "what the app may is compared with its last token of this process only");
                }
            }
        }
        if let Some(drift) = before.and_then(|before| Drift::between(&before, granted)) {
            self.tell(app, granted, &drift).await;
        }
    }

    /// With the last token that any replica got, also before a restart. What is told before it is stored can be told twice,
    /// but not be lost.
    async fn compare_stored(
        &self,
        store: &Store,
        app: &App,
        granted: &Granted,
    ) -> Result<(), Problem> {
        let before = store.granted(app.tenant, &app.key, granted).await?;
        if Drift::between(&before, granted).is_none() {
            return Ok(());
        }
        // Another replica may have told it since.
        let held = store.hold_granted(app.tenant, &app.key, granted).await?;
        if let Some(drift) = Drift::between(&held.granted, granted) {
            self.tell(app, granted, &drift).await;
        }
        held.keep(granted).await.map(drop)
    }

    async fn tell(&self, app: &App, granted: &Granted, drift: &Drift) {
        self.entra.events.drifted(app, drift);
        let (tenant, detail) = (app.tenant.to_string(), drift.text());
        let event = Event {
            tenant: Some(&tenant),
            app: Some(&app.name),
            uti: Some(&granted.uti),
            detail: Some(&detail),
            ..Event::new(Kind::Drift)
        };
        if let Err(e) = self.audit.note(&event).await {
            tracing::error!(error = %runtime::error::Chain(&e), "a drift was not noted");
        }
    }
}

/// An app that may more than it should gets no token.
fn refuse(app: &App, report: Report) -> Result<(), Error> {
    match report.refused.is_empty() {
        true => Ok(()),
        false => Err(Error::Excess {
            tenant: app.tenant,
            app: app.name.clone(),
            excess: report.refused,
        }),
    }
}

fn tell(app: &App, report: &Report) {
    let Report {
        tolerated,
        unneeded,
        missing,
        ..
    } = report;
    if !tolerated.is_empty() {
        tracing::warn!(tenant = %app.tenant, app = app.name, ?tolerated, "the app holds more than needed, tolerated by exceptions");
    }
    if !unneeded.is_empty() || !missing.is_empty() {
        tracing::info!(tenant = %app.tenant, app = app.name, ?unneeded, ?missing, "permissions of the app");
    }
}

impl Tenant {
    /// What an app's token grants, held against what the app is there for. `now` is in seconds since 1970.
    pub(crate) fn report(&self, app: &App, granted: &Granted, now: u64) -> Report {
        Report::of(
            granted,
            &self.datasets_of(app),
            &self.config.exceptions,
            now,
        )
    }

    /// The datasets that an app is there for: those that the operator names for it, else every enabled one.
    pub(crate) fn datasets_of(&self, app: &App) -> Vec<&'static Declaration> {
        let enabled = self.config.dataset_names();
        let names = enabled.iter().map(String::as_str);
        let names = names.filter(|name| app.may_read(name));
        names.filter_map(catalog::find).collect()
    }

    /// The app that is there for a dataset: of those whose permissions cover it, the one that may least.
    pub(crate) async fn narrowest(
        &self,
        dataset: &str,
        cache: &Cache,
    ) -> Result<&Arc<App>, Arc<Error>> {
        let may_read = self.apps.iter().filter(|app| app.may_read(dataset));
        let candidates: Vec<&Arc<App>> = may_read.collect();
        if let [only] = candidates[..] {
            return Ok(only);
        }
        let declared = catalog::find(dataset);
        let mut best: Option<(bool, usize, &Arc<App>)> = None;
        let mut failure = None;
        for app in candidates {
            let (covered, size) = match cache.get(app, &Rejected::default()).await {
                Ok((token, _)) => match &token.granted {
                    Some(granted) => {
                        let covered = declared.is_none_or(|d| covers(granted.powers(), d));
                        (covered, granted.powers().count())
                    }
                    None => (true, usize::MAX),
                },
                Err(e) => {
                    failure.get_or_insert(e);
                    continue;
                }
            };
            if best.is_none_or(|(c, s, _)| (!covered, size) < (!c, s)) {
                best = Some((covered, size, app));
            }
        }
        match (best, failure) {
            // One that doesn't cover it is better than none only where no other one failed.
            (Some((true, _, app)), _) | (Some((_, _, app)), None) => Ok(app),
            (_, Some(e)) => Err(e),
            (None, None) => Err(Arc::new(Error::NoApp {
                tenant: self.config.id,
                dataset: dataset.to_owned(),
            })),
        }
    }
}
