//! Of how many tenants a sink lacks something: what an autoscaler reads, by the view `scale.lagging`.

use runtime::db::query;

use super::Store;
use crate::error::Error;

/// Exporters that said nothing for so long are no more.
const GONE: u64 = 3_600_000_000;

impl Store {
    /// Notes what one exporter sees. Where several share a database; a database of one's own has no such table.
    pub(crate) async fn behind(&self, sink: &str, holder: &str, tenants: u64) -> Result<(), Error> {
        let mut write = self.0.write().await.map_err(Error::Store)?;
        let now = write.now(0).await.map_err(Error::Store)?;
        let sql = "INSERT INTO sink_behind (sink, holder, tenants, at) VALUES (?, ?, ?, ?)
            ON CONFLICT (sink, holder) DO UPDATE SET tenants = excluded.tenants, at = excluded.at";
        query(sql)
            .bind(sink)
            .bind(holder)
            .bind(tenants)
            .bind(now)
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        query("DELETE FROM sink_behind WHERE sink = ? AND at < ?")
            .bind(sink)
            .bind(now.saturating_sub(GONE))
            .execute(&mut write)
            .await
            .map_err(Error::Store)?;
        write.commit().await.map_err(Error::Store)
    }
}
