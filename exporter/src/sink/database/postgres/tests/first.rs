//! A database that an older release filled.

use super::*;

/// As the first format's release left it.
const JSON: &str = r#"
CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL);
INSERT INTO record VALUES
    ('aaaaaaaa-0000-0000-0000-000000000001', 'user', 'u1', 5, '{"tenantId":"aaaaaaaa-0000-0000-0000-000000000001",
        "userId":"u1","displayName":"Ann \\ Ö","accountEnabled":true,"createdDateTime":"2021-02-30T00:00:00Z",
        "assignedLicenses":[{"skuId":"e5"}]}'),
    ('aaaaaaaa-0000-0000-0000-000000000001', 'license_position', 'e5', 5, '{"skuId":"e5","assigned":7}');
INSERT INTO child VALUES ('aaaaaaaa-0000-0000-0000-000000000001', 'license_assignment', 'u1', 0,
    '{"userId":"u1","skuId":"e5","path":"direct","consumes":true,"disabledPlans":["p"]}');
INSERT INTO cursor VALUES ('aaaaaaaa-0000-0000-0000-000000000001', 5, 'user/u1', 5, 5);
CREATE VIEW "user" AS SELECT tenant_id, (body::jsonb ->> 'userId') AS user_id,
    (body::jsonb ->> 'displayName') AS display_name, (body::jsonb ->> 'accountEnabled') AS account_enabled,
    (body::jsonb ->> 'createdDateTime') AS created_date_time FROM record WHERE kind = 'user';
CREATE VIEW license_position AS SELECT tenant_id, (body::jsonb ->> 'assigned') AS assigned
    FROM record WHERE kind = 'license_position';
CREATE VIEW license_assignment AS SELECT tenant_id, (body::jsonb ->> 'skuId') AS sku_id
    FROM child WHERE kind = 'license_assignment';
CREATE ROLE reader; GRANT SELECT ON "user" TO reader;
CREATE VIEW mine AS SELECT display_name, account_enabled, created_date_time FROM "user";
"#;

#[tokio::test]
async fn what_an_older_release_left_is_taken_over() {
    let ground = Ground::new();
    let first = include_str!("../migrations/1_json.sql");
    let (migrations, rest) = JSON.split_at(JSON.find("INSERT INTO record").unwrap());
    ground.sql(&[migrations, first, rest].concat());
    // The checksum that sqlx keeps of a text is its SHA-384, which PostgreSQL can tell.
    let text = first.replace('\'', "''");
    ground.sql(&format!(
        "INSERT INTO _sqlx_migrations VALUES (1, '', now(), true, sha384(convert_to('{text}', 'UTF8')), 0)"
    ));

    let sink = ground.open();
    let cursor = sink.cursor(tenant()).await.unwrap();
    assert_eq!(
        (cursor.closing, cursor.as_of, cursor.mark),
        (Closing(5), Closing(1), Closing(1)),
        "no ledger knows this, so everything comes again"
    );
    let row = "SELECT user_id, display_name, account_enabled, created_date_time, assigned_licenses->0->>'skuId', closing FROM \"user\"";
    assert_eq!(ground.sql(row), "u1|Ann \\ Ö|t||e5|5");
    assert_eq!(ground.sql("SELECT assigned + 1 FROM license_position"), "8");
    let ways = "SELECT key, position, sku_id, consumes, disabled_plans[1], closing FROM license_assignment";
    assert_eq!(ground.sql(ways), "u1|0|e5|t|p|5");
    assert_eq!(
        ground.sql("SELECT has_table_privilege('reader', '\"user\"', 'SELECT')"),
        "t"
    );
    assert_eq!(
        ground.sql("SELECT to_regclass('record'), to_regclass('child')"),
        "|"
    );
    // Somebody's view over the old one tells what the table does.
    let user = User {
        user_id: "u1".into(),
        display_name: Some("Anna".into()),
        account_enabled: Some(false),
        created_date_time: Some("2021-03-04T05:06:07Z".into()),
        ..User::default()
    };
    let records = [of_user(&user, 9)];
    assert!(ground.taken(&sink, &cursor, 9, &records).await);
    assert_eq!(
        ground.sql("SELECT * FROM mine"),
        "Anna|false|2021-03-04T05:06:07Z"
    );
    // And a second start finds nothing to do.
    assert_eq!(ground.open().cursor(tenant()).await.unwrap(), at(9));
}

#[tokio::test]
async fn a_view_or_table_of_somebody_else_is_left_alone() {
    let ground = Ground::new();
    ground.sql("CREATE VIEW domain AS SELECT 1 AS one");
    let told = told(ground.open().cursor(tenant()).await, "LW-6021");
    assert!(
        told.contains("view \"domain\" that is not the sink's"),
        "{told}"
    );
    ground.sql("DROP VIEW domain; CREATE TABLE device (one int)");
    let told = super::told(ground.open().cursor(tenant()).await, "LW-6021");
    assert!(told.contains("\"device\" is not the sink's"), "{told}");
    ground.sql("DROP TABLE device; CREATE VIEW sam_position AS SELECT 1 AS mine");
    ground.open().cursor(tenant()).await.unwrap();
    assert_eq!(ground.sql("SELECT mine FROM sam_position"), "1");
}
