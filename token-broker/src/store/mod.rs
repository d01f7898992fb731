//! What the broker keeps: tenants that were added while it runs, with their sealed files, which of them get no tokens, and
//! what it has seen of each app.

mod config;
mod granted;
mod sealed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use proto::ids::TenantId;
use runtime::db::{Db, Error as DbError, Migrations, Write, query};
use runtime::seal::{Purpose, Ring};
use runtime::{Clock, Problem};
use zeroize::Zeroizing;

pub use config::Config;
pub(crate) use sealed::SealError;
use sealed::Sealed;

use crate::config::TenantConfig;
use crate::files::Contents as Files;

/// The format of the broker's database, for [`Db::open`].
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[
        (1, include_str!("../../migrations/sqlite/1_store.sql")),
        (2, include_str!("../../migrations/sqlite/2_granted.sql")),
    ],
    postgres: &[
        (1, include_str!("../../migrations/postgres/1_store.sql")),
        (2, include_str!("../../migrations/postgres/2_granted.sql")),
    ],
    additions: &[],
};

/// What the key files are for.
const KEY: Purpose = Purpose {
    code: "LW-2060",
    of: "the store",
};

/// The scope of a kill that meets every tenant.
const EVERYBODY: &str = "*";

/// The broker's database, and the keys to what is sealed in it.
#[derive(Clone)]
pub struct Store {
    db: Db,
    ring: Arc<Ring>,
    clock: Clock,
}

/// No tokens, since when, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    /// The tenant; none where it is every tenant.
    pub tenant: Option<TenantId>,
    /// Microseconds since 1970.
    pub since: u64,
    pub who: String,
    pub why: String,
}

/// What replicas share, as it was at one moment.
#[derive(Default)]
pub(crate) struct Contents {
    pub tenants: Vec<(TenantConfig, SealedFiles)>,
    pub kills: Vec<Kill>,
}

/// The sealed files of one tenant, opened when they are needed.
#[derive(Clone)]
pub(crate) struct SealedFiles {
    tenant: String,
    store: Store,
    rows: HashMap<String, Sealed>,
}

impl SealedFiles {
    /// The row of a file; none where the tenant has no sealed file of that name.
    pub(crate) fn written(&self, path: &Path) -> Option<u64> {
        let row = self.rows.get(path.to_str()?)?;
        u64::try_from(row.written).ok()
    }

    /// The content of a file, if it is sealed here.
    pub(crate) fn read(&self, path: &Path) -> Option<std::io::Result<Zeroizing<Vec<u8>>>> {
        let name = path.to_str()?;
        let row = self.rows.get(name)?;
        let opened = row.open(&self.store.ring, &self.tenant, name);
        Some(opened.map_err(std::io::Error::other))
    }

    /// Holds a file until what comes in its place is there. What other replicas put there meanwhile counts.
    pub(crate) async fn hold(&self, name: &str) -> std::io::Result<Held> {
        type Row = (i64, i64, String, Vec<u8>, Vec<u8>);
        let other = std::io::Error::other::<DbError>;
        let mut write = self.store.db.write().await.map_err(other)?;
        let row: Option<Row> =
            query("SELECT version, written, kek, wrapped, sealed FROM secret WHERE tenant_id = ? AND name = ? FOR UPDATE")
                .bind(&self.tenant)
                .bind(name)
                .fetch_optional(&mut write)
                .await
                .map_err(other)?;
        let Some((version, written, kek, wrapped, sealed)) = row else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let row = Sealed {
            version,
            written,
            kek,
            wrapped,
            sealed,
        };
        let content = row.open(&self.store.ring, &self.tenant, name);
        let content = content.map_err(std::io::Error::other)?;
        Ok(Held {
            store: self.store.clone(),
            write,
            tenant: self.tenant.clone(),
            name: name.to_owned(),
            version,
            content,
        })
    }
}

/// A sealed file that nobody else replaces meanwhile.
pub(crate) struct Held {
    store: Store,
    write: Write,
    tenant: String,
    name: String,
    version: i64,
    pub content: Zeroizing<Vec<u8>>,
}

impl Held {
    /// Puts this in its place.
    pub(crate) async fn replace(self, content: &[u8]) -> std::io::Result<()> {
        let Held {
            store,
            mut write,
            tenant,
            name,
            version,
            ..
        } = self;
        let put = async {
            store
                .write_file(&mut write, &tenant, &name, version + 1, content)
                .await?;
            changed(&mut write).await?;
            write.commit().await
        };
        put.await.map_err(std::io::Error::other)
    }
}

fn failed(e: DbError) -> Problem {
    Problem::new(
        "LW-2061",
        "the store of the token-broker can't be used.",
        "see that its database answers and has room; it is tried again",
    )
    .caused_by(e)
}

impl Store {
    /// Over an open database.
    ///
    /// # Errors
    /// `LW-2060` when a key file holds no key.
    pub fn new(db: Db, config: &Config, clock: Clock) -> Result<Self, Problem> {
        Ok(Store {
            db,
            ring: Arc::new(Ring::open(KEY, &config.key_file, &config.old_key_files)?),
            clock,
        })
    }

    /// Whether other processes write to it too.
    pub(crate) fn is_shared(&self) -> bool {
        self.db.is_shared()
    }

    /// Grows whenever [`Store::load`] would return something else.
    pub(crate) async fn number(&self) -> Result<i64, Problem> {
        let number = async {
            let mut read = self.db.read().await?;
            query("SELECT number FROM change")
                .fetch_one(&mut read)
                .await
        };
        number.await.map_err(failed)
    }

    /// Everything that replicas share, and its number.
    pub(crate) async fn load(&self) -> Result<(i64, Contents), Problem> {
        type Secret = (String, String, i64, i64, String, Vec<u8>, Vec<u8>);
        type Killed = (String, i64, String, String);
        let rows = async {
            let mut read = self.db.snapshot().await?;
            let number: i64 = query("SELECT number FROM change")
                .fetch_one(&mut read)
                .await?;
            let tenants: Vec<(String, String)> = query("SELECT tenant_id, config FROM tenant")
                .fetch_all(&mut read)
                .await?;
            let secrets: Vec<Secret> =
                query("SELECT tenant_id, name, version, written, kek, wrapped, sealed FROM secret")
                    .fetch_all(&mut read)
                    .await?;
            let kills: Vec<Killed> = query("SELECT scope, since, who, why FROM killed")
                .fetch_all(&mut read)
                .await?;
            Ok((number, tenants, secrets, kills))
        };
        let (number, tenants, secrets, kills) = rows.await.map_err(failed)?;
        let mut files: HashMap<String, HashMap<String, Sealed>> = HashMap::new();
        for (tenant, name, version, written, kek, wrapped, sealed) in secrets {
            let row = Sealed {
                version,
                written,
                kek,
                wrapped,
                sealed,
            };
            files.entry(tenant).or_default().insert(name, row);
        }
        let mut contents = Contents::default();
        for (tenant, text) in tenants {
            let config: TenantConfig = match serde_json::from_str(&text) {
                Ok(config) => config,
                Err(e) => {
                    tracing::error!(tenant, error = %e, "a tenant of the store can't be read by this release: it is left out");
                    continue;
                }
            };
            let rows = files.remove(&tenant).unwrap_or_default();
            let store = self.clone();
            contents.tenants.push((
                config,
                SealedFiles {
                    tenant,
                    store,
                    rows,
                },
            ));
        }
        for (scope, since, who, why) in kills {
            // A scope that can't be read would be a kill that isn't kept: it meets everybody.
            let tenant = scope.parse().ok();
            let since = u64::try_from(since).unwrap_or(0);
            contents.kills.push(Kill {
                tenant,
                since,
                who,
                why,
            });
        }
        Ok((number, contents))
    }

    /// Stores a tenant in place of what was known of it. `files` are sealed, those that the section no longer names are
    /// destroyed.
    pub(crate) async fn put(&self, config: &TenantConfig, files: &Files) -> Result<(), Problem> {
        let text = serde_json::to_string(config)
            .unwrap_or_else(|_| unreachable!("it was read from such a text"));
        let tenant = config.id.to_string();
        let put = async {
            let mut write = self.db.write().await?;
            query("INSERT INTO tenant (tenant_id, config) VALUES (?, ?) ON CONFLICT (tenant_id) DO UPDATE SET config = excluded.config")
                .bind(&tenant)
                .bind(&text)
                .execute(&mut write)
                .await?;
            if config.removed {
                granted::forget(&mut write, &tenant).await?;
            }
            let known: Vec<(String, i64)> =
                query("SELECT name, version FROM secret WHERE tenant_id = ?")
                    .bind(&tenant)
                    .fetch_all(&mut write)
                    .await?;
            let named = config.files();
            for (name, _) in &known {
                if !named.iter().any(|path| path.to_str() == Some(name)) {
                    query("DELETE FROM secret WHERE tenant_id = ? AND name = ?")
                        .bind(&tenant)
                        .bind(name)
                        .execute(&mut write)
                        .await?;
                }
            }
            for (name, content) in files {
                let before = known.iter().find(|(n, _)| n == name).map_or(0, |(_, v)| *v);
                self.write_file(&mut write, &tenant, name, before + 1, content)
                    .await?;
            }
            changed(&mut write).await?;
            write.commit().await
        };
        put.await.map_err(failed)
    }

    async fn write_file(
        &self,
        write: &mut Write,
        tenant: &str,
        name: &str,
        version: i64,
        content: &[u8],
    ) -> Result<(), DbError> {
        let now = i64::try_from(self.clock.micros()).unwrap_or(i64::MAX);
        let row = Sealed::new(
            &self.ring.current(),
            (tenant, name),
            (version, now),
            content,
        );
        query(
            "INSERT INTO secret (tenant_id, name, version, written, kek, wrapped, sealed) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (tenant_id, name) DO UPDATE SET version = excluded.version, written = excluded.written, \
             kek = excluded.kek, wrapped = excluded.wrapped, sealed = excluded.sealed",
        )
        .bind(tenant)
        .bind(name)
        .bind(row.version)
        .bind(row.written)
        .bind(&row.kek)
        .bind(&row.wrapped)
        .bind(&row.sealed)
        .execute(write)
        .await
        .map(drop)
    }

    /// No tokens for a tenant, or for none at all, from now on; or again.
    pub(crate) async fn kill(&self, kill: &Kill, on: bool) -> Result<(), Problem> {
        let scope = kill.tenant.map(|t| t.to_string());
        let scope = scope.unwrap_or_else(|| EVERYBODY.to_owned());
        let done = async {
            let mut write = self.db.write().await?;
            query("DELETE FROM killed WHERE scope = ?")
                .bind(&scope)
                .execute(&mut write)
                .await?;
            if on {
                query("INSERT INTO killed (scope, since, who, why) VALUES (?, ?, ?, ?)")
                    .bind(&scope)
                    .bind(kill.since)
                    .bind(&kill.who)
                    .bind(&kill.why)
                    .execute(&mut write)
                    .await?;
            }
            changed(&mut write).await?;
            write.commit().await
        };
        done.await.map_err(failed)
    }

    /// Reads the key files again, and brings rows that are sealed under other keys under the current one. Returns how
    /// many it brought.
    pub(crate) async fn rewrap(&self) -> Result<u64, Problem> {
        type Row = (String, String, i64, String, Vec<u8>);
        self.ring.refresh()?;
        let current = self.ring.current().id.clone();
        let mut read = self.db.read().await.map_err(failed)?;
        let rows: Vec<Row> =
            query("SELECT tenant_id, name, version, kek, wrapped FROM secret WHERE kek <> ?")
                .bind(&current)
                .fetch_all(&mut read)
                .await
                .map_err(failed)?;
        drop(read);
        let mut count = 0;
        for (tenant, name, version, kek, wrapped) in rows {
            let row = Sealed {
                version,
                kek,
                wrapped,
                written: 0,
                sealed: Vec::new(),
            };
            match row.rewrap(&self.ring, &tenant, &name) {
                Ok((kek, wrapped)) => {
                    count += self
                        .rewrapped(&tenant, &name, &row, &kek, &wrapped)
                        .await
                        .map_err(failed)?;
                }
                Err(e) => {
                    tracing::error!(tenant, name, error = %e, "a sealed file can't be brought under the current key");
                }
            }
        }
        if count > 0 {
            tracing::info!(
                rows = count,
                key = current,
                "sealed files were brought under the current key: older keys are needed no more"
            );
        }
        Ok(count)
    }

    async fn rewrapped(
        &self,
        tenant: &str,
        name: &str,
        before: &Sealed,
        kek: &str,
        wrapped: &Vec<u8>,
    ) -> Result<u64, DbError> {
        let mut write = self.db.write().await?;
        // A content that somebody wrote meanwhile is under the current key already.
        let done = query(
            "UPDATE secret SET kek = ?, wrapped = ? WHERE tenant_id = ? AND name = ? AND version = ? AND kek = ?",
        )
        .bind(kek)
        .bind(wrapped)
        .bind(tenant)
        .bind(name)
        .bind(before.version)
        .bind(&before.kek)
        .execute(&mut write)
        .await?;
        changed(&mut write).await?;
        write.commit().await?;
        Ok(done)
    }

    /// Notes on which day datasets were asked for.
    pub(crate) async fn asked(
        &self,
        day: u64,
        datasets: &[(TenantId, String)],
    ) -> Result<(), Problem> {
        let note = async {
            let mut write = self.db.write().await?;
            for (tenant, dataset) in datasets {
                query("INSERT INTO asked (tenant_id, dataset, since, day) VALUES (?, ?, ?, ?) ON CONFLICT (tenant_id, dataset) DO UPDATE SET day = excluded.day")
                    .bind(tenant.to_string())
                    .bind(dataset)
                    .bind(day)
                    .bind(day)
                    .execute(&mut write)
                    .await?;
            }
            write.commit().await
        };
        note.await.map_err(failed)
    }

    /// Since which day and on which day last each dataset was asked for.
    pub(crate) async fn last_asked(&self) -> Result<Vec<Asked>, Problem> {
        let rows = async {
            let mut read = self.db.read().await?;
            query("SELECT tenant_id, dataset, since, day FROM asked")
                .fetch_all::<(String, String, u64, u64)>(&mut read)
                .await
        };
        let rows = rows.await.map_err(failed)?.into_iter();
        Ok(rows
            .filter_map(|(tenant, dataset, since, day)| {
                Some((tenant.parse().ok()?, dataset, since, day))
            })
            .collect())
    }
}

/// Tenant, dataset, and the first and the last day (since 1970) on which it was asked for.
pub(crate) type Asked = (TenantId, String, u64, u64);

async fn changed(write: &mut Write) -> Result<(), DbError> {
    query("UPDATE change SET number = number + 1")
        .execute(write)
        .await
        .map(drop)
}
