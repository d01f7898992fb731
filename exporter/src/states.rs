//! What a sink remembers of each tenant, where the system behind it can't be asked: what stands there, and what is on
//! its way. Every change names the state that it starts from, so of two exporters one finds that it has lost.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use proto::ids::TenantId;
use runtime::Clock;
use runtime::db::{Db, query};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// How long after its note a request may still begin.
pub(crate) const TO_BEGIN: Duration = Duration::from_secs(20);

/// The states of one sink.
pub(crate) struct States<T> {
    db: Db,
    clock: Clock,
    sink: String,
    /// Where the sink is, for messages.
    place: String,
    of: PhantomData<fn() -> T>,
}

/// A state as it was read or written last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept<T> {
    /// As it stands in the database; none where there is no row.
    text: Option<String>,
    pub now: T,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> States<T> {
    pub(crate) fn new(db: Db, clock: Clock, sink: String, place: String) -> Self {
        let of = PhantomData;
        States {
            db,
            clock,
            sink,
            place,
            of,
        }
    }

    /// Whether other exporters may be at work.
    fn shared(&self) -> bool {
        self.db.is_shared()
    }

    /// Whether what somebody noted at `since` may still be under way, where an answer takes so long at most.
    pub(crate) async fn under_way(&self, since: u64, answer: Duration) -> Result<bool, Error> {
        let window = u64::try_from((TO_BEGIN + answer).as_micros()).unwrap_or(u64::MAX);
        Ok(self.shared() && self.time().await? < since.saturating_add(window))
    }

    /// The time, in microseconds since 1970: that of the database, where it is shared.
    pub(crate) async fn time(&self) -> Result<u64, Error> {
        let mut read = self.db.read().await.map_err(Error::Store)?;
        let time = read.now(self.clock.micros()).await;
        time.map_err(Error::Store)
    }

    /// The state of a tenant; the default where there is none.
    pub(crate) async fn get(&self, tenant: TenantId) -> Result<Kept<T>, Error> {
        let mut read = self.db.read().await.map_err(Error::Store)?;
        let text: Option<String> =
            query("SELECT state FROM sink_state WHERE sink = ? AND tenant_id = ?")
                .bind(&self.sink)
                .bind(tenant.to_string())
                .fetch_optional(&mut read)
                .await
                .map_err(Error::Store)?;
        let now = text.as_deref().map(read_state).unwrap_or_default();
        Ok(Kept { text, now })
    }

    /// All of them.
    pub(crate) async fn all(&self) -> Result<BTreeMap<TenantId, T>, Error> {
        let mut read = self.db.read().await.map_err(Error::Store)?;
        let rows: Vec<(String, String)> =
            query("SELECT tenant_id, state FROM sink_state WHERE sink = ?")
                .bind(&self.sink)
                .fetch_all(&mut read)
                .await
                .map_err(Error::Store)?;
        rows.into_iter()
            .map(|(tenant, state)| Ok((tenant.parse()?, read_state(&state))))
            .collect()
    }

    /// Puts another state in the place of one.
    ///
    /// # Errors
    /// `LW-6034` when it isn't the one that stands there.
    pub(crate) async fn put(
        &self,
        tenant: TenantId,
        kept: &mut Kept<T>,
        next: T,
    ) -> Result<(), Error> {
        let place = || self.place.clone();
        let text = serde_json::to_string(&next).map_err(|e| Error::Record {
            tenant,
            kind: "sink_state".to_owned(),
            source: e.into(),
        })?;
        let mut write = self.db.write().await.map_err(Error::Store)?;
        let (sink, of) = (&self.sink, tenant.to_string());
        let put = match &kept.text {
            Some(old) => {
                let sql = "UPDATE sink_state SET state = ? WHERE sink = ? AND tenant_id = ? AND state = ?";
                query(sql).bind(&text).bind(sink).bind(of).bind(old)
            }
            None => {
                let sql = "INSERT INTO sink_state (sink, tenant_id, state) VALUES (?, ?, ?)
                    ON CONFLICT (sink, tenant_id) DO NOTHING";
                query(sql).bind(sink).bind(of).bind(&text)
            }
        };
        let rows = put.execute(&mut write).await.map_err(Error::Store)?;
        if rows != 1 {
            return Err(Error::Moved { place: place() });
        }
        write.commit().await.map_err(Error::Store)?;
        (kept.text, kept.now) = (Some(text), next);
        Ok(())
    }
}

/// One that another release wrote, and this one can't read, counts as none: everything can be sent again.
fn read_state<T: Default + DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}
