//! Fields that rest nowhere, and people who are erased and don't come back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use normalizer::{Deps, Normalizer};
use prost::Message as _;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    EraseRequest, EraseResponse, ErasedPerson, LiftErasureRequest, ListErasedRequest,
};
use proto::inventory::v1::ManagedDevice;
use proto::pages::v1::RunClosed;
use runtime::CancellationToken;
use runtime::db::{AssertSqlSafe, query};
use runtime::grpc::{Channel, local};
use tonic::Status;

/// What belongs to Ann.
const CANARIES: [&str; 4] = [
    "ann.canary",
    "Ann Canary",
    "ANN-CANARY-PC",
    "a0a0a0a0-anns-id",
];

fn ann(name: &str) -> String {
    let licences = user("A0A0A0A0-Anns-Id", "Bonn");
    licences.replacen(
        '{',
        &format!(r#"{{"userPrincipalName":"{name}@contoso.com","displayName":"Ann Canary","#),
        1,
    )
}

fn row(name: &str) -> String {
    format!(r#"{{"Report Refresh Date":"2026-07-26","User Principal Name":"{name}@contoso.com"}}"#)
}

fn device(id: &str, owner: &str, name: &str) -> String {
    format!(
        r#"{{"id":"{id}","deviceName":"{name}","userId":"{owner}","model":"X1","azureADDeviceId":"e{id}"}}"#
    )
}

/// Everything that a tenant has of Ann and of others, as one reading after the other brings it.
async fn read(w: &mut World, name: &str) -> Vec<RunClosed> {
    let ann_id = "A0A0A0A0-Anns-Id";
    let member = |id: &str| format!(r#"{{"groupId":"g","value":{{"id":"{id}"}}}}"#);
    let signed_in = |id: &str| format!(r#"{{"id":"{id}"}}"#);
    let malformed =
        format!(r#"{{"id":"{ann_id}","lastSignInDateTime":7,"signInActivity":"Ann Canary"}}"#);
    let runs = [
        ("subscribedSkus", vec![sku(E5, 50, 31)]),
        (
            "users",
            users(0..30).into_iter().chain([ann(name)]).collect(),
        ),
        ("groupMembers", vec![member(ann_id), member("u0001")]),
        ("teams", vec![row(name), row("u0001")]),
        (
            "activations",
            vec![
                row(name).replace('}', r#","Product Type":"VISIO"}"#),
                row("u0001").replace('}', r#","Product Type":"VISIO"}"#),
            ],
        ),
        (
            "managedDevices",
            vec![
                device("d1", ann_id, "ANN-CANARY-PC"),
                device("d2", "u0001", "PC"),
            ],
        ),
        (
            "devices",
            vec![
                r#"{"id":"o1","deviceId":"ed1","displayName":"ANN-CANARY-PC"}"#.to_owned(),
                r#"{"id":"o2","deviceId":"ed2","displayName":"PC"}"#.to_owned(),
            ],
        ),
        ("signInActivity", vec![malformed, signed_in("u0001")]),
        (
            "deletedUsers",
            vec![r#"{"userPrincipalName":7,"displayName":"Ann Canary"}"#.to_owned()],
        ),
    ];
    let mut verdicts = Vec::new();
    for (dataset, objects) in runs {
        w.minutes(1);
        let run = Run::full(dataset, w.now(), vec![objects]);
        verdicts.push(w.run(run).await);
    }
    verdicts
}

async fn world() -> World {
    let mut w = World::new().await;
    let dir = w.dir.path().to_owned();
    w.config.embed(&dir).unwrap();
    w.restart().await;
    w
}

fn admin(w: &World) -> NormalizerAdminClient<Channel> {
    NormalizerAdminClient::new(local(w.normalizer.admin()))
}

async fn erase(w: &World, users: &[&str]) -> Result<EraseResponse, Status> {
    let request = EraseRequest {
        users: users.iter().map(|u| (*u).to_owned()).collect(),
        ..EraseRequest::default()
    };
    admin(w)
        .erase(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn erased(w: &World) -> Vec<ErasedPerson> {
    let listed = admin(w).list_erased(ListErasedRequest::default()).await;
    listed.unwrap().into_inner().people
}

/// Where something of Ann's is: in a row, packed or not, or in a file.
async fn found(w: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |place: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        let there = CANARIES.iter().filter(|c| text.contains(&c.to_lowercase()));
        found.extend(there.map(|c| format!("{c} in {place}")));
    };
    let mut read = w.db.read().await.unwrap();
    let packed: Vec<Vec<u8>> = query("SELECT content FROM inbox_page WHERE gap IS NULL")
        .fetch_all(&mut read)
        .await
        .unwrap();
    for content in packed {
        look("a waiting page", &zstd::decode_all(&content[..]).unwrap());
    }
    for entry in std::fs::read_dir(w.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        look(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
    if on_postgres() {
        let tables =
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
        let tables: Vec<String> = query(tables).fetch_all(&mut read).await.unwrap();
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let bytes = format!("SELECT convert_to(t::text, 'UTF8') FROM {table} t");
            let rows: Vec<Vec<u8>> = query(AssertSqlSafe(bytes))
                .fetch_all(&mut read)
                .await
                .unwrap();
            for row in rows {
                let text = String::from_utf8(row).unwrap();
                look(&table, text.as_bytes());
                // Bytes are shown in hexadecimal.
                for hex in text.split("\\x").skip(1) {
                    let digits = hex.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap();
                    let bytes = (0..digits.len() / 2)
                        .map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap());
                    look(&table, &bytes.collect::<Vec<u8>>());
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Keys of rows of the report on Teams.
async fn subjects(w: &World) -> Vec<String> {
    let keys = w.records().await.into_keys();
    keys.filter(|k| k.starts_with("teams")).collect()
}

async fn live(w: &World) -> Vec<(String, i64)> {
    let sql = "SELECT dataset, live FROM dataset_state ORDER BY dataset";
    query(sql)
        .fetch_all(&mut w.db.read().await.unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn whoever_is_erased_goes_from_everything_and_does_not_come_back() {
    let mut w = world().await;
    read(&mut w, "ann.canary").await;
    // Former states know her too.
    let device = |id: &str, name: &str| {
        format!(r#"{{"id":"{id}","deviceId":"e{name}","displayName":"{name}"}}"#)
    };
    let moved = ann("ann.canary").replace("Bonn", "Ulm");
    let devices = vec![
        device("o1", "d1").replace(r#""displayName":"d1""#, r#""displayName":"PC 1""#),
        device("o2", "d2"),
    ];
    let people = users(0..30).into_iter().chain([moved]).collect();
    for (dataset, objects) in [("users", people), ("devices", devices)] {
        w.minutes(1);
        w.run(Run::full(dataset, w.now(), vec![objects])).await;
    }
    let sql = "SELECT count(*) FROM record_history";
    let mut ledger = w.db.read().await.unwrap();
    let former: i64 = query(sql).fetch_one(&mut ledger).await.unwrap();
    drop(ledger);
    assert!(former >= 3, "{former}");
    // A page that waits for its seal.
    let (pages, _) =
        Run::full("users", w.now() + 9, vec![vec![ann("ann.canary")]]).messages(w.now());
    w.send(pages[0].clone()).await;
    while w.waiting().await < 1 {
        tokio::task::yield_now().await;
    }
    assert!(found(&w).await.len() >= 4, "{:?}", found(&w).await);
    let before = w.position(E5).await.unwrap();
    assert_eq!((before.assigned, before.residual), (31, 0));
    let (mut sink, head) = (Sink::default(), w.head().await);
    w.follow(&mut sink, 100).await;
    assert!(!w.follow(&mut sink, 100).await);

    let answer = erase(&w, &["Ann.Canary@contoso.com"]).await.unwrap();
    assert_eq!(
        (answer.people.len(), answer.pages, answer.remnants.as_str()),
        (1, 1, "")
    );
    assert_eq!((answer.unnamed, answer.without_id), (0, 0));
    assert_eq!(
        answer.set_aside, 2,
        "her malformed one, and the source of one without id"
    );
    let kinds: Vec<(&str, u64)> = answer
        .records
        .iter()
        .map(|e| (e.kind.as_str(), e.records))
        .collect();
    for kind in [
        "user",
        "group_member",
        "teams_activity",
        "office_activation",
        "managed_device",
        "device",
        "license_position",
    ] {
        assert!(kinds.contains(&(kind, 1)), "{kind}: {kinds:?}");
    }
    assert_eq!(found(&w).await, Vec::<String>::new());

    // Others are as they were, and numbers follow.
    assert_eq!(w.users().await.len(), 30);
    let after = w.position(E5).await.unwrap();
    assert_eq!((after.assigned, after.residual), (30, 1));
    let records = w.records().await;
    assert!(records.contains_key("teams_activity/u0001@contoso.com"));
    let device = |key: &str| ManagedDevice::decode(&records[key].body[..]).unwrap();
    let hers = device("managed_device/d1");
    assert_eq!(
        (hers.user_id, hers.device_name, hers.model.as_deref()),
        (None, None, Some("X1"))
    );
    assert_eq!(
        device("managed_device/d2").device_name.as_deref(),
        Some("PC")
    );
    for (dataset, n) in [
        ("users", 30),
        ("teams", 1),
        ("groupMembers", 1),
        ("managedDevices", 2),
        ("devices", 2),
    ] {
        assert!(
            live(&w).await.contains(&(dataset.to_owned(), n)),
            "{dataset}: {:?}",
            live(&w).await
        );
    }

    // A sink that had everything takes a snapshot, once.
    assert!(w.head().await.changed > head.changed);
    while w.announced().await != answer.closing {}
    assert!(w.follow(&mut sink, 100).await, "a snapshot is needed");
    let as_of = w.snapshot(&[]).await[0].as_of;
    assert_eq!(as_of, answer.closing);
    sink.cursor = proto::feed::v1::Cursor {
        closing: as_of + 1,
        key: String::new(),
        as_of,
        mark: as_of,
    };
    assert!(!w.follow(&mut sink, 100).await);

    // Graph still has her, and names her anew.
    for verdict in read(&mut w, "ann.canary").await {
        let counts = verdict.counts.unwrap();
        assert!(
            verdict.complete && counts.removed == 0 && counts.suspects == 0,
            "{verdict:?}"
        );
        assert_eq!(
            counts.fetched,
            counts.applied + counts.set_aside + counts.discarded,
            "{}",
            verdict.dataset
        );
    }
    assert_eq!(found(&w).await, Vec::<String>::new());
    assert_eq!(w.users().await.len(), 30);
    assert!(!w.follow(&mut sink, 100).await);

    // Under another name she is still herself.
    let known = erased(&w).await[0].known_by;
    read(&mut w, "ann.canary.married").await;
    assert_eq!(erased(&w).await[0].known_by, known + 1);
    read(&mut w, "ann.canary.married").await;
    assert!(
        subjects(&w)
            .await
            .contains(&"teams_activity/u0001@contoso.com".to_owned())
    );
    assert_eq!(w.users().await.len(), 30);
    w.stop().await;
}

#[tokio::test]
async fn somebody_may_come_back_by_name_id_or_hash() {
    let mut w = world().await;
    read(&mut w, "ann.canary").await;
    let answer = erase(&w, &["A0A0A0A0-Anns-Id"]).await.unwrap();
    let listed = erased(&w).await;
    assert_eq!((listed.len(), &listed[0].person), (1, &answer.people[0]));
    assert!(listed[0].tenant_id == TENANT && (START..=w.now()).contains(&listed[0].since));
    let lift = |user: &str| LiftErasureRequest {
        tenant_id: TENANT.to_owned(),
        user: user.to_owned(),
        ..LiftErasureRequest::default()
    };
    let unknown = admin(&w).lift_erasure(lift("u0001")).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    admin(&w)
        .lift_erasure(lift(&answer.people[0]))
        .await
        .unwrap();
    assert!(erased(&w).await.is_empty());
    read(&mut w, "ann.canary").await;
    assert_eq!(w.users().await.len(), 31);
    for user in ["A0A0A0A0-ANNS-ID", "ann.canary@contoso.com"] {
        erase(&w, &["ann.canary@contoso.com"]).await.unwrap();
        admin(&w).lift_erasure(lift(user)).await.unwrap();
        read(&mut w, "ann.canary").await;
        assert_eq!(w.users().await.len(), 31, "{user}");
    }
    w.stop().await;
}

#[tokio::test]
async fn nobody_is_erased_who_is_unknown_or_without_the_key() {
    let mut w = World::new().await;
    w.run(Run::full("users", 20, vec![vec![ann("ann.canary")]]))
        .await;
    let refused = erase(&w, &["ann.canary@contoso.com"]).await.unwrap_err();
    assert!(refused.message().contains("LW-5064"), "{refused}");

    let dir = w.dir.path().to_owned();
    w.config.embed(&dir).unwrap();
    w.restart().await;
    let unknown = erase(&w, &["bob@contoso.com"]).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    assert_eq!(
        erase(&w, &[" "]).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    assert_eq!(w.users().await.len(), 1);
    // By an id it may be somebody who is not read yet.
    let answer = erase(&w, &["b0"]).await.unwrap();
    assert_eq!(
        (answer.closing, answer.unnamed, answer.records.len()),
        (0, 1, 0)
    );
    assert_eq!(erased(&w).await.len(), 1);

    // With another key nobody would be told: nothing is taken, nobody is erased.
    std::fs::remove_file(dir.join("erasure.key")).unwrap();
    w.config.erasure_key_file = None;
    w.config.embed(&dir).unwrap();
    let deps = Deps {
        bus: w.bus.clone(),
        db: w.db.clone(),
        clock: w.clock.clone(),
        at_rest: None,
    };
    let other = Normalizer::new(w.config.clone(), deps).unwrap();
    let stopped = other.run(CancellationToken::new()).await.unwrap_err();
    assert_eq!(stopped.code, "LW-5063");
    let mut admin = NormalizerAdminClient::new(local(other.admin()));
    let request = EraseRequest {
        users: vec!["b0".to_owned()],
        ..EraseRequest::default()
    };
    let refused = admin.erase(request).await.unwrap_err();
    assert!(refused.message().contains("LW-5063"), "{refused}");
    w.stop().await;
}

#[tokio::test]
async fn of_pseudonyms_whoever_is_meant_is_found_by_the_true_name() {
    let mut w = world().await;
    let none = std::collections::HashMap::new();
    let fields =
        "[fields]\nuserPrincipalName = 'pseudonymise'\ndisplayName = 'drop'\ndeviceName = 'drop'";
    w.config.privacy = runtime::config::parse(fields, "test", none).unwrap();
    w.restart().await;
    read(&mut w, "ann.canary").await;
    let there = found(&w).await;
    assert!(
        !there.is_empty() && there.iter().all(|f| f.starts_with(CANARIES[3])),
        "{there:?}"
    );
    assert!(
        subjects(&w)
            .await
            .iter()
            .all(|k| k.starts_with("teams_activity/p-"))
    );
    let answer = erase(&w, &["ann.canary@contoso.com"]).await.unwrap();
    assert_eq!((answer.unnamed, answer.without_id), (0, 0));
    assert_eq!((w.users().await.len(), subjects(&w).await.len()), (30, 1));
    read(&mut w, "ann.canary").await;
    assert_eq!((w.users().await.len(), subjects(&w).await.len()), (30, 1));
    assert_eq!(found(&w).await, Vec::<String>::new());
    w.stop().await;
}

#[tokio::test]
async fn nothing_is_taken_before_the_database_says_who_was_erased() {
    let mut w = world().await;
    w.sql("ALTER TABLE suppression RENAME TO elsewhere").await;
    w.restart().await;
    for _ in 0..20 {
        // It asks meanwhile, and doesn't end.
        assert_eq!(w.waiting().await, 0);
    }
    w.sql("ALTER TABLE elsewhere RENAME TO suppression").await;
    let run = Run::full("users", w.now(), vec![users(0..3)]);
    assert!(w.run(run).await.complete);
    w.stop().await;
}
