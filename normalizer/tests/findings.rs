//! Findings stay what the records beside them make of them, whatever changes in which order.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use common::*;
use normalizer::config::NamesFile;
use prost::Message as _;
use proto::inventory::v1::{Finding, LicensePosition};
use sha2::{Digest as _, Sha256};

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";
const EMS: &str = "efccb6f7-5641-4e0e-bd10-b4976e1bf68e";
const FLOW: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";
const SKUS: [&str; 4] = [E3, E5, EMS, FLOW];
const PLANS: [&str; 3] = [
    "41781fb2-bc02-4b7c-bd55-b576c07bb09d",
    "57ff2da0-773e-42df-b2af-ffb7a2317929",
    "c1ec4a95-1f05-45b3-a911-aa3fa01094f5",
];

/// Draws that are the same in every run of a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A tenant as Graph would show it: objects as JSON by id.
#[derive(Default)]
struct Tenant {
    users: BTreeMap<String, String>,
    skus: BTreeMap<&'static str, String>,
    subscriptions: BTreeMap<&'static str, String>,
}

fn draw_user(id: &str, draw: &mut Draw) -> String {
    let enabled = draw.chance(70);
    let (mut held, mut ways) = (Vec::new(), Vec::new());
    for sku in SKUS {
        let off = match draw.chance(20) {
            true => format!("\"{}\"", PLANS[draw.below(PLANS.len())]),
            false => String::new(),
        };
        let (has, fails) = (draw.chance(50), draw.chance(15));
        if has {
            held.push(format!(r#"{{"skuId":"{sku}","disabledPlans":[{off}]}}"#));
            ways.push(format!(
                r#"{{"skuId":"{sku}","state":"Active","error":"None"}}"#
            ));
        }
        if fails {
            ways.push(format!(
                r#"{{"skuId":"{sku}","assignedByGroup":"g","state":"Error","error":"CountViolation"}}"#
            ));
        }
    }
    let (held, ways) = (held.join(","), ways.join(","));
    format!(
        r#"{{"id":"{id}","accountEnabled":{enabled},"assignedLicenses":[{held}],"licenseAssignmentStates":[{ways}]}}"#
    )
}

fn draw_sku(id: &str, draw: &mut Draw) -> String {
    let plans = PLANS
        .iter()
        .filter(|_| draw.chance(if id == EMS { 50 } else { 85 }))
        .map(|p| format!(r#"{{"servicePlanId":"{p}","servicePlanName":"P","appliesTo":"User"}}"#));
    let plans: Vec<String> = plans.collect();
    let (enabled, consumed) = ([20, 40, 10_000][draw.below(3)], draw.below(30));
    let enabled = if draw.chance(10) { 0 } else { enabled };
    let to = if draw.chance(10) { "Company" } else { "User" };
    format!(
        r#"{{"id":"t_{id}","skuId":"{id}","skuPartNumber":"PART","appliesTo":"{to}","consumedUnits":{consumed},
        "prepaidUnits":{{"enabled":{enabled}}},"servicePlans":[{}]}}"#,
        plans.join(",")
    )
}

fn draw_subscription(id: &str, draw: &mut Draw) -> String {
    let (units, trial) = (draw.below(20), draw.chance(20));
    format!(
        r#"{{"id":"s-{id}","skuId":"{id}","status":"Enabled","totalLicenses":{units},"isTrial":{trial}}}"#
    )
}

/// Everything of a dataset.
fn all(tenant: &Tenant, dataset: &'static str, run: u64) -> Run {
    let objects: Vec<String> = match dataset {
        "users" => tenant.users.values().cloned().collect(),
        "subscribedSkus" => tenant.skus.values().cloned().collect(),
        _ => tenant.subscriptions.values().cloned().collect(),
    };
    Run::full(dataset, run, objects.chunks(7).map(<[_]>::to_vec).collect())
}

/// Derived records: key to content.
async fn derived(w: &World) -> BTreeMap<String, Vec<u8>> {
    let records = w.snapshot(&["finding", "license_position"]).await;
    let records = records.into_iter().flat_map(|b| b.records);
    // What explains a residual follows from what happened, not only from what is.
    let without = |body: Vec<u8>| {
        let position = LicensePosition {
            unexplained: 0,
            reconciled: false,
            ..LicensePosition::decode(&body[..]).unwrap()
        };
        position.encode_to_vec()
    };
    let derived = records.map(|r| {
        let body = match r.kind.as_str() {
            "license_position" => without(r.body),
            _ => r.body,
        };
        (format!("{}/{}", r.kind, r.key), body)
    });
    derived.collect()
}

/// Lets a tenant change for a while, and returns its ledger and what it is in the end.
async fn history(seed: u64) -> (World, Tenant) {
    let (mut w, mut tenant, mut draw) = (World::new().await, Tenant::default(), Draw(seed));
    // Which is known first depends on the history.
    let mut begun = [false; 3];
    let mut whole = 0;
    for run in 1..14_u64 {
        w.minutes(15);
        match draw.below(3) {
            0 if begun[0] && draw.chance(70) => {
                let mut page = Page::default();
                for n in 0..20 {
                    let id = format!("u{n:02}");
                    if draw.chance(20) {
                        tenant.users.insert(id.clone(), draw_user(&id, &mut draw));
                        page.objects.push(tenant.users[&id].clone());
                    } else if draw.chance(5)
                        && tenant.users.len() > 5
                        && tenant.users.remove(&id).is_some()
                    {
                        page.gone.push(id);
                    }
                }
                let v = w.run(Run::some("users", run, whole, page)).await;
                assert!(v.complete, "{v:?}");
            }
            0 => {
                for n in 0..20 {
                    let id = format!("u{n:02}");
                    if begun[0] || draw.chance(80) {
                        let known = tenant.users.contains_key(&id);
                        if !begun[0] || known && draw.chance(30) {
                            tenant.users.insert(id.clone(), draw_user(&id, &mut draw));
                        }
                    }
                }
                assert!(w.run(all(&tenant, "users", run)).await.complete);
                (begun[0], whole) = (true, run);
            }
            1 => {
                for sku in SKUS {
                    if draw.chance(15) && tenant.skus.len() > 2 {
                        tenant.skus.remove(sku);
                    } else if draw.chance(50) || !begun[1] {
                        tenant.skus.insert(sku, draw_sku(sku, &mut draw));
                    }
                }
                assert!(w.run(all(&tenant, "subscribedSkus", run)).await.complete);
                begun[1] = true;
            }
            _ => {
                for sku in SKUS {
                    tenant
                        .subscriptions
                        .insert(sku, draw_subscription(sku, &mut draw));
                }
                assert!(w.run(all(&tenant, "subscriptions", run)).await.complete);
                begun[2] = true;
            }
        }
    }
    (w, tenant)
}

#[tokio::test]
async fn by_and_by_is_what_all_at_once_is() {
    let mut seen = BTreeMap::<String, usize>::new();
    for seed in 1..10 {
        let (mut w, tenant) = history(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed)).await;
        let mut fresh = World::new().await;
        let mut datasets = ["users", "subscribedSkus", "subscriptions"];
        datasets.rotate_left(usize::try_from(seed).unwrap() % 3);
        for (run, dataset) in (1..).zip(datasets) {
            let run = all(&tenant, dataset, run);
            if !run.pages.is_empty() {
                fresh.run(run).await;
            }
        }
        let (grown, made) = (derived(&w).await, derived(&fresh).await);
        assert_eq!(
            grown.keys().collect::<Vec<_>>(),
            made.keys().collect::<Vec<_>>(),
            "seed {seed}"
        );
        assert_eq!(grown, made, "seed {seed}");
        for key in made.keys().filter_map(|k| k.strip_prefix("finding/")) {
            let rule = key.split('!').next().unwrap();
            *seen.entry(rule.to_owned()).or_default() += 1;
        }
        w.stop().await;
        fresh.stop().await;
    }
    assert_eq!(seen.len(), 5, "every rule has found something: {seen:?}");
}

/// One user with E3 and E5, and both products.
async fn pair() -> World {
    let mut w = World::new().await;
    let held = |sku| format!(r#"{{"skuId":"{sku}","disabledPlans":[]}}"#);
    let way = |sku| format!(r#"{{"skuId":"{sku}","state":"Active","error":"None"}}"#);
    let user = format!(
        r#"{{"id":"u","accountEnabled":true,"assignedLicenses":[{},{}],"licenseAssignmentStates":[{},{}]}}"#,
        held(E3),
        held(E5),
        way(E3),
        way(E5)
    );
    w.run(Run::full("users", 1, vec![vec![user]])).await;
    assert!(derived(&w).await.keys().all(|k| !k.starts_with("finding/")));
    w.run(Run::full("subscribedSkus", 1, vec![products()]))
        .await;
    w
}

fn products() -> Vec<String> {
    vec![sku(E3, 1, 1), sku(E5, 1, 1)]
}

async fn finding(w: &World) -> Option<Finding> {
    let key = format!("finding/lower_sku!{E3}!u");
    let body = derived(w).await.remove(&key)?;
    Some(Finding::decode(&body[..]).unwrap())
}

#[tokio::test]
async fn a_new_release_derives_anew_what_an_older_one_left() {
    let mut w = pair().await;
    let before = derived(&w).await;
    assert!(finding(&w).await.is_some());
    w.sql("DELETE FROM record WHERE kind = 26").await;
    w.sql("DELETE FROM finding_basis").await;
    let v = w
        .run(Run::full("subscribedSkus", 2, vec![products()]))
        .await;
    assert_eq!(v.counts.unwrap().changed, 0);
    assert_eq!(derived(&w).await, before);
    let head = w.head().await;
    assert_eq!(head.changed, head.closing, "sinks hear of it");
    w.stop().await;
}

#[tokio::test]
async fn another_table_of_names_renames_positions_and_findings() {
    let mut w = pair().await;
    assert_eq!(finding(&w).await.unwrap().product_name, "Microsoft 365 E3");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("names.csv");
    let header = "Product_Display_Name,String_Id,GUID,Service_Plan_Name,Service_Plan_Id,Service_Plans_Included_Friendly_Names\n";
    let rows = |text: &'static str| text.lines().filter_map(|l| l.split_once('\t'));
    let products_known = rows(include_str!("../src/names/products.tsv"));
    let plans_known = rows(include_str!("../src/names/plans.tsv"));
    let mut text = header.to_owned();
    for ((product, name), (plan, plan_name)) in products_known.cycle().zip(plans_known) {
        let name = if product == E3 { "Suite three" } else { name };
        text += &format!("\"{name}\",X,{product},Y,{plan},\"{plan_name}\"\n");
    }
    std::fs::write(&file, &text).unwrap();
    let hash = Sha256::digest(text.as_bytes());
    let sha256 = hash.iter().map(|b| format!("{b:02x}")).collect();
    w.config.names = Some(NamesFile { file, sha256 });
    w.restart().await;
    let v = w
        .run(Run::full("subscribedSkus", 2, vec![products()]))
        .await;
    assert_eq!(v.counts.unwrap().changed, 0);
    assert_eq!(finding(&w).await.unwrap().product_name, "Suite three");
    assert_eq!(w.position(E3).await.unwrap().product_name, "Suite three");
    assert_eq!(
        w.position(E5).await.unwrap().product_name,
        "Microsoft 365 E5"
    );
    w.stop().await;
}
