//! What only a database with several users has to stand.
#![allow(clippy::unwrap_used, reason = "a test")]

mod altered;
mod exact;
mod first;

use proto::feed::v1::Record;
use proto::ids::{Closing, TenantId};
use proto::inventory::v1::User;
use runtime::Problem;
use runtime::db::query;
use tokio::task::JoinSet;

use super::Postgres;
use super::sink::Database;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::sink::RowSink;

const TENANT: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const EXPORTERS: usize = 4;

fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

/// A server with an empty database, and a place for the password's file.
struct Ground {
    server: servers::Postgres,
    dir: tempfile::TempDir,
}

const DATABASE: &str = "inventory";

impl Ground {
    fn new() -> Ground {
        let server = servers::Postgres::start(&Default::default()).unwrap();
        server.create_database(DATABASE).unwrap();
        let dir = tempfile::tempdir().unwrap();
        Ground { server, dir }
    }

    fn config(&self, role: &str, shows: &str) -> Postgres {
        let password = self.dir.path().join("password");
        std::fs::write(&password, self.server.password()).unwrap();
        Postgres {
            url: format!(
                "postgres://{role}@127.0.0.1:{}/{DATABASE}",
                self.server.port()
            ),
            password_file: Some(password),
            shows: serde_json::from_str(shows).unwrap(),
            ..Postgres::default()
        }
    }

    /// The sink as it starts, with this selection.
    fn showing(&self, shows: &str) -> Database {
        of(&self.config("postgres", shows))
    }

    fn open(&self) -> Database {
        self.showing("{}")
    }

    fn sql(&self, text: &str) -> String {
        self.server.sql(DATABASE, text).unwrap().trim().to_owned()
    }

    /// Delivers records after a cursor; false when the sink stands elsewhere.
    async fn taken(&self, sink: &Database, from: &Cursor, to: u64, records: &[Record]) -> bool {
        let taken = sink.apply(tenant(), from, &at(to), records).await;
        taken.unwrap()
    }

    /// Delivers a user as the first record.
    async fn delivered(&self, sink: &Database) {
        let records = [user("u1", "Ann", 5)];
        assert!(self.taken(sink, &Cursor::default(), 5, &records).await);
    }
}

fn of(config: &Postgres) -> Database {
    Database::new(config.database(), config.url.clone(), &config.shows)
}

fn user(key: &str, name: &str, closing: u64) -> Record {
    let user = User {
        tenant_id: TENANT.into(),
        user_id: key.into(),
        display_name: Some(name.into()),
        mail: Some(format!("{key}@contoso.example")),
        ..User::default()
    };
    of_user(&user, closing)
}

fn of_user(user: &User, closing: u64) -> Record {
    Record {
        kind: "user".into(),
        key: user.user_id.clone(),
        closing,
        body: prost::Message::encode_to_vec(user),
        ..Record::default()
    }
}

fn at(closing: u64) -> Cursor {
    Cursor {
        closing: Closing(closing),
        key: "k".into(),
        as_of: Closing(closing),
        mark: Closing(closing),
    }
}

/// What somebody is told.
fn told<T: std::fmt::Debug>(result: Result<T, Error>, code: &str) -> String {
    let problem = Problem::from(result.unwrap_err());
    assert_eq!(problem.code, code, "{problem}");
    problem.to_string()
}

/// Sinks that deliver the same batch at the same time; the number of those that took it.
async fn race(sinks: Vec<Database>, from: &Cursor, to: &Cursor) -> (Vec<Database>, usize) {
    let mut all = JoinSet::new();
    for (n, sink) in sinks.into_iter().enumerate() {
        let (from, to) = (from.clone(), to.clone());
        all.spawn(async move {
            // The name tells who was here.
            let records = [user("u1", &format!("by {n}"), to.closing.0)];
            let taken = sink.apply(tenant(), &from, &to, &records).await.unwrap();
            (sink, n, taken)
        });
    }
    let done = all.join_all().await;
    let winners: Vec<usize> = done.iter().filter(|d| d.2).map(|d| d.1).collect();
    let sinks: Vec<Database> = done.into_iter().map(|d| d.0).collect();
    let mut read = sinks[0].db().await.unwrap().read().await.unwrap();
    let name: String = query("SELECT display_name FROM \"user\"")
        .fetch_one(&mut read)
        .await
        .unwrap();
    drop(read);
    assert_eq!(
        name,
        format!("by {}", winners[0]),
        "it is the batch of the one that says so"
    );
    assert_eq!(sinks[0].cursor(tenant()).await.unwrap(), *to);
    (sinks, winners.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_several_deliver_is_taken_once() {
    let ground = Ground::new();
    // They make the tables, the views and the cursor's row at the same time too.
    let sinks = (0..EXPORTERS).map(|_| ground.open()).collect();
    let (mut sinks, taken) = race(sinks, &Cursor::default(), &at(1)).await;
    assert_eq!(taken, 1);
    for n in 1..20 {
        let (again, taken) = race(sinks, &at(n), &at(n + 1)).await;
        assert_eq!(taken, 1);
        sinks = again;
    }
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_is_told_what_to_do() {
    let ground = Ground::new();
    let role = format!(
        "CREATE ROLE delivery LOGIN PASSWORD '{}'",
        ground.server.password()
    );
    ground.sql(&role);
    let delivery = || of(&ground.config("delivery", "{}"));
    let failed = told(delivery().cursor(tenant()).await, "LW-6012");
    assert!(failed.contains("create tables"), "{failed}");
    // Somebody who may does it once.
    ground.open().cursor(tenant()).await.unwrap();
    let failed = told(delivery().cursor(tenant()).await, "LW-6012");
    assert!(failed.contains("refuses"), "{failed}");
    ground.sql(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO delivery;
        GRANT INSERT, UPDATE, DELETE ON \"user\" TO delivery",
    );
    let records = [user("u1", "Ann", 1)];
    let (from, to) = (Cursor::default(), at(1));
    let refused = told(
        delivery().apply(tenant(), &from, &to, &records).await,
        "LW-6020",
    );
    assert!(
        refused.contains("permission denied for table cursor")
            && refused.contains("grant this one"),
        "{refused}"
    );
    ground.sql("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO delivery");
    let taken = delivery().apply(tenant(), &from, &to, &records).await;
    assert!(taken.unwrap());
}
