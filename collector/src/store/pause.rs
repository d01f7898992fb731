//! Tenants that nothing is asked of Graph for.

use proto::ids::{TenantId, Timestamp};
use runtime::db::{Connection, query};
use runtime::row;

use super::Store;
use crate::error::Error;

row! {
    /// A tenant that is paused.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Pause {
        pub tenant: String,
        pub since: u64,
        pub who: String,
        pub why: String,
    }
}

impl Store {
    /// Pauses a tenant; one that is paused stays so as it was.
    pub async fn pause(
        &self,
        tenant: TenantId,
        since: Timestamp,
        who: &str,
        why: &str,
    ) -> Result<(), Error> {
        let mut w = self.db.write().await?;
        query("INSERT INTO pause (tenant, since, who, why) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(tenant.to_string())
            .bind(since.0)
            .bind(who)
            .bind(why)
            .execute(&mut w)
            .await?;
        Ok(w.commit().await?)
    }

    /// Lets a tenant go on. False: it wasn't paused.
    pub async fn resume(&self, tenant: TenantId) -> Result<bool, Error> {
        let mut w = self.db.write().await?;
        let gone = query("DELETE FROM pause WHERE tenant = ?")
            .bind(tenant.to_string())
            .execute(&mut w)
            .await?;
        w.commit().await?;
        Ok(gone == 1)
    }

    /// Every tenant that is paused, ordered by its id.
    pub async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        let mut r = self.db.read().await?;
        let all = query("SELECT tenant, since, who, why FROM pause ORDER BY tenant");
        Ok(all.fetch_all(&mut r).await?)
    }

    /// Whether a tenant is paused.
    pub(super) async fn is_paused(w: &mut Connection, tenant: TenantId) -> Result<bool, Error> {
        let row: Option<String> = query("SELECT tenant FROM pause WHERE tenant = ?")
            .bind(tenant.to_string())
            .fetch_optional(w)
            .await?;
        Ok(row.is_some())
    }
}
