use proptest::prelude::*;
use proto::inventory::v1::{Organization, SubscribedSku, Subscription, Usage, User};

use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn one<M: Message + Default>(kind: RecordKind, object: &str) -> (String, M) {
    let out = page(kind, TENANT, &format!("{{\"value\":[{object}]}}")).unwrap();
    assert_eq!(out.set_aside, [], "{object}");
    let record = &out.records[0];
    (record.key.clone(), M::decode(record.body.clone()).unwrap())
}

#[test]
fn null_empty_and_absent_are_one() {
    let bodies = [
        "{\"id\":\"A\"}",
        "{\"id\":\"a\",\"city\":null,\"assignedLicenses\":null}",
        "{\"id\":\"a\",\"city\":\"\"}",
    ];
    let hashes: Vec<_> = bodies
        .map(|b| {
            page(RecordKind::User, TENANT, &format!("{{\"value\":[{b}]}}"))
                .unwrap()
                .records[0]
                .hash
                .clone()
        })
        .into();
    assert!(hashes.iter().all(|h| *h == hashes[0]));
}

#[test]
fn a_users_lists_are_sorted_and_errors_named_none_are_none() {
    let (key, user) = one::<User>(
        RecordKind::User,
        r#"{"id":"U1","displayName":"J\u00f6rg \"J\"","accountEnabled":false,
            "assignedLicenses":[{"skuId":"BB","disabledPlans":["Z","y"]},{"skuId":"aa"},{"skuId":"bb","disabledPlans":["z"]}],
            "licenseAssignmentStates":[
              {"skuId":"bb","assignedByGroup":"G","state":"Active","error":"None"},
              {"skuId":"bb","assignedByGroup":null,"state":"Error","error":"CountViolation"}]}"#,
    );
    assert_eq!(
        (key.as_str(), user.display_name.as_deref()),
        ("u1", Some("Jörg \"J\""))
    );
    let skus: Vec<_> = user
        .assigned_licenses
        .iter()
        .map(|l| (l.sku_id.as_str(), l.disabled_plans.len()))
        .collect();
    assert_eq!(skus, [("aa", 0), ("bb", 1)]);
    let states: Vec<_> = user
        .license_assignment_states
        .iter()
        .map(|s| (s.assigned_by_group.as_deref(), s.error.as_deref()))
        .collect();
    assert_eq!(states, [(None, Some("CountViolation")), (Some("g"), None)]);
}

#[test]
fn a_malformed_object_is_set_aside_alone() {
    let json = r#"{"value":[{"id":"a","accountEnabled":"yes"},{"id":"b"},{"city":"x"},7,{"id":"c/d"},{"x":{"id":"no"},"id":"E","city":1}]}"#;
    let out = page(RecordKind::User, TENANT, json).unwrap();
    assert_eq!(out.records.len(), 1);
    let keys: Vec<_> = out.set_aside.iter().map(|s| s.key.as_deref()).collect();
    assert_eq!(keys, [Some("a"), None, None, None, Some("e")]);
    assert!(
        out.set_aside.iter().all(|s| !s.reason.contains("yes")),
        "{out:?}"
    );
    assert_eq!(out.sources.len(), 5);
    assert_eq!(out.sources[2], "7");
    // One whose JSON is as documented, and whose id is none.
    let out = page(
        RecordKind::User,
        TENANT,
        r#"{"value":[{"id":"b"},{"id":"c/d"}]}"#,
    )
    .unwrap();
    assert_eq!((out.records.len(), out.set_aside.len()), (1, 1));
    assert_eq!(out.sources, [r#"{"id":"c/d"}"#]);
}

#[test]
fn units_may_be_absent() {
    let (key, sku) = one::<SubscribedSku>(
        RecordKind::SubscribedSku,
        r#"{"id":"t_S","skuId":"S","prepaidUnits":{"enabled":3,"lockedOut":null}}"#,
    );
    assert_eq!(
        (
            key.as_str(),
            sku.enabled,
            sku.locked_out,
            sku.consumed_units
        ),
        ("s", 3, 0, 0)
    );
    let (_, s) = one::<Subscription>(
        RecordKind::Subscription,
        r#"{"id":"S1","skuId":"X","totalLicenses":4}"#,
    );
    assert_eq!((s.id.as_str(), s.total_licenses), ("s1", 4));
    let (_, o) = one::<Organization>(
        RecordKind::Organization,
        r#"{"id":"T","verifiedDomains":[{"name":"b"},{"name":"A"}]}"#,
    );
    assert_eq!(o.verified_domains, ["a", "b"]);
}

/// Which objects were set aside, by key and reason.
fn aside(kind: RecordKind, objects: &str) -> Vec<(Option<String>, String)> {
    let out = page(kind, TENANT, &format!("{{\"value\":[{objects}]}}")).unwrap();
    let each = out.set_aside.into_iter();
    each.map(|s| (s.key, s.reason)).collect()
}

fn unfamiliar(kind: RecordKind, objects: &str) -> Vec<(String, String, u64)> {
    let out = page(kind, TENANT, &format!("{{\"value\":[{objects}]}}")).unwrap();
    assert_eq!(out.set_aside, [], "{objects}");
    let each = out.unfamiliar.into_iter();
    each.map(|u| (u.what, u.name, u.count)).collect()
}

#[test]
fn numbers_are_numbers_and_none_is_negative() {
    let sku = |units: &str| format!(r#"{{"skuId":"S","consumedUnits":1,"prepaidUnits":{units}}}"#);
    for wrong in [
        r#"{"enabled":"3"}"#,
        r#"{"enabled":-1}"#,
        r#"{"enabled":3000000000}"#,
        r#"{"enabled":1.5}"#,
        "3",
    ] {
        let found = aside(RecordKind::SubscribedSku, &sku(wrong));
        assert_eq!(
            found[0].0.as_deref(),
            Some("s"),
            "{wrong}: the key is known"
        );
    }
    let huge = sku(r#"{"enabled":2147483647}"#);
    let (_, huge) = one::<SubscribedSku>(RecordKind::SubscribedSku, &huge);
    assert_eq!(huge.enabled, i32::MAX);
}

#[test]
fn dates_are_dates() {
    let sign_in = r#"{"id":"A","signInActivity":{"lastSignInDateTime":"2021-06-17T16:41:33Z",
        "lastNonInteractiveSignInDateTime":"0001-01-01T00:00:00Z","lastNonInteractiveSignInRequestId":""}}"#;
    let (_, read) =
        one::<proto::inventory::v1::SignInActivity>(RecordKind::SignInActivity, sign_in);
    assert_eq!(read.last_non_interactive_sign_in_date_time, None);
    assert_eq!(unfamiliar(RecordKind::SignInActivity, sign_in), []);
    let found = aside(
        RecordKind::User,
        r#"{"id":"A","createdDateTime":"yesterday"},{"id":"b"}"#,
    );
    assert_eq!(
        found,
        [(Some("a".to_owned()), "a date that is none".to_owned())]
    );
}

#[test]
fn what_is_named_as_removed_or_is_an_array_is_no_object() {
    let found = aside(
        RecordKind::User,
        r#"{"id":"A","@removed":{"reason":"changed"}},{"id":"b"},["c"],null"#,
    );
    let keys: Vec<_> = found.iter().map(|(key, _)| key.as_deref()).collect();
    assert_eq!(keys, [Some("a"), None, None]);
    assert!(page(RecordKind::User, TENANT, r#"[[{"id":"a"}]]"#).is_err());
}

#[test]
fn a_megabyte_of_name_is_a_name() {
    let long = "\u{e4}".repeat(1 << 19);
    let object = format!(r#"{{"id":"A","displayName":"{long}"}}"#);
    let (_, user) = one::<User>(RecordKind::User, &object);
    assert_eq!(user.display_name, Some(long));
}

#[test]
fn unknown_properties_and_values_pass_and_are_counted() {
    let found = unfamiliar(
        RecordKind::User,
        r#"{"id":"A","@odata.type":"x","userType":"Alien","newProperty":{"a":1},"licenseAssignmentStates":[
            {"skuId":"s","state":"Pending","error":"None","since":1}]},
           {"id":"B","userType":"Guest","newProperty":null,"assignedLicenses":[{"skuId":"s","tier":2}]}"#,
    );
    let found: Vec<_> = found
        .iter()
        .map(|(w, n, c)| (w.as_str(), n.as_str(), *c))
        .collect();
    assert_eq!(
        found,
        [
            ("property", "assignedLicenses.tier", 1),
            ("property", "licenseAssignmentStates.since", 1),
            ("property", "newProperty", 2),
            ("value", "licenseAssignmentStates.state=Pending", 1),
            ("value", "userType=Alien", 1),
        ]
    );
    let sku = r#"{"id":"t_S","accountId":"a","accountName":"b","skuId":"S"}"#;
    assert_eq!(unfamiliar(RecordKind::SubscribedSku, sku), []);
}

#[test]
fn a_report_is_read_as_it_is_written() {
    let row = |cells: &str| {
        format!(r#"{{"Report Refresh Date":"2026-07-26","Report Period":"180",{cells}}}"#)
    };
    let read = |cells: &str| one::<Usage>(RecordKind::TeamsActivity, &row(cells)).1;
    let named =
        read(r#""User Principal Name":"Ada@contoso.com","User Id":"AA","Is Deleted":"False""#);
    let told = (
        named.subject.as_str(),
        named.concealed,
        named.user_id.as_deref(),
    );
    assert_eq!(told, ("ada@contoso.com", false, Some("aa")));
    // Blank is not never.
    assert_eq!(
        (named.last_activity_date, named.report_period),
        (None, Some(180))
    );
    for hidden in [
        r#""User Principal Name":"E58EEF6A6BBD3D0293CB306D24A42057","User Id":"AA""#,
        r#""User Principal Name":"a new kind of code","User Id":"AA""#,
        r#""User Principal Name":"ada@contoso.com","User Id":"00000000-0000-0000-0000-000000000000""#,
        r#""User Principal Name":"ada@contoso.com","Site Id":"00000000-0000-0000-0000-000000000000""#,
    ] {
        let hidden = read(hidden);
        assert_eq!((hidden.concealed, hidden.user_id), (true, None));
        assert_eq!(hidden.values, []);
    }
    for wrong in [
        r#""User Principal Name":"a@b","Is Deleted":"vielleicht""#,
        r#""User Principal Name":"a@b","Last Activity Date":"26.07.2026""#,
        r#""Display Name":"nobody""#,
    ] {
        assert_eq!(
            aside(RecordKind::TeamsActivity, &row(wrong)).len(),
            1,
            "{wrong}"
        );
    }
    let columns = columns(
        RecordKind::CopilotUsage,
        &["Report Refresh Date".to_owned()],
    );
    assert!(columns.iter().all(|u| u.what == "missing"), "{columns:?}");
    assert_eq!(super::columns(RecordKind::User, &["x".to_owned()]), []);
}

/// Any JSON, with documented names among the others.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let name = prop_oneof![
        Just("id".to_owned()),
        Just("skuId".to_owned()),
        Just("value".to_owned()),
        Just("assignedLicenses".to_owned()),
        Just("licenseAssignmentStates".to_owned()),
        Just("prepaidUnits".to_owned()),
        Just("enabled".to_owned()),
        Just("createdDateTime".to_owned()),
        Just("User Principal Name".to_owned()),
        Just("@removed".to_owned()),
        "\\PC{0,8}",
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,40}".prop_map(Into::into),
        Just("0001-01-01T00:00:00Z".into()),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|each| serde_json::Value::Object(each.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_becomes_a_record_or_is_set_aside(objects in proptest::collection::vec(json(), 0..4)) {
        let text = serde_json::json!({ "value": objects }).to_string();
        for kind in RecordKind::ALL {
            let Ok(out) = page(kind, TENANT, &text) else {
                prop_assert!(matches!(kind, RecordKind::LicensePosition | RecordKind::Finding));
                continue;
            };
            prop_assert_eq!(out.records.len() + out.set_aside.len(), objects.len());
            for record in &out.records {
                prop_assert!(is_key(&record.key));
                prop_assert_eq!(&record.hash, &hash(kind, &record.body));
            }
            prop_assert_eq!(&out, &page(kind, TENANT, &text).unwrap());
        }
    }
}

#[test]
fn documented_answers_map() {
    let cases = [
        (
            RecordKind::User,
            include_str!("../../tests/data/users.json"),
        ),
        (
            RecordKind::User,
            include_str!("../../tests/data/users-licences.json"),
        ),
        (
            RecordKind::SubscribedSku,
            include_str!("../../tests/data/subscribed-skus.json"),
        ),
        (
            RecordKind::Subscription,
            include_str!("../../tests/data/subscriptions.json"),
        ),
        (
            RecordKind::Organization,
            include_str!("../../tests/data/organization.json"),
        ),
    ];
    for (kind, json) in cases {
        let out = page(kind, TENANT, json).unwrap();
        assert_eq!(out.set_aside, [], "{kind:?}");
        assert!(!out.records.is_empty(), "{kind:?}");
        assert_eq!(out, page(kind, TENANT, json).unwrap());
    }
}
