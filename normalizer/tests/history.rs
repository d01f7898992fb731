//! What records were before.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{
    ChangesRequest, ChangesResponse, HistoryRequest, RecordHistory, TrendRequest,
};
use proto::feed::v1::Record;
use proto::kind::RecordKind;
use runtime::db::query;
use runtime::grpc::{Channel, local};
use tonic::{Code, Status};

const DAY: u64 = 24 * 60;

fn admin(w: &World) -> NormalizerAdminClient<Channel> {
    NormalizerAdminClient::new(local(w.normalizer.admin()))
}

async fn history(
    w: &World,
    kind: &str,
    key: &str,
    since: u64,
    limit: u32,
) -> Result<RecordHistory, Status> {
    let request = HistoryRequest {
        tenant_id: String::new(),
        kind: kind.to_owned(),
        key: key.to_owned(),
        since,
        limit,
    };
    let records = admin(w).history(request).await?.into_inner().records;
    assert_eq!(records.len(), 1);
    Ok(records[0].clone())
}

async fn changes(w: &World, since: u64, kind: &str, limit: u32) -> ChangesResponse {
    let request = ChangesRequest {
        tenant_id: TENANT.into(),
        since,
        kind: kind.to_owned(),
        limit,
    };
    admin(w).changes(request).await.unwrap().into_inner()
}

async fn rows(w: &World) -> i64 {
    let mut read = w.db.read().await.unwrap();
    let q = query("SELECT count(*) FROM record_history");
    q.fetch_one(&mut read).await.unwrap()
}

fn some(w: &World, base: u64, objects: Vec<String>, gone: Vec<String>) -> Run {
    let page = Page {
        objects,
        gone,
        ..Page::default()
    };
    Run::some("users", w.now(), base, page)
}

/// What a change said, in short.
fn told(history: &RecordHistory) -> Vec<String> {
    let change = |c: &proto::admin::v1::Change| {
        let fields = c.fields.iter().map(|f| {
            let side = |s: &Option<String>| s.clone().unwrap_or_else(|| "-".to_owned());
            format!(" {}:{}>{}", f.field, side(&f.from), side(&f.to))
        });
        format!("{}{}", c.what, fields.collect::<String>())
    };
    history.changes.iter().map(change).collect()
}

#[tokio::test]
async fn a_record_tells_what_changed_when_and_who_said_so() {
    let mut w = World::new().await;
    let mut base = w.run(Run::full("users", w.now(), vec![users(0..12)])).await;
    assert_eq!(rows(&w).await, 0, "the first state replaces none");
    let first = base.run;
    w.minutes(60);
    base = w
        .run(some(&w, base.run, vec![user("u0003", "Ulm")], vec![]))
        .await;
    let moved = base.run;
    w.minutes(60);
    base = w
        .run(some(&w, base.run, vec![], vec!["u0003".into()]))
        .await;
    let removed = base.run;
    w.minutes(60);
    w.run(some(&w, base.run, vec![user("u0003", "Köln")], vec![]))
        .await;

    let all = history(&w, "user", "u0003", 0, 0).await.unwrap();
    assert_eq!(
        told(&all),
        ["added", "removed", "changed city:Bonn>Ulm", "added"]
    );
    let runs: Vec<u64> = all.changes.iter().map(|c| c.run).collect();
    assert_eq!(&runs[1..], [removed, moved, first]);
    let said: Vec<_> = all.changes.iter().map(|c| c.request_id.as_str()).collect();
    // That it is gone the run as a whole says.
    assert_eq!(said, ["request-0", "", "request-0", "request-0"]);
    assert!(all.changes.is_sorted_by(|a, b| a.changed_at > b.changed_at));
    assert!(all.changes.iter().all(|c| c.dataset == "users"));
    assert_eq!((all.known_from, all.more, all.kept), (0, false, true));

    let late = history(&w, "user", "u0003", removed, 0).await.unwrap();
    assert_eq!(told(&late), ["added", "removed"]);
    let few = history(&w, "user", "u0003", 0, 3).await.unwrap();
    assert_eq!((told(&few).len(), few.more), (3, true));
    let position = history(&w, "license_position", E5, 0, 0).await.unwrap();
    let told = told(&position);
    assert!(told[1].contains("assigned:12>11"), "{told:?}");
    assert_eq!(told.len(), 3, "a move changes no position");

    let refused = history(&w, "people", "x", 0, 0).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let refused = history(&w, "user", "nobody", 0, 0).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    w.stop().await;
}

/// Draws that are the same in every run of a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// All records by "kind/key" when a closing was the newest.
type Moment = (u64, BTreeMap<String, Record>);

fn body<'m>(moment: &'m Moment, key: &str) -> Option<&'m [u8]> {
    moment.1.get(key).map(|r| &r.body[..])
}

/// Some users come, change, go and come back; sometimes a page names one twice, and the product changes too.
async fn live(w: &mut World, seed: u64) -> Vec<Moment> {
    let mut draw = Draw(seed);
    let mut moments = vec![(w.now(), BTreeMap::new())];
    w.minutes(1);
    w.run(Run::full(
        "subscribedSkus",
        w.now(),
        vec![vec![sku(E5, 9, 5)]],
    ))
    .await;
    w.minutes(1);
    let mut base = w
        .run(Run::full("users", w.now(), vec![users(0..9)]))
        .await
        .run;
    for _ in 0..14 {
        w.minutes(1);
        moments.push((w.now(), w.records().await));
        if draw.below(5) == 0 {
            let units = u32::try_from(8 + draw.below(3)).unwrap();
            w.run(Run::full(
                "subscribedSkus",
                w.now(),
                vec![vec![sku(E5, units, 5)]],
            ))
            .await;
            continue;
        }
        let (mut first, mut second, mut gone) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for n in 0..9 {
            let id = format!("u{n:04}");
            let city = ["Bonn", "Ulm", "Köln"][draw.below(3) as usize];
            let object = user(&id, city).replace(
                "\"accountEnabled\":true",
                match draw.below(2) {
                    0 => "\"accountEnabled\":true",
                    _ => "\"accountEnabled\":false,\"department\":\"IT\"",
                },
            );
            match draw.below(5) {
                0 => gone.push(id),
                1 => drop(first.insert(id, object)),
                2 => {
                    first.insert(id.clone(), user(&id, "Bonn"));
                    second.insert(id, object);
                }
                _ => {}
            }
        }
        let mut run = some(w, base, first.into_values().collect(), gone);
        run.pages.push(Page {
            objects: second.into_values().collect(),
            ..Page::default()
        });
        base = w.run(run).await.run;
    }
    w.minutes(1);
    moments.push((w.now(), w.records().await));
    moments
}

#[tokio::test]
async fn from_the_present_back_each_former_state_comes_again() {
    for seed in [7, 1_234, 99_991] {
        let mut w = World::new().await;
        let moments = live(&mut w, seed).await;
        let keys: BTreeSet<&String> = moments.iter().flat_map(|m| m.1.keys()).collect();
        assert!(keys.iter().any(|k| k.starts_with("finding/")), "{keys:?}");
        let mut read = w.db.read().await.unwrap();
        for full in &keys {
            let (kind, key) = full.split_once('/').unwrap();
            let number = RecordKind::from_name(kind).unwrap() as i32;
            // Each state with the time in which it was the present one.
            let sql = "SELECT closing, replaced, removed, body FROM record_history WHERE kind = ? AND key = ?
                UNION ALL SELECT closing, 9223372036854775807, removed, body FROM record WHERE kind = ? AND key = ?";
            let q = query(sql).bind(number).bind(key).bind(number).bind(key);
            let states: Vec<(i64, i64, bool, Vec<u8>)> = q.fetch_all(&mut read).await.unwrap();
            for moment in &moments {
                let now = i64::try_from(moment.0).unwrap();
                let mut then = states.iter().filter(|s| s.0 < now && now <= s.1);
                let state = then.next().filter(|s| !s.2).map(|s| &s.3[..]);
                assert_eq!(state, body(moment, full), "seed {seed}: {full} at {now}");
                assert!(then.next().is_none());
            }
        }
        drop(read);

        // The same by what is told: fields are taken back one change after the other.
        for key in keys.iter().filter_map(|k| k.strip_prefix("user/")) {
            let told = history(&w, "user", key, 0, 1_000).await.unwrap();
            let full = format!("user/{key}");
            let field = |moment: &Moment| {
                let user = body(moment, &full)?;
                let user: proto::inventory::v1::User = prost::Message::decode(user).unwrap();
                Some((
                    user.city,
                    user.department,
                    user.account_enabled.map(|b| b.to_string()),
                ))
            };
            let mut state = field(moments.last().unwrap());
            let mut newer = told.changes.iter();
            let mut next = newer.next();
            for moment in moments.iter().rev() {
                while let Some(change) = next.filter(|c| c.closing >= moment.0) {
                    match change.what.as_str() {
                        "added" => state = None,
                        // What was there before tells the moment itself.
                        "removed" => state = field(moment).or(state),
                        _ => {
                            let (city, department, enabled) = state.as_mut().unwrap();
                            for f in &change.fields {
                                match f.field.as_str() {
                                    "city" => *city = f.from.clone(),
                                    "department" => *department = f.from.clone(),
                                    "accountEnabled" => *enabled = f.from.clone(),
                                    other => panic!("{other} did not change"),
                                }
                            }
                        }
                    }
                    next = newer.next();
                }
                assert_eq!(state, field(moment), "seed {seed}: {key} at {}", moment.0);
            }
            assert!(next.is_none(), "it was not there in the beginning");
        }
        w.stop().await;
    }
}

#[tokio::test]
async fn what_changed_since_a_moment_is_the_difference_of_then_and_now() {
    let mut w = World::new().await;
    let moments = live(&mut w, 4_711).await;
    let now = moments.last().unwrap();
    for then in &moments {
        let mut expected: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        let keys: BTreeSet<&String> = then.1.keys().chain(now.1.keys()).collect();
        for key in keys {
            let at = match (body(then, key), body(now, key)) {
                (None, Some(_)) => 0,
                (Some(a), Some(b)) if a != b => 1,
                (Some(_), None) => 2,
                _ => continue,
            };
            let kind = key.split_once('/').unwrap().0;
            expected.entry(kind.to_owned()).or_default()[at] += 1;
        }
        let answer = changes(&w, then.0, "", 10_000).await;
        let counted = answer.kinds.iter().map(|k| {
            assert_eq!(k.written, 0);
            (k.kind.clone(), [k.added, k.changed, k.removed])
        });
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), expected, "{}", then.0);
        let lines: u64 = expected.values().flatten().sum();
        assert_eq!((answer.records.len() as u64, answer.more), (lines, false));
        for record in &answer.records {
            let change = record.change.as_ref().unwrap();
            assert_eq!(change.what == "changed", !change.fields.is_empty());
        }
    }
    let users = changes(&w, moments[1].0, "user", 1).await;
    assert!(users.kinds.iter().all(|k| k.kind == "user"));
    assert_eq!((users.records.len(), users.more), (1, true));
    w.stop().await;
}

fn device(name: &str, sync: &str) -> String {
    format!(r#"{{"id":"d1","deviceName":"{name}","lastSyncDateTime":"2026-11-{sync}T08:00:00Z"}}"#)
}

#[tokio::test]
async fn what_every_reading_changes_has_no_history() {
    let mut w = World::new().await;
    for day in ["20", "21", "22"] {
        let devices = vec![vec![device("laptop", day)]];
        w.run(Run::full("managedDevices", w.now(), devices)).await;
        w.minutes(DAY);
    }
    assert_eq!(rows(&w).await, 0);
    let told = history(&w, "managed_device", "d1", 0, 0).await.unwrap();
    assert_eq!((told.changes.len(), told.kept), (1, false));
    assert!(told.known_from > 0);
    let answer = changes(&w, START, "", 0).await;
    assert_eq!((answer.kinds[0].written, answer.kinds[0].added), (1, 0));
    assert!(answer.records.is_empty());
    w.stop().await;
}

#[tokio::test]
async fn what_an_earlier_release_replaced_is_not_guessed() {
    let mut w = World::new().await;
    let mut base = w
        .run(Run::full("users", w.now(), vec![users(0..12)]))
        .await
        .run;
    w.minutes(1);
    let newest = w
        .run(some(&w, base, vec![user("u0003", "Ulm")], vec![]))
        .await;
    base = newest.run;
    let from = newest.closing + 1;
    // As the migration leaves a ledger.
    w.sql("DELETE FROM record_history").await;
    w.sql("UPDATE tenant SET history_from = closing + 1").await;
    let told = history(&w, "user", "u0003", 0, 0).await.unwrap();
    assert!(told.changes.is_empty());
    assert_eq!(told.known_from, from);
    let answer = changes(&w, START, "", 0).await;
    assert_eq!((answer.since, answer.kinds.len()), (from, 0));
    w.minutes(1);
    w.run(some(&w, base, vec![user("u0003", "Köln")], vec![]))
        .await;
    let told = history(&w, "user", "u0003", 0, 0).await.unwrap();
    assert_eq!((told.changes.len(), told.known_from), (1, from));
    assert_eq!(changes(&w, START, "", 0).await.kinds[0].changed, 1);
    w.stop().await;
}

async fn trend(w: &World, days: u32) -> Vec<(String, i32)> {
    let request = TrendRequest {
        tenant_id: TENANT.into(),
        days,
        sku_id: E5.into(),
    };
    let answer = admin(w).trend(request).await.unwrap().into_inner();
    let points = answer.points.into_iter();
    points
        .map(|p| (p.day, p.position.unwrap().assigned))
        .collect()
}

#[tokio::test]
async fn a_trend_has_the_last_position_of_each_day() {
    let mut w = World::new().await;
    // 2027-01-15 08:00 UTC.
    let mut base = w
        .run(Run::full("users", w.now(), vec![users(0..9)]))
        .await
        .run;
    w.minutes(60);
    base = w.run(some(&w, base, users(9..11), vec![])).await.run;
    w.minutes(2 * DAY);
    base = w
        .run(some(&w, base, vec![], vec!["u0001".into()]))
        .await
        .run;
    w.minutes(60);
    base = w.run(some(&w, base, users(11..12), vec![])).await.run;
    w.minutes(DAY);
    w.run(some(&w, base, vec![], vec!["u0002".into()])).await;
    let expected = [(15, 11), (16, 11), (17, 11), (18, 10)];
    let expected = expected.map(|(day, n)| (format!("2027-01-{day}"), n));
    assert_eq!(trend(&w, 0).await, expected);
    assert_eq!(trend(&w, 2).await, expected[2..]);
    w.minutes(DAY);
    assert_eq!(trend(&w, 1).await, [("2027-01-19".to_owned(), 10)]);
    w.stop().await;
}
