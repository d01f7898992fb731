//! Tables that somebody changed, and a selection that did.

use super::*;

const CURSOR: &str = "SELECT closing, as_of, mark FROM cursor";

#[tokio::test]
async fn what_people_added_survives_and_what_is_selected_anew_is_sent_anew() {
    let ground = Ground::new();
    let few = r#"{"kinds":["organization","user","license_assignment","license_position"],
        "fields":{"user":["userId","displayName","mail","department"]},"names":{"user":{"mail":"e-mail"}}}"#;
    ground.delivered(&ground.showing(few)).await;
    ground.sql(
        "CREATE ROLE reader; GRANT SELECT ON \"user\", sam_position TO reader; CREATE INDEX mine ON \"user\" (display_name);
        ALTER TABLE \"user\" ADD COLUMN note text; UPDATE \"user\" SET note = 'mine';
        CREATE VIEW mails AS SELECT \"e-mail\" AS address, note FROM \"user\"",
    );
    // The same again changes nothing.
    assert_eq!(ground.showing(few).cursor(tenant()).await.unwrap(), at(5));
    // A field more, one less, and one under another name.
    let more = r#"{"kinds":["organization","user","license_assignment","license_position"],
        "fields":{"user":["userId","displayName","mail","country"]}}"#;
    let sink = ground.showing(more);
    let cursor = sink.cursor(tenant()).await.unwrap();
    assert_eq!((cursor.closing, cursor.as_of), (Closing(5), Closing(1)));
    let columns = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '\"user\"'::regclass AND attnum > 0 AND NOT attisdropped";
    assert_eq!(
        ground.sql(columns),
        "tenant_id key closing user_id display_name mail note country"
    );
    let records = [user("u1", "Anna", 9)];
    assert!(
        sink.apply(tenant(), &cursor, &at(9), &records)
            .await
            .unwrap()
    );
    assert_eq!(ground.sql("SELECT * FROM mails"), "u1@contoso.example|mine");
    let rights = "SELECT has_table_privilege('reader', '\"user\"', 'SELECT'), to_regclass('mine') IS NOT NULL";
    assert_eq!(ground.sql(rights), "t|t");
    // A kind less: its table goes. One more: it is there, and everything is sent anew.
    let other = r#"{"kinds":["user","finding"],"fields":{"user":["userId","displayName","mail","country"]}}"#;
    assert_eq!(
        ground.showing(other).cursor(tenant()).await.unwrap().as_of,
        Closing(1)
    );
    let tables = "SELECT to_regclass('license_position'), to_regclass('finding')";
    assert_eq!(ground.sql(tables), "|finding");
}

#[tokio::test]
async fn a_table_that_somebody_changed_is_told_and_nothing_is_lost() {
    let ground = Ground::new();
    let sink = ground.open();
    ground.delivered(&sink).await;
    for (change, why, undo) in [
        (
            "ALTER TABLE \"user\" DROP COLUMN mail",
            "lacks the column \"mail\"",
            "ALTER TABLE \"user\" ADD COLUMN mail text",
        ),
        (
            "DROP VIEW sam_finding, sam_holder_use, sam_holder, sam_assignment, sam_usage; ALTER TABLE \"user\" ALTER display_name TYPE integer USING 1",
            "\"display_name\" of type integer instead of text",
            "ALTER TABLE \"user\" ALTER display_name TYPE text USING 'Ann'",
        ),
        (
            "ALTER TABLE \"user\" DROP CONSTRAINT user_pkey",
            "lacks its primary key (tenant_id, key)",
            "ALTER TABLE \"user\" ADD PRIMARY KEY (tenant_id, key)",
        ),
    ] {
        let before = ground.sql(CURSOR);
        ground.sql(change);
        let records = [user("u1", "Anna", 9), user("u2", "Bob", 9)];
        // The process that goes on notices it by the refusal, and then says what it is.
        let first = sink.apply(tenant(), &at(5), &at(9), &records).await;
        let first = Problem::from(first.unwrap_err());
        assert!(["LW-6012", "LW-6021"].contains(&&*first.code), "{first}");
        for sink in [&sink, &ground.open()] {
            let told = told(sink.cursor(tenant()).await, "LW-6021");
            assert!(
                told.contains(why) && told.contains("drop the table"),
                "{told}"
            );
        }
        ground.sql(undo);
        assert_eq!(
            ground.sql("SELECT key, display_name FROM \"user\""),
            "u1|Ann"
        );
        assert_eq!(ground.sql(CURSOR), before);
        assert_eq!(sink.cursor(tenant()).await.unwrap(), at(5));
    }
    // What the message says: a table that isn't there is made anew and filled.
    ground.sql("DROP TABLE \"user\" CASCADE");
    let records = [user("u1", "Anna", 9)];
    let failed = sink.apply(tenant(), &at(5), &at(9), &records).await;
    told(failed, "LW-6012");
    let cursor = sink.cursor(tenant()).await.unwrap();
    assert_eq!(cursor.as_of, Closing(1));
    assert!(
        sink.apply(tenant(), &cursor, &at(9), &records)
            .await
            .unwrap()
    );
    assert_eq!(ground.sql("SELECT \"user\" FROM sam_holder"), "");
}

#[tokio::test]
async fn what_somebody_builds_on_or_demands_is_named() {
    let ground = Ground::new();
    let sink = ground.open();
    ground.delivered(&sink).await;
    ground.sql("CREATE VIEW mine AS SELECT mail FROM \"user\"");
    let without = r#"{"fields":{"user":["userId"]}}"#;
    let said = told(ground.showing(without).cursor(tenant()).await, "LW-6021");
    assert!(
        said.contains("builds on it") && said.contains("mail"),
        "{said}"
    );
    assert_eq!(ground.sql("SELECT * FROM mine"), "u1@contoso.example");
    ground.sql("DROP VIEW mine");
    ground.showing(without).cursor(tenant()).await.unwrap();

    ground.sql("ALTER TABLE \"user\" ADD COLUMN owner text NOT NULL DEFAULT 'me'; ALTER TABLE \"user\" ALTER owner DROP DEFAULT");
    let sink = ground.showing(without);
    let cursor = sink.cursor(tenant()).await.unwrap();
    let records = [user("u2", "SECRET", 9)];
    let failed = sink.apply(tenant(), &cursor, &at(9), &records).await;
    let said = told(failed, "LW-6023");
    assert!(said.contains("\"owner\"") && !said.contains("u2"), "{said}");
    assert_eq!(ground.sql("SELECT key FROM \"user\""), "u1");
}

#[tokio::test]
async fn a_lock_a_slow_statement_and_an_encoding_have_their_codes() {
    let ground = Ground::new();
    let config = Postgres {
        lock_seconds: Some(1),
        ..ground.config("postgres", "{}")
    };
    let sink = of(&config);
    ground.delivered(&sink).await;
    let other = ground.open();
    let mut holder = other.db().await.unwrap().write().await.unwrap();
    runtime::db::script("LOCK TABLE \"user\"", &mut holder)
        .await
        .unwrap();
    let records = [user("u1", "Anna", 9)];
    let waits = sink.apply(tenant(), &at(5), &at(9), &records).await;
    let said = told(waits, "LW-6022");
    assert!(said.contains("lock timeout"), "{said}");
    drop(holder);
    assert!(
        sink.apply(tenant(), &at(5), &at(9), &records)
            .await
            .unwrap()
    );
    // A statement that takes too long.
    ground.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER UPDATE ON \"user\" FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    let config = Postgres {
        statement_seconds: Some(1),
        ..config
    };
    let slow = of(&config).apply(tenant(), &at(9), &at(10), &records).await;
    let said = told(slow, "LW-6022");
    assert!(said.contains("statement timeout"), "{said}");
    assert_eq!(sink.cursor(tenant()).await.unwrap(), at(9));
    // The server's disk is full.
    ground.sql(
        "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$",
    );
    let full = sink.apply(tenant(), &at(9), &at(10), &records).await;
    let said = told(full, "LW-6010");
    assert!(said.contains("free space"), "{said}");
    assert_eq!(sink.cursor(tenant()).await.unwrap(), at(9));

    ground
        .server
        .sql(
            "postgres",
            "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
        )
        .unwrap();
    let config = Postgres {
        url: config.url.replace(DATABASE, "latin"),
        ..config
    };
    let said = told(of(&config).cursor(tenant()).await, "LW-6024");
    assert!(said.contains("LATIN1"), "{said}");
}

#[tokio::test]
async fn a_wrong_password_and_a_server_that_goes_away_lose_nothing() {
    let ground = Ground::new();
    let sink = ground.open();
    ground.delivered(&sink).await;
    let wrong = ground.config("postgres", "{}");
    std::fs::write(wrong.password_file.as_ref().unwrap(), "WRONG").unwrap();
    let said = told(of(&wrong).cursor(tenant()).await, "LW-6012");
    assert!(
        said.contains("check role, password") && !said.contains("WRONG"),
        "{said}"
    );
    // Large enough to be on its way when the server ends.
    ground.sql(
        "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE TRIGGER away AFTER INSERT ON \"user\" FOR EACH ROW WHEN (NEW.key = 'u0500') EXECUTE FUNCTION away()",
    );
    let records: Vec<_> = (0..2_000)
        .map(|n| user(&format!("u{n:04}"), &"long ".repeat(100), 9))
        .collect();
    let cut = sink.apply(tenant(), &at(5), &at(9), &records).await;
    told(cut, "LW-6012");
    assert_eq!(sink.cursor(tenant()).await.unwrap(), at(5));
    assert_eq!(ground.sql("SELECT count(*) FROM \"user\""), "1");
    ground.sql("DROP TRIGGER away ON \"user\"");
    assert!(
        sink.apply(tenant(), &at(5), &at(9), &records)
            .await
            .unwrap()
    );
    assert_eq!(ground.sql("SELECT count(*) FROM \"user\""), "2001");
}
