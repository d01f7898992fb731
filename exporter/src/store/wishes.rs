//! Tenants of which a sink shall get everything anew.

use std::collections::BTreeSet;

use proto::ids::TenantId;
use runtime::db::query;

use super::{Place, Store};
use crate::error::Error;

impl Store {
    /// Notes the wish. What a sink was sent counts as sent no more: it may be a restored one.
    pub(crate) async fn wish(&self, sink: &str, tenants: &[TenantId]) -> Result<(), Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        for tenant in tenants {
            let tenant = tenant.to_string();
            let sql = "INSERT INTO resync (sink, tenant_id) VALUES (?, ?) ON CONFLICT DO NOTHING";
            let wish = query(sql).bind(sink).bind(&tenant);
            wish.execute(&mut write).await.map_err(Error::Store)?;
            let sql = "UPDATE delivered SET sure = 0 WHERE sink = ? AND tenant_id = ?";
            let doubt = query(sql).bind(sink).bind(&tenant);
            doubt.execute(&mut write).await.map_err(Error::Store)?;
        }
        write.commit().await.map_err(Error::Store)
    }

    /// The tenants that a sink shall get anew.
    pub(crate) async fn wishes(&self, sink: &str) -> Result<BTreeSet<TenantId>, Error> {
        let mut read = self.0.read().await.map_err(Error::Store)?;
        let tenants: Vec<String> = query("SELECT tenant_id FROM resync WHERE sink = ?")
            .bind(sink)
            .fetch_all(&mut read)
            .await
            .map_err(Error::Store)?;
        let tenants = tenants.iter().map(|t| t.parse().map_err(Error::Id));
        tenants.collect()
    }

    /// The sink has it.
    pub(crate) async fn fulfilled(&self, place: &Place) -> Result<(), Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        let sql = "DELETE FROM resync WHERE sink = ? AND tenant_id = ?";
        let done = query(sql).bind(&place.sink).bind(&place.tenant);
        done.execute(&mut write).await.map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)
    }
}
