//! Opens the database of a sink, and brings its tables and views to this release's format.

use std::path::PathBuf;

use runtime::db::{Db, Durability, Migrations, Options};

use super::views;
use crate::error::Error;

const MIGRATIONS: Migrations = Migrations {
    sqlite: &[(1, include_str!("sqlite.sql"))],
    postgres: &[(1, include_str!("postgres.sql"))],
};

/// Which database it is.
pub(super) enum Target {
    /// A SQLite file; for `brake` see [`Options`].
    File { path: PathBuf, brake: bool },
    /// A PostgreSQL database.
    #[cfg(feature = "postgres")]
    Server(Box<runtime::db::Config>),
}

/// Opens it; `place` is how messages call it.
pub(super) async fn open(target: &Target, place: &str) -> Result<Db, Error> {
    let opened = match target {
        Target::File { path, brake } => {
            create_parent(path)?;
            let options = Options {
                path: path.clone(),
                durability: Durability::Full,
                brake: *brake,
            };
            Db::open(&options, &MIGRATIONS).await
        }
        #[cfg(feature = "postgres")]
        Target::Server(config) => connect(config).await,
    };
    let db = opened.map_err(|e| Error::Open {
        place: place.to_owned(),
        source: Box::new(e),
    })?;
    views::create(&db).await.map_err(|source| Error::Database {
        place: place.to_owned(),
        source,
    })?;
    Ok(db)
}

fn create_parent(path: &std::path::Path) -> Result<(), Error> {
    let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(parent).map_err(|source| Error::File {
        path: parent.to_owned(),
        source,
    })
}

/// Unlike a service's own database a sink has nobody who migrates it: the exporter does, where its role may.
#[cfg(feature = "postgres")]
async fn connect(config: &runtime::db::Config) -> Result<Db, runtime::Problem> {
    const NAME: &str = "exporter";
    // The delivery waits and tries again; so each try is one.
    let stop = runtime::CancellationToken::new();
    match Db::connect(config, &MIGRATIONS, NAME, &stop).await {
        Err(e) if e.code == "LW-4005" => {}
        done => return done,
    }
    // Exporters that do this at the same time wait for each other.
    if let Err(e) = Db::migrate(config, &MIGRATIONS, NAME).await {
        if e.code != "LW-4002" {
            return Err(e);
        }
        let remedy = "give the sink a database of its own and its role the right to create tables there, or start the exporter once with the role that has it";
        return Err(runtime::Problem::new("LW-4002", e.what.clone(), remedy).caused_by(e));
    }
    Db::connect(config, &MIGRATIONS, NAME, &stop).await
}
