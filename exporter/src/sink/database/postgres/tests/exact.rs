//! Whatever people write comes out of the tables as it went in.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use proto::inventory::v1::{AssignedLicense, LicenseAssignmentState, Organization};
use serde_json::Value;

use super::*;

/// Texts with what means something to COPY, to lists, to JSON, or to SQL.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\\".to_owned()),
        Just("\\N".to_owned()),
        Just("\\.".to_owned()),
        Just("\n\\.\n".to_owned()),
        Just("\t".to_owned()),
        Just("\r\n".to_owned()),
        Just("\"".to_owned()),
        Just("'".to_owned()),
        Just("{,}".to_owned()),
        Just("NULL".to_owned()),
        Just("\\u0000".to_owned()),
        Just("\0".to_owned()),
        Just("'; DROP TABLE \"user\"; --".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn users() -> impl Strategy<Value = (User, Vec<String>)> {
    let optional = || proptest::option::of(hostile());
    let plans = proptest::collection::vec(hostile(), 0..3);
    (
        optional(),
        optional(),
        proptest::option::of(any::<bool>()),
        plans,
        hostile(),
    )
        .prop_map(|(display_name, mail, account_enabled, plans, text)| {
            let user = User {
                tenant_id: TENANT.into(),
                display_name,
                mail,
                account_enabled,
                assigned_licenses: vec![AssignedLicense {
                    sku_id: text.clone(),
                    disabled_plans: plans.clone(),
                }],
                license_assignment_states: vec![LicenseAssignmentState {
                    sku_id: text,
                    state: "Active".into(),
                    disabled_plans: plans.clone(),
                    ..LicenseAssignmentState::default()
                }],
                ..User::default()
            };
            (user, plans)
        })
}

/// What PostgreSQL's texts can't hold is replaced.
fn kept(value: Value) -> Value {
    let text = value.to_string();
    match value {
        Value::String(s) => Value::String(s.replace('\0', "\u{fffd}")),
        Value::Array(list) => list.into_iter().map(kept).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, kept(v))).collect(),
        _ => serde_json::from_str(&text).unwrap(),
    }
}

#[tokio::test]
async fn hostile_texts_come_out_as_they_went_in() {
    let ground = Ground::new();
    let sink = ground.open();
    let mut runner = TestRunner::deterministic();
    let mut now = Cursor::default();
    // First as rows that are new, then as rows that are there already.
    for round in 1..=4 {
        let mut all = Vec::new();
        for n in 0..100 {
            let (mut user, plans) = users().new_tree(&mut runner).unwrap().current();
            user.user_id = format!("u{n:03}");
            all.push((user, plans));
        }
        let records: Vec<_> = all.iter().map(|(user, _)| of_user(user, round)).collect();
        let to = at(round);
        assert!(sink.apply(tenant(), &now, &to, &records).await.unwrap());
        now = to;
        let sql = "SELECT jsonb_build_object('userId', user_id, 'displayName', display_name, 'mail', mail,
            'accountEnabled', account_enabled, 'assignedLicenses', assigned_licenses,
            'ways', (SELECT jsonb_agg(jsonb_build_object('skuId', a.sku_id, 'plans', a.disabled_plans))
                FROM license_assignment a WHERE a.key = u.key))::text FROM \"user\" u ORDER BY key";
        let mut read = sink.db().await.unwrap().read().await.unwrap();
        let rows: Vec<String> = query(sql).fetch_all(&mut read).await.unwrap();
        assert_eq!(rows.len(), all.len());
        for (row, (user, plans)) in rows.iter().zip(&all) {
            let expected = serde_json::json!({
                "userId": user.user_id, "displayName": user.display_name, "mail": user.mail,
                "accountEnabled": user.account_enabled, "assignedLicenses": user.assigned_licenses,
                "ways": [{"skuId": user.assigned_licenses[0].sku_id, "plans": plans}],
            });
            let shown: Value = serde_json::from_str(row).unwrap();
            assert_eq!(shown, kept(expected));
        }
    }
}

#[tokio::test]
async fn moments_are_moments_and_what_is_none_is_absent() {
    let ground = Ground::new();
    let sink = ground.open();
    let of = |key: &str, time: &str| {
        let user = User {
            user_id: key.into(),
            created_date_time: Some(time.into()),
            ..User::default()
        };
        of_user(&user, 1)
    };
    let organization = Record {
        kind: "organization".into(),
        key: TENANT.into(),
        closing: 1,
        body: prost::Message::encode_to_vec(&Organization::default()),
        ..Record::default()
    };
    let records = [
        of("a", "2021-03-04T05:06:07.1234567Z"),
        of("b", "0001-01-01T00:00:00Z"),
        of("c", "0000-00-00T00:00:00Z"),
        of("d", "now"),
        of("e", "9999-12-31T23:59:59.9999999Z"),
        organization,
    ];
    assert!(
        sink.apply(tenant(), &Cursor::default(), &at(1), &records)
            .await
            .unwrap()
    );
    let sql = "SET TIME ZONE 'UTC'; SELECT key, created_date_time FROM \"user\" ORDER BY key";
    assert_eq!(
        ground.sql(sql).lines().collect::<Vec<_>>(),
        [
            "a|2021-03-04 05:06:07.123457+00",
            "b|0001-01-01 00:00:00+00",
            "c|",
            "d|",
            "e|10000-01-01 00:00:00+00"
        ]
    );
    let long = "x".repeat(2 << 20);
    let to = at(2);
    assert!(
        sink.apply(tenant(), &at(1), &to, &[user("a", &long, 2)])
            .await
            .unwrap()
    );
    assert_eq!(
        ground.sql("SELECT length(display_name) FROM \"user\" WHERE key = 'a'"),
        "2097152"
    );
}
