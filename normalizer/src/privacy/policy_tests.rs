use catalog::personal::PERSONAL;

use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-2222-3333-4444-555555555555";

fn keys() -> Keys {
    Keys {
        pseudonyms: Some(Arc::new(Keyed::new(&[7; 32]))),
        erased: None,
    }
}

fn policy(fields: &str, kind: RecordKind) -> Policy {
    let none = std::collections::HashMap::new();
    let privacy = runtime::config::parse(&format!("[fields]\n{fields}"), "test", none).unwrap();
    Policy::new(&privacy, TENANT.parse().unwrap(), kind, &keys())
}

fn mapped(kind: RecordKind, json: &str) -> Objects {
    map::page(kind, TENANT, &format!("{{\"value\":[{json}]}}")).unwrap()
}

const ANN: &str = r#"{"id":"A1","userPrincipalName":"Ann@contoso.com","displayName":"Ann A","mail":"ann@contoso.com",
    "city":"Bonn","accountEnabled":true}"#;

fn ann(fields: &str) -> User {
    let mut objects = mapped(RecordKind::User, ANN);
    policy(fields, RecordKind::User)
        .apply(RecordKind::User, &mut objects)
        .unwrap();
    let record = &objects.records[0];
    assert_eq!(record.key, "a1");
    assert_eq!(record.hash, map::hash(RecordKind::User, &record.body));
    User::decode(&record.body[..]).unwrap()
}

#[test]
fn what_is_dropped_is_gone_and_what_is_replaced_is_the_same_every_time() {
    let fields = "displayName = 'drop'\nmail = 'pseudonymise'\nuserPrincipalName = 'pseudonymise'";
    let user = ann(fields);
    assert_eq!(
        (user.display_name.as_deref(), user.city.as_deref()),
        (None, Some("Bonn"))
    );
    let (mail, name) = (
        user.mail.clone().unwrap(),
        user.user_principal_name.clone().unwrap(),
    );
    assert!(mail.starts_with("p-") && mail.len() == 34, "{mail}");
    // The same text in another field, or in another tenant, is another pseudonym.
    assert_ne!(mail, name);
    assert_eq!(ann(fields), user);
    let of = |tenant: &str| {
        Pseudonyms::new(&keys(), tenant)
            .unwrap()
            .of("mail", "ann@contoso.com")
    };
    assert_eq!(of(TENANT), mail);
    assert_ne!(of(OTHER), mail);
}

#[test]
fn a_row_of_a_report_still_finds_its_user_and_tells_no_name() {
    let (fields, kind) = (
        "userPrincipalName = 'pseudonymise'",
        RecordKind::OnedriveUsage,
    );
    let row = r#"{"Report Refresh Date":"2026-07-26","Owner Principal Name":"ANN@contoso.com","File Count":"3",
        "Site URL":"https://contoso-my.sharepoint.com/personal/ann_contoso_com"}"#;
    let mut objects = mapped(kind, row);
    policy(fields, kind).apply(kind, &mut objects).unwrap();
    let usage = Usage::decode(&objects.records[0].body[..]).unwrap();
    assert_eq!(
        Some(&usage.subject),
        ann(fields).user_principal_name.as_ref()
    );
    assert_eq!(objects.records[0].key, usage.subject);
    let names: Vec<&str> = usage.values.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["File Count"]);
    // A code stays what it is.
    let code = "0123456789ABCDEF0123456789ABCDEF";
    let row = format!(r#"{{"Report Refresh Date":"2026-07-26","Owner Principal Name":"{code}"}}"#);
    let mut objects = mapped(kind, &row);
    policy("userPrincipalName = 'drop'", kind)
        .apply(kind, &mut objects)
        .unwrap();
    assert_eq!(objects.records[0].key, code.to_lowercase());
}

#[test]
fn sources_are_not_kept_where_a_field_is_treated() {
    let mut objects = mapped(
        RecordKind::User,
        r#"{"id":"a","displayName":7,"mail":"x@y.z"}"#,
    );
    assert_eq!((objects.set_aside.len(), objects.sources.len()), (1, 1));
    policy("city = 'drop'", RecordKind::User)
        .apply(RecordKind::User, &mut objects)
        .unwrap();
    assert_eq!((objects.set_aside.len(), objects.sources.len()), (1, 0));
}

#[test]
fn every_place_of_every_field_can_be_treated() {
    for place in PERSONAL
        .iter()
        .flat_map(|f| f.places)
        .filter(|p| !p.record.is_empty())
    {
        for kind in place.kinds {
            let known = match kind {
                RecordKind::User => User::default().text(place.record).is_some(),
                RecordKind::DeletedUser => DeletedUser::default().text(place.record).is_some(),
                RecordKind::Device => Device::default().text(place.record).is_some(),
                RecordKind::ManagedDevice => ManagedDevice::default().text(place.record).is_some(),
                kind => tie(*kind) == Tie::Row && (place.key || place.record == "values"),
            };
            assert!(known, "{} of {}", place.record, kind.name());
        }
    }
}
