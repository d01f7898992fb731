//! Where records come from.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{ExplainRequest, Explained};
use runtime::grpc::local;
use tonic::{Code, Status};

async fn explain(w: &World, kind: &str, key: &str) -> Result<Vec<Explained>, Status> {
    let mut admin = NormalizerAdminClient::new(local(w.normalizer.admin()));
    let request = ExplainRequest {
        tenant_id: String::new(),
        kind: kind.to_owned(),
        key: key.to_owned(),
        most_objects: 0,
    };
    Ok(admin.explain(request).await?.into_inner().records)
}

/// A user with a product, by these groups; directly where one is empty.
fn holder(n: usize, sku: &str, groups: &[&str]) -> String {
    let states = groups.iter().map(|group| {
        let by = match *group {
            "" => "null".to_owned(),
            group => format!("{group:?}"),
        };
        format!(r#"{{"skuId":"{sku}","assignedByGroup":{by},"state":"Active"}}"#)
    });
    let states: Vec<String> = states.collect();
    format!(
        r#"{{"id":"user-{n}","displayName":"User {n}","assignedLicenses":[{{"skuId":"{sku}"}}],"licenseAssignmentStates":[{}]}}"#,
        states.join(",")
    )
}

const SKU: &str = "11111111-1111-1111-1111-111111111111";

#[tokio::test]
async fn a_record_names_the_answer_that_last_changed_it() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..2), users(2..4)]))
        .await;
    let key = w.users().await.pop().unwrap();
    let one = explain(&w, "user", &key).await.unwrap();
    let first = one[0].record.clone().unwrap();
    assert_eq!(
        (first.run, first.mode.as_str(), first.dataset.as_str()),
        (10, "full", "users")
    );
    assert!(first.changed_at >= START && !first.removed);
    let page = first.page.unwrap();
    assert_eq!((page.attempt, page.sequence, page.sha256.len()), (1, 1, 64));
    // What is read once more and is the same has changed nothing.
    w.run(Run::full("users", 20, vec![users(0..2), users(2..4)]))
        .await;
    let same = explain(&w, "user", &key).await.unwrap();
    assert_eq!(same[0].record.clone().unwrap().run, 10);
    w.stop().await;
}

#[tokio::test]
async fn a_position_follows_from_its_product_and_the_ways_of_its_users() {
    let mut w = World::new().await;
    w.run(Run::full("subscribedSkus", 10, vec![vec![sku(SKU, 10, 4)]]))
        .await;
    let all = vec![
        holder(1, SKU, &["", "g"]),
        holder(2, SKU, &["g"]),
        holder(3, SKU, &[""]),
        holder(4, SKU, &[]),
    ];
    w.run(Run::full("users", 20, vec![all])).await;
    let explained = explain(&w, "license_position", SKU)
        .await
        .unwrap()
        .remove(0);
    let record = explained.record.unwrap();
    assert_eq!(
        (record.run, record.page),
        (20, None),
        "derived when users were applied"
    );
    let basis = &explained.follows_from[0];
    assert_eq!(
        (basis.kind.as_str(), basis.key.as_str(), basis.run),
        ("subscribed_sku", SKU, 10)
    );
    assert!(basis.page.is_some());
    let mut ways: Vec<_> = explained
        .ways
        .iter()
        .map(|w| (w.path.as_str(), w.group_id.as_deref(), w.users))
        .collect();
    ways.sort_unstable();
    assert_eq!(
        ways,
        [
            ("direct", None, 2),
            ("group", Some("g"), 2),
            ("unknown", None, 1)
        ]
    );
    w.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let mut w = World::new().await;
    w.run(Run::full("users", 10, vec![users(0..2)])).await;
    let refused = explain(&w, "people", "x").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("subscribed_sku"), "{refused}");
    let refused = explain(&w, "user", "nobody").await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    w.stop().await;
}
