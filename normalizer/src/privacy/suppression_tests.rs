use super::*;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn hashes() -> Hashes {
    Hashes {
        key: Arc::new(Keyed::new(&[3; 32])),
        tenant: TENANT.to_owned(),
    }
}

/// Ann was erased.
fn suppressed() -> Suppressed {
    let hashes = hashes();
    let person = hashes.id("a1");
    let known = [
        hashes.id("A1"),
        hashes.name("Ann@contoso.com"),
        hashes.device("e1"),
    ];
    let people = known
        .into_iter()
        .map(|hash| (hash, person.clone()))
        .collect();
    Suppressed { hashes, people }
}

fn sifted(kind: RecordKind, json: &str) -> (Objects, Vec<Learned>) {
    let mut objects = map::page(kind, TENANT, &format!("{{\"value\":[{json}]}}")).unwrap();
    let learned = suppressed().sift(kind, &mut objects).unwrap();
    (objects, learned)
}

#[test]
fn whoever_was_erased_is_left_out_of_every_dataset() {
    let others = r#"{"id":"B2","userPrincipalName":"bob@contoso.com"}"#;
    let users = format!(r#"{{"id":"A1","userPrincipalName":"ann@contoso.com"}},{others}"#);
    for (kind, json) in [
        (RecordKind::User, users.as_str()),
        (RecordKind::DeletedUser, users.as_str()),
        (RecordKind::SignInActivity, r#"{"id":"a1"},{"id":"b2"}"#),
        (
            RecordKind::MailboxPurpose,
            r#"{"userId":"a1","value":"user"},{"userId":"b2","value":"user"}"#,
        ),
        (
            RecordKind::GroupMember,
            r#"{"groupId":"g","value":{"id":"a1"}},{"groupId":"g","value":{"id":"b2"}}"#,
        ),
        (
            RecordKind::TeamsActivity,
            r#"{"User Principal Name":"ANN@contoso.com"},{"User Principal Name":"x@y.z","User Id":"A1"},
            {"User Principal Name":"bob@contoso.com"}"#,
        ),
    ] {
        let (objects, learned) = sifted(kind, json);
        assert_eq!((objects.records.len(), learned.len()), (1, 0), "{kind:?}");
        assert!(!objects.records[0].key.contains("a1"), "{kind:?}");
    }
}

#[test]
fn a_device_stays_without_its_owner() {
    let json = r#"{"id":"d","deviceName":"ANN-PC","userId":"A1"},{"id":"e","deviceName":"BOB-PC","userId":"B2"}"#;
    let (objects, _) = sifted(RecordKind::ManagedDevice, json);
    let names = objects.records.iter().map(|r| {
        let device = proto::inventory::v1::ManagedDevice::decode(&r.body[..]).unwrap();
        assert_eq!(r.hash, map::hash(RecordKind::ManagedDevice, &r.body));
        (device.device_name, device.user_id)
    });
    let (_, learned) = sifted(
        RecordKind::ManagedDevice,
        r#"{"id":"d","azureADDeviceId":"E2","userId":"A1"},{"id":"d","azureADDeviceId":"E3","userId":"B2"}"#,
    );
    assert_eq!(learned, [(hashes().device("e2"), hashes().id("a1"))]);
    let bob = (Some("BOB-PC".to_owned()), Some("b2".to_owned()));
    assert_eq!(names.collect::<Vec<_>>(), [(None, None), bob]);
}

#[test]
fn a_new_name_of_theirs_is_learned_and_a_namesake_is_somebody_else() {
    let (objects, learned) = sifted(
        RecordKind::User,
        r#"{"id":"a1","userPrincipalName":"Ann.B@contoso.com"}"#,
    );
    assert!(objects.records.is_empty());
    assert_eq!(
        learned,
        [(hashes().name("ann.b@contoso.com"), hashes().id("a1"))]
    );
    let (objects, learned) = sifted(
        RecordKind::User,
        r#"{"id":"c3","userPrincipalName":"ann@contoso.com"}"#,
    );
    assert_eq!((objects.records.len(), learned.len()), (1, 0));
}

#[test]
fn of_what_cant_be_read_no_source_is_kept_that_may_be_theirs() {
    let (objects, _) = sifted(
        RecordKind::User,
        r#"{"id":"a1","city":7},{"id":"b2","city":7}"#,
    );
    assert_eq!((objects.set_aside.len(), objects.sources.len()), (1, 1));
    assert!(objects.sources[0].contains("b2"));
    let (objects, _) = sifted(RecordKind::User, r#"{"id":"b2","city":7},{"city":7}"#);
    assert_eq!((objects.set_aside.len(), objects.sources.len()), (2, 0));
    let (objects, _) = sifted(RecordKind::TeamsActivity, r#"{"Send Count":"7"}"#);
    assert_eq!((objects.set_aside.len(), objects.sources.len()), (1, 0));
    let (objects, _) = sifted(RecordKind::SubscribedSku, r#"{"skuId":7}"#);
    assert_eq!((objects.set_aside.len(), objects.sources.len()), (1, 1));
}

#[test]
fn a_stored_page_is_sifted_too() {
    let objects = map::page(
        RecordKind::User,
        TENANT,
        r#"{"value":[{"id":"a1"},{"id":"b2"}]}"#,
    )
    .unwrap();
    let keys = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>();
    let mut page = Content {
        records: objects.records,
        gone: keys(&["a1", "c3"]),
        missing: keys(&["a1"]),
        ..Content::default()
    };
    suppressed()
        .sift_stored(RecordKind::User, &mut page)
        .unwrap();
    assert_eq!(
        (page.records.len(), page.gone, page.missing.len()),
        (1, keys(&["c3"]), 0)
    );
    let damaged = Mapped {
        key: "k".into(),
        body: bytes::Bytes::from_static(b"\xff"),
        ..Mapped::default()
    };
    let mut page = Content {
        records: vec![damaged],
        ..Content::default()
    };
    assert!(
        suppressed()
            .sift_stored(RecordKind::EmailActivity, &mut page)
            .is_err()
    );
}
