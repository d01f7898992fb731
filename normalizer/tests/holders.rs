//! Who holds products, and positions by properties of users.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

#[path = "common/mod.rs"]
mod common;

use std::collections::BTreeMap;

use common::*;
use proto::admin::v1::normalizer_admin_client::NormalizerAdminClient;
use proto::admin::v1::{BreakdownRequest, BreakdownRow, HoldersRequest, LicenseHolder};
use runtime::grpc::{Channel, local};
use tonic::{Code, Status};

const E3: &str = "05e9a617-0261-4cee-bb44-138d3ef5d965";

fn admin(w: &World) -> NormalizerAdminClient<Channel> {
    NormalizerAdminClient::new(local(w.normalizer.admin()))
}

/// A user with these ways: product, group or "", state.
fn holder(n: usize, department: &str, ways: &[(&str, &str, &str)]) -> String {
    let states = ways.iter().map(|(sku, group, state)| {
        let by = match *group {
            "" => "null".to_owned(),
            group => format!("{group:?}"),
        };
        let error = if *state == "Error" {
            "CountViolation"
        } else {
            "None"
        };
        format!(r#"{{"skuId":"{sku}","assignedByGroup":{by},"state":"{state}","error":"{error}"}}"#)
    });
    let working = ways.iter().filter(|(_, _, state)| *state == "Active");
    let mut held: Vec<_> = working
        .map(|(sku, ..)| format!(r#"{{"skuId":"{sku}"}}"#))
        .collect();
    held.dedup();
    format!(
        r#"{{"id":"user-{n:05}","displayName":"User {n}","department":{department:?},"accountEnabled":{},
        "assignedLicenses":[{}],"licenseAssignmentStates":[{}]}}"#,
        !n.is_multiple_of(3),
        held.join(","),
        states.collect::<Vec<_>>().join(",")
    )
}

async fn world() -> World {
    let mut w = World::new().await;
    let skus = vec![sku(E5, 10, 4), sku(E3, 10, 2).replace("SPE_E5", "SPE_E3")];
    w.run(Run::full("subscribedSkus", 10, vec![skus])).await;
    let group = r#"{"id":"g1","displayName":"Sales"}"#.to_owned();
    w.run(Run::full("groups", 20, vec![vec![group]])).await;
    let all = vec![
        holder(1, "IT", &[(E5, "", "Active"), (E5, "g1", "Active")]),
        holder(2, "IT", &[(E5, "g1", "Active"), (E3, "", "Active")]),
        holder(3, "", &[(E5, "g2", "Active")]),
        holder(4, "Sales", &[(E5, "g1", "Error"), (E3, "g2", "Active")]),
        holder(5, "Sales", &[(E5, "", "Active"), (E3, "g1", "Active")]),
        holder(6, "Sales", &[]),
    ];
    w.run(Run::full("users", 30, vec![all])).await;
    w
}

async fn holders(w: &World, request: HoldersRequest) -> Vec<LicenseHolder> {
    let request = HoldersRequest {
        tenant_id: TENANT.into(),
        sku_id: E5.into(),
        ..request
    };
    let mut stream = admin(w).holders(request).await.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(batch) = stream.message().await.unwrap() {
        all.extend(batch.holders);
    }
    all
}

/// The number of each user with the way.
fn short(holders: &[LicenseHolder]) -> Vec<String> {
    let short = holders.iter().map(|h| {
        let n = h.user_id.trim_start_matches("user-0000");
        let group = h.group_id.as_deref().unwrap_or_default();
        format!("{n} {} {group}", h.path).trim_end().to_owned()
    });
    short.collect()
}

#[tokio::test]
async fn who_holds_it_by_which_way_and_beside_what() {
    let mut w = world().await;
    let all = holders(&w, HoldersRequest::default()).await;
    assert_eq!(
        short(&all),
        [
            "1 direct",
            "1 group g1",
            "2 group g1",
            "3 group g2",
            "5 direct"
        ]
    );
    assert_eq!(
        (all[1].group_name.as_str(), all[3].group_name.as_str()),
        ("Sales", "")
    );
    assert_eq!(all[3].account_enabled, Some(false));
    for group in ["g1", "sales"] {
        let request = HoldersRequest {
            group: group.into(),
            ..HoldersRequest::default()
        };
        assert_eq!(
            short(&holders(&w, request).await),
            ["1 group g1", "2 group g1"]
        );
    }
    let request = HoldersRequest {
        in_error: true,
        ..HoldersRequest::default()
    };
    let failed = holders(&w, request).await;
    assert_eq!(short(&failed), ["4 group g1"]);
    assert_eq!(failed[0].error.as_deref(), Some("CountViolation"));
    let request = HoldersRequest {
        also_sku_id: E3.into(),
        ..HoldersRequest::default()
    };
    let both = holders(&w, request).await;
    assert_eq!(short(&both), ["2 group g1", "5 direct"]);
    assert_eq!(
        (both[0].also_by.as_slice(), both[1].also_by.as_slice()),
        (&["direct".to_owned()][..], &["Sales".to_owned()][..])
    );
    let elsewhere = HoldersRequest {
        tenant_id: "nobody's".into(),
        sku_id: E5.into(),
        ..HoldersRequest::default()
    };
    let mut none = admin(&w).holders(elsewhere).await.unwrap().into_inner();
    assert!(none.message().await.unwrap().is_none());
    w.stop().await;
}

async fn broken_down(w: &World, property: &str, sku: &str) -> Result<Vec<BreakdownRow>, Status> {
    let request = BreakdownRequest {
        tenant_id: TENANT.into(),
        property: property.into(),
        sku_id: sku.into(),
    };
    Ok(admin(w).breakdown(request).await?.into_inner().rows)
}

#[tokio::test]
async fn the_values_of_each_property_add_up_to_the_position() {
    let mut w = world().await;
    for property in ["department", "displayName", "ACCOUNTENABLED", "country"] {
        let mut sums: BTreeMap<String, [u64; 9]> = BTreeMap::new();
        for r in broken_down(&w, property, "").await.unwrap() {
            let sum = sums.entry(r.sku_id.clone()).or_default();
            let numbers = [
                r.assigned,
                r.direct,
                r.by_group,
                r.both,
                r.unknown,
                r.in_error,
                r.disabled,
                r.assigned_blocked,
                r.assigned_guests,
            ];
            sum.iter_mut().zip(numbers).for_each(|(sum, n)| *sum += n);
        }
        for sku in [E5, E3] {
            let p = w.position(sku).await.unwrap();
            let numbers = [
                p.assigned,
                p.direct,
                p.by_group,
                p.both,
                p.unknown,
                p.in_error,
                p.disabled,
                p.assigned_blocked,
                p.assigned_guests,
            ];
            let expected = numbers.map(|n| u64::try_from(n).unwrap());
            assert_eq!(sums.get(sku), Some(&expected), "{property}");
        }
    }
    let rows = broken_down(&w, "department", E5).await.unwrap();
    let values: Vec<_> = rows
        .iter()
        .map(|r| {
            (
                r.value.as_deref(),
                r.assigned,
                r.in_error,
                r.assigned_blocked,
            )
        })
        .collect();
    assert_eq!(
        values,
        [
            (None, 1, 0, 1),
            (Some("IT"), 2, 0, 0),
            (Some("Sales"), 1, 1, 0)
        ]
    );
    let refused = broken_down(&w, "shoeSize", "").await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().starts_with("LW-5050") && refused.message().contains("usageLocation"),
        "{refused}"
    );
    w.stop().await;
}

#[tokio::test]
async fn a_property_that_everybody_has_for_himself_is_refused() {
    let mut w = World::new().await;
    let page = |p: usize| {
        let users = p * 1_000..(p + 1) * 1_000;
        users
            .map(|n| holder(n, "IT", &[(E5, "", "Active")]))
            .collect()
    };
    w.run(Run::full("users", 10, (0..21).map(page).collect()))
        .await;
    let refused = broken_down(&w, "displayName", "").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().starts_with("LW-5051"), "{refused}");
    let rows = broken_down(&w, "department", "").await.unwrap();
    assert_eq!((rows.len(), rows[0].assigned), (1, 21_000));
    w.stop().await;
}
