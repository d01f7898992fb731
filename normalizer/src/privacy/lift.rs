//! Who was erased, as far as that may be told, and who may come back.

use proto::admin::v1::{ErasedPerson, LiftErasureResponse, ListErasedResponse};
use runtime::db::query;
use runtime::row;
use tonic::Status;

use super::erase::{hex, named, no_key};
use super::suppression::Hashes;
use crate::Normalizer;
use crate::error::Error;
use crate::feed::unsigned;

const READ: &str = "read who was erased";
const LIFT: &str = "let somebody who was erased come back";

row! {
    struct Row {
        tenant: String,
        person: Vec<u8>,
        since: i64,
        known_by: i64,
    }
}

impl Normalizer {
    /// Everybody who was erased, of one tenant or of all.
    pub(crate) async fn erased(&self, tenant_id: &str) -> Result<ListErasedResponse, Status> {
        let mut read = self.0.db.read().await.map_err(Error::db(READ))?;
        let sql = "SELECT t.tenant, s.person, min(s.since) AS since, count(*) AS known_by
            FROM suppression s JOIN tenant t ON t.id = s.tenant WHERE ? = '' OR t.tenant = ?
            GROUP BY t.tenant, s.person ORDER BY since, t.tenant, s.person";
        let q = query(sql).bind(tenant_id).bind(tenant_id);
        let rows: Vec<Row> = q.fetch_all(&mut read).await.map_err(Error::db(READ))?;
        let shown = |r: Row| ErasedPerson {
            tenant_id: r.tenant,
            person: hex(&r.person),
            since: unsigned(r.since),
            known_by: u32::try_from(r.known_by).unwrap_or(u32::MAX),
        };
        let people = rows.into_iter().map(shown).collect();
        Ok(ListErasedResponse { people })
    }

    /// Lets somebody come back with the next full reading, by id, sign-in name or the hash that the list shows.
    pub(crate) async fn lift(
        &self,
        tenant_id: &str,
        user: &str,
    ) -> Result<LiftErasureResponse, Status> {
        let mut w = self.0.db.write().await.map_err(Error::db(LIFT))?;
        let (tenant, tenant_id) = named(&mut w, tenant_id).await?;
        let hashes = Hashes::new(&self.0.keys, &tenant_id).ok_or_else(no_key)?;
        let q = query("SELECT hash, person FROM suppression WHERE tenant = ?").bind(tenant);
        let rows: Vec<(Vec<u8>, Vec<u8>)> = q.fetch_all(&mut w).await.map_err(Error::db(LIFT))?;
        let meant = [hashes.id(user), hashes.name(user)];
        let found = rows
            .iter()
            .find(|(hash, person)| meant.contains(hash) || hex(person) == user);
        let Some((_, person)) = found else {
            return Err(Status::not_found(
                "nobody of this id, name or hash was erased",
            ));
        };
        let q = query("DELETE FROM suppression WHERE tenant = ? AND person = ?");
        let q = q.bind(tenant).bind(person);
        q.execute(&mut w).await.map_err(Error::db(LIFT))?;
        w.commit().await.map_err(Error::db(LIFT))?;
        Ok(LiftErasureResponse {
            tenant_id,
            person: hex(person),
        })
    }
}
