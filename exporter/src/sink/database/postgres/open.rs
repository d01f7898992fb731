//! Opens the database of a sink, and gives it the tables that tell where it stands.

use runtime::CancellationToken;
use runtime::Problem;
use runtime::db::{Config, Db, Migrations};

use crate::error::Error;

const MIGRATIONS: Migrations = Migrations {
    sqlite: &[],
    postgres: &[
        (1, include_str!("migrations/1_json.sql")),
        (2, include_str!("migrations/2_tables.sql")),
    ],
    additions: &[],
};

/// Opens it; `place` is how messages call it.
pub(super) async fn open(config: &Config, place: &str) -> Result<Db, Error> {
    connect(config).await.map_err(|e| Error::Open {
        place: place.to_owned(),
        source: Box::new(e),
    })
}

/// Unlike a service's own database a sink has nobody who migrates it: the exporter does, where its role may.
async fn connect(config: &Config) -> Result<Db, Problem> {
    const NAME: &str = "exporter";
    // The delivery waits and tries again; so each try is one.
    let stop = CancellationToken::new();
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
        return Err(Problem::new("LW-4002", e.what.clone(), remedy).caused_by(e));
    }
    Db::connect(config, &MIGRATIONS, NAME, &stop).await
}
