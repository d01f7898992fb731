//! What only a database with several users has to stand.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use proto::inventory::v1::User;
use tokio::task::JoinSet;

use super::*;

const TENANT: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const EXPORTERS: usize = 4;

fn sink(server: &servers::Postgres, dir: &Path, role: &str, database: &str) -> Database {
    let password = dir.join("password");
    std::fs::write(&password, server.password()).unwrap();
    let config = Postgres {
        url: format!("postgres://{role}@127.0.0.1:{}/{database}", server.port()),
        password_file: Some(password),
        ..Postgres::default()
    };
    Database::server(config.database(), config.url.clone())
}

fn user(key: &str, name: &str, closing: u64) -> Record {
    let user = User {
        tenant_id: TENANT.into(),
        user_id: key.into(),
        display_name: Some(name.into()),
        ..User::default()
    };
    Record {
        kind: "user".into(),
        key: key.into(),
        closing,
        body: prost::Message::encode_to_vec(&user),
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

/// Sinks that deliver the same batch at the same time; the number of those that took it.
async fn race(sinks: Vec<Database>, from: &Cursor, to: &Cursor) -> (Vec<Database>, usize) {
    let tenant: TenantId = TENANT.parse().unwrap();
    let mut all = JoinSet::new();
    for (n, sink) in sinks.into_iter().enumerate() {
        let (from, to) = (from.clone(), to.clone());
        all.spawn(async move {
            // The name tells who was here.
            let records = [user("u1", &format!("by {n}"), to.closing.0)];
            let taken = sink.apply(tenant, &from, &to, &records).await.unwrap();
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
    assert_eq!(sinks[0].cursor(tenant).await.unwrap(), *to);
    (sinks, winners.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_several_deliver_is_taken_once() {
    let server = servers::Postgres::start(&Default::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    server.create_database("inventory").unwrap();
    let open = || sink(&server, dir.path(), "postgres", "inventory");
    // They make the tables, the views and the cursor's row at the same time too.
    let sinks = (0..EXPORTERS).map(|_| open()).collect();
    let (mut sinks, taken) = race(sinks, &Cursor::default(), &at(1)).await;
    assert_eq!(taken, 1);
    for n in 1..20 {
        let (again, taken) = race(sinks, &at(n), &at(n + 1)).await;
        assert_eq!(taken, 1);
        sinks = again;
    }
}

#[tokio::test]
async fn views_are_extended_in_their_place_and_texts_can_hold_anything() {
    let server = servers::Postgres::start(&Default::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    server.create_database("inventory").unwrap();
    let tenant: TenantId = TENANT.parse().unwrap();
    let open = || sink(&server, dir.path(), "postgres", "inventory");
    let records = [user("u1", "A\0nn \\u0000", 1)];
    assert!(
        open()
            .apply(tenant, &Cursor::default(), &at(1), &records)
            .await
            .unwrap()
    );
    let sql = |text: &str| server.sql("inventory", text).unwrap().trim().to_owned();
    let names = "SELECT display_name FROM \"user\"";
    assert_eq!(sql(names), "A\u{fffd}nn \\u0000");
    // As an older release left it, with somebody's rights on it and somebody's view over it.
    sql("DROP VIEW \"user\";
        CREATE VIEW \"user\" AS SELECT tenant_id, (body::jsonb ->> 'displayName') AS display_name FROM record WHERE kind = 'user';
        CREATE VIEW mine AS SELECT display_name FROM \"user\"; CREATE ROLE reader; GRANT SELECT ON \"user\" TO reader");
    assert!(
        !open()
            .apply(tenant, &Cursor::default(), &at(2), &records)
            .await
            .unwrap()
    );
    assert_eq!(sql("SELECT user_id FROM \"user\""), "u1");
    assert_eq!(sql("SELECT count(*) FROM mine"), "1");
    assert_eq!(
        sql("SELECT has_table_privilege('reader', '\"user\"', 'SELECT')"),
        "t"
    );
    // What a newer release added stays.
    let newer = sql("SELECT pg_get_viewdef('organization')")
        .replace("FROM record", ", 1 AS later FROM record");
    sql(&format!("CREATE OR REPLACE VIEW organization AS {newer}"));
    open().cursor(tenant).await.unwrap();
    assert_eq!(sql("SELECT count(later) FROM organization"), "0");
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_is_told_what_to_do() {
    let server = servers::Postgres::start(&Default::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let tenant: TenantId = TENANT.parse().unwrap();
    server.create_database("inventory").unwrap();
    let role = format!(
        "CREATE ROLE delivery LOGIN PASSWORD '{}'",
        server.password()
    );
    server.sql("inventory", &role).unwrap();
    let delivery = || sink(&server, dir.path(), "delivery", "inventory");
    let failed = delivery().cursor(tenant).await.unwrap_err();
    let problem = runtime::Problem::from(failed);
    assert_eq!(problem.code, "LW-6012");
    assert!(problem.remedy.contains("create tables"), "{problem}");
    // Somebody who may does it once.
    let owner = sink(&server, dir.path(), "postgres", "inventory");
    owner.cursor(tenant).await.unwrap();
    let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON record, child, cursor TO delivery;
        GRANT SELECT ON _sqlx_migrations TO delivery";
    server.sql("inventory", grant).unwrap();
    let records = [user("u1", "Ann", 1)];
    let (delivery, from, to) = (delivery(), Cursor::default(), at(1));
    let taken = delivery.apply(tenant, &from, &to, &records).await;
    assert!(taken.unwrap());
}
