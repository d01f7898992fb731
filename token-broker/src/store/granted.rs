//! What each app's last token granted: kept, so that a change is told that was made while no token-broker ran, and once
//! among replicas.

use proto::ids::TenantId;
use runtime::Problem;
use runtime::db::{Error as DbError, Write, query};

use super::{Store, failed};
use crate::claims::Granted;

/// What an app's last token granted, which nobody else compares meanwhile.
pub(crate) struct HeldGranted {
    write: Write,
    tenant: String,
    app: String,
    pub granted: Granted,
}

fn text(granted: &Granted) -> String {
    serde_json::to_string(granted).unwrap_or_else(|_| unreachable!("sets of texts"))
}

/// One that can't be read is of another release: nothing can be compared with it.
fn read(text: &str, now: &Granted) -> Granted {
    serde_json::from_str(text).unwrap_or_else(|_| now.clone())
}

impl Store {
    /// What the last token of an app granted; `now` where that was the first one.
    pub(crate) async fn granted(
        &self,
        tenant: TenantId,
        app: &str,
        now: &Granted,
    ) -> Result<Granted, Problem> {
        let found = async {
            let mut read = self.db.read().await?;
            query("SELECT claims FROM granted WHERE tenant_id = ? AND app = ?")
                .bind(tenant.to_string())
                .bind(app)
                .fetch_optional::<String>(&mut read)
                .await
        };
        match found.await.map_err(failed)? {
            Some(text) => Ok(read(&text, now)),
            None => Ok(self.hold_granted(tenant, app, now).await?.keep(now).await?),
        }
    }

    /// The same, and others wait until it is replaced.
    pub(crate) async fn hold_granted(
        &self,
        tenant: TenantId,
        app: &str,
        now: &Granted,
    ) -> Result<HeldGranted, Problem> {
        let tenant = tenant.to_string();
        let held = async {
            let mut write = self.db.write().await?;
            query("INSERT INTO granted (tenant_id, app, claims) VALUES (?, ?, ?) ON CONFLICT (tenant_id, app) DO NOTHING")
                .bind(&tenant)
                .bind(app)
                .bind(text(now))
                .execute(&mut write)
                .await?;
            let found: String =
                query("SELECT claims FROM granted WHERE tenant_id = ? AND app = ? FOR UPDATE")
                    .bind(&tenant)
                    .bind(app)
                    .fetch_one(&mut write)
                    .await?;
            Ok((write, read(&found, now)))
        };
        let (write, granted) = held.await.map_err(failed)?;
        Ok(HeldGranted {
            write,
            app: app.to_owned(),
            tenant,
            granted,
        })
    }
}

impl HeldGranted {
    /// Puts this in its place. Returns what was there.
    pub(crate) async fn keep(self, now: &Granted) -> Result<Granted, Problem> {
        let HeldGranted {
            mut write,
            tenant,
            app,
            granted,
        } = self;
        let put = async {
            query("UPDATE granted SET claims = ? WHERE tenant_id = ? AND app = ?")
                .bind(text(now))
                .bind(&tenant)
                .bind(&app)
                .execute(&mut write)
                .await?;
            write.commit().await
        };
        put.await.map_err(failed)?;
        Ok(granted)
    }
}

/// Of a tenant that was taken out.
pub(super) async fn forget(write: &mut Write, tenant: &str) -> Result<(), DbError> {
    query("DELETE FROM granted WHERE tenant_id = ?")
        .bind(tenant)
        .execute(write)
        .await
        .map(drop)
}
