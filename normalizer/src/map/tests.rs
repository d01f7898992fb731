use proto::inventory::v1::{Organization, SubscribedSku, Subscription, User};

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
